/**
 * Flags that the commands which draw samples have in common.
 *
 * @module
 */
import type { FloatType } from "../../kernels/shape.ts";
import { flag, group, optional } from "../flags/flags.ts";
import { checkpointPlace } from "../flags/checkpoint_place.ts";
import { choice, text } from "../flags/parsers.ts";

/** Most samples of a command: their labels are held in memory. */
export const mostSamples = 10_000_000;

/** The weights that samples are drawn from. */
export const sampledWeightsFlags = group("Checkpoint:", {
  ckpt: optional(
    "--ckpt <path>",
    "run folder, checkpoint folder, weights file with --config, or shipped:NAME",
    checkpointPlace,
    "the shipped checkpoint",
  ),
  weights: flag("--weights <ema|raw>", "averaged or raw weights", choice("ema", "raw"), "ema"),
  dtype: flag(
    "--dtype <f32|f16>",
    "how weights are stored on the device; f16 takes half the memory",
    choice("f32", "f16"),
    "f32",
  ),
  config: optional("--config <name|file>", "model of a bare weights file: a name or JSON", text),
});

/** Which weights samples are drawn from, and how numbers are kept meanwhile, in a few words. */
export function describeSampledWeights(
  { weights, dtype, activations }: {
    readonly weights: string;
    readonly dtype: FloatType;
    readonly activations: FloatType;
  },
): string {
  const halves = activations === "f16" ? ", activations f16" : "";
  return `${weights}, ${dtype}${halves}`;
}
