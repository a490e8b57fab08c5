/**
 * Cascades (NaViT, section 3.5): every image is classified with few tokens; the share alpha that the
 * model is least sure of is classified again with more. The cost of an image is then t1 + alpha t2,
 * and varying alpha traces a curve between the two settings.
 *
 * @module
 */
import type { CostedAccuracy } from "./pareto.ts";
import { type Prediction, requireImages, requireSameImages } from "./prediction.ts";

/** A model at one number of tokens. */
export interface CascadeStage {
  /** Name for tables and legends. */
  readonly name: string;
  /** One an image, in the order of the data set. */
  readonly predictions: readonly Prediction[];
  /** Mean cost of an image: milliseconds, or multiply-adds. */
  readonly cost: number;
}

/** A cascade at one share. */
export interface CascadePoint extends CostedAccuracy {
  /** Alpha: the share of the images that was classified twice. */
  readonly share: number;
  /** Images of at most this confidence were classified twice; absent where none was. */
  readonly threshold?: number;
}

/** A cascade of two stages over all shares. */
export interface Cascade {
  /** Name of the stage that sees every image. */
  readonly first: string;
  /** Name of the stage that sees some. */
  readonly second: string;
  /** In the order of the shares that were asked for. */
  readonly points: readonly CascadePoint[];
}

/** Alpha in steps of 5 %. */
export const cascadeShares: readonly number[] = Array.from({ length: 21 }, (_, i) => i / 20);

/**
 * Computes a cascade at some shares. Whole images are sent on: a share is rounded to the next number
 * of images. Of images that the first stage is equally sure of, the first in the data set goes first.
 *
 * @param shares from 0 to 1
 * @throws {InputError} when a share is outside, there are no images, or the stages saw different ones
 */
export function cascade(
  first: CascadeStage,
  second: CascadeStage,
  shares: readonly number[] = cascadeShares,
): Cascade {
  requireImages(first.predictions);
  const names = `${first.name} and ${second.name}`;
  requireSameImages(first.predictions, second.predictions, names);
  const { order, correct } = sendLeastSure(first, second);
  const images = order.length;
  const points = shares.map((share): CascadePoint => {
    if (!(share >= 0 && share <= 1)) {
      throw new RangeError(`cascade share ${share} is not between 0 and 1`);
    }
    const sent = Math.round(share * images);
    return {
      share: sent / images,
      ...(sent > 0 ? { threshold: order[sent - 1].confidence } : {}),
      cost: first.cost + sent / images * second.cost,
      accuracy: correct[sent] / images,
    };
  });
  return { first: first.name, second: second.name, points };
}

/** Every pair of stages, the cheaper one first. */
export function allCascades(
  stages: readonly CascadeStage[],
  shares: readonly number[] = cascadeShares,
): Cascade[] {
  const ordered = stages.toSorted((a, b) => a.cost - b.cost);
  return ordered.flatMap((first, index) =>
    ordered.slice(index + 1).map((second) => cascade(first, second, shares))
  );
}

/**
 * The first stage's predictions, the least sure first, and how many images are classified correctly
 * when none, one, two ... of them are replaced by the second stage's.
 */
function sendLeastSure(first: CascadeStage, second: CascadeStage) {
  const isCorrect = ({ rank }: Prediction) => rank === 0 ? 1 : 0;
  const indices = first.predictions.map((_, index) => index)
    .sort((a, b) => first.predictions[a].confidence - first.predictions[b].confidence);
  const correct = [first.predictions.reduce((sum, one) => sum + isCorrect(one), 0)];
  for (const index of indices) {
    const change = isCorrect(second.predictions[index]) - isCorrect(first.predictions[index]);
    correct.push(correct[correct.length - 1] + change);
  }
  return { order: indices.map((index) => first.predictions[index]), correct };
}
