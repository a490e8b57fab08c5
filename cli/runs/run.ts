/**
 * A training run as the command line shows it, of any model: notes, progress, signals, and what to
 * do next.
 *
 * @module
 */
import { requireNoFolder, writeTextAtomically } from "../../formats/files/atomic_file.ts";
import { basename, join } from "@std/path";
import { oneLine } from "../../base/control_characters.ts";
import { InputError } from "../../base/errors.ts";
import type { Device } from "../../kernels/device.ts";
import { type ChosenDevice, selectDevice } from "../../kernels/select_device.ts";
import { familyByName } from "../../models/registry.ts";
import { constantRate, stepOfZeroRate } from "../../training/step/learning_rate.ts";
import { NonFiniteLossError } from "../../training/runs/loop.ts";
import {
  type Manifest,
  readManifest,
  type RunDescription,
} from "../../training/checkpoints/manifest.ts";
import type { Metrics } from "../../training/runs/metrics.ts";
import { isWeightsFile, requireOptimizer } from "../../training/checkpoints/checkpoint.ts";
import {
  DamagedCheckpointError,
  orNewestWhole,
} from "../../training/checkpoints/whole_checkpoint.ts";
import { findRun, type RunPlan, startRunFolder } from "../../training/runs/run.ts";
import {
  latestCheckpoint,
  newestRun,
  removeRunFolder,
  resolveCheckpoint,
} from "../../training/runs/run_folder.ts";
import { appendLog } from "../../training/runs/run_log.ts";
import type { RunTime } from "../../training/runs/run_time.ts";
import type { Trainer } from "../../training/step/trainer.ts";
import type { TrainEvents } from "../families/training.ts";
import { UsageError } from "../terminal/errors.ts";
import type { Values } from "../flags/flags.ts";
import type { RecordedFlags } from "../flags/run_file.ts";
import type { Io } from "../terminal/io.ts";
import { formatCount } from "../terminal/numbers.ts";
import { StepProfile } from "../terminal/profiling.ts";
import { amount, type Column, describeSeconds, fixed, Progress } from "../terminal/progress.ts";
import { watchSignals } from "../terminal/signals.ts";
import { type CommonTrainFlags, flagName } from "../flags/train_flags.ts";

type CommonTrainOptions = Values<CommonTrainFlags>;

/** A run ready to start. */
export interface PreparedRun<Run extends RunDescription = RunDescription> {
  /** Name of the model family on the command line. */
  readonly command: string;
  /** What the run folder is called after. */
  readonly title: string;
  readonly plan: RunPlan<Run>;
  /** The flags that made it, for `config.json` of a new run folder. */
  readonly flags?: RecordedFlags;
  /** What is to be told about where the weights come from. */
  readonly notes?: readonly string[];
  /** Elements of all parameters. */
  readonly parameters: number;
  /** One line about the data. */
  readonly data: string;
  /** Lines about all of its files, for the run folder. */
  readonly dataReport?: readonly string[];
  /** What a step is made on, such as `batch 64`. */
  readonly batch: string;
  /** Readings of the progress line besides loss, norm, rate and speed. */
  readonly columns: Readonly<Record<string, Column>>;
  /** What can be done with the result, as arguments of the tool; gets the run folder. */
  readonly next: { readonly what: string; command(folder: string): string };
  /** What an evaluation has measured, in a few words. */
  describeEvaluation?(measures: Readonly<Record<string, number>>): string;
  /** Trains; the plan has its folder. */
  train(
    device: Device,
    plan: RunPlan<Run>,
    events: TrainEvents,
  ): Promise<Trainer>;
}

/** Flags that decide the bits of a run and are not kept in its checkpoints. */
const arithmeticFlags = ["device", "threads", "strictMath"] as const;

/** A checkpoint to go on from, and the run folder to go on in, if it is not a new one. */
interface ContinuedRun {
  readonly checkpoint: string;
  readonly folder?: string;
  readonly manifest: Manifest;
}

/** The checkpoint that `--fork` names, or the run that `--resume` means. */
export async function findContinuedRun(
  { resume, fork, resultsDir }: Pick<CommonTrainOptions, "resume" | "fork" | "resultsDir">,
): Promise<ContinuedRun> {
  await requireNoWeightsFile(fork ?? resume!);
  if (fork !== undefined) {
    const checkpoint = await resolveCheckpoint(fork);
    const manifest = await orNewestWhole(checkpoint, readManifest(checkpoint));
    await requireOptimizer(checkpoint, manifest);
    return { checkpoint, manifest };
  }
  const run = resume === "auto" ? await newestRun(resultsDir) : resume!;
  return await findRun(run).catch(async (error) => {
    throw await withWayOn(error);
  });
}

