/**
 * Which examples a few-shot evaluation may learn from.
 *
 * @module
 */
import { epochOrder } from "../data/order/sampler.ts";
import { InputError } from "../base/errors.ts";

/**
 * Chooses some examples of each class: the first ones of it in an order of the whole data set that
 * depends on the seed alone. So fewer shots are a part of more shots under the same seed.
 *
 * @param labels of all examples, whole numbers from 0 to the number of classes - 1
 * @param classNames names of the classes
 * @param shots examples a class, a whole number from 1 up
 * @param seed a whole number from 0 to 2^53 - 1
 * @returns places in `labels`, class by class
 * @throws {InputError} when a class has fewer examples than `shots`, naming it
 * @throws {RangeError} when `shots` is no such number, or a label is none of a class
 */
export function chooseShots(
  labels: ArrayLike<number>,
  classNames: readonly string[],
  shots: number,
  seed: number,
): number[] {
  if (!Number.isSafeInteger(shots) || shots < 1) {
    throw new RangeError(`${shots} shots a class: give a whole number from 1 up`);
  }
  const chosen = classNames.map((): number[] => []);
  for (const index of epochOrder(seed, 0, labels.length)) {
    const ofClass = chosen[labels[index]];
    if (ofClass === undefined) {
      throw new RangeError(
        `example ${index} has label ${labels[index]}, the classes go from 0 to ` +
          `${classNames.length - 1}`,
      );
    }
    if (ofClass.length < shots) ofClass.push(index);
  }
  const [fewest, name] = chosen.map(({ length }, index) => [length, classNames[index]] as const)
    .reduce((a, b) => b[0] < a[0] ? b : a);
  if (fewest < shots) {
    const advice = fewest > 0 ? `; at most ${fewest} shots are possible` : "";
    throw new InputError(
      `class ${JSON.stringify(name)} has ${fewest} of the ${shots} examples a class${advice}`,
    );
  }
  return chosen.flat();
}
