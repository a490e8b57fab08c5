/**
 * What `tessera train navit` refuses or warns of before a run is made: settings that do not go with
 * each other or with the pictures.
 *
 * @module
 */
import { InputError, quote } from "../../../base/errors.ts";
import { largestFittingSide } from "../../../data/packing/plan.ts";
import type { PictureSet } from "../../../data/picture_set.ts";
import { smallestSide } from "../../../data/packing/resolution.ts";
import type { NaViTConfig } from "../../../models/navit/model.ts";
import type { NaViTSettings } from "../../../models/navit/settings.ts";
import { previewPacking, slotsWanted } from "../../../models/navit/preview.ts";
import { packingOptions } from "../../../models/navit/run.ts";
import { UsageError } from "../../terminal/errors.ts";
import { formatPercent } from "../../terminal/numbers.ts";

/** Refuses pictures of one class, which leave nothing to learn, and a model with too few classes. */
export function requireClasses(
  { name, classNames }: PictureSet,
  classes: number | undefined,
): void {
  const count = classNames.length;
  if (count === 1) {
    throw new InputError(
      `${name}: all pictures are of one class, ${
        quote(classNames[0])
      }: classes are sub-folders, or ` +
        "labels; --loss contrastive learns from captions",
    );
  }
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

/** Shares of a run's first sequences from which on a run is worth a warning. */
const worthWarning = { padding: 0.5, shrunk: 0.5 };

/** Warnings of settings under which most of a batch is padding, or most pictures are made smaller. */
export function packingWarnings(
  pictures: PictureSet,
  config: NaViTConfig,
  run: NaViTSettings,
): string[] {
  const { fillRate, shrunkShare } = previewPacking(pictures, config, run);
  const warnings: string[] = [];
  if (1 - fillRate > worthWarning.padding) {
    const wanted = slotsWanted(pictures, config, run);
    if (wanted > run.slots) {
      warnings.push(
        `warning: pictures fill only ${formatPercent(fillRate)} of the tokens, because ` +
          `--images-per-sequence ${run.slots} ends sequences early; ${wanted} would fill them`,
      );
    }
  }
  if (shrunkShare > worthWarning.shrunk) {
    const { sequenceLength, longest } = packingOptions(config, run);
    const side = Number.isFinite(longest) ? ` and sides of ${longest} patches` : "";
    warnings.push(
      `warning: ${
        formatPercent(shrunkShare)
      } of the pictures are made smaller than --resolution asks, ` +
        `to fit ${sequenceLength} tokens${side}`,
    );
  }
  return warnings;
}
