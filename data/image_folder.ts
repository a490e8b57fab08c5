/**
 * A folder of pictures, one sub-folder a class.
 *
 * Sub-folders sorted by name are classes 0, 1, ...; pictures may lie deeper inside them. A folder
 * without sub-folders is one class. Pictures become squares by the centre crop of ADM.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { basename, extname, join, relative } from "@std/path";
import { InputError } from "../formats/errors.ts";
import { checkRead, type ImageDataset, pictureLength, scaleBytes } from "./dataset.ts";
import { MemoryDataset } from "./memory_dataset.ts";
import { centerCrop, copyPlanar, decodePicture, withChannels } from "./picture.ts";

/** Extensions of the formats sharp reads. */
const extensions = new Set(
  [".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif", ".tif", ".tiff", ".svg"],
);

/** How many pictures are decoded at once. */
const concurrency = 32;

/** How many skipped pictures are reported one by one. */
const reportedSkips = 5;

/** How a folder is read. */
export interface ImageFolderOptions {
  /** Side of the squares, in pixels. */
  readonly imageSize: number;
  /** 1 (grey) or 3 (colour); 3 unless told. */
  readonly channels?: number;
  /**
   * Decoded pictures are kept in memory when they take at most this many bytes; 2 GiB unless told.
   * Otherwise pictures are decoded whenever they are read.
   */
  readonly memoryBudget?: number;
  /** Gets a line for each of the first skipped pictures and one with their count; else stderr. */
  readonly warn?: (line: string) => void;
}

/** A picture file and its class. */
interface PictureFile {
  readonly path: string;
  readonly label: number;
}

/** Whether a file name has the extension of a picture. Hidden files are none. */
export function isPictureName(name: string): boolean {
  return !name.startsWith(".") && extensions.has(extname(name).toLowerCase());
}

/** Names in a folder by kind, sorted; a link counts as what it leads to. */
async function listFolder(folder: string): Promise<{ folders: string[]; pictures: string[] }> {
  const folders: string[] = [];
  const pictures: string[] = [];
  for await (const { name, isSymlink, isDirectory } of Deno.readDir(folder)) {
    if (name.startsWith(".")) continue;
    const leadsToFolder = async () =>
      await Deno.stat(join(folder, name)).then((info) => info.isDirectory, () => false);
    if (isSymlink ? await leadsToFolder() : isDirectory) folders.push(name);
    else if (isPictureName(name)) pictures.push(name);
  }
  return { folders: folders.sort(), pictures: pictures.sort() };
}

/** All pictures below a folder, in sorted order. */
async function* picturesBelow(folder: string, seen: ReadonlySet<string>): AsyncGenerator<string> {
  const real = await Deno.realPath(folder);
  if (seen.has(real)) return; // a link to a folder that we are inside of
  const { folders, pictures } = await listFolder(folder);
  for (const name of pictures) yield join(folder, name);
  const inside = new Set(seen).add(real);
  for (const name of folders) yield* picturesBelow(join(folder, name), inside);
}

/** Class names and picture files of a folder, sorted by class, then path. */
async function findPictures(
  folder: string,
): Promise<{ classNames: string[]; files: PictureFile[] }> {
  const { folders, pictures } = await listFolder(folder);
  const files: PictureFile[] = [];
  for (const [label, name] of folders.entries()) {
    for await (const path of picturesBelow(join(folder, name), new Set())) {
      files.push({ path, label });
    }
  }
  if (folders.length > 0) return { classNames: folders, files };
  const single = pictures.map((name) => ({ path: join(folder, name), label: 0 }));
  return { classNames: [basename(folder)], files: single };
}

/** Reports skipped pictures: the first few by name, all of them by number. */
class SkipReport {
  private readonly skipped = new Set<string>();

  constructor(private readonly folder: string, private readonly warn: (line: string) => void) {}

  get count(): number {
    return this.skipped.size;
  }

  add(path: string, error: unknown): void {
    if (!(error instanceof InputError)) throw error;
    if (this.skipped.has(path)) return;
    this.skipped.add(path);
    if (this.count <= reportedSkips) this.warn(`skipped: ${error.message}`);
  }

  summarize(total: number): void {
    if (this.count > 0) this.warn(`${this.folder}: skipped ${this.count} of ${total} pictures`);
  }
}

/** Decodes a picture into (channels, imageSize, imageSize) bytes at `start` of `out`. */
async function decodeInto(
  path: string,
  imageSize: number,
  channels: number,
  out: Uint8Array,
  start: number,
): Promise<void> {
  const picture = centerCrop(await decodePicture(path, path), imageSize, path);
  copyPlanar(withChannels(picture, channels), out, start);
}

