/**
 * From the flags of `tessera train` to a run of any family: new, resumed, or only described.
 *
 * @module
 */
import { basename, resolve } from "@std/path";
import { InputError } from "../../base/errors.ts";
import { MissingPartError } from "../../data/open.ts";
import type { Family } from "../../models/family.ts";
import { explainMisfit } from "../../models/registry.ts";
import { countParameters } from "../../nn/parameters.ts";
import { checkFields, type FamilyConfig } from "../../nn/config.ts";
import {
  checkManifest,
  type Description,
  descriptionOf,
} from "../../training/checkpoints/manifest.ts";
import { recordChanges } from "../../training/runs/run_changes.ts";
import { type Start, startFromWeights } from "../../training/runs/run.ts";
import type { CommonSettings } from "../../training/checkpoints/settings.ts";
import type {
  OpeningEvents,
  ParsedTrain,
  PlannedRun,
  TrainingCommand,
  TrainingData,
  TrainValues,
} from "../families/training.ts";
import { baseConfig } from "../flags/model_config.ts";
import { recordedPlace } from "../flags/run_file.ts";
import { allowedChanges } from "../flags/train_flags.ts";
import { changedSettings, parts, rateSchedule, schedule } from "../flags/train_settings.ts";
import { assetPath } from "../terminal/assets.ts";
import { asUsage } from "../terminal/errors.ts";
import type { Io } from "../terminal/io.ts";
import { recordedData } from "../families/recorded_data.ts";
import { describePictures, Opening } from "../terminal/opening.ts";
import {
  findContinuedRun,
  type PreparedRun,
  requireFamily,
  requireSameData,
  startRun,
} from "./run.ts";

/** Starts, resumes or only describes a run. */
export async function runTrain<
  V extends TrainValues,
  Config extends FamilyConfig,
  Settings extends CommonSettings,
  Data extends TrainingData,
>(
  io: Io,
  command: TrainingCommand<V, Config, Settings, Data>,
  parsed: ParsedTrain<V>,
): Promise<void> {
  const { values } = parsed;
  const planned = values.resume === undefined && values.fork === undefined
    ? await planNewRun(io, command, parsed)
    : await planContinuedRun(io, command, parsed);
  if (values.dryRun) {
    planned.notes.forEach((note) => io.tell(note));
    const { describePlan } = await import("./plan.ts");
    io.out(await describePlan(command, planned, values));
    return;
  }
  const prepared = preparedRun(command, planned, folderTitle(values, planned.plan.start));
  await startRun(io, parsed, { ...prepared, flags: parsed.recorded });
}

/** The flags, after the family has made what they ask for. */
export async function withPreparedData<V extends TrainValues>(
  io: Io,
  { prepare }: { prepare?(io: Io, values: V): Promise<V> },
  parsed: ParsedTrain<V>,
): Promise<ParsedTrain<V>> {
  return prepare ? { ...parsed, values: await prepare(io, parsed.values) } : parsed;
}

/** What the run folder is called after: the model, or the run that a fork comes from. */
function folderTitle(values: Pick<TrainValues, "config" | "model">, start: Start): string {
  if (start.from !== "fork") return titleOf(values);
  const run = basename(resolve(start.checkpoint, "..", ".."));
  return run.replace(/^\d+-/, "") || titleOf(values);
}

/** What the model of a new run is called: by its name, or its file's. */
export function titleOf({ config, model }: Pick<TrainValues, "config" | "model">): string {
  return config === undefined ? model : basename(config, ".json");
}

/** The run as {@link startRun} takes it. */
export function preparedRun<
  V extends TrainValues,
  Config extends FamilyConfig,
  Settings extends CommonSettings,
  Data extends TrainingData,
