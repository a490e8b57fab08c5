/**
 * `tessera eval navit`: from flags to a report.
 *
 * @module
 */
import { basename, join } from "@std/path";
import { MissingPartError } from "../../../data/open.ts";
import type { PictureSet } from "../../../data/picture_set.ts";
import { SkipReport } from "../../../data/pictures/skip_report.ts";
import {
  type EvaluatedModel,
  evaluateNaViT,
  type EvaluationData,
  type EvaluationPlan,
} from "../../../models/navit/evaluation/evaluation.ts";
import type { ImageSetting } from "../../../models/navit/evaluation/image_grids.ts";
import type { EvaluationFormat } from "../../../evaluation/report/render.ts";
import { chooseShots } from "../../../metrics/shots.ts";
import type { EvaluationReport } from "../../../evaluation/report/report.ts";
import { writeTextAtomically } from "../../../formats/files/atomic_file.ts";
import { InputError } from "../../../base/errors.ts";
import { quoteName } from "../../../base/names.ts";
import { describeMachine } from "../../../base/machine.ts";
import { selectDevice } from "../../../kernels/select_device.ts";
import {
  type Manifest as ManifestOf,
  readManifest,
} from "../../../training/checkpoints/manifest.ts";
import { orNewestWhole } from "../../../training/checkpoints/whole_checkpoint.ts";
import type { NaViTRun } from "../../../models/navit/settings.ts";
import { findNaViT, loadNaViT, type NaViTSource } from "../../../models/navit/weights.ts";
import { latestCheckpoint, listRuns } from "../../../training/runs/run_folder.ts";
import { recordedData } from "../recorded_data.ts";
import { asUsage } from "../../terminal/errors.ts";
import type { EvalNaViTOptions } from "./eval_flags.ts";
import type { Io } from "../../terminal/io.ts";
import { Opening } from "../../terminal/opening.ts";
import { openPictureSet } from "../../../data/open.ts";
import { placeOf } from "../../runs/prepare.ts";
import { navitTraining } from "./train.ts";
import { versions } from "../../terminal/version.ts";

type Manifest = ManifestOf<NaViTRun>;

/** Evaluates one checkpoint, or those of all runs in a folder. */
export async function runEvalNaViT(io: Io, values: EvalNaViTOptions): Promise<void> {
  const checkpoint = values.ckpt ?? "results";
  const sources = await findSources(checkpoint, values.weights);
  requireAlike(sources);
  for (const { source: { note } } of sources) if (note !== undefined) io.tell(note);
  for (const line of holdoutWarnings(sources)) io.tell(line);
  const [{ source: { manifest } }] = sources;
  const models = sources.map(evaluatedModel);
  const data = await openData(io, values, manifest);
  const skips = new SkipReport(data.name, (line) => io.tell(line));
  const plan = planOf(values, manifest, skips, data.training);
  const { device } = await selectDevice({ ...values, batchInvariant: true });
  try {
    const machine = await describeMachine(versions());
    const report = await evaluateNaViT(
      { machine, device, checkpoint },
      models,
      data,
      plan,
      (line) => values.quiet || io.tell(`${line} ...`),
    );
    skips.summarize(data.pictures.length + (data.training?.length ?? 0));
    await writeReport(io, values, report);
  } finally {
    device.close();
  }
}

/** A checkpoint with the name that tables give it. */
interface NamedSource {
  readonly name: string;
  readonly source: NaViTSource;
}

/** A checkpoint as the evaluation takes it. */
export function evaluatedModel({ name, source: { manifest, path } }: NamedSource): EvaluatedModel {
  const { config, classNames, run } = manifest;
  return {
    name,
    config,
    classNames,
    activation: run.loss === "sigmoid" ? "sigmoid" : "softmax",
    load: (device) => loadNaViT(device, config, path),
  };
}

/** The checkpoint that a path means, or the newest one of every run in a folder of runs. */
async function findSources(
  path: string,
  weights: EvalNaViTOptions["weights"],
): Promise<NamedSource[]> {
  const runs = await listRuns(path);
  if (runs.length === 0) return [{ name: basename(path), source: await findNaViT(path, weights) }];
  const sources: NamedSource[] = [];
  for (const name of runs) {
    const run = join(path, name);
    const checkpoint = (await latestCheckpoint(run))!;
    const { config } = await orNewestWhole(checkpoint, readManifest(checkpoint));
    if (config.family === navitTraining.family.name) {
      sources.push({ name, source: await findNaViT(run, weights) });
    }
  }
  if (sources.length > 0) return sources;
  throw new InputError(`${path}: none of its ${runs.length} runs trains a navit`);
}

