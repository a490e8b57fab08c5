/**
 * What a tokenizer is trained on: clips, their reconstructions, and a discriminator that learns to tell
 * the two apart. `step_graphs.ts` makes a step of it.
 *
 * Both networks are updated at once, from the same reconstructions and by the same discriminator.
 *
 * @module
 */
import { add, multiply, square, subtract } from "../../kernels/ops/elementwise/op.ts";
import { mean } from "../../kernels/ops/reduce/op.ts";
import { input, type Tensor } from "../../kernels/tensor.ts";
import { lookup, type ParameterSpecification, parameterStates } from "../../nn/parameters.ts";
import {
  type StepGraphs,
  type StepLosses,
  stepOf,
  type StepSettings,
} from "../../training/step/step_graphs.ts";
import { discriminatorCompanions, discriminatorLosses } from "../adversarial/companion.ts";
import type { DiscriminatorConfig } from "../adversarial/discriminator.ts";
import { generatorLoss } from "../adversarial/losses.ts";
import type { ClipSize } from "../codec.ts";
import { causalTokenizerCodec } from "./graph.ts";
import { type CausalTokenizerConfig, causalTokenizerParameters, colours } from "./model.ts";
import {
  perceptualLoss,
  type PerceptualNetwork,
  perceptualParameters,
  type PerceptualWeights,
} from "../perceptual/loss.ts";
import type { LossWeights } from "./weights.ts";

/** Settings that shape the graph. */
export interface TokenizerStepSettings extends StepSettings {
  /** Clips a step. */
  readonly batchSize: number;
  /** Frames and sides of the clips. */
  readonly clip: ClipSize;
  /** What the tokenizer is trained against; absent: nothing, it only minimises the squared error. */
  readonly discriminator?: DiscriminatorConfig;
  /** The classifier whose logits of frames are compared; absent: they are not. */
  readonly perceptual?: PerceptualNetwork;
  /** Weights of the losses. */
  readonly weights: LossWeights;
}

/** What decides what a tokenizer is trained with. */
type CompanionSettings = Pick<TokenizerStepSettings, "discriminator" | "perceptual" | "clip">;

/** Everything that the discriminator has, if there is one. */
const adversaryParameters = (
  { discriminator: config, clip }: CompanionSettings,
): ParameterSpecification[] => config ? discriminatorCompanions(config, clip, colours) : [];

/**
 * What a tokenizer is trained with besides its own parameters.
 *
 * @param weights of the classifier, for a run that starts
 */
export function tokenizerCompanions(
  settings: CompanionSettings,
  weights?: PerceptualWeights,
): ParameterSpecification[] {
  const { perceptual } = settings;
  return [
    ...adversaryParameters(settings),
    ...(perceptual ? perceptualParameters(perceptual.config, weights) : []),
  ];
}

/**
 * The graphs of a step, whole or in parts.
 *
 * Inputs: `images` (N, 3, frames, H, W) in [-1, 1], `schedule` (8).
 *
 * @throws RangeError for parts of a step with a discriminator
 */
export function tokenizerTrainingGraphs(
  config: CausalTokenizerConfig,
  settings: TokenizerStepSettings,
): StepGraphs {
  return stepOf(
    settings.batchSize,
    settings,
    (batchSize) => tokenizerLosses(config, { ...settings, batchSize }),
  );
}

/** Mean squared error of pixels in [0, 1], given clips in [-1, 1]. */
export const reconstructionLoss = (real: Tensor, fake: Tensor): Tensor =>
  multiply(mean(square(subtract(fake, real))), 1 / 4);

/** The losses of a batch. */
export function tokenizerLosses(
  config: CausalTokenizerConfig,
  settings: TokenizerStepSettings,
): StepLosses {
  const { batchSize, clip, weights } = settings;
  const specifications = causalTokenizerParameters(config);
  const states = parameterStates([...specifications, ...tokenizerCompanions(settings)]);
  const of = lookup(states);
  const real = input("images", [batchSize, colours, clip.frames, clip.height, clip.width]);
  const fake = causalTokenizerCodec.decode(
    config,
    of,
    causalTokenizerCodec.encode(config, of, real),
  );
  const l2 = reconstructionLoss(real, fake);
  const looks = settings.perceptual &&
    perceptualLoss(settings.perceptual.config, of, { real, fake });
  const plain = multiply(l2, weights.l2);
  const own = looks ? add(plain, multiply(looks, weights.perceptual)) : plain;
  const terms: Record<string, Tensor> = looks ? { l2, perceptual: looks } : { l2 };
  if (!settings.discriminator) return { specifications, states, loss: own, terms };
  const judge = discriminatorLosses(settings.discriminator, of, { real, fake }, weights);
  const adversarial = generatorLoss(judge.judgement);
  return {
    specifications,
    states,
    loss: add(own, multiply(adversarial, weights.adversarial)),
    terms: { ...terms, adversarial, ...judge.terms },
    adversary: {
      specifications: adversaryParameters(settings),
      loss: judge.loss,
      updates: judge.updates,
    },
  };
}
