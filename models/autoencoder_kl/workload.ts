/**
 * Autoencoders on made-up pictures, to be counted and timed.
 *
 * @module
 */
import { ripple } from "../../base/ripple.ts";
import { seedWords } from "../../diffusion/streams.ts";
import type { TrainingWorkload, Workload, WorkSize } from "../family.ts";
import { autoencoderKLSample, traceAutoencoderKL } from "./graph.ts";
import { type AutoencoderKLConfig, autoencoderKLParameters } from "./model.ts";
import { autoencoderKLTrainingGraphs } from "./step.ts";

/** Sizes of the pictures of a batch. */
function shapeOf(config: AutoencoderKLConfig, { batch, clip }: WorkSize) {
  const { frames, height, width } = clip ?? autoencoderKLSample(config, {}).clip;
  return { count: batch * frames, height, width };
}

function pictures(config: AutoencoderKLConfig, size: WorkSize): Float32Array {
  const { count, height, width } = shapeOf(config, size);
  return ripple(count * config.channels * height * width, 1);
}

/** A forward pass: encoder and decoder. */
export function autoencoderKLWorkload(config: AutoencoderKLConfig, size: WorkSize): Workload {
  return {
    specifications: autoencoderKLParameters(config),
    traced: traceAutoencoderKL(config, size),
    inputs: { image: pictures(config, size) },
  };
}

/** The step of `tessera train vae`: posterior samples, both losses, clipping, AdamW, average. */
export function autoencoderKLTrainingWorkload(
  config: AutoencoderKLConfig,
  size: WorkSize,
): TrainingWorkload {
  const { count, width } = shapeOf(config, size);
  const images = pictures(config, size);
  return {
    specifications: autoencoderKLParameters(config),
    graphs: autoencoderKLTrainingGraphs(config, {
      batchSize: count,
      imageSize: width,
      klWeight: 1e-6,
      clipNorm: 1,
    }),
    constants: { seed: seedWords(1) },
    inputs: (step) => ({
      images,
      samples: Int32Array.from({ length: count }, (_, index) => step * count + index),
    }),
  };
}
