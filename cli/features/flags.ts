/**
 * Flags of the commands that compare samples with real ones by features of a network.
 *
 * @module
 */
import { checkpointPlace } from "../flags/checkpoint_place.ts";
import { flag, group, optional } from "../flags/flags.ts";
import { integer, text } from "../flags/parsers.ts";

/** Whose features, and what they are compared with. */
export const featureFlags = group("Features:", {
  features: optional(
    "--features <path>",
    "network whose features are compared: weights of FID's Inception, or a run of train navit",
    checkpointPlace,
  ),
  featureBatch: flag(
    "--feature-batch <n>",
    "samples that it looks at at a time",
    integer({ min: 1, max: 4096 }),
    16,
  ),
  referenceCount: flag(
    "--reference-count <n>",
    "most real samples, at equal distances where there are more",
    integer({ min: 4, max: 100_000_000 }),
    10_000,
  ),
  saveReference: optional(
    "--save-reference <file>",
    "write the statistics of the real samples as a batch of ADM's evaluator, .npz",
    text,
  ),
});
