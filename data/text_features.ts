/**
 * Features of captions, made elsewhere by a text encoder such as T5, for models that are told by text what
 * to draw.
 *
 * A safetensors file with `text` (n, M, width), `textMask` (n, M), 1 for words and 0 for padding, and in its
 * metadata `names`, a JSON list of n different names: of clips, or captions.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { describeNonFinite } from "../base/finite.ts";
import { InputError, nearestNames, quote } from "../base/errors.ts";
import { openSafetensors, type TensorReader } from "../formats/tensors/safetensors.ts";
import { formatShape, sameShape } from "../kernels/shape.ts";
import { readNames } from "./sample_names.ts";

/** Features by name. Close them, or declare them with `using`. */
export interface TextFeatures extends Disposable {
  /** The file. */
  readonly path: string;
  /** What there are features of, in the order of the file. */
  readonly names: readonly string[];
  /** Most words M of a caption. */
  readonly words: number;
  /** Numbers of a word. */
  readonly width: number;
  /** Identifies the contents. */
  readonly fingerprint: string;
  /**
   * The row of a name.
   *
   * @throws InputError with the nearest names when there is none
   */
  rowOf(name: string): number;
  /** Fills `text` (M, width) and `mask` (M) with a row. */
  read(row: number, text: Float32Array, mask: Int32Array): void;
}

/**
 * Opens features; every number is looked at once, and read from the file when it is asked for.
 *
 * @throws InputError naming what the file lacks, or what does not fit
 */
export async function openTextFeatures(path: string): Promise<TextFeatures> {
  const reader = await openSafetensors(path);
  try {
    return featuresOf(reader);
  } catch (error) {
    reader.close();
    throw error;
  }
}

function featuresOf(reader: TensorReader): TextFeatures {
  const { path } = reader;
  const [rows, words, width] = sizesOf(reader);
  const names = namesOf(reader, rows);
  const masks = masksOf(reader, rows, words);
  const rowsByName = new Map(names.map((name, row) => [name, row]));
  const readText = (row: number, out: Float32Array) =>
    reader.readFloat32Part("text", row * words * width, out);
  const hash = createHash("sha256").update(JSON.stringify([names, words, width])).update(masks);
  const text = new Float32Array(words * width);
  for (let row = 0; row < rows; row++) {
    readText(row, text);
    const problem = describeNonFinite(`the text of ${quote(names[row])}`, text);
    if (problem !== undefined) throw new InputError(`${path}: ${problem}`);
    hash.update(text);
  }
  return {
    ...{ path, names, words, width },
    fingerprint: hash.digest("hex"),
    rowOf(name) {
      const row = rowsByName.get(name);
      if (row !== undefined) return row;
      const nearest = nearestNames(name, names).map(quote).join(" and ");
      throw new InputError(`${path}: no text of ${quote(name)}; the nearest are ${nearest}`);
    },
    read(row, text, mask) {
      readText(row, text);
      mask.set(masks.subarray(row * words, (row + 1) * words));
    },
    [Symbol.dispose]: () => reader.close(),
  };
}

function sizesOf(reader: TensorReader): readonly number[] {
  const { shape } = reader.info("text");
  if (shape.length === 3 && shape.every((size) => size > 0)) return shape;
  throw new InputError(
    `${reader.path}: text has the shape ${formatShape(shape)}, not (captions, words, width)`,
  );
}

function masksOf(reader: TensorReader, rows: number, words: number): Int32Array {
  const { shape } = reader.info("textMask");
  if (!sameShape(shape, [rows, words])) {
    const wanted = formatShape([rows, words]);
    throw new InputError(
      `${reader.path}: textMask has the shape ${formatShape(shape)}, text needs ${wanted}`,
    );
  }
  const masks = reader.readInt32("textMask");
  const wrong = masks.find((value) => value !== 0 && value !== 1);
  if (wrong === undefined) return masks;
  throw new InputError(`${reader.path}: textMask holds ${wrong}; it is 1 for words, 0 for padding`);
}

function namesOf(reader: TensorReader, rows: number): string[] {
  const { path } = reader;
  const names = readNames(reader, rows);
  if (names === undefined) {
    throw new InputError(
      `${path}: its metadata has no "names", a JSON list of what the rows are the text of`,
    );
  }
  const seen = new Set<string>();
  const twice = names.find((name) => seen.size === seen.add(name).size);
  if (twice === undefined) return names;
  throw new InputError(`${path}: the name ${quote(twice)} is there twice`);
}
