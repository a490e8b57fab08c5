/**
 * `tessera eval tokenizer`: how well a tokenizer brings clips back.
 *
 * @module
 */
import { resolve } from "@std/path";
import { MissingPartError } from "../../../data/open.ts";
import type { Split } from "../../../data/sources/idx.ts";
import { writeBytesAtomically } from "../../../formats/files/atomic_file.ts";
import type { Column } from "../../../formats/text/table.ts";
import { selectDevice } from "../../../kernels/select_device.ts";
import { peakSignalToNoise } from "../../../metrics/reconstruction.ts";
import {
  evaluateTokenizer,
  type TokenizerEvaluation,
} from "../../../models/causal_tokenizer/evaluation.ts";
import { causalTokenizerCodec } from "../../../models/causal_tokenizer/graph.ts";
import { clipOf } from "../../../models/causal_tokenizer/data.ts";
import { reconstructionSheet } from "../../../models/causal_tokenizer/reconstructions.ts";
import { openTokenizer, type TokenizerSource } from "../../../models/causal_tokenizer/source.ts";
import { latentSize } from "../../../models/codec.ts";
import { machine, writeReport } from "../../bench/sweep.ts";
import { UsageError } from "../../terminal/errors.ts";
import type { Io } from "../../terminal/io.ts";
import { formatBytes } from "../../terminal/numbers.ts";
import { Progress } from "../../terminal/progress.ts";
import { watchSignals } from "../../terminal/signals.ts";
import { describePlan } from "./coding.ts";
import type { EvalTokenizerOptions } from "./eval_flags.ts";
import { openRunData, type RunData, tokenizerOf } from "./run_data.ts";

/** Seconds between the lines of the progress where there is no terminal. */
const progressInterval = 10;

/** What was measured over some clips. */
interface MeasureRow {
  /** What, and of what. */
  readonly measure: string;
  /** Mean over the clips; null where it is without bound. */
  readonly value: number | null;
  /** What values are counted in. */
  readonly unit: string;
  /** Clips. */
  readonly n: number;
  readonly split: Split;
  /** frames x height x width. */
  readonly size: string;
  /** The values that pixels may have. */
  readonly range: string;
  readonly crop: string;
}

const columns: readonly Column<MeasureRow>[] = [
  { title: "measure", value: ({ measure }) => measure },
  { title: "value", value: ({ value }) => value ?? "unbounded", digits: 5 },
  { title: "unit", value: ({ unit }) => unit },
  { title: "n", value: ({ n }) => n },
  { title: "split", value: ({ split }) => split },
  { title: "size", value: ({ size }) => size },
  { title: "range", value: ({ range }) => range },
  { title: "crop", value: ({ crop }) => crop },
];

/** The clips of an evaluation, and the part of the data that they are. */
interface EvaluationClips extends RunData {
  readonly split: Split;
}

/** Evaluates a tokenizer. */
export async function runEvalTokenizer(io: Io, values: EvalTokenizerOptions): Promise<void> {
  const { sheet } = values;
  if (sheet !== undefined && !/.\.png$/i.test(sheet)) {
    throw new UsageError(`--sheet ${sheet}: the ending must be .png`);
  }
  const source = await tokenizerOf(io, values);
  const clips = await openClips(io, values, source);
  using weights = await openTokenizer(source);
  const indices = spread(clips.data.length, values.count);
  const grid = causalTokenizerCodec.grid(source.config);
  const parts = 2 * indices.length * latentSize(grid, clipOf(clips.data)).frames;
  const { device, reason } = await selectDevice(values);
  const progress = new Progress(io, {
    noun: "latent frame",
    total: parts,
    columns: {},
    quiet: values.quiet,
    interval: progressInterval,
  });
  try {
    progress.note(`device: ${device.kind.name}, ${device.description} (${reason})`);
    progress.note(`tokenizer: ${source.path}`);
    using watch = watchSignals(io, "stopping");
    const evaluation = await evaluateTokenizer(device, source.config, weights, clips.data, {
      indices,
      shown: sheet === undefined ? 0 : values.shown,
      signal: watch.signal,
      planned: (direction, plan, bytes) =>
        progress.note(`${direction}: ${describePlan(plan)}; ${formatBytes(bytes)} of memory`),
      progress: (share) => progress.update(share * parts),
    });
    progress.end();
    await report(io, values, clips, evaluation);
  } finally {
    progress.end();
    device.close();
  }
}

