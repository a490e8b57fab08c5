/**
 * Flags of the configurations of codecs.
 *
 * @module
 */
import { group, optional } from "../flags/flags.ts";
import { integer } from "../flags/parsers.ts";

const size = integer({ min: 1, max: 65536 });

/** Fields that all convolutional codecs have. */
export const codecModelFlags = group("Model:", {
  blocks: optional("--blocks <n>", "residual blocks of a level", integer({ min: 1, max: 64 })),
  latentChannels: optional("--latent-channels <n>", "channels of the latent", size),
  groups: optional("--groups <n>", "groups of the norms; divides every width", size),
});
