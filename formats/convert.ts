/**
 * Weights from one format into another, one tensor in memory at a time.
 *
 * @module
 */
import { basename } from "@std/path";
import { InputError, quote } from "../base/errors.ts";
import { writeTextAtomically } from "./files/atomic_file.ts";
import { isTorchType, type TorchTensor, writePyTorch } from "./pytorch/writer.ts";
import { elementSizes, encodeFloat32, isOpaque, type StoredType } from "./tensors/codec.ts";
import { writeSafetensors } from "./tensors/safetensors.ts";
import { renamed, type TensorReader } from "./tensors/tensor_reader.ts";

/** How floating-point tensors may be stored. */
export type FloatType = "F32" | "F16" | "BF16";

/** Floating-point types by the names that flags have for them. */
export const dtypes = { f32: "F32", f16: "F16", bf16: "BF16" } as const;

/** What a conversion takes and makes. */
export interface ConversionOptions {
  /** Takes only what is under this prefix, `ema.` say, and leaves the prefix out. */
  readonly prefix?: string;
  /** How floating-point tensors are stored; as they are unless told. */
  readonly type?: FloatType;
  /** Most bytes of tensors in one of several files, where the name is that of an index; 5 GB unless told. */
  readonly shardBytes?: number;
}

/** What was written. */
export interface Conversion {
  /** Tensors in the new file. */
  readonly tensors: number;
  /** Length of the new file, or of all of them. */
  readonly bytes: number;
}

type Writer = (
  path: string,
  tensors: TorchTensor[],
  metadata: TensorReader["metadata"],
  shardBytes: number,
) => Promise<number>;

const toPyTorch: Writer = async (path, tensors) => await writePyTorch(path, tensors);

const toSafetensors: Writer = async (path, tensors, metadata) => {
  const withData = tensors.map((tensor) => ({ ...tensor, data: () => tensor.bytes() }));
  return (await writeSafetensors(path, withData, { format: "pt", ...metadata })).bytes;
};

/** The end of the name of an index of several files. */
export const indexEnding = ".safetensors.index.json";

/** Bytes of tensors that are in one file at most, as transformers and diffusers have it. */
const usualShard = 5e9;

/** Several files and, when all of them are there, the index that says which of them has which tensor. */
const toShards: Writer = async (path, tensors, metadata, shardBytes) => {
  const shards = shardsOf(tensors, shardBytes);
  const base = path.slice(0, -indexEnding.length);
  const number = (place: number) => String(place).padStart(5, "0");
  const names = shards.map((_, place) =>
    `${base}-${number(place + 1)}-of-${number(shards.length)}.safetensors`
  );
  for (const name of names) await requireNew(name);
  let bytes = 0;
  try {
    for (const [place, shard] of shards.entries()) {
      bytes += await toSafetensors(names[place], shard, metadata, shardBytes);
    }
    const places = shards.flatMap((shard, place) =>
      shard.map(({ name }) => [name, basename(names[place])])
    );
    const total = tensors.reduce((sum, tensor) => sum + byteLengthOf(tensor), 0);
    const index = { metadata: { total_size: total }, weight_map: Object.fromEntries(places) };
    const text = `${JSON.stringify(index, null, 2)}\n`;
    await writeTextAtomically(path, text);
    return bytes + text.length;
  } catch (error) {
    for (const name of names) await Deno.remove(name).catch(() => {});
    throw error;
  }
};

/** Tensors in order, as many together as do not take more. */
function shardsOf(tensors: readonly TorchTensor[], most: number): TorchTensor[][] {
  const shards: TorchTensor[][] = [];
  let left = 0;
  for (const tensor of tensors) {
    const bytes = byteLengthOf(tensor);
    if (shards.length === 0 || bytes > left) {
      shards.push([]);
      left = most;
    }
    shards.at(-1)!.push(tensor);
    left -= bytes;
  }
  return shards;
}

const byteLengthOf = ({ shape, type }: TorchTensor): number =>
  shape.reduce((product, size) => product * size, elementSizes[type]);

