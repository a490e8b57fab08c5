/**
 * Checking configurations of causal tokenizers that come from files and flags.
 *
 * @module
 */
import { z } from "zod";
import { InputError } from "../../base/errors.ts";
import { checkFields, requireMultiple, withOverrides } from "../../nn/config.ts";
import type { CausalTokenizerConfig } from "./model.ts";

const count = z.int().min(1).max(65536);

/** The JSON form of a configuration. */
const configSchema: z.ZodType<CausalTokenizerConfig> = z.strictObject({
  family: z.literal("causal-tokenizer"),
  baseChannels: count,
  multipliers: z.array(z.int().min(1).max(64)).min(1).max(8),
  blocksPerLevel: z.int().min(1).max(64),
  latentChannels: count,
  temporalDownsampling: z.array(z.boolean()),
  temporalKernel: z.literal([1, 3]),
  groups: count,
});

/**
 * Checks the fields of a configuration, and that they fit each other.
 *
 * @throws InputError naming the field, or with the nearest valid values
 */
export function checkCausalTokenizerConfig(value: unknown, where: string): CausalTokenizerConfig {
  const config = checkFields(configSchema, value, where);
  const { baseChannels, multipliers, temporalDownsampling, temporalKernel, groups } = config;
  const between = multipliers.length - 1;
  if (temporalDownsampling.length !== between) {
    throw new InputError(
      `${where}: temporalDownsampling: ${multipliers.length} levels have ${between} down-samplings ` +
        `between them, not ${temporalDownsampling.length}`,
    );
  }
  if (temporalKernel === 1 && temporalDownsampling.includes(true)) {
    throw new InputError(
      `${where}: temporalDownsampling: a network with temporalKernel 1 sees single frames and ` +
        `halves no time; all must be false, or temporalKernel 3`,
    );
  }
  for (const multiplier of multipliers) {
    const width = baseChannels * multiplier;
    requireMultiple(where, ["width", width], [`divisible by ${groups} groups`, groups], "widths");
  }
  return config;
}

/** A configuration with some fields replaced, checked. */
export function overrideCausalTokenizerConfig(
  config: CausalTokenizerConfig,
  overrides: Partial<CausalTokenizerConfig>,
  where: string,
): CausalTokenizerConfig {
  return checkCausalTokenizerConfig(withOverrides(config, overrides), where);
}
