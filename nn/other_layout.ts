/**
 * Files of another program that has other names for the parameters of a model, and keeps some of them in
 * parts or in several copies: read as the model's, and made of them.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { concatenateBytes } from "../base/bytes.ts";
import { InputError } from "../base/errors.ts";
import {
  StoredTensors,
  type TensorInfo,
  type TensorReader,
} from "../formats/tensors/tensor_reader.ts";
import { elementSizes } from "../formats/tensors/codec.ts";
import { elementCount } from "../kernels/shape.ts";
import type { ParameterSpecification } from "./parameters.ts";

/** A parameter that the file does not have, because its values are always the same. */
interface FixedTensor {
  readonly info: TensorInfo;
  values(): Float32Array;
}

/** The tensors of another program's file put together to a model's parameters. */
class AssembledTensors extends StoredTensors {
  readonly path: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, TensorInfo>;

  readonly #file: TensorReader;
  /** What makes each tensor: names of the file, or its fixed values. */
  readonly #sources: ReadonlyMap<string, readonly string[] | FixedTensor>;
  /** The tensor read last, because most are read in several pieces. */
  #whole: { readonly name: string; readonly bytes: Uint8Array } | undefined;

  constructor(
    file: TensorReader,
    infos: readonly TensorInfo[],
    sources: ReadonlyMap<string, readonly string[] | FixedTensor>,
  ) {
    super();
    this.#file = file;
    this.#sources = sources;
    this.path = file.path;
    this.metadata = file.metadata;
    this.tensors = new Map(infos.map((info) => [info.name, info]));
  }

