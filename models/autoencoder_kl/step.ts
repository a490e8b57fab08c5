/**
 * What an autoencoder is trained on: pictures, noise for the samples of their posteriors, and, if they are
 * wanted, a classifier that reconstructions are to look alike to, and a discriminator that learns to tell
 * them from pictures.
 *
 * @module
 */
import { streams } from "../../diffusion/streams.ts";
import { add, multiply, square, subtract } from "../../kernels/ops/elementwise/op.ts";
import { reshape } from "../../kernels/ops/movement/op.ts";
import { randomNormal } from "../../kernels/ops/random/op.ts";
import { mean } from "../../kernels/ops/reduce/op.ts";
import { elementCount } from "../../kernels/shape.ts";
import { constantTensor, input, type Tensor } from "../../kernels/tensor.ts";
import { lookup, type ParameterSpecification, parameterStates } from "../../nn/parameters.ts";
import { divergence, posterior, samplePosterior } from "../../nn/posterior.ts";
import {
  type StepGraphs,
  type StepLosses,
  stepOf,
  type StepSettings,
} from "../../training/step/step_graphs.ts";
import { discriminatorCompanions, discriminatorLosses } from "../adversarial/companion.ts";
import type { DiscriminatorConfig } from "../adversarial/discriminator.ts";
import { generatorLoss } from "../adversarial/losses.ts";
import type { AdversarialWeights } from "../adversarial/weights.ts";
import type { ClipSize } from "../codec.ts";
import {
  perceptualLoss,
  type PerceptualNetwork,
  perceptualParameters,
  type PerceptualWeights,
} from "../perceptual/loss.ts";
import {
  type AutoencoderKLConfig,
  autoencoderKLParameters,
  decode,
  encode,
  spatialFactor,
} from "./model.ts";

/** Settings that shape the graph. */
export interface AutoencoderKLStepSettings extends StepSettings {
  /** Pictures a step. */
  readonly batchSize: number;
  /** Side of the pictures. */
  readonly imageSize: number;
  /** Factor of the divergence in the loss. */
  readonly klWeight: number;
  /** What the autoencoder is trained against; absent: nothing. */
  readonly adversary?: {
    /** Size and shape. */
    readonly discriminator: DiscriminatorConfig;
    /** Weights of its losses. */
    readonly weights: AdversarialWeights;
  };
  /** The classifier whose logits are compared, and the weight of that; absent: they are not. */
  readonly perceptual?: {
    readonly network: PerceptualNetwork;
    readonly weight: number;
  };
}

/** A picture as the clip that discriminators see. */
const clipOf = ({ imageSize }: Pick<AutoencoderKLStepSettings, "imageSize">): ClipSize => ({
  frames: 1,
  height: imageSize,
  width: imageSize,
});

/** Settings that decide what an autoencoder is trained with. */
type CompanionSettings = Pick<
  AutoencoderKLStepSettings,
  "adversary" | "perceptual" | "imageSize"
>;

/** Everything that the discriminator has, if there is one. */
function adversaryParameters(
  { channels }: AutoencoderKLConfig,
  settings: CompanionSettings,
): ParameterSpecification[] {
  const { adversary } = settings;
  if (!adversary) return [];
  return discriminatorCompanions(adversary.discriminator, clipOf(settings), channels);
}

/**
 * What an autoencoder is trained with besides its own parameters.
 *
 * @param weights of the classifier, for a run that starts
 */
export function autoencoderKLCompanions(
  config: AutoencoderKLConfig,
  settings: CompanionSettings,
  weights?: PerceptualWeights,
): ParameterSpecification[] {
  const { perceptual } = settings;
  return [
    ...adversaryParameters(config, settings),
    ...(perceptual ? perceptualParameters(perceptual.network.config, weights) : []),
  ];
}

/**
 * The graphs of a step, whole or in parts.
 *
 * Inputs: `images` (N, C, I, I) in [-1, 1], `samples` i32 (N: the number of each picture in the endless
 * stream of training pictures, which all randomness is drawn from), `seed` i32 (2), `schedule` (8).
 *
 * @throws RangeError for parts of a step with a discriminator
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
  settings: AutoencoderKLStepSettings,
): StepLosses {
  const { batchSize, imageSize } = settings;
  const side = imageSize / spatialFactor(config);
  const images = input("images", [batchSize, config.channels, imageSize, imageSize]);
  const source = {
    seed: input("seed", [2], "i32"),
    rows: input("samples", [batchSize], "i32"),
    draw: constantTensor(Int32Array.of(0), []),
    stream: streams.posterior,
  };
  const noise = randomNormal(source, [batchSize, config.latentChannels, side, side]);
  return autoencoderKLLosses(config, images, noise, settings);
}

/**
 * The losses of a batch with given noise (N, c, h, w): the mean squared error of the reconstructions and,
 * times its weight, the divergence of the posteriors from the standard normal. Both are counted by number
 * of the picture, so that their relation is that of sums over pictures (Rombach et al., appendix G). A
 * classifier and a discriminator judge the reconstructions besides, where they are wanted.
 */
export function autoencoderKLLosses(
  config: AutoencoderKLConfig,
  images: Tensor,
  noise: Tensor,
  settings: CompanionSettings & Pick<AutoencoderKLStepSettings, "klWeight">,
): StepLosses {
  const { klWeight, adversary, perceptual } = settings;
  const specifications = autoencoderKLParameters(config);
  const states = parameterStates([...specifications, ...autoencoderKLCompanions(config, settings)]);
  const parameters = lookup(states);
  const found = posterior(encode(config, parameters, images));
  const reconstructions = decode(config, parameters, samplePosterior(found, noise));
  const meanSquaredError = mean(square(subtract(reconstructions, images)));
  const numbers = elementCount(images.shape.slice(1));
  const klDivergence = multiply(mean(divergence(found)), 1 / numbers);
  const plain = add(meanSquaredError, multiply(klWeight, klDivergence));
  const [real, fake] = [images, reconstructions].map(asClips);
  const looks = perceptual &&
    perceptualLoss(perceptual.network.config, parameters, { real, fake });
  const own = looks ? add(plain, multiply(looks, perceptual.weight)) : plain;
  const terms: Record<string, Tensor> = {
    meanSquaredError,
    klDivergence,
    ...(looks && { perceptual: looks }),
  };
  if (!adversary) return { specifications, states, loss: own, terms };
  const { discriminator, weights } = adversary;
  const judge = discriminatorLosses(discriminator, parameters, { real, fake }, weights);
  const adversarial = generatorLoss(judge.judgement);
  return {
    specifications,
    states,
    loss: add(own, multiply(adversarial, weights.adversarial)),
    terms: { ...terms, adversarial, ...judge.terms },
    adversary: {
      specifications: adversaryParameters(config, settings),
      loss: judge.loss,
      updates: judge.updates,
    },
  };
}

/** Pictures (N, C, H, W) as clips of one frame. */
function asClips(pictures: Tensor): Tensor {
  const [batch, channels, height, width] = pictures.shape;
  return reshape(pictures, [batch, channels, 1, height, width]);
}
