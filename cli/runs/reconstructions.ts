/**
 * `tessera eval` of codecs of any family: how well pictures or clips come back.
 *
 * @module
 */
import { evenIndices } from "../../data/order/spread.ts";
import { resolve } from "@std/path";
import type { ImageDataset } from "../../data/dataset.ts";
import { MissingPartError } from "../../data/open.ts";
import type { Split } from "../../data/sources/idx.ts";
import { writeBytesAtomically } from "../../formats/files/atomic_file.ts";
import type { Column } from "../../formats/text/table.ts";
import type { Device } from "../../kernels/device.ts";
import { selectDevice } from "../../kernels/select_device.ts";
import { peakSignalToNoise } from "../../metrics/reconstruction.ts";
import type { Direction } from "../../models/coder.ts";
import {
  type LatentChannel,
  reconstruct,
  type ReconstructingCodec,
  type Reconstructions,
} from "../../models/reconstruction/evaluation.ts";
import { reconstructionSheet } from "../../models/reconstruction/sheet.ts";
import { machine, writeReport } from "../bench/sweep.ts";
import type { ReconstructionValues } from "../flags/reconstruction_flags.ts";
import type { Io } from "../terminal/io.ts";
import { Progress } from "../terminal/progress.ts";
import { watchSignals } from "../terminal/signals.ts";
import type { OpenCoder } from "./encode.ts";

/** Seconds between the lines of the progress where there is no terminal. */
const progressInterval = 10;

/** The samples of an evaluation, and the part of the data that they are. */
export interface EvaluatedData {
  readonly data: ImageDataset;
  readonly split: Split;
  /** How samples got their size. */
  readonly crop: string;
}

/** What is measured besides how well samples come back. */
export interface LatentMeasures {
  /** One for each channel. */
  readonly channels: readonly LatentChannel[];
  /** One for each sample, by what is measured; with what values are counted in. */
  readonly more?: readonly {
    readonly measure: string;
    readonly unit: string;
    readonly values: readonly number[];
  }[];
}

/** What a family brings to an evaluation. */
export interface EvaluatedCodec extends Pick<ReconstructingCodec, "decoded"> {
  /** Path of the weights. */
  readonly path: string;
  /** Takes one direction into memory. */
  open(device: Device, direction: Direction): Promise<OpenCoder>;
  /** What the latents are like, given what the encoder puts out. */
  measure(encoded: readonly Float32Array[]): LatentMeasures;
  /** What else there is to be said about the measures. */
  readonly note: string;
}

