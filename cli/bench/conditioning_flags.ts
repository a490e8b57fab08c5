/**
 * The flags of `tessera bench conditioning`.
 *
 * @module
 */
import { group, optional, type Values } from "../flags/flags.ts";
import { text } from "../flags/parsers.ts";
import { trainDitFlags } from "../families/dit/train_flags.ts";

const {
  conditioning: _conditioning,
  resume: _resume,
  fork: _fork,
  allowChanges: _allowChanges,
  initFrom: _initFrom,
  dryRun: _dryRun,
  sampleEvery: _sampleEvery,
  ...trainingFlags
} = trainDitFlags;

/** The flags of `train dit` that the study leaves open, and its own. */
export const conditioningFlags = {
  ...group("Study:", {
    out: optional(
      "--out <file>",
      "where to draw the course of the four runs: .svg or .png, or .html with all measures",
      text,
    ),
  }),
  ...trainingFlags,
};

/** Values of the flags that the study decides itself. */
export const studyDefaults = {
  conditioning: undefined,
  resume: undefined,
  fork: undefined,
  allowChanges: undefined,
  initFrom: undefined,
  dryRun: false,
  sampleEvery: undefined,
} as const;

/** What `bench conditioning` was asked to do. */
export type ConditioningOptions = typeof studyDefaults & Values<typeof conditioningFlags>;
