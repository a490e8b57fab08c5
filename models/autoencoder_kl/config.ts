/**
 * Checking configurations of autoencoders that come from files and flags, also those of diffusers.
 *
 * @module
 */
import { z } from "zod";
import { InputError } from "../../base/errors.ts";
import { checkFields, requireMultiple, withOverrides } from "../../nn/config.ts";
import type { AutoencoderKLConfig } from "./model.ts";

const count = z.int().min(1).max(65536);

/** The JSON form of a configuration. */
const configSchema: z.ZodType<AutoencoderKLConfig> = z.strictObject({
  family: z.literal("autoencoder-kl"),
  channels: count,
  latentChannels: count,
  blockOutChannels: z.array(count).min(1).max(8),
  layersPerBlock: z.int().min(1).max(64),
  normGroups: count,
  scalingFactor: z.number().positive().optional(),
});

/**
 * The fields of diffusers' `config.json` that say which network it is. Files from before a field
 * existed have the value that it got then; fields that change nothing here are let through.
 */
const publishedSchema = z.looseObject({
  _class_name: z.literal("AutoencoderKL"),
  act_fn: z.literal("silu").default("silu"),
  in_channels: count,
  out_channels: count,
  latent_channels: count,
  block_out_channels: z.array(count),
  layers_per_block: count,
  norm_num_groups: count.default(32),
  scaling_factor: z.number().default(0.18215),
  down_block_types: z.array(z.literal("DownEncoderBlock2D")).optional(),
  up_block_types: z.array(z.literal("UpDecoderBlock2D")).optional(),
  mid_block_add_attention: z.literal(true).default(true),
  use_quant_conv: z.literal(true).default(true),
  use_post_quant_conv: z.literal(true).default(true),
  shift_factor: z.null().or(z.literal(0)).optional(),
  latents_mean: z.null().optional(),
  latents_std: z.null().optional(),
});

/**
 * Checks the fields of a configuration, our own or diffusers', and that they fit each other.
 *
 * @throws InputError naming the field, or with the nearest valid values
 */
export function checkAutoencoderKLConfig(value: unknown, where: string): AutoencoderKLConfig {
  const isPublished = Object(value)._class_name !== undefined;
  const config = checkFields(
    configSchema,
    isPublished ? fromPublished(value, where) : value,
    where,
  );
  for (const width of config.blockOutChannels) {
    const groups = config.normGroups;
    requireMultiple(where, ["width", width], [`divisible by ${groups} groups`, groups], "widths");
  }
  return config;
}

/** A configuration with some fields replaced, checked. */
export function overrideAutoencoderKLConfig(
  config: AutoencoderKLConfig,
  overrides: Partial<AutoencoderKLConfig>,
  where: string,
): AutoencoderKLConfig {
  return checkAutoencoderKLConfig(withOverrides(config, overrides), where);
}

/** The configuration that a `config.json` of diffusers describes. */
function fromPublished(value: unknown, where: string): AutoencoderKLConfig {
  const published = checkFields(publishedSchema, value, where);
  const { in_channels: channels, out_channels: outputs } = published;
  if (channels !== outputs) {
    throw new InputError(`${where}: out_channels: ${outputs}, but in_channels is ${channels}`);
  }
  return {
    family: "autoencoder-kl",
    channels,
    latentChannels: published.latent_channels,
    blockOutChannels: published.block_out_channels,
    layersPerBlock: published.layers_per_block,
    normGroups: published.norm_num_groups,
    scalingFactor: published.scaling_factor,
  };
}
