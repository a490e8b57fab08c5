/**
 * What training on pictures as they are is worth: NaViT's way against squashed squares.
 *
 * All arms run the same program on batches of the same number of tokens for the same number of steps,
 * so that they take equal compute. Every arm is trained from several seeds; its averaged weights are
 * evaluated on the test part at several points of the run, all arms with the same number of tokens a
 * picture. Runs are ordinary run folders: a study that was interrupted goes on where it stopped.
 *
 * @module
 */
import { join } from "@std/path";
import { makeFolder } from "../formats/files/folder.ts";
import type { PictureSet } from "../data/picture_set.ts";
import { topAccuracy } from "../metrics/accuracy.ts";
import type { ComputeRecord, ComputeRuns } from "../evaluation/charts/accuracy_compute.ts";
import { type BatchOptions, runNaViT } from "../models/navit/evaluation/evaluate.ts";
import type { ImageSetting } from "../models/navit/evaluation/image_grids.ts";
import { predict } from "../metrics/prediction.ts";
import { summarize } from "../base/statistics.ts";
import type { Column } from "../formats/text/table.ts";
import type { Device } from "../kernels/device.ts";
import { graphCost } from "../kernels/graph/graph.ts";
import type { NaViTRun, NaViTSettings } from "../models/navit/settings.ts";
import { findNaViT, loadNaViT } from "../models/navit/weights.ts";
import { navitTrainingGraphs } from "../models/navit/step.ts";
import type { RunPlan } from "../training/runs/run.ts";
import {
  checkpointName,
  checkpointsFolder,
  latestCheckpoint,
} from "../training/runs/run_folder.ts";
import { trainNaViT } from "../models/navit/run.ts";
import { destroyState } from "../training/step/trainer.ts";

/** A way to see pictures in training. */
interface Arm {
  /** Name of its run folders. */
  readonly folder: string;
  /** Its entry in tables and legends. */
  readonly name: string;
  readonly aspect: NaViTSettings["aspect"];
  /** Whether pictures are always as large as the largest resolution, whole; otherwise as the run says. */
  readonly isLargest: boolean;
}

const arms: readonly Arm[] = [
  { folder: "native", name: "aspect ratio kept", aspect: "native", isLargest: false },
  { folder: "square", name: "squashed to squares", aspect: "square", isLargest: false },
  { folder: "vit", name: "squares of the largest size", aspect: "square", isLargest: true },
];

/** The settings of an arm's runs. */
function settingsOf({ aspect, isLargest }: Arm, run: NaViTSettings, seed: number): NaViTSettings {
  const { resolution } = run;
  if (!isLargest || resolution.kind !== "sampled") return { ...run, aspect, seed };
  const largest = { kind: "fixed", side: resolution.maximum } as const;
  return { ...run, aspect, seed, resolution: largest, dropping: { kind: "none" } };
}

/** What is trained and measured. */
export interface AspectStudy {
  /** The run that all arms are variants of; seeds and checkpoints are the study's. */
  readonly plan: Omit<RunPlan<NaViTRun>, "folder">;
  /** Pictures to train on. */
  readonly training: PictureSet;
  /** Pictures to evaluate on. */
  readonly test: PictureSet;
  /** Seeds of the runs. */
  readonly seeds: readonly number[];
  /** How often a run is evaluated, at equal distances; divides the steps. */
  readonly points: number;
  /** Tokens of a picture in the evaluation; squares have as many as fit a square. */
  readonly tokens: number;
  /** Where the run folders are. */
  readonly folder: string;
  /** How the pictures are packed for the evaluation. */
  readonly batches: BatchOptions;
}

/** One evaluation of one run. */
export interface AspectRow {
  /** How the pictures were seen. */
  readonly arm: string;
  readonly seed: number;
  readonly step: number;
  /** Multiply-adds of the training up to here. */
  readonly trainingMacs: number;
  /** Share of the test pictures that were classified correctly. */
  readonly top1: number;
  /** Mean tokens of a test picture. */
  readonly tokens: number;
  /** Test pictures. */
  readonly images: number;
}

/** Trains and evaluates everything; `note` hears what starts. */
export async function runAspectStudy(
  device: Device,
  study: AspectStudy,
  note: (line: string) => void,
  signal?: AbortSignal,
): Promise<AspectRow[]> {
  const rows: AspectRow[] = [];
  for (const seed of study.seeds) {
    for (const arm of arms) {
      note(`${arm.name}, seed ${seed}: training`);
      const folder = await train(device, study, arm, seed, signal);
      signal?.throwIfAborted();
      note(`${arm.name}, seed ${seed}: evaluation`);
      for (let point = 1; point <= study.points; point++) {
        rows.push(await evaluate(device, study, arm, seed, folder, point));
      }
    }
  }
  return rows;
}

