/**
 * Writing tensors as PyTorch does since version 1.6: `torch.load(path, weights_only=True)` gives a
 * dict of tensors by name.
 *
 * @module
 */
import type { StoredType } from "../tensors/codec.ts";
import type { TensorLayout } from "../tensors/safetensors_writer.ts";
import { writeZip, type ZipContents } from "../tensors/zip_writer.ts";
import { storageTypes } from "./objects.ts";

/** One tensor of a file to write. */
export interface TorchTensor extends TensorLayout {
  /** Its elements as they are stored, row-major; called when it is their turn to be written. */
  bytes(): Uint8Array;
}

/** The folder inside of the archive; PyTorch takes any. */
const root = "archive";

/** Storages by the types of their elements. */
const storageNames = new Map([...storageTypes].map(([name, type]) => [type, name]));

/** Whether PyTorch has tensors of a type. */
export const isTorchType = (type: StoredType): boolean => storageNames.has(type);

/** Puts a pickle of protocol 2 together. */
class PickleWriter {
  readonly #bytes: number[] = [0x80, 2];

  /** Operations by their codes, which are characters or bytes. */
  operations(...codes: readonly (string | number)[]): this {
    this.#bytes.push(
      ...codes.map((code) => typeof code === "string" ? code.charCodeAt(0) : code),
    );
    return this;
  }

  text(value: string): this {
    const bytes = new TextEncoder().encode(value);
    this.operations("X").#number(bytes.length, 4);
    for (const byte of bytes) this.#bytes.push(byte);
    return this;
  }

  /** A whole number from 0 to 2^53. */
  count(value: number): this {
    if (value < 2 ** 31) this.operations("J").#number(value, 4);
    else this.operations(0x8a, 8).#number(value, 8);
    return this;
  }

  counts(values: readonly number[]): this {
    this.operations("(");
    for (const value of values) this.count(value);
    return this.operations("t");
  }

  /** A name of Python's, `module.name`. */
  name(full: string): this {
    const at = full.lastIndexOf(".");
    const line = (text: string) => [...new TextEncoder().encode(`${text}\n`)];
    return this.operations("c", ...line(full.slice(0, at)), ...line(full.slice(at + 1)));
  }

  finish(): Uint8Array {
    return Uint8Array.from([...this.#bytes, ".".charCodeAt(0)]);
  }

  #number(value: number, length: number): void {
    for (let index = 0; index < length; index++) {
      this.#bytes.push(Math.floor(value / 256 ** index) % 256);
    }
  }
}

/** Elements from one index of an axis to the next, row-major. */
function stridesOf(shape: readonly number[]): number[] {
  return shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
}

/** The dict: each tensor is a view of a storage of its own, whose key is its place. */
function encodeDict(tensors: readonly TorchTensor[]): Uint8Array {
  const pickle = new PickleWriter().operations("}", "(");
  for (const [index, { name, type, shape }] of tensors.entries()) {
    const elements = shape.reduce((product, size) => product * size, 1);
    pickle.text(name).name("torch._utils._rebuild_tensor_v2").operations("(");
    pickle.operations("(").text("storage").name(storageNames.get(type)!).text(String(index))
      .text("cpu").count(elements).operations("t", "Q");
    pickle.count(0).counts(shape).counts(stridesOf(shape)).operations(0x89);
    // Hooks of the backward pass, of which there are none.
    pickle.name("collections.OrderedDict").operations(")", "R", "t", "R");
  }
  return pickle.operations("u").finish();
}

/**
 * Writes a dict of tensors, all or nothing; one tensor is in memory at a time.
 *
 * @returns the length of the file in bytes
 * @throws {RangeError} for a type that PyTorch does not have, see {@link isTorchType}
 */
export async function writePyTorch(
  path: string,
  tensors: readonly TorchTensor[],
): Promise<number> {
  const foreign = tensors.find(({ type }) => !isTorchType(type));
  if (foreign) throw new RangeError(`${path}: PyTorch has no tensors of ${foreign.type}`);
  const entry = (name: string, bytes: Uint8Array): ZipContents => ({
    name: `${root}/${name}`,
    size: bytes.length,
    chunks: [bytes],
  });
  function* contents(): Generator<ZipContents> {
    yield entry("data.pkl", encodeDict(tensors));
    yield entry("byteorder", new TextEncoder().encode("little"));
    for (const [index, tensor] of tensors.entries()) {
      yield entry(`data/${index}`, tensor.bytes());
    }
    yield entry("version", new TextEncoder().encode("3\n"));
  }
  return await writeZip(path, contents());
}