>(
  command: TrainingCommand<V, Config, Settings, Data>,
  { plan, data, heldOut, notes }: PlannedRun<Config, Settings, Data>,
  title: string,
): PreparedRun<Description<Config, Settings>> {
  const { config, run } = plan.description;
  const { family } = command;
  return {
    command: family.name,
    title,
    plan,
    notes,
    parameters: countParameters(family.parameters(config)).parameters,
    data: describePictures(data),
    dataReport: command.reportData?.(data),
    batch: command.describeBatch(run),
    columns: command.columns(run),
    next: command.next(plan),
    describeEvaluation: command.evaluation?.describe,
    train: (device, withFolder, events) => command.train(device, data, withFolder, events, heldOut),
  };
}

/** A new run from flags: data, configuration, description. */
export async function planNewRun<
  V extends TrainValues,
  Config extends FamilyConfig,
  Settings extends CommonSettings,
  Data extends TrainingData,
>(
  io: Io,
  command: TrainingCommand<V, Config, Settings, Data>,
  asked: ParsedTrain<V>,
): Promise<PlannedRun<Config, Settings, Data>> {
  const { family, shipped } = command;
  const base = await baseConfig(family, asked.values);
  asUsage(() => command.foresee?.(base, asked.values));
  const parsed = await withPreparedData(io, command, asked);
  const { values, given } = parsed;
  const data = await opened(
    io,
    values.quiet,
    (events) => command.open(placeOf(command, values.dataPath), values, base, events),
  );
  const config = asUsage(() => command.configure(base, data, values));
  const common = commonSettings(command, values, config);
  const unscheduled = await command.settings(parsed, config, common, data);
  command.check?.(config, unscheduled, data);
  const stepsPerEpoch = asUsage(() => command.stepsPerEpoch(data, config, unscheduled));
  const runSchedule = schedule(values, given, stepsPerEpoch);
  // Fields in the order of the schema, as those of a resumed run.
  const run = checkFields(family.training.settings, {
    ...unscheduled,
    rateSchedule: rateSchedule(values, given, common.learningRate, runSchedule.steps),
  }, "settings");
  const description: Description<Config, Settings> = {
    format: "tessera-checkpoint",
    version: 2,
    config,
    classNames: [...data.classNames],
    run,
    dataFingerprint: data.fingerprint,
    dataPath: values.dataPath === undefined ? shipped.name : recordedPlace(values.dataPath),
  };
  const samples = command.samples?.(parsed, config, undefined, run);
  const evaluations = command.evaluation?.schedule(values, run, undefined);
  const place = placeOf(command, values.dataPath);
  const heldOut = evaluations && await openHeldOut(io, command, place, values, description);
  const { start, notes } = await startOf(values.initFrom, family, config);
  return {
    plan: { ...runSchedule, samples, evaluations, description, start },
    data,
    heldOut,
    notes: [...notes, ...command.warnings?.(config, run, data) ?? []],
  };
}

/** Settings that every family has, without the schedule of the learning rate. */
function commonSettings<V extends TrainValues, Config extends FamilyConfig>(
  command: Pick<
    TrainingCommand<V, Config, CommonSettings, TrainingData>,
    "batch" | "learningRate"
  >,
  values: V,
  config: Config,
): CommonSettings {
  const { size, what } = command.batch(values);
  return {
    seed: values.seed,
    flip: values.flip,
    clipNorm: values.clipGrad,
    learningRate: values.lr ?? command.learningRate(config),
    weightDecay: values.weightDecay,
    averageDecay: values.emaDecay,
    accumulate: parts(values.accumulate, size, what),
    lossScaling: values.lossScaling || undefined,
    activations: values.activations === "f32" ? undefined : values.activations,
  };
}

/** Where the weights of a new run come from; what is wrong with them shows before it is made. */
async function startOf<Config extends FamilyConfig>(
  initFrom: string | undefined,
  family: Family<Config>,
  config: Config,
): Promise<{ readonly start: Start; readonly notes: readonly string[] }> {
  if (initFrom === undefined) return { start: { from: "seed" }, notes: [] };
  return await startFromWeights(initFrom, family.parameters(config), {
    explain: explainMisfit(family, config),
    otherForm: family.otherForm?.(config),
  });
}

