/**
 * Group norm, composed of reductions and element-wise work so that it can be differentiated any
 * number of times; activations and scales fuse into it.
 *
 * Channels come last, so sums over the positions of a frame are sums of whole rows of channels, and
 * only their results, a row a frame, are combined into groups.
 *
 * @module
 */
import { elementCount, formatShape, type Shape } from "../../shape.ts";
import { requireFloats, type Tensor } from "../../tensor.ts";
import { add, divide, multiply, square, squareRoot, subtract } from "../elementwise/op.ts";
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
  const positions = elementCount(x.shape) / elementCount(frames) / channels;
  const norm = new Grouping(elementCount(frames), channels, groups);
  const rows = reshape(x, [norm.frames, positions, channels]);
  const average = norm.groupMean(mean(rows, [1]));
  // Every pass over x is taken about a constant, which happens to be the mean: derivatives are exact
  // whatever it is, and what is left of the mean's own derivative is small work on rows of channels.
  const center = detach(average);
  const shifted = subtract(rows, norm.row(center));
  const variance = subtract(
    norm.groupMean(mean(square(shifted), [1])),
    square(subtract(average, center)),
  );
  const inverse = divide(1, squareRoot(add(variance, epsilon)));
  const scale = weight ? multiply(inverse, norm.affine(weight, frames)) : inverse;
  const centered = multiply(subtract(center, average), scale);
  const offset = bias ? add(centered, norm.affine(bias, frames)) : centered;
  return reshape(add(multiply(shifted, norm.row(scale)), norm.row(offset)), x.shape);
}

/** Shapes of a group norm: statistics are (frames, groups, 1), parameters (frames, groups, width). */
class Grouping {
  readonly width: number;
  constructor(readonly frames: number, readonly channels: number, readonly groups: number) {
    this.width = channels / groups;
  }

  /** Means of channels (frames, channels) over their groups. */
  groupMean(channelMeans: Tensor): Tensor {
    const means = mean(reshape(channelMeans, [this.frames, this.groups, this.width]), [2]);
    return reshape(means, [this.frames, this.groups, 1]);
  }

  /** A weight or bias as a factor of statistics. */
  affine(parameter: Tensor, frames: Shape): Tensor {
    const own = elementCount(parameter.shape) === this.channels ? 1 : this.frames;
    const { shape } = parameter;
    const fits = shape[shape.length - 1] === this.channels &&
      elementCount(shape) === own * this.channels;
    if (!fits) {
      throw new RangeError(
        `groupNorm: a weight or bias ${formatShape(shape)}; it must be ${
          formatShape([this.channels])
        } or ${formatShape([...frames, this.channels])}`,
      );
    }
    return reshape(parameter, [own, this.groups, this.width]);
  }

  /** A number for each channel, to be combined with all positions of a frame. */
  row(ofGroups: Tensor): Tensor {
    const full = broadcastTo(ofGroups, [this.frames, this.groups, this.width]);
    return reshape(full, [this.frames, 1, this.channels]);
  }
}
