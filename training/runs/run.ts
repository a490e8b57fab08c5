/**
 * A training run from start to end, of any model: new, resumed, or from given weights.
 *
 * @module
 */
import { join, resolve } from "@std/path";
import type { PackingPosition } from "../../data/packing/batch.ts";
import { writeTextAtomically } from "../../formats/files/atomic_file.ts";
import { InputError } from "../../base/errors.ts";
import type { Device } from "../../kernels/device.ts";
import type { ParameterSpecification } from "../../nn/parameters.ts";
import type { BatchSource } from "./batch_source.ts";
import { isWeightsFile, readState, readWeights, weightsPath } from "./checkpoint.ts";
import { type LoopEvents, trainLoop } from "./loop.ts";
import { type Manifest, readManifest, type RunDescription, type RunSchedule } from "./manifest.ts";
import { truncateMetrics } from "./metrics.ts";
import {
  createRunFolder,
  enterRunFolder,
  latestCheckpoint,
  resolveCheckpoint,
} from "./run_folder.ts";
import { RunCurve } from "./run_curve.ts";
import type { StepGraphs } from "../step/step_graphs.ts";
import {
  allocateState,
  copyAverages,
  initializeState,
  Trainer,
  type TrainingState,
} from "../step/trainer.ts";

/** Where the weights of a run come from. */
export type Start =
  | { readonly from: "seed" }
  /** Everything from a checkpoint folder; the run goes on in its run folder. */
  | { readonly from: "resume"; readonly checkpoint: string }
  /** Only the weights, from a safetensors file. */
  | { readonly from: "weights"; readonly path: string };

/** What a run does besides the description. */
export interface RunPlan<Run extends RunDescription = RunDescription> extends RunSchedule {
  /** What the checkpoints say about the run. */
  readonly description: Run;
  /** Where the first weights come from. */
  readonly start: Start;
  /** Run folder; undefined trains without leaving anything behind. */
  readonly folder?: string;
}

/** Draws what a run has learned so far. */
export interface Drawer {
  /** Draws after a step, into the run folder. */
  draw(step: number): Promise<void>;
  /** Frees what drawing needs. */
  destroy(): void;
}

/** What is trained: a model family's part of a run. */
export interface TrainingTask {
  /** The model's parameters in declaration order. */
  readonly specifications: readonly ParameterSpecification[];
  /** The programs of a step. */
  readonly graphs: StepGraphs;
  /** Batches from a step on; `position` is what the checkpoint of that step says. */
  batches(step: number, position: PackingPosition | undefined): BatchSource | Promise<BatchSource>;
  /** Writes inputs that stay the same for all steps. */
  prepare?(trainer: Trainer): void;
  /** Draws pictures from the states during the run; absent or undefined: none are drawn. */
  drawer?(state: TrainingState): Promise<Drawer | undefined>;
}

/** Makes a run folder with `config.json` in it. */
export async function startRunFolder(
  results: string,
  title: string,
  plan: Omit<RunPlan, "folder">,
): Promise<string> {
  const folder = await createRunFolder(results, title);
  await writeTextAtomically(join(folder, "config.json"), `${JSON.stringify(plan, null, 2)}\n`);
  return folder;
}

/**
 * The run that a run folder's newest checkpoint belongs to; a path of that checkpoint does as well.
 *
 * @throws InputError when there is none, or when the checkpoint is not the newest of a run folder
 */
export async function findRun(
  path: string,
): Promise<{ checkpoint: string; folder: string; manifest: Manifest }> {
  const checkpoint = await resolveCheckpoint(path);
  const manifest = await readManifest(checkpoint);
  const folder = join(checkpoint, "..", "..");
  const newest = await latestCheckpoint(folder);
  if (newest === undefined || resolve(newest) !== resolve(checkpoint)) {
    // Going on from an older one would mix two runs in one folder.
    const reason = newest === undefined
      ? "is not in the folder of a run"
      : `the run has the newer checkpoint ${newest}: resume that one, or remove it`;
    throw new InputError(
      `checkpoint ${checkpoint}: ${reason}; --init-from starts a new run from its weights`,
    );
  }
  return { checkpoint, folder, manifest };
}

/** Trains, and returns the trainer with its states on the device. */
export async function runTraining(
  device: Device,
  task: TrainingTask,
  plan: RunPlan,
  events: LoopEvents & { ready?(trainer: Trainer): void } = {},
): Promise<Trainer> {
  const { description } = plan;
  using _inUse = plan.folder === undefined ? undefined : await enterRunFolder(plan.folder);
  const state = allocateState(device, task.specifications);
  const { step, position } = await fillState(device, state, plan);
  const trainer = await Trainer.create(device, task.graphs, state, description.run, step);
  task.prepare?.(trainer);
  const samples = await task.drawer?.(state);
  const draw = samples && ((step: number) => samples.draw(step));
  const source = await task.batches(step, position);
  const curve = plan.folder === undefined ? undefined : new RunCurve(plan.folder, events.warning);
  const checkpoint = async (path: string, step: number) => {
    await events.checkpoint?.(path, step);
    await curve?.drawWhenDue();
  };
  try {
    events.ready?.(trainer);
    const settings = { ...plan, manifest: description };
    await trainLoop(trainer, source, settings, { draw, ...events, checkpoint });
  } finally {
    source.close?.();
    samples?.destroy();
    await curve?.draw();
  }
  return trainer;
}

/** Fills the states as the plan says; returns how far the run is. */
async function fillState(
  device: Device,
  state: TrainingState,
  { start, folder, description }: RunPlan,
): Promise<{ step: number; position?: PackingPosition }> {
  switch (start.from) {
    case "resume": {
      const { step, position } = await readManifest(start.checkpoint);
      await readState(start.checkpoint, state);
      if (folder !== undefined) await truncateMetrics(folder, step);
      return { step, position };
    }
    case "weights":
      await readWeights(start.path, state.specifications, state.parameters);
      await copyAverages(state);
      return { step: 0 };
    case "seed":
      await initializeState(device, state, description.run.seed);
      return { step: 0 };
  }
}

/** The safetensors file of weights that a path means: a file, a checkpoint or a run. */
export async function resolveWeights(path: string): Promise<string> {
  if (isWeightsFile(path)) return path;
  return weightsPath(await resolveCheckpoint(path), "raw");
}