async function requireNew(path: string): Promise<void> {
  if (await Deno.stat(path).then(() => true, () => false)) {
    throw new InputError(`${path}: exists already; give a new name`);
  }
}

/** Formats by the ends of names. */
const writers: Readonly<Record<string, Writer>> = {
  ".safetensors": toSafetensors,
  [indexEnding]: toShards,
  ".pt": toPyTorch,
  ".pth": toPyTorch,
  ".bin": toPyTorch,
  ".ckpt": toPyTorch,
};

/** Ends of names by which a format is chosen. */
export const convertedEndings: readonly string[] = Object.keys(writers);

/** Elements converted at a time. */
const blockElements = 1 << 16;

/** A tensor in another floating-point type; refuses numbers that would become infinite. */
function converted(file: TensorReader, name: string, type: FloatType): Uint8Array {
  const { elementCount } = file.info(name);
  const size = elementSizes[type];
  const out = new Uint8Array(elementCount * size);
  const block = new Float32Array(Math.min(blockElements, elementCount));
  for (let start = 0; start < elementCount; start += blockElements) {
    const values = block.subarray(0, Math.min(blockElements, elementCount - start));
    file.readFloat32Part(name, start, values);
    if (type === "F16") requireHalves(file, name, values);
    encodeFloat32(values, type, out.subarray(start * size, (start + values.length) * size));
  }
  return out;
}

/** The largest number in half precision, and what is still rounded to it. */
const largestHalf = 65504;
const roundedToLargest = 65520;

function requireHalves({ path }: TensorReader, name: string, values: Float32Array): void {
  const lost = values.find((value) =>
    Number.isFinite(value) && Math.abs(value) >= roundedToLargest
  );
  if (lost === undefined) return;
  throw new InputError(
    `${path}: tensor ${quote(name)} holds ${lost}, which is beyond half precision (at most ` +
      `${largestHalf}); take bf16 or f32`,
  );
}

const isFloat = (type: StoredType): boolean => /^B?F/.test(type) && !isOpaque(type);

/** Only what is under a prefix, without it. */
function under(file: TensorReader, prefix: string): TensorReader {
  const inside = renamed(
    file,
    (name) => name.startsWith(prefix) ? name.slice(prefix.length) : undefined,
  );
  if (inside.tensors.size > 0) return inside;
  const parts = [...new Set(file.tensors.keys().map((name) => `${name.split(".")[0]}.`))];
  throw new InputError(
    `${file.path}: no tensor is under ${quote(prefix)}; names start with ` +
      `${parts.slice(0, 5).map(quote).join(", ")}${parts.length > 5 ? ", ..." : ""}`,
  );
}

/**
 * Writes the tensors of a file in the format that the new name's end says.
 *
 * @throws {InputError} when the name has another end, nothing is under the prefix, a number is beyond
 * the type, or the format has no such tensors
 */
export async function convertWeights(
  file: TensorReader,
  path: string,
  { prefix = "", type, shardBytes = usualShard }: ConversionOptions = {},
): Promise<Conversion> {
  const write =
    writers[convertedEndings.find((ending) => path.toLowerCase().endsWith(ending)) ?? ""];
  if (!write) {
    throw new InputError(`${path}: the name must end in ${convertedEndings.join(", ")}`);
  }
  const source = under(file, prefix);
  const tensors = [...source.tensors.values()].map((info): TorchTensor => {
    const wanted = type !== undefined && isFloat(info.type) ? type : info.type;
    if (write === toPyTorch && !isTorchType(wanted)) {
      throw new InputError(
        `${path}: PyTorch files cannot hold ${quote(info.name)}, which is ${wanted}`,
      );
    }
    return {
      ...info,
      type: wanted,
      bytes: () =>
        wanted === info.type
          ? source.readBytes(info.name)
          : converted(source, info.name, wanted as FloatType),
    };
  });
  const bytes = await write(path, tensors, source.metadata, shardBytes);
  return { tensors: tensors.length, bytes };
}
