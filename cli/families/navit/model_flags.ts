/**
 * Flags of a NaViT's configuration.
 *
 * @module
 */
import { type NaViTOverrides, overrideNaViTConfig } from "../../../models/navit/config.ts";
import type { NaViTConfig } from "../../../models/navit/model.ts";
import { group, optional, toggle, type Values } from "../../flags/flags.ts";
import { transformerFlags } from "../../flags/options.ts";
import { choice, integer } from "../../flags/parsers.ts";
import type { ModelFields, ModelValues } from "../commands.ts";

const size = integer({ min: 1, max: 65536 });

/** Fields that only a NaViT has. */
const navitOnlyFlags = group("Model:", {
  mlp: optional("--mlp <n>", "width of the MLPs", size, "4 x hidden"),
  mlpBias: toggle("--mlp-bias", "biases in the MLPs"),
  positions: optional(
    "--positions <kind>",
    "position embedding: factorized, sinusoidal, fourier, learned-1d, learned-2d",
    choice("factorized", "sinusoidal", "fourier", "learned-1d", "learned-2d"),
    "factorized",
  ),
  combination: optional(
    "--combination <sum|product|stack>",
    "how factorized positions are combined",
    choice("sum", "product", "stack"),
    "sum",
  ),
  coordinates: optional(
    "--coordinates <absolute|fractional|aspect>",
    "positions in patches, as parts of each side, or of the longer side",
    choice("absolute", "fractional", "aspect"),
    "absolute",
  ),
  positionLength: optional(
    "--position-length <patches>",
    "longest side the position tables cover",
    integer({ min: 1, max: 4096 }),
    "512 pixels",
  ),
});

/** A NaViT, changed field by field. */
export const navitModelFlags = { ...transformerFlags, ...navitOnlyFlags };

/** The fields of a NaViT that flags replace. */
export const navitFields: ModelFields<NaViTConfig> = {
  flags: navitOnlyFlags,
  overrides: navitOverrides,
  override: overrideNaViTConfig,
};

/** The fields of a NaViT that flags replace; tables of positions cover the same pixels as before. */
export function navitOverrides(base: NaViTConfig, values: ModelValues): NaViTOverrides {
  const { patch, channels, hidden, depth, heads, numClasses } = values;
  const { mlp, mlpBias, positions, combination, coordinates, positionLength } = values as Partial<
    Values<typeof navitOnlyFlags>
  >;
  return {
    patch,
    channels: channels as 1 | 3 | undefined,
    hidden,
    depth,
    heads,
    mlp,
    mlpBias: mlpBias || undefined,
    classes: numClasses,
    positions,
    combination,
    coordinates,
    positionLength: positionLength ??
      (patch && Math.ceil(base.positionLength * base.patch / patch)),
  };
}
