/**
 * `tessera train navit`: from flags to a run.
 *
 * @module
 */
import { basename, resolve } from "@std/path";
import { withClassNames } from "../../../data/class_names.ts";
import { checkChannels, openPictureSet, type OpenPictureSetOptions } from "../../../data/open.ts";
import type { PictureSet } from "../../../data/picture_set.ts";
import type { Resolution } from "../../../data/packing/resolution.ts";
import { textVocabulary } from "../../../data/packing/text_tokens.ts";
import type { TokenDropping } from "../../../data/packing/token_dropping.ts";
import { type NaViTConfig, navitParameters } from "../../../models/navit/model.ts";
import { overrideNaViTConfig } from "../../../models/navit/config.ts";
import type { TextConfig } from "../../../models/navit/text.ts";
import { countParameters } from "../../../nn/parameters.ts";
import {
  descriptionOf,
  type NaViTRun,
  type NaViTSettings,
} from "../../../training/runs/manifest.ts";
import { previewPacking } from "../../../models/navit/preview.ts";
import { type RunPlan, type Start, startFromWeights } from "../../../training/runs/run.ts";
import { trainNaViT } from "../../../models/navit/run.ts";
import { assetPath } from "../../terminal/assets.ts";
import { recordedData } from "../recorded_data.ts";
import { asUsage, UsageError } from "../../terminal/errors.ts";
import type { Parsed } from "../../flags/flags.ts";
import type { Io } from "../../terminal/io.ts";
import { describePictures, Opening } from "../../terminal/opening.ts";
import { navitFamily } from "../../../models/navit/family.ts";
import { baseConfig } from "../../flags/model_config.ts";
import { navitOverrides } from "./model_flags.ts";
import { fixed } from "../../terminal/progress.ts";
import { packingWarnings, requireClasses, requireFittingResolution } from "./train_checks.ts";
import type { navitTrainFlags, TrainNaViTOptions } from "./train_flags.ts";
import {
  findResumedRun,
  type PreparedRun,
  requireFamily,
  requireSameData,
  startRun,
} from "../../commands/train_run.ts";
import { parts, rateSchedule, schedule } from "../../flags/train_settings.ts";

/** How manifests name the pictures that come with the tool. */
const shippedSamples = "shipped:clipart";

/** A run with its data. */
export interface NaViTPlan {
  readonly plan: RunPlan<NaViTRun>;
  readonly pictures: PictureSet;
  /** What is to be told about where the weights come from. */
  readonly notes?: readonly string[];
  /** What the user should know before it starts. */
  readonly warnings?: readonly string[];
}

/** How the pictures of a run are opened. */
interface PictureOptions {
  readonly channels: number;
  readonly holdout?: number;
  readonly captions: boolean;
  readonly split?: "train" | "test";
  /** The classes that labels count in; those of the pictures when absent. */
  readonly classNames?: readonly string[];
}

/**
 * Opens the pictures of a run: a path, or the shipped ones.
 *
 * @param opening hears of it; the parts of one set may share it
 */
export async function openRunPictures(
  { warn, watch }: Pick<OpenPictureSetOptions, "warn" | "watch">,
  path: string | undefined,
  options: PictureOptions,
): Promise<PictureSet> {
  const place = path === undefined || path === shippedSamples
    ? assetPath("data/samples/clipart")
    : path;
  return await openPictureSet(place, { ...options, warn, watch });
}

/** Opens the pictures of a run, and shows how far it is. */
export async function openShownPictures(
  io: Io,
  quiet: boolean,
  path: string | undefined,
  options: PictureOptions,
): Promise<PictureSet> {
  using opening = new Opening(io, quiet);
  return await openRunPictures(opening, path, options);
}

/** Starts, resumes or only describes a run. */
export async function runTrainNaViT(io: Io, parsed: Parsed<typeof navitTrainFlags>): Promise<void> {
  const { values } = parsed;
  const run = values.resume === undefined
    ? await prepareNewRun(io, parsed)
    : await prepareResume(io, parsed);
  for (const warning of run.warnings ?? []) io.tell(warning);
  if (values.dryRun) {
    run.notes?.forEach((note) => io.tell(note));
    const { describeNaViTPlan } = await import("../../commands/train_plan.ts");
    io.out(await describeNaViTPlan(run.plan, run.pictures, values));
    return;
  }
  await startRun(io, parsed, prepared(run, titleOf(values)));
}

