/**
 * Rebuilds `data/samples/fashion/` from Fashion-MNIST: the first 400 training pictures of every
 * class, one sheet a class.
 *
 * Usage, from the project's folder: make_fashion.ts [source folder] [target folder]; the README.md of
 * the target has the exact command. Debian's package `dataset-fashion-mnist` fills the default source.
 *
 * @module
 */

import { join } from "@std/path";
import { writeBytesAtomically, writeTextAtomically } from "../../formats/files/atomic_file.ts";
import { readIdx } from "../../formats/tensors/idx.ts";
import { fashionClassNames } from "../sources/idx.ts";
import {
  layOutSheet,
  pictureSheetFormat,
  pixelHash,
  type SheetDescription,
  type SheetSet,
  sheetSize,
} from "../sources/picture_sheet.ts";

const picturesPerClass = 400;

const description: SheetSet = {
  format: pictureSheetFormat,
  name: "fashion",
  source:
    "Fashion-MNIST (https://github.com/zalandoresearch/fashion-mnist), training set; MIT licence",
  order: `the first ${picturesPerClass} pictures of each class, in the order of the training set`,
  height: 28,
  width: 28,
  channels: 1,
  columns: 20,
  classNames: fashionClassNames,
  sheets: [],
};

/** The first pictures of a class, one after the other. */
function picturesOfClass(images: Uint8Array, labels: Uint8Array, label: number): Uint8Array {
  const size = description.height * description.width;
  const pictures = new Uint8Array(picturesPerClass * size);
  for (let index = 0, taken = 0; taken < picturesPerClass; index++) {
    if (labels[index] !== label) continue;
    pictures.set(images.subarray(index * size, (index + 1) * size), taken++ * size);
  }
  return pictures;
}

async function writeSheet(
  folder: string,
  pictures: Uint8Array,
  label: number,
): Promise<SheetDescription> {
  const name = description.classNames[label].toLowerCase().replace(/[^a-z]+/g, "-");
  const file = `sheet-${label}-${name}.png`;
  const size = sheetSize(description, picturesPerClass);
  const sheet = layOutSheet(description, pictures, picturesPerClass);
  const { default: sharp } = await import("sharp");
  const png = await sharp(sheet, { raw: { ...size, channels: 1 } })
    .toColourspace("b-w")
    .png({ compressionLevel: 9, adaptiveFiltering: true })
    .toBuffer();
  await writeBytesAtomically(join(folder, file), png);
  return { file, label, count: picturesPerClass, sha256: pixelHash(pictures) };
}

const source = Deno.args[0] ?? "/usr/share/datasets/fashion-mnist";
const target = Deno.args[1] ?? "data/samples/fashion";
const images = await readIdx(join(source, "train-images-idx3-ubyte.gz"));
const labels = await readIdx(join(source, "train-labels-idx1-ubyte.gz"));
const sheets: SheetDescription[] = [];
for (let label = 0; label < description.classNames.length; label++) {
  sheets.push(await writeSheet(target, picturesOfClass(images.data, labels.data, label), label));
}
const text = JSON.stringify({ ...description, sheets }, null, 2);
await writeTextAtomically(join(target, "labels.json"), `${text}\n`);
