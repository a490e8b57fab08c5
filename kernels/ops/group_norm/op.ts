/**
 * Group norm, composed of reductions and element-wise work so that it can be differentiated any
 * number of times; activations and scales fuse into it.
 *
 * Channels come last, so sums over the positions of a frame are sums of whole rows of channels, and
 * only their results, a row a frame, are combined into groups.
 *
 * @module
 */
import { binary, type Expression } from "../../expression.ts";
import { elementCount, formatShape, sameShape, type Shape } from "../../shape.ts";
import { requireFloats, type Tensor } from "../../tensor.ts";
import { add, divide, map, multiply, square, squareRoot, subtract } from "../elementwise/op.ts";
import { broadcastTo, detach, reshape } from "../movement/op.ts";
import { mean } from "../reduce/op.ts";

/** What may be said of a group norm besides its groups. */
export interface GroupNormOptions {
  /** Factor after normalising: (C), or the leading sizes of x and C. */
  readonly weight?: Tensor;
  /** Added after that, of such a shape too. */
  readonly bias?: Tensor;
  /** How many sizes before the channels share their statistics; 2 by default: a frame's lines and
   * positions. */
  readonly axes?: number;
}

/**
 * Normalises x (N, ..., C) in groups of neighbouring channels to mean 0 and variance 1 over the
 * channels of the group and the last `axes` sizes before them (the biased variance plus `epsilon`
 * under the root), then multiplies by the weight and adds the bias. A clip (N, T, H, W, C) is thereby
 * normalised frame by frame, so that no frame depends on later ones.
 *
 * @throws RangeError when `groups` does not divide the channels, x has not that many axes, or weight
 * or bias have another shape than (C) or (N, ..., C)
 */
export function groupNorm(
  x: Tensor,
  groups: number,
  epsilon: number,
  { weight, bias, axes = 2 }: GroupNormOptions = {},
): Tensor {
  requireFloats("groupNorm", [x, ...[weight ?? [], bias ?? []].flat()]);
  const channels = x.shape[x.shape.length - 1];
  const frames = x.shape.slice(0, -1 - axes);
  if (!Number.isInteger(channels / groups) || groups < 1 || frames.length === 0) {
    throw new RangeError(
      `groupNorm: ${groups} groups of ${
        formatShape(x.shape)
      } over ${axes} sizes; it takes (N, ..., ` +
        `sizes, C) and groups that divide C`,
    );
  }
  const norm = new Grouping(frames, axes, channels, groups);
  const average = norm.groupMean(x);
  // Every pass over x is taken about a constant, which happens to be the mean: derivatives are exact
  // whatever it is, and what is left of the mean's own derivative is small work on rows of channels.
  // Each pass is one expression: its derivatives read x again, and no difference is stored.
  const center = detach(average);
  const variance = subtract(
    norm.groupMean(map((a, m) => squared(binary("subtract", a, m)), x, norm.row(center))),
    square(subtract(average, center)),
  );
  const inverse = divide(1, squareRoot(add(variance, epsilon)));
  const scale = weight ? multiply(inverse, norm.affine(weight)) : inverse;
  const centered = multiply(subtract(center, average), scale);
  const offset = bias ? add(centered, norm.affine(bias)) : centered;
  return map(
    (a, m, s, o) => binary("add", binary("multiply", binary("subtract", a, m), s), o),
    ...[x, norm.row(center), norm.row(scale), norm.row(offset)],
  );
}

const squared = (e: Expression): Expression => binary("multiply", e, e);

/** Shapes of a group norm: statistics are (frames, groups, 1), parameters (frames, groups, width). */
class Grouping {
  /** Numbers of a channel, for each frame. */
  readonly #rows: Shape;
  readonly #axes: readonly number[];
  readonly #width: number;

  constructor(
    readonly frames: Shape,
    axes: number,
    readonly channels: number,
    readonly groups: number,
  ) {
    this.#axes = Array.from({ length: axes }, (_, i) => frames.length + i);
    this.#rows = [...frames, ...this.#axes.map(() => 1), channels];
    this.#width = channels / groups;
  }

  #count(): number {
    return elementCount(this.frames);
  }

  /** Means over the positions and the channels of groups. */
  groupMean(x: Tensor): Tensor {
    // One axis at a time: there are then so many sums that how each is divided among threads does
    // not depend on the number of frames, and nor do its bits.
    const ofPositions = this.#axes.reduceRight((sums, axis) => mean(sums, [axis]), x);
    const ofChannels = reshape(ofPositions, [this.#count(), this.groups, this.#width]);
    return reshape(mean(ofChannels, [2]), [this.#count(), this.groups, 1]);
  }

  /** A weight or bias as a factor of statistics. */
  affine(parameter: Tensor): Tensor {
    const { shape } = parameter;
    const whole = [...this.frames, this.channels];
    if (!sameShape(shape, [this.channels]) && !sameShape(shape, whole)) {
      throw new RangeError(
        `groupNorm: a weight or bias ${formatShape(shape)}; it must be ${
          formatShape([this.channels])
        } or ${formatShape(whole)}`,
      );
    }
    return reshape(parameter, [-1, this.groups, this.#width]);
  }

  /** A number for each channel, to be combined with all positions of a frame. */
  row(ofGroups: Tensor): Tensor {
    return reshape(
      broadcastTo(ofGroups, [this.#count(), this.groups, this.#width]),
      this.#rows,
    );
  }
}