/** Refuses to go on from a file of weights, of which a new run can only start. */
async function requireNoWeightsFile(path: string): Promise<void> {
  if (!await isWeightsFile(path)) return;
  throw new InputError(
    `${path}: no run can go on from a file of weights; --init-from starts a new run from it`,
  );
}

/** A damaged checkpoint with the command that goes on from the whole one. */
async function withWayOn(error: unknown): Promise<unknown> {
  if (!(error instanceof DamagedCheckpointError)) return error;
  const { config } = await readManifest(error.whole);
  const command = resumeCommand(config.family, error.whole);
  return new InputError(`${error.message}; go on from it with: ${command}`, { cause: error });
}

/**
 * Refuses to go on with a run of another family than the command's.
 *
 * @throws InputError when there is no such family, UsageError when its command is another
 */
export function requireFamily(name: string, manifest: Manifest, folder: string): void {
  const found = manifest.config.family;
  if (found === name) return;
  familyByName(found, `${folder}: config.family`);
  throw new UsageError(
    `${folder}: this run trains a ${found}, not a ${name}; use train ${found} --resume`,
  );
}

/**
 * Refuses data that a resumed run has not been trained on.
 *
 * @param difference what tells them apart, if that is known
 */
export function requireSameData(
  { name, fingerprint }: { readonly name: string; readonly fingerprint: string },
  { dataFingerprint, dataPath }: RunDescription,
  difference?: string,
): void {
  if (fingerprint === dataFingerprint) return;
  const what = difference === undefined ? "" : `: ${difference}`;
  throw new InputError(
    `${name}: not the pictures this run was trained on (${dataPath})${what}; ` +
      "--allow-changes data goes on with them, a new run may start with --init-from",
  );
}

/** Chooses the device and trains. */
export async function startRun<Run extends RunDescription>(
  io: Io,
  { values, given }: { readonly values: CommonTrainOptions; readonly given: ReadonlySet<string> },
  prepared: PreparedRun<Run>,
): Promise<void> {
  const { activations } = prepared.plan.description.run;
  const chosen = await selectDevice({ ...values, activations });
  try {
    await train(io, values, given, prepared, chosen);
  } finally {
    chosen.device.close();
  }
}

/** Leaves `data.txt` in a run folder where there is something to tell of single files. */
async function writeDataReport(folder: string, lines: readonly string[] = []): Promise<void> {
  if (lines.length === 0) return;
  const text = lines.map((line) => `${oneLine(line)}\n`).join("");
  await writeTextAtomically(join(folder, "data.txt"), text);
}

async function train<Run extends RunDescription>(
  io: Io,
  values: CommonTrainOptions,
  given: ReadonlySet<string>,
  prepared: PreparedRun<Run>,
  { device, reason }: ChosenDevice,
): Promise<void> {
  const { plan, title, flags, command, next, notes = [] } = prepared;
  warnOfIdleSteps(io, plan);
  if (values.profile !== undefined) await requireNoFolder(values.profile);
  const folder = plan.folder ?? await startRunFolder(values.resultsDir, title, { ...plan, flags });
  await writeDataReport(folder, prepared.dataReport);
  const progress = trainingProgress(io, plan.steps, values, prepared.columns, folder);
  progress.note(`device: ${device.kind.name}, ${device.description} (${reason})`);
  progress.note(`data: ${prepared.data}`);
  progress.note(`model: ${formatCount(prepared.parameters)} parameters, ${prepared.batch}`);
  notes.forEach((note) => progress.note(note));
  progress.note(`run folder: ${folder}`);
  using watch = watchSignals(io, "finishing this step and saving");
  const started = performance.now();
  const shown = (metrics: Metrics) => readings(metrics, prepared.columns);
  let latest: Metrics | undefined;
  let hasStepped = false;
  let profile: StepProfile | undefined;
  const running = prepared.train(device, { ...plan, folder }, {
    signal: watch.signal,
    ready: ({ step }) => {
      const seconds = (performance.now() - started) / 1000;
      progress.note(`compiled in ${seconds.toFixed(1)} s`);
      if (values.profile !== undefined && step < plan.steps) {
        profile = new StepProfile(device, plan.steps - step);
      }
      if (step >= plan.steps) {
        progress.note(`step ${step} of ${plan.steps}: nothing to do; --steps sets a later end`);
      }
    },
    step: (step) => {
      hasStepped = true;
      profile?.afterStep();
      progress.update(step, latest && shown(latest));
    },
    metrics: (metrics) => {
      latest = metrics;
      progress.log(metrics.step, shown(metrics));
      if (metrics.skippedSteps > 0) {
        progress.note(describeSkipped(metrics));
      }
    },
    evaluated: (step, measures) => {
      const text = prepared.describeEvaluation?.(measures);
      if (text !== undefined) progress.note(`evaluated at step ${step}: ${text}`);
    },
    checkpoint: (path) => progress.note(`saved ${path}`),
    warning: (line) => progress.warn(line),
    finished: (time) => {
      if (time.steps > 0) progress.note(describeTime(time));
    },
  });
  const wayOn = () => resumeCommand(command, folder, values, given);
  /** After a failure: how to go on from what was saved, unless the same would happen again. */
  const tellWayOn = async (error: unknown) => {
    if (error instanceof NonFiniteLossError) return;
    const saved = await latestCheckpoint(folder).catch(() => undefined);
    if (saved === undefined) return;
    io.tell(`saved up to step ${Number(basename(saved))}; go on with: ${wayOn()}`);
  };
  const trainer = await running.catch(async (error) => {
    // What does not fit into memory or has no picture to start with leaves no empty run behind.
    if (!hasStepped && plan.folder === undefined) await removeRunFolder(folder);
    progress.end();
    if (hasStepped) await tellWayOn(error);
    throw plan.start.from === "resume" ? await withWayOn(error) : error;
  });
  progress.end();
  if (values.profile !== undefined) await profile?.report(io, values.profile);
  if (watch.signal.aborted) {
    io.tell(`stopped at step ${trainer.step}; go on with: ${wayOn()}`);
    throw watch.signal.reason;
  }
  if (!values.quiet) io.tell(`${next.what}: ${tool(next.command(shellWord(folder)))}`);
  io.out(folder);
}

