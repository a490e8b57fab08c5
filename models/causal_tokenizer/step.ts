/**
 * What a tokenizer is trained on: clips, their reconstructions, and a discriminator that learns to tell
 * the two apart. `step_graphs.ts` makes a step of it.
 *
 * Both networks are updated at once, from the same reconstructions and by the same discriminator.
 *
 * @module
 */
import { add, multiply } from "../../kernels/ops/elementwise/op.ts";
import { concatenate, detach, reshape, slice } from "../../kernels/ops/movement/op.ts";
import { mean } from "../../kernels/ops/reduce/op.ts";
import { input, type Tensor } from "../../kernels/tensor.ts";
import {
  lookup,
  type Parameters,
  type ParameterSpecification,
  parameterStates,
  under,
  within,
} from "../../nn/parameters.ts";
import { type StepGraphs, type StepLosses, stepOf } from "../../training/step/step_graphs.ts";
import type { ClipSize } from "../codec.ts";
import {
  discriminator,
  type DiscriminatorConfig,
  discriminatorParameters,
} from "./discriminator.ts";
import { causalTokenizerCodec } from "./graph.ts";
import {
  discriminatorLoss,
  generatorLoss,
  gradientPenalty,
  lecam,
  type MeanLogits,
  reconstructionLoss,
} from "./losses.ts";
import { type CausalTokenizerConfig, causalTokenizerParameters, colours } from "./model.ts";
import type { LossWeights } from "./weights.ts";

/** Settings that shape the graph. */
export interface TokenizerStepSettings {
  /** Clips a step. */
  readonly batchSize: number;
  /** Frames and sides of the clips. */
  readonly clip: ClipSize;
  /** What the tokenizer is trained against; absent: nothing, it only minimises the squared error. */
  readonly discriminator?: DiscriminatorConfig;
  /** Weights of the losses. */
  readonly weights: LossWeights;
  /** Largest gradient norm of both networks together; 0 means no limit. */
  readonly clipNorm: number;
  /** Equal parts a batch is divided into, which saves memory; 1 when absent. */
  readonly accumulate?: number;
}

/** Decay of the running means of LeCAM. */
const lecamDecay = 0.999;

/** Prefix of everything that the discriminator has. */
const prefix = "discriminator";

/** The running means of LeCAM, of real clips and of reconstructions; they start at 0. */
const runningLogits: ParameterSpecification = {
  name: "running_logits",
  shape: [2],
  initial: { kind: "zeros" },
  trainable: false,
};

/** What a tokenizer is trained with besides its own parameters. */
export function tokenizerCompanions(
  { discriminator: config, clip }: Pick<TokenizerStepSettings, "discriminator" | "clip">,
): ParameterSpecification[] {
  return config ? under(prefix, [...discriminatorParameters(config, clip), runningLogits]) : [];
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

/** The losses of a batch. */
export function tokenizerLosses(
  config: CausalTokenizerConfig,
  settings: TokenizerStepSettings,
): StepLosses {
  const { batchSize, clip, weights } = settings;
  const specifications = causalTokenizerParameters(config);
  const companions = tokenizerCompanions(settings);
  const states = parameterStates([...specifications, ...companions]);
  const of = lookup(states);
  const real = input("images", [batchSize, colours, clip.frames, clip.height, clip.width]);
  const fake = causalTokenizerCodec.decode(
    config,
    of,
    causalTokenizerCodec.encode(config, of, real),
  );
  const l2 = reconstructionLoss(real, fake);
  const plain = multiply(l2, weights.l2);
  if (!settings.discriminator) return { specifications, states, loss: plain, terms: { l2 } };
  const judge = discriminatorLosses(settings.discriminator, of, { real, fake }, weights);
  const adversarial = generatorLoss(judge.judgement);
  return {
    specifications,
    states,
    loss: add(plain, multiply(adversarial, weights.adversarial)),
    terms: { l2, adversarial, ...judge.terms },
    adversary: { specifications: companions, loss: judge.loss, updates: judge.updates },
  };
}

/** What the discriminator minimises, and what it says of the reconstructions. */
export function discriminatorLosses(
  config: DiscriminatorConfig,
  parameters: Parameters,
  { real, fake }: { readonly real: Tensor; readonly fake: Tensor },
  weights: Pick<LossWeights, "r1" | "lecam">,
) {
  const own = within(parameters, prefix);
  const running = own(runningLogits.name);
  const [realLogits, judgement] = [real, fake].map((clips) => discriminator(config, own, clips));
  const discriminating = discriminatorLoss(realLogits, judgement);
  const r1 = gradientPenalty(realLogits, real);
  const batch: MeanLogits = { real: mean(realLogits), fake: mean(judgement) };
  const regular = lecam(batch, {
    real: reshape(slice(running, 0, 0, 1), []),
    fake: reshape(slice(running, 0, 1, 1), []),
  });
  const loss = add(
    discriminating,
    add(multiply(r1, weights.r1), multiply(regular, weights.lecam)),
  );
  const means = concatenate([reshape(batch.real, [1]), reshape(batch.fake, [1])], 0);
  const followed = add(
    multiply(running, lecamDecay),
    multiply(detach(means), 1 - lecamDecay),
  );
  return {
    loss,
    judgement,
    terms: { discriminating, r1, lecam: regular },
    updates: [{ state: running, value: followed }],
  };
}
