/**
 * Flags of an autoencoder's configuration.
 *
 * @module
 */
import { overrideAutoencoderKLConfig } from "../../../models/autoencoder_kl/config.ts";
import type { AutoencoderKLConfig } from "../../../models/autoencoder_kl/model.ts";
import { group, optional, type Values } from "../../flags/flags.ts";
import { transformerShape } from "../../flags/options.ts";
import { integer, list } from "../../flags/parsers.ts";
import type { ModelFields, ModelValues } from "../commands.ts";
import { codecModelFlags } from "../codec_flags.ts";

/** Fields of an autoencoder. */
export const autoencoderKLModelFlags = group("Model:", {
  blockOutChannels: optional(
    "--block-out-channels <n,...>",
    "width of each level, finest first; sides are halved between two",
    list(integer({ min: 1, max: 65536 })),
  ),
  ...codecModelFlags,
});

/** The fields of an autoencoder that flags replace. */
export const autoencoderKLFields: ModelFields<AutoencoderKLConfig> = {
  flags: autoencoderKLModelFlags,
  without: transformerShape.filter((name) => name !== "channels"),
  overrides: (_, values) => autoencoderKLOverrides(values),
  override: overrideAutoencoderKLConfig,
};

function autoencoderKLOverrides(values: ModelValues): Partial<AutoencoderKLConfig> {
  const { blockOutChannels, blocks, latentChannels, groups } = values as Partial<
    Values<typeof autoencoderKLModelFlags>
  >;
  const { channels } = values;
  return {
    channels,
    blockOutChannels,
    layersPerBlock: blocks,
    latentChannels,
    normGroups: groups,
  };
}
