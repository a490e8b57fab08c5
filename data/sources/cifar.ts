/**
 * CIFAR-10 and CIFAR-100 in their binary form: records of one or two label bytes and 3 x 32 x 32
 * bytes of pixels.
 *
 * @module
 */

import { basename, dirname, join } from "@std/path";
import { InputError } from "../../base/errors.ts";
import { isRegularFile, linesOf, readText } from "../../formats/text/plain.ts";
import { RangeFile } from "../../formats/files/range_file.ts";
import { isFolder, type Split } from "./idx.ts";
import { MemoryDataset } from "../memory_dataset.ts";

const pictureBytes = 3 * 32 * 32;

/** One of the two sets. */
interface Variant {
  readonly name: string;
  readonly classes: number;
  /** Label bytes of a record; the last one is the class (CIFAR-100 has a coarse one before it). */
  readonly labelBytes: number;
  readonly files: Readonly<Record<Split, readonly string[]>>;
  /** File with the class names, one a line. */
  readonly namesFile: string;
}

const variants: readonly Variant[] = [
  {
    name: "CIFAR-10",
    classes: 10,
    labelBytes: 1,
    files: {
      train: [1, 2, 3, 4, 5].map((batch) => `data_batch_${batch}.bin`),
      test: ["test_batch.bin"],
    },
    namesFile: "batches.meta.txt",
  },
  {
    name: "CIFAR-100",
    classes: 100,
    labelBytes: 2,
    files: { train: ["train.bin"], test: ["test.bin"] },
    namesFile: "fine_label_names.txt",
  },
];

/** The set that a file name belongs to. */
function variantOf(name: string): Variant | undefined {
  return variants.find(({ files }) => [...files.train, ...files.test].includes(name));
}

/** Whether a file name is one of CIFAR's. */
export function isCifarName(name: string): boolean {
  return variantOf(name) !== undefined;
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** The files of a folder to read: all batches of the split, none of them missing. */
async function findFiles(folder: string, split: Split): Promise<[Variant, string[]]> {
  for (const variant of variants) {
    const paths = variant.files[split].map((name) => join(folder, name));
    const found = await Promise.all(paths.map(exists));
    if (found.every(Boolean)) return [variant, paths];
    if (found.some(Boolean)) {
      throw new InputError(`${paths[found.indexOf(false)]}: missing from ${variant.name}`);
    }
  }
  const names = variants.flatMap(({ files }) => files[split]).join(", ");
  throw new InputError(`${folder}: no ${split} part of CIFAR: none of ${names}`);
}

async function classNamesFor(folder: string, variant: Variant): Promise<string[]> {
  const path = join(folder, variant.namesFile);
  const names = await isRegularFile(path) ? linesOf(await readText(path)) : [];
  if (names.length === variant.classes) return names;
  return Array.from({ length: variant.classes }, (_, label) => String(label));
}

/** Appends the records of a file to labels and pixels. */
async function readRecords(
  path: string,
  { name, labelBytes }: Variant,
  labels: number[],
  pixels: Uint8Array[],
): Promise<void> {
  using file = await RangeFile.open(path);
  const recordBytes = labelBytes + pictureBytes;
  if (file.size % recordBytes !== 0) {
    throw new InputError(
      `${path}: ${file.size} bytes are not a multiple of ${name}'s ${recordBytes} a picture`,
    );
  }
  const bytes = file.read(0, file.size);
  for (let start = 0; start < bytes.length; start += recordBytes) {
    labels.push(bytes[start + labelBytes - 1]);
    pixels.push(bytes.subarray(start + labelBytes, start + recordBytes));
  }
}

/**
 * Opens CIFAR-10 or CIFAR-100 and reads it into memory. The classes of CIFAR-100 are the fine ones.
 *
 * @param path the folder of the binary version, or one of its `.bin` files under its original name
 * @param split which part to take from a folder
 * @throws {InputError} when files are missing or have a wrong length
 */
export async function openCifar(path: string, split: Split = "train"): Promise<MemoryDataset> {
  const inFolder = await isFolder(path);
  const folder = inFolder ? path : dirname(path);
  const single = variantOf(basename(path));
  if (!inFolder && single === undefined) {
    const known = variants.flatMap(({ files }) => [...files.train, ...files.test]).join(", ");
    throw new InputError(`${path}: not the name of a file of CIFAR, which are ${known}`);
  }
  const [variant, files] = inFolder ? await findFiles(path, split) : [single!, [path]];
  const labels: number[] = [];
  const pictures: Uint8Array[] = [];
  for (const file of files) await readRecords(file, variant, labels, pictures);
  const pixels = new Uint8Array(pictures.length * pictureBytes);
  pictures.forEach((picture, index) => pixels.set(picture, index * pictureBytes));
  return new MemoryDataset({
    name: `${path} (${variant.name})`,
    channels: 3,
    height: 32,
    width: 32,
    classNames: await classNamesFor(folder, variant),
    pixels,
    labels,
  });
}
