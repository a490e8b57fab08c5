/**
 * Data sets in MNIST's form: one IDX file of grey pictures, one of labels beside it.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { basename, dirname, join } from "@std/path";
import { InputError } from "../../base/errors.ts";
import { isRegularFile, linesOf, readText } from "../../formats/text/plain.ts";
import { readIdx } from "../../formats/tensors/idx.ts";
import { MemoryDataset, numberedClasses } from "../memory_dataset.ts";
import { listFolder } from "./scan.ts";

/** Whether a path leads to a folder; what else is wrong with it shows when it is opened as a file. */
export async function isFolder(path: string): Promise<boolean> {
  return await Deno.stat(path).then((info) => info.isDirectory, () => false);
}

/** Which part of a data set. */
export type Split = "train" | "test";

/** `train-images-idx3-ubyte.gz` and the other spellings found in the wild. */
const imagesPattern = /^(.*)images?[-.]idx3[-.]ubyte(\.gz)?$/;

/** The classes of Fashion-MNIST. */
export const fashionClassNames: readonly string[] = [
  "T-shirt/top",
  "Trouser",
  "Pullover",
  "Dress",
  "Coat",
  "Sandal",
  "Shirt",
  "Sneaker",
  "Bag",
  "Ankle boot",
];

/** Class names of sets whose files do not carry them, by the SHA-256 of their labels. */
const knownLabels: ReadonlyMap<string, readonly string[]> = new Map([
  ["657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7", fashionClassNames],
  ["3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9", fashionClassNames],
]);

/** Whether a file name is that of IDX pictures. */
export function isIdxImagesName(name: string): boolean {
  return imagesPattern.test(name);
}

/** Which part a file name says it holds. */
function splitOf(name: string): Split | undefined {
  if (/train/i.test(name)) return "train";
  return /t10k|test/i.test(name) ? "test" : undefined;
}

/** The file of pictures for a part of the data set in a folder with files `names`. */
function findImages(folder: string, names: readonly string[], split: Split): string {
  const candidates = names.filter(isIdxImagesName).sort();
  const ofSplit = candidates.filter((name) => splitOf(name) === split);
  // The same file both gzipped and not counts once.
  const distinct = new Set(ofSplit.map((name) => name.replace(/\.gz$/, "")));
  if (distinct.size === 1) return join(folder, ofSplit[0]);
  if (distinct.size === 0 && candidates.length === 1 && splitOf(candidates[0]) === undefined) {
    return join(folder, candidates[0]);
  }
  throw new InputError(
    distinct.size === 0
      ? `${folder}: no IDX file of ${split} pictures; there are ${candidates.join(", ")}`
      : `${folder}: several files of ${split} pictures; give one of them: ${ofSplit.join(", ")}`,
  );
}

/** The file of labels that belongs to a file of pictures. */
async function findLabels(images: string): Promise<string> {
  const expected = basename(images).replace("image", "label").replace("idx3", "idx1");
  const plain = expected.replace(/\.gz$/, "");
  for (const name of [expected, plain, `${plain}.gz`]) {
    const path = join(dirname(images), name);
    if (await isRegularFile(path)) return path;
  }
  throw new InputError(`${images}: no file ${expected} with its labels beside it`);
}

/** Names from a `classes.txt` (one a line) in the folder, else known ones, else numbers. */
async function classNamesFor(folder: string, labels: Uint8Array): Promise<readonly string[]> {
  const path = join(folder, "classes.txt");
  if (await isRegularFile(path)) return linesOf(await readText(path));
  const hash = createHash("sha256").update(labels).digest("hex");
  return knownLabels.get(hash) ?? numberedClasses(folder, labels);
}

/**
 * Opens a data set of IDX files, gzipped or not, and reads it into memory.
 *
 * Class names come from a file `classes.txt` in the same folder (one name a line); without it
 * Fashion-MNIST is recognised by its labels and other classes are numbered.
 *
 * @param path the file of pictures, or a folder that holds it; the labels lie beside it
 * @param split which part to take from a folder
 * @throws {InputError} when files are missing, damaged or do not fit together
 */
export async function openIdxDataset(path: string, split: Split = "train"): Promise<MemoryDataset> {
  let imagesPath = path;
  if (await isFolder(path)) {
    imagesPath = findImages(path, (await listFolder(path)).files, split);
  }
  const images = await readIdx(imagesPath);
  if (images.shape.length !== 3) {
    throw new InputError(
      `${imagesPath}: shape [${images.shape}] is not (pictures, rows, columns)` +
        (images.shape.length === 1 ? "; these look like labels, give the file of pictures" : ""),
    );
  }
  const labelsPath = await findLabels(imagesPath);
  const labels = await readIdx(labelsPath);
  if (labels.shape.length !== 1) {
    throw new InputError(`${labelsPath}: shape [${labels.shape}] is not that of labels`);
  }
  const [, height, width] = images.shape;
  return new MemoryDataset({
    name: imagesPath,
    channels: 1,
    height,
    width,
    classNames: await classNamesFor(dirname(imagesPath), labels.data),
    pixels: images.data,
    labels: labels.data,
  });
}
