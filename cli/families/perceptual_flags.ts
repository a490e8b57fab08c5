/**
 * Flags of training that compares what a classifier sees in reconstructions.
 *
 * @module
 */
import { paperWeights } from "../../models/causal_tokenizer/weights.ts";
import { checkpointPlace } from "../flags/checkpoint_place.ts";
import { flag, optional } from "../flags/flags.ts";
import { number } from "../flags/parsers.ts";

/**
 * The flags with the words of a family.
 *
 * @param samples what the classifier sees, such as "frames"
 */
export const perceptualFlags = (samples: string) => ({
  perceptual: optional(
    "--perceptual <run>",
    `run of train navit, whose logits of ${samples} are compared too`,
    checkpointPlace,
    "none",
  ),
  perceptualWeight: flag(
    "--perceptual-weight <x>",
    "weight of the squared difference of these logits",
    number({ min: 0 }),
    paperWeights.perceptual,
  ),
});
