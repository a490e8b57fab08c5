/**
 * Bringing the labels of one set in line with the classes of another, such as those of a trained model.
 *
 * @module
 */

import { InputError, nearestNames, quote } from "../base/errors.ts";
import type { PictureSet } from "./picture_set.ts";

/**
 * A set whose labels count in a given list of classes: pictures keep the names of their classes, and
 * classes without pictures do not matter. Without this, a test folder that lacks a class would shift
 * the labels of all after it.
 *
 * @throws {InputError} when there are pictures of a class that is not in the list
 */
export function withClassNames(set: PictureSet, classNames: readonly string[]): PictureSet {
  const labels = set.classNames.map((name) => classNames.indexOf(name));
  const label = (index: number) => labels[set.label(index)];
  for (let index = 0; index < set.length; index++) {
    if (label(index) >= 0) continue;
    const name = set.classNames[set.label(index)];
    const nearest = nearestNames(name, classNames).map(quote).join(" or ");
    throw new InputError(
      `${set.name}: class ${
        quote(name)
      } is none of the ${classNames.length} known; did you mean ${nearest}?`,
    );
  }
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
