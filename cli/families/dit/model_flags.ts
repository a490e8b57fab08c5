/**
 * Flags of a DiT's configuration.
 *
 * @module
 */
import { type DiTOverrides, overrideDiTConfig } from "../../../models/dit/config.ts";
import type { DiTConfig } from "../../../models/dit/model.ts";
import { conditionings } from "../../../models/dit/blocks.ts";
import { group, optional, type Values } from "../../flags/flags.ts";
import { choiceInAnyCase } from "../../flags/parsers.ts";
import type { ModelFields, ModelValues } from "../commands.ts";

/** Fields that only DiTs have. */
export const ditModelFlags = group("Model:", {
  conditioning: optional(
    "--conditioning <design>",
    `how time step and class reach the blocks: ${conditionings.join(", ")}`,
    choiceInAnyCase(...conditionings),
    "adaLN-Zero",
  ),
});

/** The fields of a DiT that flags replace; `--image-size` is the side of the input. */
export const ditFields: ModelFields<DiTConfig> = {
  flags: ditModelFlags,
  overrides: (_, values) => ditOverrides(values),
  override: overrideDiTConfig,
};

function ditOverrides(values: ModelValues): DiTOverrides {
  const { imageSize, patch, channels, hidden, depth, heads, numClasses } = values;
  const { conditioning } = values as Partial<Values<typeof ditModelFlags>>;
  return {
    conditioning,
    inputSize: imageSize,
    patch,
    channels,
    hidden,
    depth,
    heads,
    classes: numClasses,
  };
}