/** Decodes all pictures once; those that cannot be decoded are left out. */
async function decodeAll(
  folder: string,
  classNames: readonly string[],
  files: readonly PictureFile[],
  imageSize: number,
  channels: number,
  skips: SkipReport,
): Promise<MemoryDataset> {
  const length = channels * imageSize ** 2;
  const pixels = new Uint8Array(files.length * length);
  const labels: number[] = [];
  for (let first = 0; first < files.length; first += concurrency) {
    const group = files.slice(first, first + concurrency);
    const decoded = await Promise.all(group.map(async ({ path }, index) => {
      const start = (first + index) * length;
      return await decodeInto(path, imageSize, channels, pixels, start)
        .then(() => true, (error) => skips.add(path, error));
    }));
    group.forEach(({ label }, index) => {
      if (!decoded[index]) return;
      // Close the gaps of skipped pictures; never runs ahead of what was decoded.
      pixels.copyWithin(
        labels.length * length,
        (first + index) * length,
        (first + index + 1) * length,
      );
      labels.push(label);
    });
  }
  skips.summarize(files.length);
  if (labels.length === 0) {
    throw new InputError(`${folder}: none of its ${files.length} pictures can be decoded`);
  }
  return new MemoryDataset({
    name: folder,
    channels,
    height: imageSize,
    width: imageSize,
    classNames,
    pixels: pixels.subarray(0, labels.length * length),
    labels,
  });
}

/**
 * Pictures decoded whenever they are read. One that cannot be decoded is replaced by the next one of
 * its class, always the same, so that length and order stay as they were found.
 */
class DecodingDataset implements ImageDataset {
  readonly name: string;
  readonly length: number;
  readonly height: number;
  readonly width: number;
  readonly fingerprint: string;

  constructor(
    folder: string,
    readonly classNames: readonly string[],
    private readonly files: readonly PictureFile[],
    imageSize: number,
    readonly channels: number,
    private readonly skips: SkipReport,
    fingerprint: string,
  ) {
    this.name = folder;
    this.length = files.length;
    this.height = imageSize;
    this.width = imageSize;
    this.fingerprint = fingerprint;
  }

  label(index: number): number {
    return this.files[index].label;
  }

  async read(indices: ArrayLike<number>, out: Float32Array): Promise<void> {
    checkRead(this, indices, out);
    const length = pictureLength(this);
    let next = 0;
    const worker = async () => {
      const bytes = new Uint8Array(length);
      while (next < indices.length) {
        const position = next++;
        await this.decode(indices[position], bytes);
        scaleBytes(bytes, out, position * length);
      }
    };
    await Promise.all(Array.from({ length: Math.min(concurrency, indices.length) }, worker));
  }

  private async decode(index: number, bytes: Uint8Array): Promise<void> {
    const { label } = this.files[index];
    for (let distance = 0; distance < this.length; distance++) {
      const file = this.files[(index + distance) % this.length];
      if (file.label !== label) continue;
      try {
        return await decodeInto(file.path, this.width, this.channels, bytes, 0);
      } catch (error) {
        this.skips.add(file.path, error);
      }
    }
    const name = this.classNames[label];
    throw new InputError(`${this.name}: no picture of class "${name}" can be decoded`);
  }
}

/** The SHA-256 of names, lengths in bytes and sizes: contents would take too long to read. */
async function fingerprintOf(
  folder: string,
  files: readonly PictureFile[],
  imageSize: number,
  channels: number,
): Promise<string> {
  const hash = createHash("sha256").update(`${imageSize} ${channels}`);
  for (const { path } of files) {
    const { size } = await Deno.stat(path);
    hash.update(`\n${size} ${relative(folder, path)}`);
  }
  return hash.digest("hex");
}

/**
 * Opens a folder of pictures.
 *
 * Pictures that cannot be decoded are reported and left out; those of a set too large for memory are
 * found only when they are read, and are then replaced by the next one of their class.
 *
 * @throws {InputError} when there is no picture, or none that can be decoded
 */
export async function openImageFolder(
  folder: string,
  options: ImageFolderOptions,
): Promise<ImageDataset> {
  const { imageSize, channels = 3, memoryBudget = 2 ** 31, warn = console.warn } = options;
  const { classNames, files } = await findPictures(folder);
  if (files.length === 0) {
    const known = [...extensions].join(" ");
    throw new InputError(`${folder}: no pictures (${known}) in it or in its sub-folders`);
  }
  const skips = new SkipReport(folder, warn);
  if (files.length * channels * imageSize ** 2 <= memoryBudget) {
    return await decodeAll(folder, classNames, files, imageSize, channels, skips);
  }
  const fingerprint = await fingerprintOf(folder, files, imageSize, channels);
  return new DecodingDataset(folder, classNames, files, imageSize, channels, skips, fingerprint);
}
