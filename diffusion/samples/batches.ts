/**
 * Samples drawn a batch at a time, so that any number of them can be gone through.
 *
 * Sample i depends on the seed, i, its conditions and the settings only: not on the batch size, on how
 * many are drawn, or (but for rounding) on the device.
 *
 * @module
 */
import { elementCount, type HostArray } from "../../kernels/shape.ts";
import type { SamplerLoop } from "../sampler_loop.ts";

/** Which samples to draw. */
export interface SampleRequest {
  /** Whole number from 0 to 2^53 - 1. */
  readonly seed: number;
  /** How many. */
  readonly count: number;
  /** Which drawing of the same samples this is, if there are several; 0 unless told. */
  readonly drawing?: number;
  /**
   * Fills `out` with the start noise of samples `first` and those after it; drawn from the seed when
   * absent.
   */
  readonly startNoise?: (first: number, out: Float32Array) => void | Promise<void>;
  /** Inputs of a batch that stay the same for all steps, by name. @param rows numbers of its samples */
  readonly conditions: (rows: Int32Array) => ReadonlyMap<string, HostArray>;
  /** What a sample is called in messages, such as `picture`. */
  readonly noun: string;
}

/** Called after every step with the samples finished so far and the steps made in this batch. */
export type SamplingProgress = (finished: number, step: number) => void | Promise<void>;

/**
 * Draws samples.
 *
 * @returns (n, ...) each, in order, n the batch size and fewer the last time
 * @throws {NonFiniteSampleError} when the network puts out NaN or infinity
 */
export async function* sampleBatches(
  loop: SamplerLoop,
  request: SampleRequest,
  progress?: SamplingProgress,
): AsyncGenerator<Float32Array> {
  for (let first = 0; first < request.count; first += loop.shape[0]) {
    yield await sampleBatch(loop, request, first, progress);
  }
}

/**
 * Draws one batch of the samples of a request.
 *
 * @returns (n, ...), samples `first` to `first + n - 1`, n the batch size or what is left
 * @throws {NonFiniteSampleError} when the network puts out NaN or infinity
 */
export async function sampleBatch(
  loop: SamplerLoop,
  { seed, count, drawing, startNoise, conditions, noun }: SampleRequest,
  first: number,
  progress?: SamplingProgress,
): Promise<Float32Array> {
  const [batchSize, ...shape] = loop.shape;
  const length = elementCount(shape);
  const asked = Math.min(batchSize, count - first);
  const rows = Int32Array.from({ length: batchSize }, (_, index) => first + index);
  // The places of a partial batch that are not asked for keep zeros.
  const noise = startNoise && new Float32Array(batchSize * length);
  if (noise) await startNoise(first, noise.subarray(0, asked * length));
  const drawn = await loop.draw(
    { seed, rows, drawing, startNoise: noise, conditions: conditions(rows) },
    (step) => progress?.(first + (step === loop.stepCount ? asked : 0), step),
  );
  const samples = drawn.subarray(0, asked * length);
  await loop.requireFinite(
    samples,
    (element) => `the batch of ${noun} ${first + Math.floor(element / length)}`,
  );
  return samples;
}
