/**
 * Checking configurations of causal tokenizers that come from files and flags, and sizes of clips.
 *
 * @module
 */
import { z } from "zod";
import { InputError } from "../../base/errors.ts";
import { checkFields, requireMultiple } from "../../nn/config.ts";
import { type CausalTokenizerConfig, spatialFactor, temporalFactor } from "./model.ts";

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

/**
 * Checks that a tokenizer takes clips of this size: 1 + m s frames, sides that are multiples of f.
 *
 * @throws InputError with the nearest valid values
 */
export function checkClipSize(
  config: CausalTokenizerConfig,
  { frames, height, width }: Readonly<Record<"frames" | "height" | "width", number>>,
  where: string,
): void {
  const [s, f] = [temporalFactor(config), spatialFactor(config)];
  if (frames < 1 || (frames - 1) % s !== 0) {
    const below = 1 + Math.floor((frames - 1) / s) * s;
    const nearest = below < 1 ? "1" : `${below} and ${below + s}`;
    throw new InputError(
      `${where}: ${frames} frames are not 1 + a multiple of ${s}; nearest numbers: ${nearest}`,
    );
  }
  for (const [what, side] of [["height", height], ["width", width]] as const) {
    requireMultiple(where, [what, side], [`divisible by ${f}`, f], `${what}s`);
  }
}
