/**
 * Flags of `tessera eval dit`: those of `sample dit`, and those of the comparison.
 *
 * @module
 */
import { reportFlags } from "../../bench/sweep.ts";
import { featureFlags } from "../../features/flags.ts";
import { flag, group, optional } from "../../flags/flags.ts";
import { integer, text } from "../../flags/parsers.ts";
import { sampleDitFlags } from "./sample_flags.ts";

const {
  noise: _noise,
  out: _out,
  npz: _npz,
  saveLatents: _saveLatents,
  count: _count,
  ...sampling
} = sampleDitFlags;

/** Every flag of `eval dit`. */
export const evalDitFlags = {
  ...sampling,
  ...group("Sampling:", {
    count: flag(
      "--count <n>",
      "pictures that are drawn and measured; the classes come in turn",
      integer({ min: 4, max: 10_000_000 }),
      1000,
    ),
  }),
  ...group("Features:", {
    dataPath: optional(
      "--data-path <path>",
      "real pictures, or a reference batch of ADM's evaluator (.npz)",
      text,
      "those of the run",
    ),
  }),
  ...featureFlags,
  ...reportFlags,
} as const;