/** Numbers of at most `count` clips, spread evenly over a set. */
function spread(length: number, count: number): number[] {
  const taken = Math.min(length, count);
  return Array.from({ length: taken }, (_, index) => Math.floor(index * length / taken));
}

/** Opens the clips of the run, or others: the test part unless told, where there is one. */
async function openClips(
  io: Io,
  values: EvalTokenizerOptions,
  source: TokenizerSource,
): Promise<EvaluationClips> {
  const open = async (split: Split): Promise<EvaluationClips> => ({
    ...await openRunData(io, values, source, split),
    split,
  });
  if (values.split !== undefined) return await open(values.split);
  return await open("test").catch((error) => {
    if (error instanceof MissingPartError) return open("train");
    throw error;
  });
}

/** Writes the measures, and the sheet if it is asked for. */
async function report(
  io: Io,
  values: EvalTokenizerOptions,
  clips: EvaluationClips,
  evaluation: TokenizerEvaluation,
): Promise<void> {
  const notes = [
    "means over the clips; pixels are clamped to 0 .. 1; psnr of a frame or clip from its mean " +
    "squared error; ssim with Gaussian windows of 11 x 11; change is what differs from one frame " +
    "to the next; latents over all positions.",
  ];
  const rows = rowsOf(clips, evaluation);
  await writeReport(io, { machine: await machine(), columns, rows, notes }, values);
  if (values.sheet === undefined) return;
  await writeBytesAtomically(values.sheet, await sheetOf(clips, evaluation));
  io.tell(`originals beside reconstructions: ${resolve(values.sheet)}`);
}

function rowsOf(
  { data, split, crop }: EvaluationClips,
  { qualities, latents }: TokenizerEvaluation,
): MeasureRow[] {
  const { frames, height, width } = clipOf(data);
  const about = {
    ...{ n: qualities.length, split, size: `${frames} x ${height} x ${width}` },
    ...{ range: "0 .. 1", crop },
  };
  const row = (measure: string, numbers: readonly number[], unit = ""): MeasureRow => {
    const mean = numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
    return { measure, value: Number.isFinite(mean) ? mean : null, unit, ...about };
  };
  const ratios = (errors: readonly number[]) => errors.map(peakSignalToNoise);
  const changes = qualities.flatMap(({ changeError }) => changeError ?? []);
  const ofFrame = (name: string, frame: number) => `${name}, frame ${frame}`;
  return [
    row("psnr, clip", ratios(qualities.map(({ error }) => error)), "dB"),
    row("psnr, frames", ratios(qualities.flatMap(({ frameErrors }) => frameErrors)), "dB"),
    row("ssim, frames", qualities.flatMap(({ frameSimilarities }) => frameSimilarities)),
    ...(frames === 1 ? [] : [row("change, mean squared error", changes)]),
    ...(frames === 1 ? [] : Array.from({ length: frames }, (_, frame) => [
      row(ofFrame("psnr", frame), ratios(qualities.map((q) => q.frameErrors[frame])), "dB"),
      row(ofFrame("ssim", frame), qualities.map((q) => q.frameSimilarities[frame])),
    ]).flat()),
    ...latents.flatMap(({ mean, deviation }, channel) => [
      row(`latent channel ${channel}, mean`, [mean]),
      row(`latent channel ${channel}, deviation`, [deviation]),
    ]),
  ];
}

/** Originals, each above its reconstruction. */
async function sheetOf(
  { data, split }: EvaluationClips,
  { shown, qualities }: TokenizerEvaluation,
): Promise<Uint8Array> {
  const all = (of: (clip: TokenizerEvaluation["shown"][number]) => Float32Array) => {
    const parts = shown.map(of);
    const joined = new Float32Array(parts.length * parts[0].length);
    parts.forEach((part, index) => joined.set(part, index * part.length));
    return joined;
  };
  return await reconstructionSheet(
    all(({ original }) => original),
    all(({ other }) => other),
    clipOf(data),
    {
      title: "originals above their reconstructions",
      subtitle: `${shown.length} of ${qualities.length} clips, ${split}`,
      names: shown.map((_, index) => `${peakSignalToNoise(qualities[index].error).toFixed(1)} dB`),
    },
  );
}
