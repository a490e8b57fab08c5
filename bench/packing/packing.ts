/**
 * Packing against padding: the same model on the same pictures, several or one a sequence.
 *
 * @module
 */
import { summarize, type Summary } from "../../base/statistics.ts";
import type { Column } from "../../formats/text/table.ts";
import type { Device } from "../../kernels/device.ts";
import type { NaViTConfig } from "../../models/navit/model.ts";
import { withPositions } from "../../models/navit/workload.ts";
import { loadNaViTJob } from "./workload.ts";
import type { LaidOut, Layouts } from "./batches.ts";
import { type PackingCost, packingCost } from "./cost.ts";
import {
  describePlace,
  isMeasured,
  measureAt,
  type Outcome,
  type Place,
} from "../runner/places.ts";
import { measureInTurns, type Timing } from "../runner/timing.ts";

/** One thing to measure. */
export interface PackingTask {
  /** Forward pass, or training step. */
  readonly operation: "forward" | "train";
  /** Name of the model. */
  readonly model: string;
  /** The model. */
  readonly config: NaViTConfig;
  /** What the pictures are called. */
  readonly pictures: string;
  /** Largest over smallest area of synthetic pictures; absent for those of a folder. */
  readonly spread?: number;
  /** The pictures. */
  readonly layouts: Layouts;
  /** Where it is measured. */
  readonly place: Place;
}

/** Batches and how long they took; times in ms a batch. */
export interface MeasuredLayout extends Summary, Timing {
  /** Batches that hold the pictures. */
  readonly batches: number;
  /** Sequences of a batch. */
  readonly sequences: number;
  /** Tokens of a sequence. */
  readonly length: number;
  /** Slots of a sequence. */
  readonly slots: number;
  /** Pictures in all batches. */
  readonly images: number;
  /** Share of the tokens that are not padding. */
  readonly fillRate: number;
  /** At the median. */
  readonly imagesPerSecond: number;
  /** Tokens that are not padding, at the median. */
  readonly tokensPerSecond: number;
}

/** What was measured on a device. */
interface Measurement {
  readonly packed: MeasuredLayout;
  readonly padded: MeasuredLayout;
  /** Pictures a second packed over padded. */
  readonly ratio: number;
}

/** What a row is about. */
interface RowHead extends PackingCost {
  readonly operation: PackingTask["operation"];
  readonly model: string;
  readonly pictures: string;
  readonly spread?: number;
  /** Mean tokens of a picture. */
  readonly tokensPerImage: number;
  readonly fillRates: { readonly packed: number; readonly padded: number };
}

/** One row of the report. */
export type PackingRow = RowHead & Outcome<Measurement>;

/** What the numbers mean; goes below every table. */
export const packingNotes: readonly string[] = [
  "Packed and padded are the same pictures, timed in turns, medians; the model only, on arrays " +
  "that lie ready in memory. Padded: one picture a sequence of the length of the longest of the " +
  "whole set, since shapes are static. Ratio: images/s packed over padded. Fill: tokens that are " +
  "not padding, which are those that tokens/s counts.",
  "GMACs: of attention in a forward pass of a packed image; dense, every token with every other one " +
  "of its sequence; skipped, with those of its own image only. Overhead: what dense attention adds " +
  "to the blocks, against images by themselves.",
];

/** Measures one task; never throws because of it. */
export async function measurePacking(task: PackingTask, repetitions: number): Promise<PackingRow> {
  const { operation, model, config, pictures, spread, place } = task;
  const { packed, padded, images } = task.layouts;
  const { shape: { sequences, length }, batches } = packed;
  const outcome = await measureAt(place, (device) => measureOn(device, task, repetitions));
  return {
    operation,
    model,
    pictures,
    spread,
    tokensPerImage: packed.tokens / packed.images,
    fillRates: { packed: packed.fillRate, padded: padded.fillRate },
    ...packingCost(config, images, sequences * batches.length, length),
    ...outcome,
  };
}

async function measureOn(
  device: Device,
  { operation, config, layouts: { packed, padded, longestSide } }: PackingTask,
  repetitions: number,
): Promise<Measurement> {
  const model = withPositions(config, longestSide);
  const jobs = [
    await loadNaViTJob(device, operation, model, packed),
    await loadNaViTJob(device, operation, model, padded),
  ];
  const timings = await measureInTurns(device, jobs, repetitions);
  const measured = {
    packed: measuredLayout(packed, timings[0]),
    padded: measuredLayout(padded, timings[1]),
  };
  const ratio = measured.packed.imagesPerSecond / measured.padded.imagesPerSecond;
  return { ...measured, ratio };
}

function measuredLayout(
  { shape, batches, images, tokens, fillRate }: LaidOut,
  timing: Timing,
): MeasuredLayout {
  const summary = summarize(timing.samples);
  const seconds = batches.length * summary.median / 1000;
  return {
    batches: batches.length,
    ...shape,
    images,
    fillRate,
    imagesPerSecond: images / seconds,
    tokensPerSecond: tokens / seconds,
    ...summary,
    ...timing,
  };
}

/** The measured part of a row as a cell's value. */
function measured(value: (row: Measurement) => number) {
  return (row: PackingRow) => isMeasured(row) ? value(row) : undefined;
}

/** Columns of the table. */
export const packingColumns: readonly Column<PackingRow>[] = [
  { title: "op", value: ({ operation }) => operation },
  { title: "model", value: ({ model }) => model },
  { title: "pictures", value: ({ pictures }) => pictures },
  { title: "device", value: describePlace },
  { title: "tokens/image", value: ({ tokensPerImage }) => tokensPerImage, digits: 1 },
  { title: "packed fill %", value: ({ fillRates }) => 100 * fillRates.packed, digits: 1 },
  { title: "padded fill %", value: ({ fillRates }) => 100 * fillRates.padded, digits: 1 },
  {
    title: "packed images/s",
    value: measured(({ packed }) => packed.imagesPerSecond),
    digits: 1,
  },
  {
    title: "padded images/s",
    value: measured(({ padded }) => padded.imagesPerSecond),
    digits: 1,
  },
  { title: "ratio", value: measured(({ ratio }) => ratio), digits: 2 },
  { title: "packed tokens/s", value: measured(({ packed }) => packed.tokensPerSecond) },
  { title: "padded tokens/s", value: measured(({ padded }) => padded.tokensPerSecond) },
  {
    title: "dense GMACs",
    value: ({ denseAttention }) => denseAttention / 1e9,
    digits: 4,
  },
  {
    title: "skipped GMACs",
    value: ({ visibleAttention }) => visibleAttention / 1e9,
    digits: 4,
  },
  { title: "overhead %", value: ({ overhead }) => 100 * overhead, digits: 1 },
  { title: "status", value: ({ status }) => status },
];
