/**
 * Bringing the labels of one set in line with the classes of another, such as those of a trained model.
 *
 * @module
 */

import { InputError, nearestNames, quote } from "../base/errors.ts";
import { normalizeName } from "../base/names.ts";
import type { PictureSet } from "./picture_set.ts";

/**
 * The label of a class in a list of classes.
 *
 * @param where the data set, for messages
 * @throws {InputError} when the class is not in the list
 */
export function labelOf(where: string, name: string, classNames: readonly string[]): number {
  const label = classNames.map(normalizeName).indexOf(normalizeName(name));
  if (label >= 0) return label;
  const nearest = nearestNames(name, classNames).map(quote).join(" or ");
  throw new InputError(
    `${where}: class ${
      quote(name)
    } is none of the ${classNames.length} known; did you mean ${nearest}?`,
  );
}

/**
 * A set whose labels count in a given list of classes: pictures keep the names of their classes, and
 * classes without pictures do not matter. Without this, a test folder that lacks a class would shift
 * the labels of all after it.
 *
 * @throws {InputError} when there are pictures of a class that is not in the list
 */
export function withClassNames(set: PictureSet, classNames: readonly string[]): PictureSet {
  const labels = new Map<number, number>();
  for (let index = 0; index < set.length; index++) {
    const own = set.label(index);
    if (labels.has(own)) continue;
    labels.set(own, labelOf(set.name, set.classNames[own], classNames));
  }
  const label = (index: number) => labels.get(set.label(index))!;
  return {
    name: set.name,
    length: set.length,
    channels: set.channels,
    classNames,
    fingerprint: set.fingerprint,
    label,
    size: (index) => set.size(index),
    pictureName: (index) => set.pictureName(index),
    source: (index) => set.source(index),
    decode: (index) => set.decode(index),
    ...(set.caption && { caption: (index: number) => set.caption!(index) }),
  };
}