/** The run that `--resume` goes on with, or the new one that `--fork` makes of a checkpoint. */
async function planContinuedRun<
  V extends TrainValues,
  Config extends FamilyConfig,
  Settings extends CommonSettings,
  Data extends TrainingData,
>(
  io: Io,
  command: TrainingCommand<V, Config, Settings, Data>,
  parsed: ParsedTrain<V>,
): Promise<PlannedRun<Config, Settings, Data>> {
  const { values, given } = parsed;
  const { checkpoint, folder, manifest: found } = await findContinuedRun(values);
  requireFamily(command.family.name, found, folder ?? checkpoint);
  const manifest = checkManifest(command.family, found, checkpoint);
  const { schedule: before, config, step } = manifest;
  const description = descriptionOf<Description<Config, Settings>>(manifest);
  const place = placeOf(command, values.dataPath ?? manifest.dataPath);
  const reopened = await recordedData(
    values.dataPath,
    opened(io, values.quiet, (events) => command.reopen(place, description, events)),
  );
  if (!allowedChanges(values).includes("data")) {
    requireSameData(reopened, manifest, command.difference?.(manifest.run, reopened));
  }
  const data = command.relabel?.(reopened, manifest.classNames) ?? reopened;
  const runSchedule = schedule(
    values,
    given,
    command.stepsPerEpoch(data, config, manifest.run),
    before,
  );
  const run = checkFields(
    command.family.training.settings,
    changedSettings(values, given, manifest.run, runSchedule.steps),
    "settings",
  );
  command.check?.(config, run, data);
  const next: Description<Config, Settings> = {
    ...description,
    run,
    dataFingerprint: data.fingerprint,
    dataPath: values.dataPath === undefined ? description.dataPath : recordedPlace(values.dataPath),
  };
  const evaluations = command.evaluation?.schedule(values, run, before?.evaluations);
  const heldOut = evaluations && await openHeldOut(io, command, place, values, next);
  const { changes, notes } = recordChanges(description, next, step);
  const origin = { checkpoint: resolve(checkpoint), step };
  const isFork = folder === undefined;
  return {
    plan: {
      ...runSchedule,
      samples: command.samples?.(parsed, config, before?.samples, run),
      evaluations,
      description: { ...next, ...(isFork && { forkedFrom: origin }), changes },
      start: { from: isFork ? "fork" : "resume", checkpoint },
      folder,
    },
    data,
    heldOut,
    notes: isFork ? [`goes on from step ${step} of ${checkpoint}`, ...notes] : notes,
  };
}

/** Opens what a run is evaluated on; that there is nothing shows before the run folder is made. */
async function openHeldOut<
  V extends TrainValues,
  Config extends FamilyConfig,
  Settings extends CommonSettings,
  Data extends TrainingData,
>(
  io: Io,
  { evaluation }: TrainingCommand<V, Config, Settings, Data>,
  place: string,
  { quiet }: V,
  description: Description<Config, Settings>,
): Promise<Data | undefined> {
  try {
    return await opened(io, quiet, (events) => evaluation!.open(place, description, events));
  } catch (error) {
    if (!(error instanceof MissingPartError)) throw error;
    throw new InputError(
      `${error.message} to evaluate on; --holdout 0.1 keeps a tenth of the pictures for it`,
      { cause: error },
    );
  }
}

/** Where the data is: a path, or what comes with the tool. */
export function placeOf(
  { shipped }: { readonly shipped: { readonly name: string; readonly folder: string } },
  path: string | undefined,
): string {
  return path === undefined || path === shipped.name ? assetPath(shipped.folder) : path;
}

/** Opens data and shows how far that is. */
export async function opened<Data>(
  io: Io,
  quiet: boolean,
  open: (events: OpeningEvents) => Promise<Data>,
): Promise<Data> {
  using opening = new Opening(io, quiet);
  const { warn, watch } = opening;
  return await open({ warn, watch });
}