/** Refuses runs that cannot be evaluated on the same pictures. */
function requireAlike([first, ...others]: readonly NamedSource[]): void {
  const subject = ({ source: { manifest: { config, classNames } } }: NamedSource) =>
    `${config.channels} channels, classes ${classNames.map(quoteName).join(", ")}`;
  const other = others.find((candidate) => subject(candidate) !== subject(first));
  if (other === undefined) return;
  throw new InputError(
    `${first.name} and ${other.name} were trained on different kinds of pictures ` +
      `(${subject(first)}; ${subject(other)}): evaluate them one by one`,
  );
}

/** Runs that may have been trained on what the first one has held out. */
function holdoutWarnings([first, ...others]: readonly NamedSource[]): string[] {
  const holdout = ({ source }: NamedSource) => source.manifest.run.holdout ?? 0;
  return others.filter((other) => holdout(other) !== holdout(first)).map((other) =>
    `warning: ${other.name} was trained with --holdout ${holdout(other)}, ${first.name} with ` +
    `${holdout(first)}, so it may have seen the pictures of this evaluation`
  );
}

/** Opens the pictures of the run, or others; the training part too where a probe needs it. */
async function openData(
  io: Io,
  values: EvalNaViTOptions,
  manifest: Manifest,
): Promise<EvaluationData> {
  const { config, run, classNames } = manifest;
  const path = values.dataPath ?? manifest.dataPath;
  using opening = new Opening(io, values.quiet);
  const open = (split: "train" | "test") =>
    openPictureSet(placeOf(navitTraining, path), {
      warn: opening.warn,
      watch: opening.watch,
      channels: config.channels,
      holdout: run.holdout,
      captions: false,
      split,
      classNames,
    });
  const split = values.split ?? "test";
  const pictures = await recordedData(values.dataPath, open(split)).catch((error) => {
    if (values.split !== undefined || !(error instanceof MissingPartError)) throw error;
    throw new InputError(
      `${error.message}; --split train evaluates on the training part, and a run that was ` +
        "trained with --holdout has kept a part for this",
    );
  });
  const training = values.probe ? await open("train") : undefined;
  return { name: pictures.name, pictures, training };
}

/** Shots a class of the linear probe where the flags say nothing. */
const usualShots = 10;

/**
 * Shots a class of the linear probe: as told, or as many as the smallest class has up to the usual
 * number. More than there are is refused before anything is measured.
 */
function shotsOf(training: PictureSet, given: number | undefined): number {
  const labels = Array.from({ length: training.length }, (_, index) => training.label(index));
  const sizes = training.classNames.map(() => 0);
  for (const label of labels) sizes[label]++;
  const shots = given ?? Math.max(1, Math.min(usualShots, ...sizes));
  asUsage(() => chooseShots(labels, training.classNames, shots, 0));
  return shots;
}

/** Token budgets as parts of the run's sequence length, when none are given. */
const budgetParts = [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1];

/** Shifts of `--robustness`: factors on the resolution and on the aspect ratio. */
const resolutionFactors = [0.5, 0.71, 1, 1.41, 2];
const aspectFactors = [0.25, 0.5, 1, 2, 4];

function planOf(
  values: EvalNaViTOptions,
  { config, run }: Manifest,
  skips: SkipReport,
  training: PictureSet | undefined,
): EvaluationPlan {
  const length = values.sequenceLength ?? run.length;
  const budgets = values.tokens ??
    [...new Set(budgetParts.map((part) => Math.max(1, Math.round(part * run.length))))];
  const largest = Math.max(...budgets);
  const baseSide = Math.round(Math.sqrt(largest) * config.patch);
  const settings: ImageSetting[] = [
    ...budgets.map((tokens): ImageSetting => ({ kind: "tokens", tokens })),
    ...(values.resolution ?? []).map((side): ImageSetting => ({ kind: "resolution", side })),
    ...(values.square ?? []).map((side): ImageSetting => ({ kind: "square", side })),
    ...(values.native ? [{ kind: "native", tokens: largest } as const] : []),
    ...(values.padded ? [{ kind: "padded", tokens: largest } as const] : []),
  ];
  const resolutions = resolutionFactors.map((factor) => Math.round(factor * baseSide));
  return {
    settings,
    resolutions: values.robustness ? resolutions : [],
    aspects: values.robustness ? aspectFactors : [],
    baseSide,
    shots: training && shotsOf(training, values.shots),
    batches: { sequences: values.batchSize, length, workers: values.workers, skips },
  };
}

/** Writes the report where the flags say: as a table or JSON on stdout, and into files. */
async function writeReport(
  io: Io,
  { json, out = [] }: EvalNaViTOptions,
  report: EvaluationReport,
): Promise<void> {
  const { renderEvaluation } = await import("../../../evaluation/report/render.ts");
  // First to stdout, which a wrong path does not stop.
  io.out(await renderEvaluation(report, json ? "json" : "txt"));
  for (const path of out) {
    const format = path.slice(path.lastIndexOf(".") + 1) as EvaluationFormat;
    await writeTextAtomically(path, await renderEvaluation(report, format));
  }
}