/** What the run folder is called after. */
export function titleOf({ config, model }: TrainNaViTOptions): string {
  return config === undefined ? model : basename(config, ".json");
}

/** The run as {@link startRun} takes it. */
export function prepared(
  { plan, pictures, notes }: NaViTPlan,
  title: string,
): PreparedRun<NaViTRun> {
  const { config, run } = plan.description;
  const measure: PreparedRun["columns"] = run.loss === "contrastive"
    ? { matchProbability: fixed("match", 3) }
    : { accuracy: fixed("accuracy", 3) };
  return {
    command: "navit",
    title,
    plan,
    notes,
    parameters: countParameters(navitParameters(config)).parameters,
    data: describePictures(pictures),
    batch: `${run.sequences} sequences of ${run.length} tokens`,
    columns: { ...measure, fillRate: fixed("fill", 3) },
    next: { what: "evaluate with", command: (folder) => `eval navit --checkpoint ${folder}` },
    train: (device, withFolder, events) => trainNaViT(device, pictures, withFolder, events),
  };
}

/** A new run from flags: data, configuration, description. */
export async function prepareNewRun(
  io: Io,
  { values, given }: { readonly values: TrainNaViTOptions; readonly given: ReadonlySet<string> },
): Promise<NaViTPlan> {
  asUsage(() => checkChannels(values.channels));
  const base = await baseConfig(navitFamily, values);
  const contrastive = values.loss === "contrastive";
  const holdout = values.holdout > 0 ? values.holdout : undefined;
  const pictures = await openShownPictures(io, values.quiet, values.dataPath, {
    channels: values.channels ?? base.channels,
    holdout,
    captions: contrastive,
  });
  if (!contrastive) requireClasses(pictures, values.numClasses);
  const config = asUsage(() => configFor(base, pictures, values));
  const run = settings(values, config);
  requireFittingResolution(config, run);
  const steps = asUsage(() => schedule(values, given, stepsPerEpoch(pictures, config, run)));
  const description: NaViTRun = {
    format: "tessera-checkpoint",
    version: 2,
    config,
    classNames: [...pictures.classNames],
    run: {
      ...run,
      holdout,
      rateSchedule: rateSchedule(values, given, run.learningRate, steps.steps),
    },
    dataFingerprint: pictures.fingerprint,
    dataPath: values.dataPath === undefined ? shippedSamples : resolve(values.dataPath),
  };
  const { start, notes } = await startOf(values, config);
  return {
    plan: { ...steps, description, start },
    notes,
    pictures,
    warnings: packingWarnings(pictures, config, run),
  };
}

/** Steps that see as many pictures as there are. */
function stepsPerEpoch(pictures: PictureSet, config: NaViTConfig, run: NaViTSettings): number {
  const { picturesPerSequence } = previewPacking(pictures, config, run);
  return pictures.length / (picturesPerSequence * run.sequences);
}

/** The model for a set of pictures, with the fields that flags replace. */
function configFor(
  base: NaViTConfig,
  pictures: PictureSet,
  values: TrainNaViTOptions,
): NaViTConfig {
  const sized = overrideNaViTConfig(base, {
    ...navitOverrides(base, values),
    channels: pictures.channels,
    classes: values.numClasses ?? pictures.classNames.length,
  }, `model for ${pictures.name}`);
  if (values.loss !== "contrastive") return sized;
  return overrideNaViTConfig(sized, { text: textTower(sized, values) }, "text tower");
}

function textTower(
  { hidden, depth, heads }: NaViTConfig,
  { textLength, textHidden, textDepth, textHeads, projection }: TrainNaViTOptions,
): TextConfig {
  return {
    vocabulary: textVocabulary,
    length: textLength,
    hidden: textHidden ?? hidden,
    depth: textDepth ?? Math.ceil(depth / 2),
    heads: textHeads ?? heads,
    projection: projection ?? hidden,
  };
}

/** Sequences that are filled at a time unless flags tell: enough to leave little padding. */
const openSequences = 64;

