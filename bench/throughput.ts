/**
 * Throughput: how fast a device runs a model, attention or a matrix product, over lists of everything.
 *
 * @module
 */
import { summarize, type Summary } from "../base/statistics.ts";
import type { Column } from "../formats/text/table.ts";
import type { Device } from "../kernels/device.ts";
import { parametersOf } from "../models/registry.ts";
import { countParameters, type WeightType } from "../nn/parameters.ts";
import {
  type AttentionOperation,
  type AttentionSize,
  describeAttention,
  loadAttention,
} from "./workloads/attention.ts";
import type { Layer, LayerPass } from "./layers.ts";
import { loadLayer } from "./workloads/layer.ts";
import { loadModelJob } from "./workloads/model.ts";
import { describePlace, isMeasured, measureAt, type Outcome, type Place } from "./runner/places.ts";
import type { ModelOperation, Subject } from "./subjects.ts";
import { measure, type WarmUp } from "./runner/timing.ts";
import { type Job, loadProduct } from "./workloads/workload.ts";

/** One thing to measure. */
export interface Task {
  /** Name of the operation. */
  readonly operation: string;
  /** Model, or sizes of the operands. */
  readonly subject: string;
  /** Pictures an execution; absent where there are none. */
  readonly batch?: number;
  /** Tokens a picture, or an execution where there are no pictures. */
  readonly tokens?: number;
  /** Elements of all parameters. */
  readonly parameters?: number;
  /** How weights are stored; what is computed with is f32 in any case. */
  readonly dtype: WeightType;
  /** Where it is measured. */
  readonly place: Place;
  /** Prepares the work on a device. */
  load(device: Device): Promise<Job>;
}

/** What identifies a row. */
type RowHead = Omit<Task, "place" | "load">;

/** Numbers of a row. Times are in ms a run. */
interface Measurement extends Summary {
  /** Making, compiling and filling, before the first run. */
  readonly loadMilliseconds: number;
  /** What happened before the clock counted. */
  readonly warmUp: WarmUp;
  /** Runs that a sample is the mean of. */
  readonly runsPerSample: number;
  /** One number a repetition. */
  readonly samples: readonly number[];
  /** Multiply-adds of one execution. */
  readonly macs: number;
  /** 2 x MACs over the median time. */
  readonly gflopsPerSecond: number;
  /** Pictures a second at the median. */
  readonly imagesPerSecond?: number;
  /** Tokens a second at the median. */
  readonly tokensPerSecond?: number;
  /** Most bytes that were allocated on the device. */
  readonly peakBytes: number;
}

/** One row of the report. */
export type ThroughputRow = RowHead & Outcome<Measurement>;

/** What numbers mean; goes below every table. */
export const throughputNotes: readonly string[] = [
  "ms a run, after the warm-up; images/s, tokens/s and GFLOP/s from the median; " +
  "GFLOP = 2 x MACs of the graph that ran (products, convolutions and attention), computed in f32; " +
  "dtype is how the weights are stored, f16 behind the device how results of operations are kept.",
];

/**
 * The product of all lists for models.
 *
 * @param dtypes how weights are stored; training steps have them in `f32` only
 */
export function modelTasks(
  operations: readonly ModelOperation[],
  subjects: readonly Subject[],
  batches: readonly number[],
  places: readonly Place[],
  dtypes: readonly WeightType[] = ["f32"],
): Task[] {
  return operations.flatMap((operation) =>
    subjects.flatMap((subject) =>
      batches.flatMap((batch) =>
        places.flatMap((place) =>
          dtypes.map((dtype): Task => ({
            operation,
            subject: subject.name,
            batch,
            tokens: subject.tokens,
            parameters: countParameters(parametersOf(subject.config)).parameters,
            dtype,
            place,
            load: (device) => loadModelJob(device, operation, subject, batch, dtype),
          }))
        )
      )
    )
  );
}

/** Sizes of a matrix product: (m, k) times (k, n). */
export type ProductSize = readonly [m: number, n: number, k: number];

/** The product of all lists for matrix products. */
export function productTasks(sizes: readonly ProductSize[], places: readonly Place[]): Task[] {
  return sizes.flatMap(([m, n, k]) =>
    places.map((place): Task => ({
      operation: "product",
      subject: `${m}x${n}x${k}`,
      dtype: "f32",
      place,
      load: (device) => loadProduct(device, m, n, k),
    }))
  );
}

