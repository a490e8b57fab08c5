/**
 * What the posteriors of an autoencoder are like.
 *
 * @module
 */
import { logVarianceBounds } from "../../nn/posterior.ts";
import { channelStatistics, type LatentChannel } from "../reconstruction/evaluation.ts";

/** The mean of a posterior (c, h, w), of its moments (2 c, h, w). */
export const posteriorMean = (moments: Float32Array): Float32Array =>
  moments.subarray(0, moments.length / 2);

/** The logarithms of its variances, bounded as in training. */
function logVariances(moments: Float32Array): Float32Array {
  const { least, greatest } = logVarianceBounds;
  return moments.subarray(moments.length / 2)
    .map((value) => Math.min(Math.max(value, least), greatest));
}

/** The divergence of a posterior from the standard normal, in nats. */
export function posteriorDivergence(moments: Float32Array): number {
  const logarithms = logVariances(moments);
  return posteriorMean(moments).reduce((sum, mean, index) => {
    const logarithm = logarithms[index];
    return sum + (mean ** 2 + Math.exp(logarithm) - 1 - logarithm) / 2;
  }, 0);
}

/** Means and deviations of samples of posteriors, channel by channel. */
export const posteriorStatistics = (
  moments: readonly Float32Array[],
  channels: number,
): LatentChannel[] =>
  channelStatistics(
    moments.map(posteriorMean),
    channels,
    moments.map((values) => logVariances(values).map(Math.exp)),
  );
