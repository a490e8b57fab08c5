/**
 * Flags of a DiT's configuration.
 *
 * @module
 */
import { type DiTOverrides, overrideDiTConfig } from "../../../models/dit/config.ts";
import type { DiTConfig } from "../../../models/dit/model.ts";
import type { ModelFields, ModelValues } from "../commands.ts";

/** The fields of a DiT that flags replace; `--image-size` is the side of the input. */
export const ditFields: ModelFields<DiTConfig> = {
  flags: {},
  overrides: (_, values) => ditOverrides(values),
  override: overrideDiTConfig,
};

function ditOverrides(
  { imageSize, patch, channels, hidden, depth, heads, numClasses }: ModelValues,
): DiTOverrides {
  return {
    inputSize: imageSize,
    patch,
    channels,
    hidden,
    depth,
    heads,
    classes: numClasses,
  };
}