/** The product of all lists for attention; a sequence of one image has no segments. */
export function attentionTasks(
  operations: readonly AttentionOperation[],
  sizes: readonly AttentionSize[],
  places: readonly Place[],
): Task[] {
  return sizes.flatMap((size) =>
    operations.flatMap((operation) =>
      places.map((place): Task => ({
        operation,
        subject: describeAttention(size),
        tokens: size.tokens,
        dtype: "f32",
        place,
        load: (device) => loadAttention(device, operation, size),
      }))
    )
  );
}

/** The product of all lists for layers of autoencoders. */
export function layerTasks(
  passes: readonly LayerPass[],
  layers: readonly Layer[],
  places: readonly Place[],
): Task[] {
  return layers.flatMap((layer) =>
    passes.flatMap((pass) =>
      places.map((place): Task => ({
        operation: pass,
        subject: layer.name,
        dtype: "f32",
        place,
        load: (device) => loadLayer(device, pass, layer),
      }))
    )
  );
}

/**
 * Measures one task; never throws because of it.
 *
 * @param afterwards is done with the device and the work once they have been timed
 */
export async function measureTask(
  task: Task,
  repetitions: number,
  afterwards?: (device: Device, job: Job) => Promise<void>,
): Promise<ThroughputRow> {
  const { place, load: _, ...head } = task;
  const outcome = await measureAt(place, async (device) => {
    const { job, ...measurement } = await measureOn(device, task, repetitions);
    await afterwards?.(device, job);
    return measurement;
  });
  return { ...head, ...outcome };
}

async function measureOn(
  device: Device,
  { batch, tokens, load }: Task,
  repetitions: number,
): Promise<Measurement & { readonly job: Job }> {
  const start = performance.now();
  const job = await load(device);
  await device.finish();
  const loadMilliseconds = performance.now() - start;
  const { samples, ...timing } = await measure(device, job, repetitions);
  const summary = summarize(samples);
  const perSecond = (count: number): number => count / (summary.median / 1000);
  return {
    job,
    ...summary,
    imagesPerSecond: batch && perSecond(batch),
    tokensPerSecond: tokens && perSecond((batch ?? 1) * tokens),
    gflopsPerSecond: perSecond(2 * job.macs) / 1e9,
    macs: job.macs,
    peakBytes: device.peakBytes,
    loadMilliseconds,
    ...timing,
    samples,
  };
}

/** The measured part of a row as a cell's value. */
function measured(value: (row: Measurement) => number | undefined) {
  return (row: ThroughputRow) => isMeasured(row) ? value(row) : undefined;
}

/**
 * Columns of the tables; those of pictures and tokens only where there are any.
 *
 * @param subject title of the column of subjects
 */
export function throughputColumns(
  subject: string,
  rows: readonly ThroughputRow[],
): Column<ThroughputRow>[] {
  const where = (
    field: "batch" | "tokens",
    column: Column<ThroughputRow>,
  ): Column<ThroughputRow>[] => rows.some((row) => row[field] !== undefined) ? [column] : [];
  return [
    { title: "op", value: ({ operation }) => operation },
    { title: subject, value: (row) => row.subject },
    ...where("batch", { title: "batch", value: ({ batch }) => batch }),
    { title: "dtype", value: ({ dtype }) => dtype },
    { title: "device", value: describePlace },
    {
      title: "warm-up ms",
      value: measured(({ loadMilliseconds, warmUp }) => loadMilliseconds + warmUp.milliseconds),
    },
    { title: "mean ms", value: measured(({ mean }) => mean), digits: 2 },
    { title: "sd", value: measured(({ deviation }) => deviation), digits: 2 },
    { title: "min", value: measured(({ minimum }) => minimum), digits: 2 },
    { title: "median", value: measured(({ median }) => median), digits: 2 },
    ...where("batch", {
      title: "images/s",
      value: measured((row) => row.imagesPerSecond),
      digits: 2,
    }),
    ...where("tokens", { title: "tokens/s", value: measured((row) => row.tokensPerSecond) }),
    { title: "GFLOP/s", value: measured(({ gflopsPerSecond }) => gflopsPerSecond), digits: 2 },
    { title: "peak MiB", value: measured(({ peakBytes }) => peakBytes / 2 ** 20), digits: 1 },
    { title: "status", value: ({ status }) => status },
  ];
}
