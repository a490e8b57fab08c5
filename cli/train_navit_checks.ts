/**
 * What `tessera train navit` refuses or warns of before a run is made: settings that do not go with
 * each other or with the pictures.
 *
 * @module
 */
import { largestFittingSide } from "../data/packing_plan.ts";
import type { PictureSet } from "../data/picture_set.ts";
import { smallestSide } from "../data/resolution.ts";
import type { NaViTConfig } from "../models/navit.ts";
import type { NaViTSettings } from "../training/manifest.ts";
import { previewPacking, slotsWanted } from "../training/packing_preview.ts";
import { packingOptions } from "../training/train_navit.ts";
import { UsageError } from "./errors.ts";

/** Refuses a model with fewer classes than the pictures have. */
export function requireClasses(
  { name, classNames }: PictureSet,
  classes: number | undefined,
): void {
  const count = classNames.length;
  if (classes === undefined || classes >= count) return;
  throw new UsageError(`--num-classes ${classes}: ${name} has ${count} classes; at least ${count}`);
}

/** Refuses resolutions of which not even the smallest fits a sequence. */
export function requireFittingResolution(config: NaViTConfig, run: NaViTSettings): void {
  const smallest = smallestSide(run.resolution);
  const largest = largestFittingSide(packingOptions(config, run));
  if (smallest === undefined || smallest <= largest) return;
  throw new UsageError(
    `--resolution ${smallest}: such pictures make more tokens than --sequence-length ` +
      `${run.length} holds; the largest resolution that fits is ${largest}`,
  );
}

/** The least share of tokens that may hold pictures without a warning. */
const leastFillRate = 0.5;

/** A warning where so few pictures are let into a sequence that most of it is padding. */
export function fillWarning(
  pictures: PictureSet,
  config: NaViTConfig,
  run: NaViTSettings,
): string | undefined {
  const { fillRate } = previewPacking(pictures, config, run);
  if (fillRate >= leastFillRate) return undefined;
  const wanted = slotsWanted(pictures, config, run);
  if (wanted <= run.slots) return undefined;
  return `warning: pictures fill only ${(100 * fillRate).toFixed(1)} % of the tokens, because ` +
    `--images-per-sequence ${run.slots} ends sequences early; ${wanted} would fill them`;
}
