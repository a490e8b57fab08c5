/**
 * The discriminator as a companion of an autoencoder's training: its parameters and what it minimises.
 *
 * @module
 */
import { add, multiply } from "../../kernels/ops/elementwise/op.ts";
import { concatenate, detach, reshape, slice } from "../../kernels/ops/movement/op.ts";
import { mean } from "../../kernels/ops/reduce/op.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import {
  type Parameters,
  type ParameterSpecification,
  under,
  within,
} from "../../nn/parameters.ts";
import type { ClipSize } from "../codec.ts";
import {
  discriminator,
  type DiscriminatorConfig,
  discriminatorParameters,
} from "./discriminator.ts";
import { discriminatorLoss, gradientPenalty, lecam, type MeanLogits } from "./losses.ts";
import type { AdversarialWeights } from "./weights.ts";

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

/**
 * What an autoencoder is trained with besides its own parameters.
 *
 * @param channels of the clips
 */
export function discriminatorCompanions(
  config: DiscriminatorConfig,
  clip: ClipSize,
  channels: number,
): ParameterSpecification[] {
  return under(prefix, [...discriminatorParameters(config, clip, channels), runningLogits]);
}

/** What the discriminator minimises, and what it says of the reconstructions. */
export function discriminatorLosses(
  config: DiscriminatorConfig,
  parameters: Parameters,
  { real, fake }: { readonly real: Tensor; readonly fake: Tensor },
  weights: Pick<AdversarialWeights, "r1" | "lecam">,
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
