/**
 * Checking configurations of W.A.L.T's denoiser that come from files and flags.
 *
 * @module
 */
import { z } from "zod";
import { InputError } from "../../base/errors.ts";
import { checkFields, requireMultiple, withOverrides } from "../../nn/config.ts";
import { gridOf, type WaltConfig, windowOf } from "./model.ts";

const count = z.int().min(1).max(65536);

/** The JSON form of a configuration. */
const configSchema: z.ZodType<WaltConfig> = z.strictObject({
  family: z.literal("walt"),
  latentFrames: count,
  latentSize: z.tuple([count, count]),
  latentChannels: count,
  patch: count,
  hidden: count,
  depth: z.int().min(1).max(1024),
  heads: z.int().min(1).max(1024),
  classes: z.int().min(1).max(1_000_000).nullable(),
  nullClass: z.boolean(),
  adaLNRank: count.nullable(),
  spatialWindow: z.tuple([count, count]).nullable(),
  spatioTemporalWindow: z.tuple([count, count, count]).nullable(),
  queryKeyNorm: z.boolean(),
  selfConditioning: z.boolean(),
  framePrediction: z.boolean(),
  lowResolution: z.boolean(),
  textWidth: count.nullable(),
  crossAttentionWindow: z.enum(["spatial", "layer"]),
});

/**
 * Checks the fields of a configuration, and that they fit each other.
 *
 * @throws InputError naming the field, or with the nearest valid values
 */
export function checkWaltConfig(value: unknown, where: string): WaltConfig {
  const config = checkFields(configSchema, value, where);
  const { latentSize, patch, hidden, heads, lowResolution } = config;
  requireMultiple(where, ["width", hidden], [`divisible by ${heads} heads`, heads], "widths");
  latentSize.forEach((size, axis) => {
    const side = `${["height", "width"][axis]} of the latent`;
    requireMultiple(where, [side, size], [`divisible by the patch ${patch}`, patch], "sizes");
    if (lowResolution) {
      requireMultiple(where, [side, size], ["even, as half of it is given", 2], "sizes");
    }
  });
  if (config.spatialWindow) checkWindow(config, 0, `${where}: spatialWindow`);
  if (config.spatioTemporalWindow) checkWindow(config, 1, `${where}: spatioTemporalWindow`);
  checkSpatial(config, where);
  return config;
}

/** Requires windows, and spatial ones where cross-attention has them. */
function checkSpatial(config: WaltConfig, where: string): void {
  const { spatialWindow, spatioTemporalWindow, textWidth, crossAttentionWindow } = config;
  if (spatialWindow !== null) return;
  if (spatioTemporalWindow === null) {
    throw new InputError(`${where}: one of spatialWindow and spatioTemporalWindow must be there`);
  }
  if (textWidth === null || crossAttentionWindow === "layer") return;
  throw new InputError(
    `${where}: spatialWindow must be there for text, or crossAttentionWindow be "layer"`,
  );
}

/** Requires that the windows of a layer tile the grid. */
function checkWindow(config: WaltConfig, layer: number, where: string): void {
  const window = windowOf(config, layer);
  gridOf(config).forEach((size, axis) => {
    if (size % window[axis] === 0) return;
    const what = ["latent frames", "rows of patches", "columns of patches"][axis];
    throw new InputError(
      `${where}: ${window[axis]} does not divide ${size} ${what}; nearest: ` +
        nearestDivisors(size, window[axis]).join(" and "),
    );
  });
}

/** The next smaller and the next larger divisor. */
function nearestDivisors(size: number, wanted: number): number[] {
  const divisors = Array.from({ length: size }, (_, i) => i + 1).filter((n) => size % n === 0);
  const larger = divisors.find((divisor) => divisor > wanted);
  return divisors.filter((divisor) => divisor < wanted).slice(-1).concat(larger ?? []);
}

/** A configuration with some fields replaced, checked. */
export function overrideWaltConfig(
  config: WaltConfig,
  overrides: Partial<WaltConfig>,
  where: string,
): WaltConfig {
  return checkWaltConfig(withOverrides(config, overrides), where);
}