/** Trains one run, or what is left of it; returns its folder. */
async function train(
  device: Device,
  { plan, training, points, folder: parent }: AspectStudy,
  arm: Arm,
  seed: number,
  signal: AbortSignal | undefined,
): Promise<string> {
  const folder = join(parent, `${arm.folder}-seed-${seed}`);
  await makeFolder(folder);
  const checkpoint = await latestCheckpoint(folder);
  const { description } = plan;
  const trainer = await trainNaViT(device, training, {
    ...plan,
    description: { ...description, run: settingsOf(arm, description.run, seed) },
    checkpointEvery: plan.steps / points,
    keep: points,
    start: checkpoint === undefined ? { from: "seed" } : { from: "resume", checkpoint },
    folder,
  }, { signal });
  trainer.destroy();
  destroyState(trainer.state);
  return folder;
}

async function evaluate(
  device: Device,
  { plan, test, points, tokens, batches }: AspectStudy,
  arm: Arm,
  seed: number,
  folder: string,
  point: number,
): Promise<AspectRow> {
  const step = plan.steps / points * point;
  const { config, run } = plan.description;
  const checkpoint = join(checkpointsFolder(folder), checkpointName(step));
  const parameters = await loadNaViT(device, config, (await findNaViT(checkpoint, "ema")).path);
  try {
    const setting: ImageSetting = arm.aspect === "native"
      ? { kind: "tokens", tokens }
      : { kind: "square", side: Math.floor(Math.sqrt(tokens)) * config.patch };
    const outputs = await runNaViT(
      { device, config, parameters },
      test,
      setting,
      "logits",
      batches,
    );
    const { values: logits, labels } = outputs;
    const predictions = predict({ logits, labels, classes: config.classes }, "softmax");
    return {
      arm: arm.name,
      seed,
      step,
      trainingMacs: step * graphCost(navitTrainingGraphs(config, run).update).multiplyAdds,
      top1: topAccuracy(predictions),
      tokens: outputs.tokens,
      images: predictions.length,
    };
  } finally {
    for (const buffer of parameters.values()) buffer.destroy();
  }
}

/** Rows as the runs of a chart, compute in 10^12 multiply-adds. */
export function studyRuns(rows: readonly AspectRow[]): ComputeRuns[] {
  return [...Map.groupBy(rows, ({ arm }) => arm)].map(([name, ofArm]) => ({
    name,
    seeds: [...Map.groupBy(ofArm, ({ seed }) => seed).values()].map((ofSeed) =>
      ofSeed.map(({ trainingMacs, top1 }): ComputeRecord => ({
        compute: trainingMacs / 1e12,
        accuracy: top1,
      }))
    ),
  }));
}

/** An arm at one point of its runs, over the seeds. */
export interface AspectSummary {
  readonly arm: string;
  readonly step: number;
  readonly trainingMacs: number;
  /** Mean and standard deviation of the accuracy over the seeds. */
  readonly mean: number;
  readonly deviation: number;
  readonly seeds: number;
  readonly tokens: number;
}

/** Means over the seeds, in the order of the steps. */
export function summarizeStudy(rows: readonly AspectRow[]): AspectSummary[] {
  const groups = Map.groupBy(rows, ({ arm, step }) => `${step} ${arm}`);
  return [...groups.values()].map((group) => {
    const [{ arm, step, trainingMacs, tokens }] = group;
    const { mean, deviation } = summarize(group.map(({ top1 }) => top1));
    return { arm, step, trainingMacs, mean, deviation, seeds: group.length, tokens };
  }).sort((a, b) => a.step - b.step);
}

/** The table of the study. */
export const aspectColumns: readonly Column<AspectSummary>[] = [
  { title: "pictures", value: ({ arm }) => arm },
  { title: "step", value: ({ step }) => step },
  { title: "training MACs (10^12)", value: ({ trainingMacs }) => trainingMacs / 1e12, digits: 2 },
  { title: "top-1 (%)", value: ({ mean }) => 100 * mean, digits: 2 },
  { title: "sd", value: ({ deviation }) => 100 * deviation, digits: 2 },
  { title: "seeds", value: ({ seeds }) => seeds },
  { title: "tokens/image", value: ({ tokens }) => tokens, digits: 1 },
];