/** What was measured over some samples. */
interface MeasureRow {
  /** What, and of what. */
  readonly measure: string;
  /** Mean over the samples; null where it is without bound. */
  readonly value: number | null;
  /** What values are counted in. */
  readonly unit: string;
  /** Samples. */
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

/** Opens the part that is asked for: the test part unless told, where there is one. */
export async function openEvaluated<Data>(
  asked: Split | undefined,
  open: (split: Split) => Promise<Data>,
): Promise<Data & { readonly split: Split }> {
  const opened = async (split: Split) => ({ ...await open(split), split });
  if (asked !== undefined) return await opened(asked);
  return await opened("test").catch((error) => {
    if (error instanceof MissingPartError) return opened("train");
    throw error;
  });
}

/** What samples of a set are called. */
const nounOf = ({ frames }: ImageDataset): string => frames === undefined ? "picture" : "clip";

/** Brings samples to latents and back, shows how far that is, and writes what was measured. */
export async function runReconstructions(
  io: Io,
  values: ReconstructionValues,
  evaluated: EvaluatedData,
  codec: EvaluatedCodec,
): Promise<void> {
  const { data } = evaluated;
  const indices = evenIndices(data.length, values.count);
  const { device, reason } = await selectDevice(values);
  const progress = new Progress(io, {
    noun: nounOf(data),
    total: indices.length,
    columns: {},
    quiet: values.quiet,
    interval: progressInterval,
  });
  try {
    progress.note(`device: ${device.kind.name}, ${device.description} (${reason})`);
    progress.note(`autoencoder: ${codec.path}`);
    using watch = watchSignals(io, "stopping");
    const open = async (direction: Direction) => {
      const coder = await codec.open(device, direction);
      progress.note(coder.note);
      return coder;
    };
    const found = await reconstruct(data, { open, decoded: codec.decoded }, {
      indices,
      shown: values.sheet === undefined ? 0 : values.shown,
      signal: watch.signal,
      progress: (share) => progress.update(Math.floor(share * indices.length)),
    });
    progress.end();
    await report(io, values, evaluated, found, codec);
  } finally {
    progress.end();
    device.close();
  }
}

/** Writes the measures, and the sheet if it is asked for. */
async function report(
  io: Io,
  values: ReconstructionValues,
  evaluated: EvaluatedData,
  found: Reconstructions,
  { measure, note }: EvaluatedCodec,
): Promise<void> {
  const notes = [
    "means over the samples; pixels are clamped to 0 .. 1; psnr of a frame or sample from its mean " +
    "squared error; ssim with Gaussian windows of 11 x 11; change is what differs from one frame " +
    `to the next; latents over all positions${note}.`,
  ];
  const rows = rowsOf(evaluated, found, measure(found.encoded));
  await writeReport(io, { machine: await machine(), columns, rows, notes }, values);
  if (values.sheet === undefined) return;
  await writeBytesAtomically(values.sheet, await sheetOf(evaluated, found));
  io.tell(`originals beside reconstructions: ${resolve(values.sheet)}`);
}

function rowsOf(
  { data, split, crop }: EvaluatedData,
  { qualities }: Reconstructions,
  { channels, more = [] }: LatentMeasures,
): MeasureRow[] {
  const { frames = 1, height, width } = data;
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
  const frameErrors = qualities.flatMap(({ frameErrors }) => frameErrors);
  return [
    row(`psnr, ${nounOf(data)}`, ratios(qualities.map(({ error }) => error)), "dB"),
    ...(data.frames === undefined ? [] : [row("psnr, frames", ratios(frameErrors), "dB")]),
    row(
      `ssim, ${data.frames === undefined ? "picture" : "frames"}`,
      qualities.flatMap(({ frameSimilarities }) => frameSimilarities),
    ),
    ...(frames === 1 ? [] : [row("change, mean squared error", changes)]),
    ...(frames === 1 ? [] : Array.from({ length: frames }, (_, frame) => [
      row(ofFrame("psnr", frame), ratios(qualities.map((q) => q.frameErrors[frame])), "dB"),
      row(ofFrame("ssim", frame), qualities.map((q) => q.frameSimilarities[frame])),
    ]).flat()),
    ...more.map(({ measure, unit, values }) => row(measure, values, unit)),
    ...channels.flatMap(({ mean, deviation }, channel) => [
      row(`latent channel ${channel}, mean`, [mean]),
      row(`latent channel ${channel}, deviation`, [deviation]),
    ]),
  ];
}

/** Originals, each above its reconstruction. */
async function sheetOf(
  { data, split }: EvaluatedData,
  { shown, qualities }: Reconstructions,
): Promise<Uint8Array> {
  const all = (of: (pair: Reconstructions["shown"][number]) => Float32Array) => {
    const parts = shown.map(of);
    const joined = new Float32Array(parts.length * parts[0].length);
    parts.forEach((part, index) => joined.set(part, index * part.length));
    return joined;
  };
  const { channels, frames = 1, height, width } = data;
  return await reconstructionSheet(
    all(({ original }) => original),
    all(({ other }) => other),
    { channels, frames, height, width },
    {
      title: "originals above their reconstructions",
      subtitle: `${shown.length} of ${qualities.length} ${nounOf(data)}s, ${split}`,
      names: shown.map((_, index) => `${peakSignalToNoise(qualities[index].error).toFixed(1)} dB`),
    },
  );
}
