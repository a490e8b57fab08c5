/**
 * Robustness: what a change of resolution or aspect ratio costs in accuracy.
 *
 * The same images are classified unchanged (the base) and changed; the differences are taken image
 * by image, so that their errors are those of the change and not those of the choice of images.
 *
 * @module
 */
import { type Interval, intervalReach, topAccuracy } from "./accuracy.ts";
import { type Prediction, requireSameImages } from "./prediction.ts";

/** Predictions under one change. */
export interface ShiftedPredictions {
  /** How far the images were changed: pixels a side, or width over height. */
  readonly value: number;
  /** One an image, in the order of the data set. */
  readonly predictions: readonly Prediction[];
}

/** Accuracy under one change. */
export interface RobustnessRow {
  /** How far the images were changed. */
  readonly value: number;
  /** Top-1 accuracy, 0 to 1. */
  readonly accuracy: number;
  /** Accuracy less that of the base. */
  readonly difference: number;
  /** The 95 % interval of the difference; absent for the base itself. */
  readonly differenceInterval?: Interval;
  /** Accuracy as a part of the base's; absent where the base has none right. */
  readonly relative?: number;
}

/** Accuracy of one model over one kind of change. */
export interface RobustnessTable {
  /** Whose accuracy: the model or checkpoint. */
  readonly name: string;
  /** What was changed, with its unit: "resolution (pixels)", "aspect ratio (width / height)". */
  readonly shift: string;
  /** The value that stands for unchanged images. */
  readonly base: number;
  /** Ordered by value. */
  readonly rows: readonly RobustnessRow[];
}

/**
 * Compares accuracies under changes with that of the base.
 *
 * @param base the value of the settings that the others are compared with
 * @throws {RangeError} when the base is not among the settings, or they saw different images
 */
export function robustness(
  settings: readonly ShiftedPredictions[],
  base: number,
): RobustnessRow[] {
  const reference = settings.find(({ value }) => value === base);
  if (!reference) {
    const values = settings.map(({ value }) => value).join(", ");
    throw new RangeError(`base ${base} was not measured; measured were ${values || "none"}`);
  }
  const baseAccuracy = topAccuracy(reference.predictions);
  return settings.toSorted((a, b) => a.value - b.value).map(({ value, predictions }) => {
    const accuracy = topAccuracy(predictions);
    return {
      value,
      accuracy,
      difference: accuracy - baseAccuracy,
      ...(value === base ? {} : {
        differenceInterval: pairedInterval(
          predictions,
          reference.predictions,
          `${value} and ${base}`,
        ),
      }),
      ...(baseAccuracy > 0 ? { relative: accuracy / baseAccuracy } : {}),
    };
  });
}

/**
 * The 95 % interval of the difference of two accuracies on the same images. With b images that only
 * one got right and c that only the other did, the difference is (b - c) / n. Half an image is added
 * to each of the four cells of the table (Agresti and Min, "Simple improved confidence intervals for
 * comparing matched proportions", 2005): without them no difference would look like certainty.
 */
function pairedInterval(
  one: readonly Prediction[],
  other: readonly Prediction[],
  names: string,
): Interval {
  requireSameImages(one, other, names);
  const images = one.length + 2;
  const count = (wins: readonly Prediction[], loses: readonly Prediction[]) =>
    wins.filter(({ rank }, index) => rank === 0 && loses[index].rank !== 0).length + 0.5;
  const [ahead, behind] = [count(one, other), count(other, one)];
  const difference = (ahead - behind) / images;
  const reach = intervalReach *
    Math.sqrt(((ahead + behind) / images - difference ** 2) / images);
  return [Math.max(-1, difference - reach), Math.min(1, difference + reach)];
}
