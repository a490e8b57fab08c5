/**
 * How the pictures of a run will lie in its sequences, from its first group of sequences: known
 * before anything is decoded or compiled.
 *
 * @module
 */
import { packingStart } from "../../data/packing/batch.ts";
import { type PackingOptions, type PlannedStep, planTraining } from "../../data/packing/plan.ts";
import type { PictureSet } from "../../data/picture_set.ts";
import type { NaViTConfig } from "./model.ts";
import type { NaViTSettings } from "./settings.ts";
import { packingOptions } from "./run.ts";

/** Means over the first group of sequences. */
export interface PackingPreview {
  /** Pictures in a sequence. */
  readonly picturesPerSequence: number;
  /** Share of the tokens that is not padding. */
  readonly fillRate: number;
  /** Share of the pictures that are made smaller than asked for, to fit. */
  readonly shrunkShare: number;
}

/**
 * Looks at the first group of a run's sequences.
 *
 * @throws InputError for resolutions and drop rates out of range
 */
export function previewPacking(
  pictures: PictureSet,
  config: NaViTConfig,
  run: NaViTSettings,
): PackingPreview {
  const sequences = firstGroup(pictures, packingOptions(config, run), run.openSequences);
  const shown = sequences.flatMap(({ items }) => items);
  const tokens = sequences.reduce((sum, sequence) => sum + sequence.tokens, 0);
  return {
    picturesPerSequence: shown.length / sequences.length,
    fillRate: tokens / (sequences.length * run.length),
    shrunkShare: shown.filter(({ isShrunk }) => isShrunk).length / shown.length,
  };
}

/** The most pictures that a sequence of the first group would hold if there were slots for all. */
export function slotsWanted(
  pictures: PictureSet,
  config: NaViTConfig,
  run: NaViTSettings,
): number {
  const roomy = { ...packingOptions(config, run), images: run.length, text: undefined };
  const sequences = firstGroup(pictures, roomy, run.openSequences);
  return Math.max(...sequences.map(({ items }) => items.length));
}

type FilledSequence = PlannedStep["sequences"][number];

function firstGroup(
  pictures: PictureSet,
  options: PackingOptions,
  openSequences: number,
): FilledSequence[] {
  const steps = planTraining(pictures, options, packingStart);
  return steps.take(openSequences / options.sequences).toArray().flatMap(({ sequences }) =>
    sequences
  );
}
