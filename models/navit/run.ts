/**
 * The training run of a NaViT: packed batches of pictures of mixed sizes.
 *
 * @module
 */
import type { PackedBatch, PackedShape, PackingPosition } from "../../data/packing/batch.ts";
import type { PackingOptions } from "../../data/packing/plan.ts";
import { createPackedLoader } from "../../data/packing/loader.ts";
import type { PictureSet } from "../../data/picture_set.ts";
import { SkipReport } from "../../data/pictures/skip_report.ts";
import { InputError } from "../../base/errors.ts";
import type { Device } from "../../kernels/device.ts";
import { graphInputs } from "../../kernels/graph/graph.ts";
import { type NaViTConfig, navitParameters } from "./model.ts";
import { longestGridSide } from "./positions.ts";
import type { BatchSource } from "../../training/runs/batch_source.ts";
import type { LoopEvents } from "../../training/runs/loop.ts";
import { runEvaluator } from "./evaluation/run_evaluation.ts";
import type { NaViTRun, NaViTSettings } from "./settings.ts";
import { navitTrainingGraphs } from "./step.ts";
import { type RunPlan, runTraining } from "../../training/runs/run.ts";
import type { StepGraphs } from "../../training/step/step_graphs.ts";
import type { Trainer } from "../../training/step/trainer.ts";

/** Sizes of the packed batches of a run. */
export function packedShape(
  { patch, text }: NaViTConfig,
  { sequences, length, slots, textLength }: NaViTSettings,
): PackedShape {
  return {
    sequences,
    sequenceLength: length,
    images: slots,
    patch,
    text: text && textLength
      ? { sequenceLength: textLength, captionLength: text.length }
      : undefined,
  };
}

/**
 * Trains, and returns the trainer with its states on the device.
 *
 * @param heldOut what the plan's evaluations are made on
 */
export async function trainNaViT(
  device: Device,
  pictures: PictureSet,
  plan: RunPlan<NaViTRun>,
  events: LoopEvents & { ready?(trainer: Trainer): void } = {},
  heldOut: PictureSet | undefined = undefined,
): Promise<Trainer> {
  const { config, run } = plan.description;
  checkPictures(config, pictures);
  const graphs = navitTrainingGraphs(config, run);
  return await runTraining(
    device,
    {
      specifications: navitParameters(config),
      graphs,
      batches: (_, position) =>
        packedBatches(
          pictures,
          config,
          run,
          graphs,
          position as PackingPosition | undefined,
          events.warning,
        ),
      evaluator: ({ averages }) => {
        if (heldOut === undefined) return undefined;
        const skips = new SkipReport(heldOut.name, events.warning ?? console.warn);
        return runEvaluator(device, plan.description, averages, heldOut, skips);
      },
    },
    plan,
    events,
  );
}

/** How a run chooses, sizes, thins out and packs its pictures. */
export function packingOptions(config: NaViTConfig, run: NaViTSettings): PackingOptions {
  const { seed, resolution, dropping, flip, openSequences } = run;
  return {
    ...packedShape(config, run),
    seed,
    resolution,
    square: run.aspect === "square",
    longest: longestGridSide(config),
    dropping,
    flip,
    openSequences,
  };
}

/** Whether a model can be trained on a set of pictures. */
function checkPictures(config: NaViTConfig, { name, channels, classNames }: PictureSet): void {
  if (channels !== config.channels) {
    throw new InputError(
      `${name}: pictures have ${channels} channels, the model ${config.channels}`,
    );
  }
  if (!config.text && config.classes < classNames.length) {
    throw new InputError(
      `${name}: there are ${classNames.length} classes, the model has ${config.classes}`,
    );
  }
}

/** Packed batches as the step wants them. */
function packedBatches(
  pictures: PictureSet,
  config: NaViTConfig,
  run: NaViTSettings,
  { parts, accumulate, update }: StepGraphs,
  position: PackingPosition | undefined,
  warn: LoopEvents["warning"],
): BatchSource {
  const shape = packedShape(config, run);
  const skips = new SkipReport(pictures.name, warn ?? console.warn);
  const loader = createPackedLoader(pictures, { ...packingOptions(config, run), position, skips });
  const wanted = graphInputs(accumulate ?? update);
  return {
    get waitSeconds() {
      return loader.waitSeconds;
    },
    async next() {
      const batch = await loader.next();
      const { images } = batch.counts;
      return {
        inputs: stepInputs(batch, wanted, parts),
        images,
        measures: measuresOf(batch, shape),
        next: batch.next,
      };
    },
    close() {
      loader.close();
      skips.summarize(pictures.length);
    },
  };
}

/** The arrays that the step reads. Each part of a batch has the weights of a whole one. */
function stepInputs(batch: PackedBatch, wanted: ReadonlySet<string>, parts: number) {
  const weights = parts === 1 ? batch.weights : batch.weights.map((weight) => weight * parts);
  const arrays = Object.entries({ ...batch, weights }).filter(([name]) => wanted.has(name));
  return Object.fromEntries(arrays) as Record<string, Float32Array | Int32Array>;
}

/** What the metrics say about packing. */
function measuresOf(
  { counts }: PackedBatch,
  { sequences, sequenceLength }: PackedShape,
): Record<string, number> {
  const { images, tokens, shrunk, unreadable, closedByImages } = counts;
  return {
    fillRate: tokens / (sequences * sequenceLength),
    imagesPerSequence: images / sequences,
    tokensPerImage: tokens / Math.max(images, 1),
    shrunk,
    unreadable,
    closedByImages,
  };
}
