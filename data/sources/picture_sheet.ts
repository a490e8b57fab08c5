/**
 * The form of the pictures shipped with Tessera: a folder of PNG sheets, each a grid of equal
 * pictures of one class, and a `labels.json` that describes them.
 *
 * Pictures fill a sheet row by row, `columns` to a row; the last row may be short. The data set is
 * the sheets in the order of `labels.json`.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { basename, join } from "@std/path";
import { concatenateBytes } from "../../base/bytes.ts";
import { InputError, quote } from "../../base/errors.ts";
import { RangeFile } from "../../formats/files/range_file.ts";
import { readRegularText } from "../../formats/files/regular_file.ts";
import { MemoryDataset } from "../memory_dataset.ts";
import { decodePicture, type Picture, withChannels } from "../pictures/picture.ts";

/** The value of `format` in a `labels.json`. */
export const pictureSheetFormat = "tessera-picture-sheet-1";

/** How the names of sheets look. */
const sheetName = /^sheet-[^/\\]*\.png$/;

/**
 * Whether a folder is one of sheets: its `labels.json` says so, or there are files called like sheets.
 * Other programs have a `labels.json` too.
 *
 * @param files names of the regular files in it
 */
export async function isSheetFolder(folder: string, files: readonly string[]): Promise<boolean> {
  if (!files.includes("labels.json")) return false;
  if (files.some((name) => sheetName.test(name))) return true;
  using file = await RangeFile.open(join(folder, "labels.json"));
  const start = file.read(0, Math.min(file.size, 1024));
  return new TextDecoder().decode(start).includes(`"${pictureSheetFormat}"`);
}

/** One sheet of a `labels.json`. */
export interface SheetDescription {
  /** Name of a PNG file in the same folder. */
  readonly file: string;
  /** Class of every picture on it: an index into `classNames`. */
  readonly label: number;
  /** How many pictures it holds. */
  readonly count: number;
  /** SHA-256, in hexadecimal, of the pictures' pixels: (count, height, width, channels) bytes. */
  readonly sha256: string;
}

/** The contents of a `labels.json`. */
export interface SheetSet {
  /** {@link pictureSheetFormat}. */
  readonly format: string;
  /** What the pictures are. */
  readonly name: string;
  /** Where they come from. */
  readonly source: string;
  /** Which of them were taken and in what order. */
  readonly order: string;
  /** Rows of a picture, in pixels. */
  readonly height: number;
  /** Columns of a picture, in pixels. */
  readonly width: number;
  /** 1 (grey) or 3 (red, green, blue). */
  readonly channels: number;
  /** Pictures side by side on a sheet. */
  readonly columns: number;
  /** Names of the classes. */
  readonly classNames: readonly string[];
  /** The sheets in order. */
  readonly sheets: readonly SheetDescription[];
}

/** The size of a sheet in pixels. */
export function sheetSize(set: SheetSet, count: number): { height: number; width: number } {
  return { height: Math.ceil(count / set.columns) * set.height, width: set.columns * set.width };
}

/** Copies rows of pixels between a sheet and the sequence of its pictures; `copy` gets offsets. */
function forRows(
  set: SheetSet,
  count: number,
  copy: (inSheet: number, inPictures: number, length: number) => void,
): void {
  const length = set.width * set.channels;
  for (let index = 0; index < count; index++) {
    const column = index % set.columns;
    const top = Math.floor(index / set.columns) * set.height;
    for (let row = 0; row < set.height; row++) {
      const inSheet = ((top + row) * set.columns + column) * length;
      copy(inSheet, (index * set.height + row) * length, length);
    }
  }
}

/** Lays (count, height, width, channels) pixels out as a sheet; unused cells are 0. */
export function layOutSheet(set: SheetSet, pictures: Uint8Array, count: number): Uint8Array {
  const { height, width } = sheetSize(set, count);
  const sheet = new Uint8Array(height * width * set.channels);
  forRows(set, count, (inSheet, inPictures, length) => {
    sheet.set(pictures.subarray(inPictures, inPictures + length), inSheet);
  });
  return sheet;
}

/** The SHA-256 of pixels in hexadecimal, as {@link SheetDescription} keeps it. */
export function pixelHash(pixels: Uint8Array): string {
  return createHash("sha256").update(pixels).digest("hex");
}

/** A whole number from 1 to 65535. */
function isSize(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) < 65536;
}

function isSheet(value: unknown): value is SheetDescription {
  if (typeof value !== "object" || value === null) return false;
  const { file, label, count, sha256 } = value as Partial<SheetDescription>;
  const isPlain = typeof file === "string" && sheetName.test(file);
  return isPlain && Number.isInteger(label) && isSize(count) && typeof sha256 === "string";
}

