/**
 * What an autoencoder is trained on: pictures, and noise for the samples of their posteriors.
 *
 * @module
 */
import { streams } from "../../diffusion/streams.ts";
import { add, multiply, square, subtract } from "../../kernels/ops/elementwise/op.ts";
import { randomNormal } from "../../kernels/ops/random/op.ts";
import { mean } from "../../kernels/ops/reduce/op.ts";
import { elementCount } from "../../kernels/shape.ts";
import { constantTensor, input, type Tensor } from "../../kernels/tensor.ts";
import { lookup, parameterStates } from "../../nn/parameters.ts";
import { divergence, posterior, samplePosterior } from "../../nn/posterior.ts";
import { type StepGraphs, type StepLosses, stepOf } from "../../training/step/step_graphs.ts";
import {
  type AutoencoderKLConfig,
  autoencoderKLParameters,
  decode,
  encode,
  spatialFactor,
} from "./model.ts";

/** Settings that shape the graph. */
export interface AutoencoderKLStepSettings {
  /** Pictures a step. */
  readonly batchSize: number;
  /** Side of the pictures. */
  readonly imageSize: number;
  /** Factor of the divergence in the loss. */
  readonly klWeight: number;
  /** Largest gradient norm; 0 means no limit. */
  readonly clipNorm: number;
  /** Equal parts a batch is divided into, which saves memory; 1 when absent. */
  readonly accumulate?: number;
}

/**
 * The graphs of a step, whole or in parts.
 *
 * Inputs: `images` (N, C, I, I) in [-1, 1], `samples` i32 (N: the number of each picture in the endless
 * stream of training pictures, which all randomness is drawn from), `seed` i32 (2), `schedule` (8).
 */
export function autoencoderKLTrainingGraphs(
  config: AutoencoderKLConfig,
  settings: AutoencoderKLStepSettings,
): StepGraphs {
  return stepOf(
    settings.batchSize,
    settings,
    (batchSize) => trainingLosses(config, { ...settings, batchSize }),
  );
}

function trainingLosses(
  config: AutoencoderKLConfig,
  { batchSize, imageSize, klWeight }: AutoencoderKLStepSettings,
): StepLosses {
  const side = imageSize / spatialFactor(config);
  const images = input("images", [batchSize, config.channels, imageSize, imageSize]);
  const source = {
    seed: input("seed", [2], "i32"),
    rows: input("samples", [batchSize], "i32"),
    draw: constantTensor(Int32Array.of(0), []),
    stream: streams.posterior,
  };
  const noise = randomNormal(source, [batchSize, config.latentChannels, side, side]);
  return autoencoderKLLosses(config, images, noise, klWeight);
}

/**
 * The losses of a batch with given noise (N, c, h, w): the mean squared error of the reconstructions and,
 * times its weight, the divergence of the posteriors from the standard normal. Both are counted by number
 * of the picture, so that their relation is that of sums over pictures (Rombach et al., appendix G).
 */
export function autoencoderKLLosses(
  config: AutoencoderKLConfig,
  images: Tensor,
  noise: Tensor,
  klWeight: number,
): StepLosses {
  const specifications = autoencoderKLParameters(config);
  const states = parameterStates(specifications);
  const parameters = lookup(states);
  const found = posterior(encode(config, parameters, images));
  const reconstructions = decode(config, parameters, samplePosterior(found, noise));
  const meanSquaredError = mean(square(subtract(reconstructions, images)));
  const numbers = elementCount(images.shape.slice(1));
  const klDivergence = multiply(mean(divergence(found)), 1 / numbers);
  const loss = add(meanSquaredError, multiply(klWeight, klDivergence));
  return { specifications, states, loss, terms: { meanSquaredError, klDivergence } };
}
