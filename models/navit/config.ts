/**
 * Checking NaViT configurations that come from files and flags.
 *
 * @module
 */
import { z } from "zod";
import { InputError } from "../../base/errors.ts";
import { textVocabulary } from "../../data/packing/text_tokens.ts";
import { checkFields, requireMultiple, withOverrides } from "../../nn/config.ts";
import type { NaViTConfig } from "./model.ts";
import type { TextConfig } from "./text.ts";

const count = z.int().min(1).max(65536);
const layers = z.int().min(1).max(1024);

const textConfigSchema: z.ZodType<TextConfig> = z.strictObject({
  vocabulary: z.literal(textVocabulary).default(textVocabulary),
  length: z.int().min(2).max(4096),
  hidden: count,
  depth: layers,
  heads: layers,
  projection: count,
});

/** The JSON form of a configuration. */
const navitConfigSchema: z.ZodType<NaViTConfig> = z.strictObject({
  family: z.literal("navit"),
  patch: count,
  channels: z.literal([1, 3]),
  hidden: count,
  depth: layers,
  heads: layers,
  mlp: count,
  mlpBias: z.boolean().default(false),
  classes: z.int().min(1).max(1_000_000),
  positions: z.enum(["factorized", "sinusoidal", "fourier", "learned-1d", "learned-2d"])
    .default("factorized"),
  combination: z.enum(["sum", "product", "stack"]).default("sum"),
  coordinates: z.enum(["absolute", "fractional", "aspect"]).default("absolute"),
  positionLength: z.int().min(1).max(4096),
  text: textConfigSchema.optional(),
});

/** Fields that flags may change. */
export type NaViTOverrides = Partial<Omit<NaViTConfig, "family">>;

/**
 * Checks the fields of a configuration, and that they fit each other.
 *
 * @throws InputError naming the field, or with the nearest valid values
 */
export function checkNaViTConfig(value: unknown, where: string): NaViTConfig {
  const config = checkFields(navitConfigSchema, value, where);
  const { hidden, heads, positions, combination, coordinates, text } = config;
  requireMultiple(where, ["width", hidden], [`divisible by ${heads} heads`, heads], "widths");
  if (positions === "sinusoidal") {
    requireMultiple(where, ["width", hidden], ["a multiple of 4, as waves need", 4], "widths");
  }
  if (positions === "fourier" || combination === "stack") {
    requireMultiple(where, ["width", hidden], ["even, as two halves need", 2], "widths");
  }
  if (positions.startsWith("learned") && coordinates !== "absolute") {
    throw new InputError(
      `${where}: coordinates: ${positions} looks up whole numbers, so they must be "absolute"; ` +
        `fractions go with "factorized", "sinusoidal" and "fourier"`,
    );
  }
  if (text) {
    const [width, divisor] = [text.hidden, text.heads];
    requireMultiple(
      where,
      ["text width", width],
      [`divisible by ${divisor} heads`, divisor],
      "widths",
    );
  }
  return config;
}

/**
 * A configuration with some fields replaced, checked. The width of the MLPs follows that of the
 * tokens unless it is given.
 */
export function overrideNaViTConfig(
  config: NaViTConfig,
  overrides: NaViTOverrides,
  where: string,
): NaViTConfig {
  const { hidden, mlp } = overrides;
  const follows = hidden !== undefined && mlp === undefined
    ? { mlp: Math.round(config.mlp / config.hidden * hidden) }
    : {};
  return checkNaViTConfig(withOverrides(config, { ...overrides, ...follows }), where);
}
