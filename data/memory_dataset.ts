/**
 * Pictures held in memory as bytes: what every small data set becomes once it is read.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { InputError } from "../base/errors.ts";
import { checkRead, type ImageDataset, scaleBytes } from "./dataset.ts";

/** Pictures and labels as they were read. */
export interface MemoryImages {
  /** Short name for messages and reports. */
  readonly name: string;
  /** 1 (grey) or 3 (red, green, blue). */
  readonly channels: number;
  /** Rows of every picture. */
  readonly height: number;
  /** Columns of every picture. */
  readonly width: number;
  /** Names of the classes. */
  readonly classNames: readonly string[];
  /** (N, channels, height, width), 0..255. */
  readonly pixels: Uint8Array;
  /** N labels, 0 .. classNames.length - 1. */
  readonly labels: ArrayLike<number>;
}

/** The SHA-256 of sizes, labels and pixels, in hexadecimal. */
function fingerprintOf({ channels, height, width, labels, pixels }: MemoryImages): string {
  const numbers = new Int32Array(4 + labels.length);
  numbers.set([labels.length, channels, height, width]);
  numbers.set(labels, 4);
  return createHash("sha256").update(new Uint8Array(numbers.buffer)).update(pixels).digest("hex");
}

/** A data set in memory; `read` finishes before it returns. */
export class MemoryDataset implements ImageDataset {
  readonly name: string;
  readonly length: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly classNames: readonly string[];
  readonly fingerprint: string;
  readonly #pictureLength: number;
  readonly #images: MemoryImages;

  /**
   * Takes pictures as they are, without a copy.
   *
   * @throws {InputError} when there are none, counts disagree or a label has no class
   */
  constructor(images: MemoryImages) {
    this.#images = images;
    ({ name: this.name, channels: this.channels, classNames: this.classNames } = images);
    ({ height: this.height, width: this.width } = images);
    this.length = images.labels.length;
    this.#pictureLength = this.channels * this.height * this.width;
    this.#check();
    this.fingerprint = fingerprintOf(images);
  }

  label(index: number): number {
    return this.#images.labels[index];
  }

  /** The bytes of a picture, (channels, height, width), as a view. */
  bytes(index: number): Uint8Array {
    const start = index * this.#pictureLength;
    return this.#images.pixels.subarray(start, start + this.#pictureLength);
  }

  read(indices: ArrayLike<number>, out: Float32Array): void {
    checkRead(this, indices, out);
    for (let position = 0; position < indices.length; position++) {
      scaleBytes(this.bytes(indices[position]), out, position * this.#pictureLength);
    }
  }

  /** Throws what the constructor promises. */
  #check(): void {
    const { name, length, channels, height, width } = this;
    if (length === 0) throw new InputError(`${name}: holds no pictures`);
    if (this.#pictureLength === 0) {
      throw new InputError(`${name}: pictures of ${width} x ${height} pixels are empty`);
    }
    if (channels !== 1 && channels !== 3) {
      throw new InputError(`${name}: pictures have ${channels} channels; 1 and 3 can be read`);
    }
    if (this.#images.pixels.length !== length * this.#pictureLength) {
      const pictures = this.#images.pixels.length / this.#pictureLength;
      throw new InputError(`${name}: ${pictures} pictures but ${length} labels`);
    }
    const classes = this.classNames.length;
    for (let index = 0; index < length; index++) {
      const label = this.label(index);
      if (!(Number.isInteger(label) && label >= 0 && label < classes)) {
        throw new InputError(
          `${name}: label ${label} of picture ${index} is not 0..${classes - 1}`,
        );
      }
    }
  }
}

/** More classes than this are a mistake in the file, not classes. */
const maximumClasses = 1 << 20;

/**
 * Class names "0", "1", ... up to the largest of some labels.
 *
 * @param where the file, for messages
 * @throws {InputError} for a label of 2^20 or more
 */
export function numberedClasses(where: string, labels: ArrayLike<number>): string[] {
  let classes = 0;
  for (let index = 0; index < labels.length; index++) {
    classes = Math.max(classes, labels[index] + 1);
  }
  if (classes > maximumClasses) {
    throw new InputError(
      `${where}: label ${classes - 1} is over the limit of ${maximumClasses - 1}`,
    );
  }
  return Array.from({ length: classes }, (_, label) => String(label));
}
