/**
 * Checking DiT configurations that come from files and flags, also those of diffusers.
 *
 * @module
 */
import { z } from "zod";
import { InputError } from "../../base/errors.ts";
import { checkFields, requireMultiple, withOverrides } from "../../nn/config.ts";
import { conditionings } from "./blocks.ts";
import type { DiTConfig } from "./model.ts";

const count = z.int().min(1).max(65536);

/** The JSON form of a configuration. */
const ditConfigSchema: z.ZodType<DiTConfig> = z.strictObject({
  family: z.literal("dit"),
  inputSize: count,
  patch: count,
  channels: count,
  hidden: count,
  depth: z.int().min(1).max(1024),
  heads: z.int().min(1).max(1024),
  classes: z.int().min(1).max(1_000_000),
  learnSigma: z.boolean().default(true),
  conditioning: z.enum(conditionings).default("adaLN-Zero"),
});

/** The fields of diffusers' `config.json` that say which network it is. */
const publishedSchema = z.looseObject({
  _class_name: z.enum(["DiTTransformer2DModel", "Transformer2DModel"]),
  num_attention_heads: count,
  attention_head_dim: count,
  in_channels: count,
  out_channels: count.nullish(),
  num_layers: count,
  sample_size: count,
  patch_size: count,
  num_embeds_ada_norm: z.int().min(1).max(1_000_000),
  activation_fn: z.literal("gelu-approximate"),
  norm_type: z.literal("ada_norm_zero"),
  attention_bias: z.literal(true),
  norm_elementwise_affine: z.literal(false),
  cross_attention_dim: z.null().optional(),
});

/**
 * The configuration that a `config.json` of diffusers describes.
 *
 * @throws InputError naming the field of a network that is not a DiT
 */
function fromDiffusers(value: unknown, where: string): DiTConfig {
  const published = checkFields(publishedSchema, value, where);
  const { in_channels: channels, out_channels: outputs } = published;
  if (outputs && outputs !== channels && outputs !== 2 * channels) {
    throw new InputError(
      `${where}: out_channels: ${outputs}; it is ${channels} or, with the variance, ${
        2 * channels
      }`,
    );
  }
  return {
    family: "dit",
    inputSize: published.sample_size,
    patch: published.patch_size,
    channels,
    hidden: published.num_attention_heads * published.attention_head_dim,
    depth: published.num_layers,
    heads: published.num_attention_heads,
    classes: published.num_embeds_ada_norm,
    learnSigma: outputs === 2 * channels,
    conditioning: "adaLN-Zero",
  };
}

/** Fields that flags may change. */
export type DiTOverrides = Partial<Omit<DiTConfig, "family">>;

/**
 * Checks the fields of a configuration, our own or diffusers', and that they fit each other.
 *
 * @throws InputError naming the field, or with the nearest valid values
 */
export function checkDiTConfig(value: unknown, where: string): DiTConfig {
  const isPublished = Object(value)._class_name !== undefined;
  const own = isPublished ? fromDiffusers(value, where) : value;
  const config = checkFields(ditConfigSchema, own, where);
  const { inputSize, patch, hidden, heads } = config;
  requireMultiple(
    where,
    ["side", inputSize],
    [`divisible by the patch ${patch}`, patch],
    "sides",
  );
  requireMultiple(where, ["width", hidden], [`divisible by ${heads} heads`, heads], "widths");
  requireMultiple(
    where,
    ["width", hidden],
    ["a multiple of 4, which the positions need", 4],
    "widths",
  );
  return config;
}

/** A configuration with some fields replaced, checked. */
export function overrideDiTConfig(
  config: DiTConfig,
  overrides: DiTOverrides,
  where: string,
): DiTConfig {
  return checkDiTConfig(withOverrides(config, overrides), where);
}