/** How many steps were left out, and what became of the scale of losses where they are scaled. */
function describeSkipped({ skippedSteps, lossScale }: Metrics): string {
  const scale = lossScale === undefined ? "" : `; losses are multiplied by ${lossScale} now`;
  return `skipped ${skippedSteps} steps: a gradient was not finite${scale}`;
}

/** Says when a run goes on beyond the end of its learning rate. */
function warnOfIdleSteps(io: Io, { steps, description: { run } }: RunPlan): void {
  const end = stepOfZeroRate(run.learningRate, run.rateSchedule ?? constantRate);
  if (end === undefined || end >= steps) return;
  io.tell(
    `warning: the learning rate of this run is 0 from step ${end} on, so later steps change no ` +
      "weight; --init-from starts a new run from its weights",
  );
}

const tool = (rest: string): string => `deno task tessera ${rest}`;

/** The command line that goes on with a run, on the device that flags have chosen. */
function resumeCommand(
  command: string,
  path: string,
  values: Partial<CommonTrainOptions> = {},
  given: ReadonlySet<string> = new Set(),
): string {
  const flags = arithmeticFlags.filter((name) => given.has(name)).map((name) => {
    const value = values[name];
    return typeof value === "boolean" ? flagName(name) : `${flagName(name)} ${value}`;
  });
  return tool([`train ${command} --resume`, shellWord(path), ...flags].join(" "));
}

/** A word as a shell reads it. */
function shellWord(text: string): string {
  return /^[\w./:\\-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Where the time of a run went. */
function describeTime(time: RunTime): string {
  const share = (seconds: number) => `${(100 * seconds / time.seconds).toFixed(2)} %`;
  const each = time.checkpoints / Math.max(time.checkpointCount, 1);
  const samples = time.samples > 0 ? `, drawing samples ${share(time.samples)}` : "";
  const evaluations = time.evaluations > 0 ? `, evaluations ${share(time.evaluations)}` : "";
  return `time: ${describeSeconds(time.seconds)} for ${time.steps} steps; ` +
    `waiting for data ${share(time.dataWait)}, checkpoints ${share(time.checkpoints)} ` +
    `(${time.checkpointCount} of ${each.toFixed(2)} s)${samples}${evaluations}`;
}

/** Readings that every model has. */
const commonColumns = {
  gradientNorm: fixed("grad norm", 3),
  learningRate: { label: "lr", format: (rate: number) => rate.toExponential(2) },
  imagesPerSecond: amount("images/s"),
} as const;

function trainingProgress(
  io: Io,
  total: number,
  { quiet }: Pick<CommonTrainOptions, "quiet">,
  columns: PreparedRun["columns"],
  folder: string,
) {
  const loss = { ...fixed("loss", 4), averageLabel: "smoothed loss" };
  return new Progress(io, {
    noun: "step",
    total,
    columns: { loss, ...columns, ...commonColumns },
    quiet,
    keep: (line) => appendLog(folder, line),
  });
}

/** The part of the metrics that the progress line shows. */
function readings(metrics: Metrics, columns: PreparedRun["columns"]): Record<string, number> {
  const names = ["loss", ...Object.keys(columns), ...Object.keys(commonColumns)];
  return Object.fromEntries(names.map((name) => [name, metrics[name]]));
}
