/**
 * Dividing a set of pictures into a part for training and a part for testing.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { InputError } from "../base/errors.ts";
import type { Split } from "./sources/idx.ts";
import type { PictureSet } from "./picture_set.ts";

/** The chosen pictures of a set, as a set. */
function subset(set: PictureSet, indices: readonly number[], part: string): PictureSet {
  const { channels, classNames } = set;
  const fingerprint = createHash("sha256").update(`${set.fingerprint} ${indices}`).digest("hex");
  return {
    name: `${set.name} (${part})`,
    length: indices.length,
    channels,
    classNames,
    fingerprint,
    label: (index) => set.label(indices[index]),
    size: (index) => set.size(indices[index]),
    pictureName: (index) => set.pictureName(indices[index]),
    source: (index) => set.source(indices[index]),
    decode: (index) => set.decode(indices[index]),
    ...(set.caption && { caption: (index: number) => set.caption!(indices[index]) }),
  };
}

/** What is asked of a set to divide it. */
type Divisible = Pick<PictureSet, "name" | "length" | "classNames" | "label" | "pictureName">;

/** The pictures of every class, each class in an order that only depends on its pictures' names. */
function shuffledClasses(set: Divisible): number[][] {
  const order = (index: number) =>
    createHash("sha256").update(set.pictureName(index).replaceAll("\\", "/")).digest("hex");
  const orders = Array.from({ length: set.length }, (_, index) => order(index));
  const classes = set.classNames.map((): number[] => []);
  for (let index = 0; index < set.length; index++) classes[set.label(index)].push(index);
  return classes.map((indices) => indices.sort((a, b) => orders[a] < orders[b] ? -1 : 1));
}

/**
 * Holds out a share of every class for testing. Which pictures these are depends on their names only:
 * on the hash of the path inside the folder, or of the index in sets without files.
 *
 * @param share between 0 and 1; rounded to whole pictures of a class, but a class with at least two
 * has one in each part. The only picture of a class is for training
 * @throws {InputError} when the share is not between 0 and 1, or no class has two pictures
 */
export function holdOut(
  set: PictureSet,
  share: number,
): Readonly<Record<Split, PictureSet>> {
  const { train, test } = divide(set, share);
  return { train: subset(set, train, "training part"), test: subset(set, test, "test part") };
}

/** The pictures of each part by their numbers, in order; see {@link holdOut}. */
export function divide(set: Divisible, share: number): Readonly<Record<Split, number[]>> {
  if (!(share > 0 && share < 1)) {
    throw new InputError(
      `${set.name}: cannot hold out a share of ${share}; give one between 0 and 1`,
    );
  }
  const isHeldOut = new Uint8Array(set.length);
  for (const indices of shuffledClasses(set)) {
    const count = Math.min(Math.max(Math.round(share * indices.length), 1), indices.length - 1);
    for (const index of indices.slice(0, Math.max(count, 0))) isHeldOut[index] = 1;
  }
  const part = (held: number) => [...isHeldOut.keys()].filter((index) => isHeldOut[index] === held);
  const test = part(1);
  if (test.length === 0) {
    throw new InputError(`${set.name}: no class has two pictures, so none can be held out`);
  }
  return { train: part(0), test };
}