function settings(
  values: TrainNaViTOptions,
  config: NaViTConfig,
): NaViTSettings {
  const { sequences, sequenceLength: length, imagesPerSequence: slots, loss } = values;
  const learningRate = values.lr ?? (config.hidden < 384 ? 1e-3 : 8e-4);
  const contrastive = loss === "contrastive";
  if (contrastive && values.accumulate !== 1) {
    throw new UsageError(
      "--accumulate divides a batch, but all pairs of a contrastive one belong together",
    );
  }
  return {
    seed: values.seed,
    flip: values.flip,
    clipNorm: values.clipGrad,
    learningRate,
    weightDecay: values.weightDecay,
    headWeightDecay: values.headWeightDecay,
    averageDecay: values.emaDecay,
    accumulate: parts(values.accumulate, sequences, `the ${sequences} sequences`),
    sequences,
    length,
    slots,
    loss,
    textLength: contrastive ? slots * values.textLength : undefined,
    resolution: resolutionOf(values),
    dropping: droppingOf(values, config),
    aspect: values.aspect,
    openSequences: openGroup(values),
  };
}

/** Sequences filled at a time: whole steps. */
function openGroup({ openSequences: wanted, sequences }: TrainNaViTOptions): number {
  if (wanted === undefined) return Math.ceil(openSequences / sequences) * sequences;
  if (wanted % sequences === 0) return wanted;
  const below = Math.floor(wanted / sequences) * sequences;
  const nearest = [below, below + sequences].filter((n) => n > 0).join(" and ");
  throw new UsageError(
    `--open-sequences ${wanted} are not whole steps of ${sequences} sequences; nearest: ${nearest}`,
  );
}

function resolutionOf(
  { resolution, resolutionDistribution, resolutionOver }: TrainNaViTOptions,
): Resolution {
  if (resolution.kind !== "range") return resolution;
  const { minimum, maximum } = resolution;
  return {
    kind: "sampled",
    distribution: resolutionDistribution,
    over: resolutionOver,
    minimum,
    maximum,
  };
}

/** Dropping by resolution spans the tokens that the resolutions make. */
function droppingOf(
  { tokenDrop, resolution }: TrainNaViTOptions,
  { patch }: NaViTConfig,
): TokenDropping {
  if (tokenDrop.kind !== "resolution") return tokenDrop;
  if (resolution.kind !== "range") {
    throw new UsageError("--token-drop resolution:MIN:MAX needs a --resolution MIN:MAX");
  }
  const tokens = (side: number): number => Math.max(1, Math.round((side / patch) ** 2));
  const [fewest, most] = [tokens(resolution.minimum), tokens(resolution.maximum)];
  if (fewest < most) return { ...tokenDrop, fewest, most };
  throw new UsageError(
    `--token-drop resolution:MIN:MAX needs a wider --resolution: both ends make ${most} tokens`,
  );
}

/** Where the weights of a new run come from; what is wrong with them shows before it is made. */
async function startOf(
  { initFrom }: TrainNaViTOptions,
  config: NaViTConfig,
): Promise<Pick<NaViTPlan, "notes"> & { readonly start: Start }> {
  if (initFrom === undefined) return { start: { from: "seed" } };
  return await startFromWeights(initFrom, navitParameters(config));
}

async function prepareResume(
  io: Io,
  { values, given }: Parsed<typeof navitTrainFlags>,
): Promise<NaViTPlan> {
  const { checkpoint, folder, manifest } = await findResumedRun(values, given);
  requireFamily("navit", manifest, folder);
  const { schedule: before } = manifest;
  const description = descriptionOf<NaViTRun>(manifest);
  const { config, run } = manifest;
  const path = values.dataPath ?? manifest.dataPath;
  const opened = await recordedData(
    values.dataPath,
    openShownPictures(io, values.quiet, path, {
      channels: config.channels,
      holdout: run.holdout,
      captions: run.loss === "contrastive",
    }),
  );
  requireSameData(opened, manifest);
  const pictures = withClassNames(opened, manifest.classNames);
  return {
    plan: {
      ...schedule(values, given, stepsPerEpoch(pictures, config, run), before),
      description: values.dataPath === undefined
        ? description
        : { ...description, dataPath: resolve(values.dataPath) },
      start: { from: "resume", checkpoint },
      folder,
    },
    pictures,
  };
}