async function readDescription(path: string): Promise<SheetSet> {
  let set: Partial<SheetSet> | null;
  try {
    set = JSON.parse(await readRegularText(path));
  } catch (error) {
    if (error instanceof InputError) throw error;
    const problem = error instanceof SyntaxError ? "not JSON" : "cannot be read";
    throw new InputError(`${path}: ${problem}`);
  }
  if (set?.format !== pictureSheetFormat) {
    const found = quote(String(set?.format));
    throw new InputError(`${path}: format is ${found}, expected "${pictureSheetFormat}"`);
  }
  for (const field of ["height", "width", "columns"] as const) {
    if (!isSize(set[field])) {
      throw new InputError(`${path}: ${field} is not a whole number from 1 up`);
    }
  }
  if (set.channels !== 1 && set.channels !== 3) {
    throw new InputError(`${path}: channels is neither 1 nor 3`);
  }
  const { classNames, sheets } = set;
  if (!Array.isArray(classNames) || !classNames.every((name) => typeof name === "string")) {
    throw new InputError(`${path}: classNames is not a list of names`);
  }
  if (!Array.isArray(sheets) || !sheets.every(isSheet)) {
    throw new InputError(
      `${path}: sheets is not a list of {file: "sheet-*.png", label, count, sha256}`,
    );
  }
  checkSheets(path, set as SheetSet);
  return set as SheetSet;
}

/** Most bytes of all pictures of a set together. */
const mostBytes = 2 ** 32;

/** Refuses what would take far more memory than its files: huge sheets, or the same ones again. */
function checkSheets(path: string, { sheets, height, width, channels }: SheetSet): void {
  const files = sheets.map(({ file }) => file);
  const known = new Set<string>();
  const repeated = files.find((file) => known.size === known.add(file).size);
  if (repeated !== undefined) {
    throw new InputError(`${path}: the sheet ${quote(repeated)} is listed twice`);
  }
  const bytes = height * width * channels * sheets.reduce((sum, { count }) => sum + count, 0);
  if (bytes > mostBytes) {
    throw new InputError(`${path}: pictures of ${bytes} bytes in all, over the limit ${mostBytes}`);
  }
}

/** Cuts a decoded sheet into (count, height, width, channels) pixels. */
function cutSheet(set: SheetSet, sheet: Picture, count: number): Uint8Array {
  const pixels = new Uint8Array(count * set.height * set.width * set.channels);
  forRows(set, count, (inSheet, inPictures, length) => {
    pixels.set(sheet.data.subarray(inSheet, inSheet + length), inPictures);
  });
  return pixels;
}

async function readSheet(
  folder: string,
  set: SheetSet,
  description: SheetDescription,
): Promise<Uint8Array> {
  const path = join(folder, description.file);
  const sheet = withChannels(await decodePicture(path, path), set.channels);
  const expected = sheetSize(set, description.count);
  if (sheet.height !== expected.height || sheet.width !== expected.width) {
    throw new InputError(
      `${path}: ${sheet.width} x ${sheet.height} pixels, ` +
        `labels.json says ${expected.width} x ${expected.height}`,
    );
  }
  const pixels = cutSheet(set, sheet, description.count);
  if (pixelHash(pixels) !== description.sha256) {
    throw new InputError(`${path}: pixels do not have the SHA-256 that labels.json states`);
  }
  return pixels;
}

/** (N, height, width, channels) to (N, channels, height, width). */
function toPlanar(pixels: Uint8Array, plane: number, channels: number): Uint8Array {
  if (channels === 1) return pixels;
  const planar = new Uint8Array(pixels.length);
  for (let index = 0; index < pixels.length; index++) {
    const pixel = Math.floor(index / channels);
    const picture = Math.floor(pixel / plane);
    planar[(picture * channels + index % channels) * plane + pixel % plane] = pixels[index];
  }
  return planar;
}

/**
 * Opens a folder of sheets and reads it into memory.
 *
 * @throws {InputError} when `labels.json` or a sheet is missing, damaged or not as described
 */
export async function openPictureSheets(folder: string): Promise<MemoryDataset> {
  const path = join(folder, "labels.json");
  const set = await readDescription(path);
  const parts = await Promise.all(set.sheets.map((sheet) => readSheet(folder, set, sheet)));
  const pixels = concatenateBytes(parts);
  return new MemoryDataset({
    name: typeof set.name === "string" ? set.name : basename(folder),
    channels: set.channels,
    height: set.height,
    width: set.width,
    classNames: set.classNames,
    pixels: toPlanar(pixels, set.height * set.width, set.channels),
    labels: set.sheets.flatMap(({ label, count }) => new Array<number>(count).fill(label)),
  });
}
