/**
 * Flags of `tessera eval walt`: those of `sample walt` that say what is drawn, and those of the comparison.
 *
 * @module
 */
import { reportFlags } from "../../bench/sweep.ts";
import { featureFlags } from "../../features/flags.ts";
import { clipDataFlags, clipPathHelp } from "../../flags/clip_data_flags.ts";
import { flag, group, optional } from "../../flags/flags.ts";
import { integer, text } from "../../flags/parsers.ts";
import { sampleWaltFlags } from "./sample/flags.ts";

const { stride, hop, folderFps, crop } = clipDataFlags;

const {
  count: _count,
  image: _image,
  framesFrom: _framesFrom,
  length: _length,
  sr: _sr,
  srConfig: _srConfig,
  srNoise: _srNoise,
  noise: _noise,
  out: _out,
  format: _format,
  quality: _quality,
  npz: _npz,
  saveLatents: _saveLatents,
  ...sampling
} = sampleWaltFlags;

/** Every flag of `eval walt`. */
export const evalWaltFlags = {
  ...sampling,
  ...group("What is drawn:", {
    count: flag(
      "--count <n>",
      "clips that are drawn and measured; the classes come in turn",
      integer({ min: 4, max: 10_000_000 }),
      256,
    ),
  }),
  ...group("Features:", {
    dataPath: optional(
      "--data-path <path>",
      `real clips: ${clipPathHelp}`,
      text,
      "those of the run, for a model of pixels",
    ),
  }),
  ...{ stride, hop, folderFps, crop },
  ...featureFlags,
  ...reportFlags,
} as const;