  protected override readPart({ name }: TensorInfo, start: number, out: Uint8Array): void {
    if (this.#whole?.name !== name) this.#whole = { name, bytes: this.#assemble(name) };
    out.set(this.#whole.bytes.subarray(start, start + out.length));
  }

  #assemble(name: string): Uint8Array {
    const source = this.#sources.get(name)!;
    if ("info" in source) return new Uint8Array(source.values().buffer);
    return concatenateBytes(source.map((part) => this.#file.readBytes(part)));
  }

  override checkContents(): void {
    this.#file.checkContents();
  }

  override close(): void {
    this.#file.close();
  }
}

/**
 * The tensors of a file under the model's names, where the file is of the other program.
 *
 * Parameters that are not trained and that the file lacks get their initial values. What belongs to no
 * parameter keeps its name.
 *
 * @returns undefined where the file has the model's own names, or others yet
 * @throws InputError when copies of a parameter differ
 */
export function fromOtherLayout(
  file: TensorReader,
  specifications: readonly ParameterSpecification[],
): TensorReader | undefined {
  const { tensors } = file;
  const placed = specifications.filter(({ elsewhere }) => elsewhere !== undefined);
  const isOther = placed.length > 0 && !specifications.some(({ name }) => tensors.has(name)) &&
    placed.some(({ elsewhere }) => tensors.has(elsewhere!.parts[0]));
  if (!isOther) return undefined;
  const rest = new Set(tensors.keys());
  const infos: TensorInfo[] = [];
  const sources = new Map<string, readonly string[] | FixedTensor>();
  for (const { name, shape, initial, trainable, elsewhere } of specifications) {
    const { parts, copies = [] } = elsewhere ?? { parts: [name] };
    if (parts.every((part) => tensors.has(part))) {
      requireEqualCopies(file, parts, copies.filter((copy) => tensors.has(copy)));
      infos.push(joined(name, parts.map((part) => file.info(part))));
      sources.set(name, parts);
    } else if (!trainable && initial.kind === "values") {
      const info = fixedInfo(name, shape);
      infos.push(info);
      sources.set(name, { info, values: initial.values });
    }
    for (const taken of [...parts, ...copies]) rest.delete(taken);
  }
  for (const name of rest) {
    infos.push(file.info(name));
    sources.set(name, [name]);
  }
  return new AssembledTensors(file, infos, sources);
}

/** What tensors are together, one behind the other along the first axis. */
function joined(name: string, parts: readonly TensorInfo[]): TensorInfo {
  const [{ type, shape: [, ...rest], offset }] = parts;
  const isAlike = parts.every((part) =>
    part.type === type && part.shape.slice(1).join() === rest.join()
  );
  // Parts that do not belong together have a shape that no parameter has.
  const rows = isAlike ? parts.reduce((sum, { shape }) => sum + (shape[0] ?? 1), 0) : 0;
  const shape = parts.length === 1 ? parts[0].shape : [rows, ...rest];
  const count = elementCount(shape);
  return { name, type, shape, offset, elementCount: count, byteLength: count * elementSizes[type] };
}

function fixedInfo(name: string, shape: readonly number[]): TensorInfo {
  const count = elementCount(shape);
  return { name, type: "F32", shape, elementCount: count, byteLength: 4 * count, offset: 0 };
}

function requireEqualCopies(
  file: TensorReader,
  [original]: readonly string[],
  copies: readonly string[],
): void {
  const expected = copies.length > 0 ? file.readBytes(original) : new Uint8Array();
  for (const copy of copies) {
    if (Buffer.compare(file.readBytes(copy), expected) === 0) continue;
    throw new InputError(
      `${file.path}: ${copy} and ${original} differ: the network was trained with one for each ` +
        "block, this model has one for all",
    );
  }
}

/** A model's parameters as another program has them: in parts, in copies, under its names. */
class DispersedTensors extends StoredTensors {
  readonly path: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, TensorInfo>;

  readonly #file: TensorReader;
  /** Of which parameter each tensor is, and where in it. */
  readonly #sources: ReadonlyMap<string, { readonly name: string; readonly start: number }>;
  /** The parameter read last, because parts and copies of one come behind each other. */
  #whole: { readonly name: string; readonly bytes: Uint8Array } | undefined;

  constructor(
    file: TensorReader,
    tensors: ReadonlyMap<string, TensorInfo>,
    sources: ReadonlyMap<string, { readonly name: string; readonly start: number }>,
  ) {
    super();
    this.path = file.path;
    this.metadata = file.metadata;
    this.tensors = tensors;
    this.#file = file;
    this.#sources = sources;
  }

  protected override readPart(info: TensorInfo, start: number, out: Uint8Array): void {
    const source = this.#sources.get(info.name)!;
    if (this.#whole?.name !== source.name) {
      this.#whole = { name: source.name, bytes: this.#file.readBytes(source.name) };
    }
    const first = source.start + start;
    out.set(this.#whole.bytes.subarray(first, first + out.length));
  }

  override checkContents(): void {
    this.#file.checkContents();
  }

  override close(): void {
    this.#file.close();
  }
}

/**
 * A model's parameters under the names of the other program, the counterpart of {@link fromOtherLayout}.
 * Parameters that are not trained, whose values the other program computes itself, are left out.
 *
 * @param file has the model's parameters under its own names
 * @throws RangeError when the model has no other layout
 */
export function toOtherLayout(
  file: TensorReader,
  specifications: readonly ParameterSpecification[],
): TensorReader {
  const tensors = new Map<string, TensorInfo>();
  const sources = new Map<string, { readonly name: string; readonly start: number }>();
  for (const { name, trainable, elsewhere } of specifications) {
    if (!elsewhere) throw new RangeError(`${file.path}: ${name} has no place in another layout`);
    if (!trainable) continue;
    const { parts, copies = [] } = elsewhere;
    const whole = file.info(name);
    const [rows, ...rest] = whole.shape;
    const shape = [rows / parts.length, ...rest];
    const [count, bytes] = [whole.elementCount, whole.byteLength].map((n) => n / parts.length);
    [...parts, ...copies].forEach((part, place) => {
      const start = place < parts.length ? place * bytes : 0;
      const { type, offset } = whole;
      tensors.set(part, {
        ...{ name: part, type, shape, elementCount: count, byteLength: bytes },
        offset: offset + start,
      });
      sources.set(part, { name, start });
    });
  }
  return new DispersedTensors(file, tensors, sources);
}
