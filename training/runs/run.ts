/**
 * A training run from start to end, of any model: new, resumed, or from given weights.
 *
 * @module
 */
import { basename, join, resolve } from "@std/path";
import { writeTextAtomically } from "../../formats/files/atomic_file.ts";
import { InputError } from "../../base/errors.ts";
import type { Device } from "../../kernels/device.ts";
import type { ParameterSpecification } from "../../nn/parameters.ts";
import type { MatchOptions, OtherClasses, OtherForm, OtherSizes } from "../../nn/weights_file.ts";
import type { BatchSource, DataPosition } from "./batch_source.ts";
import {
  checkWeights,
  isWeightsOf,
  locateWeights,
  readState,
  readWeights,
  requireOptimizer,
  weightsNotes,
} from "../checkpoints/checkpoint.ts";
import { isWhole, orNewestWhole } from "../checkpoints/whole_checkpoint.ts";
import { type LoopEvents, trainLoop } from "./loop.ts";
import {
  type Manifest,
  readManifest,
  type RunDescription,
  type RunSchedule,
} from "../checkpoints/manifest.ts";
import { truncateMetrics } from "./metrics.ts";
import {
  checkpointName,
  checkpointsFolder,
  createRunFolder,
  enterRunFolder,
  listCheckpoints,
  resolveCheckpoint,
  setAside,
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
  /** Everything from a checkpoint folder; the run goes on in a run folder of its own. */
  | { readonly from: "fork"; readonly checkpoint: string }
  /**
   * Only the weights, from a safetensors file; those that it has for another number of classes are
   * drawn from the seed when that is allowed.
   */
  | {
    readonly from: "weights";
    readonly path: string;
    readonly allowOtherClasses?: boolean;
    /** Whether the file has them in the other form that the task knows. */
    readonly isOtherForm?: boolean;
  };

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

/** Measures on held-out data what a run has learned so far. It only reads the states. */
export interface Evaluator {
  /** Named numbers for the metrics; names start with `eval`, and one that cannot be told is NaN. */
  evaluate(): Promise<Readonly<Record<string, number>>>;
  /** Frees what evaluating needs, if there is anything. */
  destroy?(): void;
}

/** What is trained: a model family's part of a run. */
export interface TrainingTask {
  /** The model's parameters in declaration order. */
  readonly specifications: readonly ParameterSpecification[];
  /** What the model is trained with and has no part of, such as a discriminator; none when absent. */
  readonly companions?: readonly ParameterSpecification[];
  /** The other form that weights to start from may have. */
  readonly otherForm?: OtherForm;
  /** The programs of a step. */
  readonly graphs: StepGraphs;
  /** Batches from a step on; `position` is what the checkpoint of that step says. */
  batches(step: number, position: DataPosition | undefined): BatchSource | Promise<BatchSource>;
  /** Writes inputs that stay the same for all steps. */
  prepare?(trainer: Trainer): void;
  /** Draws pictures from the states during the run; absent or undefined: none are drawn. */
  drawer?(state: TrainingState): Promise<Drawer | undefined>;
  /** Evaluates the states when the schedule says so; absent or undefined: they are not evaluated. */
  evaluator?(state: TrainingState): Evaluator | undefined | Promise<Evaluator | undefined>;
}

/** Makes a run folder with `config.json` in it: the plan, and the flags that made it, if there are any. */
export async function startRunFolder(
  results: string,
  title: string,
  plan: Omit<RunPlan, "folder"> & { readonly flags?: object },
): Promise<string> {
  const folder = await createRunFolder(results, title);
  await writeTextAtomically(join(folder, "config.json"), `${JSON.stringify(plan, null, 2)}\n`);
  return folder;
}

/**
 * The checkpoints of a run that come after one of them, all of them damaged.
 *
 * @throws InputError when one is whole: going on from an older one would mix two runs in one folder
 */
async function damagedAfter(folder: string, checkpoint: string): Promise<string[]> {
  const names = await listCheckpoints(folder);
  const newer = names.filter((name) => Number(name) > Number(basename(resolve(checkpoint))))
    .map((name) => join(checkpointsFolder(folder), name));
  for (const each of newer) {
    if (!await isWhole(each)) continue;
    throw new InputError(
      `checkpoint ${checkpoint}: the run has the newer checkpoint ${each}: resume that one, or ` +
        "remove it; --init-from starts a new run from its weights",
    );
  }
  return newer;
}

/**
 * The run that a run folder's newest checkpoint belongs to; a path of that checkpoint does as well,
 * and that of the newest one that is whole.
 *
 * @throws InputError when there is none, or when the checkpoint has no optimizer or is not the newest of a run folder;
 * DamagedCheckpointError when its manifest is damaged
 */
export async function findRun(
  path: string,
): Promise<{ checkpoint: string; folder: string; manifest: Manifest }> {
  const checkpoint = await resolveCheckpoint(path);
  const manifest = await orNewestWhole(checkpoint, readManifest(checkpoint));
  const folder = join(checkpoint, "..", "..");
  await requireOptimizer(checkpoint, manifest);
  const place = resolve(checkpointsFolder(folder), checkpointName(manifest.step));
  if (place !== resolve(checkpoint)) {
    throw new InputError(
      `checkpoint ${checkpoint}: is not in the folder of a run; ` +
        "--init-from starts a new run from its weights",
    );
  }
  await damagedAfter(folder, checkpoint);
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
  const { companions } = task;
  const { lossScaling } = description.run;
  const state = allocateState(device, task.specifications, { companions, lossScaling });
  const { step, position } = await fillState(device, state, plan, task.otherForm);
  const trainer = await Trainer.create(device, task.graphs, state, description.run, step);
  task.prepare?.(trainer);
  const samples = await task.drawer?.(state);
  const draw = samples && ((step: number) => samples.draw(step));
  const evaluator = await task.evaluator?.(state);
  const evaluate = evaluator && (() => evaluator.evaluate());
  const source = await task.batches(step, position);
  const curve = plan.folder === undefined ? undefined : new RunCurve(plan.folder, events.warning);
  const checkpoint = async (path: string, step: number) => {
    await events.checkpoint?.(path, step);
    await curve?.drawWhenDue();
  };
  try {
    events.ready?.(trainer);
    const settings = { ...plan, manifest: description, position };
    await trainLoop(trainer, source, settings, { draw, evaluate, ...events, checkpoint });
  } finally {
    source.close?.();
    samples?.destroy();
    evaluator?.destroy?.();
    await curve?.draw();
  }
  return trainer;
}

/** Fills the states as the plan says; returns how far the run is. */
async function fillState(
  device: Device,
  state: TrainingState,
  { start, folder, description }: RunPlan,
  otherForm: OtherForm | undefined,
): Promise<{ step: number; position?: DataPosition }> {
  switch (start.from) {
    case "resume": {
      const { checkpoint } = start;
      const { step, position } = await readManifest(checkpoint);
      await readState(checkpoint, state);
      if (folder === undefined) return { step, position };
      for (const damaged of await damagedAfter(folder, checkpoint)) await setAside(damaged);
      await truncateMetrics(folder, step);
      return { step, position };
    }
    case "fork": {
      const { step, position } = await readManifest(start.checkpoint);
      await readState(start.checkpoint, state);
      return { step, position };
    }
    case "weights":
      if (start.allowOtherClasses || state.companions.length > 0) {
        await initializeState(device, state, description.run.seed);
      }
      await readWeights(start.path, state.specifications, state.parameters, {
        allowOtherClasses: start.allowOtherClasses,
        allowOtherSizes: true,
        form: start.isOtherForm ? otherForm : undefined,
      });
      await copyAverages(state);
      return { step: 0 };
    case "seed":
      await initializeState(device, state, description.run.seed);
      return { step: 0 };
  }
}

/**
 * How a run starts from the weights of a file, a checkpoint or a run, and what is to be told about
 * them. They may be averages only, for another number of classes, or in another form.
 *
 * @throws InputError when they do not fit the model
 */
export async function startFromWeights(
  path: string,
  specifications: readonly ParameterSpecification[],
  { explain, otherForm }: {
    readonly explain?: MatchOptions["explain"];
    readonly otherForm?: OtherForm;
  } = {},
): Promise<{ readonly start: Start; readonly notes: readonly string[] }> {
  const weights = await locateWeights(path, "raw");
  if (otherForm && await isWeightsOf(weights.path, otherForm.specifications)) {
    const notes = weights.note === undefined ? [] : [weights.note];
    return {
      start: { from: "weights", path: weights.path, isOtherForm: true },
      notes: [...notes, `${weights.path}: ${otherForm.note}`],
    };
  }
  const options = { allowOtherClasses: true, allowOtherSizes: true, explain };
  const fit = await checkWeights(weights.path, specifications, options);
  const { otherClasses, otherSizes } = fit;
  const notes = weightsNotes(weights, fit);
  if (otherSizes) notes.push(sizesNote(weights.path, otherSizes));
  if (otherClasses) notes.push(classesNote(weights.path, otherClasses));
  const allowOtherClasses = otherClasses === undefined ? undefined : true;
  return { start: { from: "weights", path: weights.path, allowOtherClasses }, notes };
}

function sizesNote(path: string, { computed, resized }: OtherSizes): string {
  const parts = [
    ...(computed.length > 0 ? [`computed anew: ${computed.join(", ")}`] : []),
    ...(resized.size > 0 ? [`interpolated: ${[...resized.keys()].join(", ")}`] : []),
  ];
  return `${path}: the weights are for samples of another size; ${parts.join("; ")}`;
}

function classesNote(path: string, { parameters, found, wanted }: OtherClasses): string {
  return `${path}: the weights are for ${found} classes, this model has ${wanted}; made anew: ` +
    parameters.join(", ");
}
