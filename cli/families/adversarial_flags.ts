/**
 * Flags of training against a discriminator.
 *
 * @module
 */
import { paperAdversarialWeights } from "../../models/adversarial/weights.ts";
import { flag, optional } from "../flags/flags.ts";
import { integer, number } from "../flags/parsers.ts";

const weight = number({ min: 0 });

/**
 * The flags with the default of a family.
 *
 * @param adversarial weight of the discriminator's judgement
 * @param channels whose half the discriminator's first layer has
 */
export const adversarialFlags = (adversarial: number, channels: string) => ({
  adversarialWeight: flag(
    "--adversarial-weight <x>",
    "weight of the discriminator's judgement; 0 trains without one",
    weight,
    adversarial,
  ),
  r1Cost: flag(
    "--r1-cost <x>",
    "weight of the gradient penalty R1",
    weight,
    paperAdversarialWeights.r1,
  ),
  lecamWeight: flag("--lecam-weight <x>", "weight of LeCAM", weight, paperAdversarialWeights.lecam),
  discriminatorChannels: optional(
    "--discriminator-channels <n>",
    "channels of the discriminator's first layer",
    integer({ min: 1, max: 65536 }),
    channels,
  ),
});
