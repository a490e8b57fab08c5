/**
 * `tessera bench samplers`: from flags to table and chart.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";
import { frechetDistance } from "../../metrics/features/frechet.ts";
import type { Gaussian } from "../../metrics/features/gaussian.ts";
import { samplesToBitmaps } from "../../diffusion/samples/picture_files.ts";
import { type SamplerName, samplersFor } from "../../diffusion/samplers/sampler.ts";
import { openPictureStream } from "../../data/picture_stream.ts";
import { readReference } from "../../evaluation/features/reference.ts";
import { collectFeatures } from "../../evaluation/features/collect.ts";
import { classifierClasses, type FeatureExtractor } from "../../evaluation/features/extractor.ts";
import { samplerCostChart } from "../../evaluation/charts/sampler_cost.ts";
import type { Bitmap } from "../../formats/pictures/bitmap.ts";
import type { Column } from "../../formats/text/table.ts";
import type { Device, DeviceBuffer } from "../../kernels/device.ts";
import { selectDevice } from "../../kernels/select_device.ts";
import { createDiTSampler, type DiTSource, findDiT, loadDiT } from "../../models/dit/sampling.ts";
import { shippedCheckpoint } from "../families/dit/sample.ts";
import { ditTraining } from "../families/dit/train.ts";
import { openExtractor } from "../features/extractor.ts";
import { opened, placeOf } from "../runs/prepare.ts";
import { assetPath } from "../terminal/assets.ts";
import { writeChart } from "../terminal/charts.ts";
import { UsageError } from "../terminal/errors.ts";
import type { Io } from "../terminal/io.ts";
import { watchSignals } from "../terminal/signals.ts";
import type { SamplersOptions } from "./samplers_flags.ts";
import { machine, writeReport } from "./sweep.ts";

/** A sampler that makes so many steps. */
interface Task {
  readonly source: DiTSource;
  readonly sampler: SamplerName;
  readonly evaluations: number;
  readonly steps: number;
}

/** What came of it. */
interface SamplerRow {
  readonly checkpoint: string;
  readonly objective: string;
  readonly sampler: SamplerName;
  readonly evaluations: number;
  /** FID, or the Frechet distance by another network. */
  readonly distance: number;
  /** Share of the pictures that the classifier takes for their class, where it knows the classes. */
  readonly accuracy: number | undefined;
  readonly pictures: number;
  /** To draw one picture, at the batch size of the flags. */
  readonly milliseconds: number;
}

/** Measures all samplers. */
export async function runSamplers(io: Io, values: SamplersOptions): Promise<void> {
  const sources: DiTSource[] = [];
  for (const path of values.ckpt ?? [assetPath(shippedCheckpoint)]) {
    sources.push(await findDiT(path, "ema"));
  }
  const tasks = tasksOf(sources, values);
  const imageSize = imageSizeOf(sources);
  const { device } = await selectDevice({ ...values, batchInvariant: true });
  using watch = watchSignals(io, "stopping");
  try {
    using extractor = await openExtractor(device, values.features, values.featureBatch);
    const path = placeOf(ditTraining, values.dataPath ?? sources[0].dataPath);
    const real = await readReference(extractor, path, {
      signal: watch.signal,
      open: () =>
        opened(
          io,
          values.quiet,
          (events) =>
            openPictureStream(path, { count: values.referenceCount, imageSize, ...events }),
        ),
    });
    if (!real.pooled) throw new InputError(`${path}: has no statistics of ${values.features}`);
    const rows: SamplerRow[] = [];
    for (const task of tasks) {
      if (!values.quiet) io.tell(`${task.sampler}, ${task.evaluations} evaluations ...`);
      rows.push(await measure(device, task, values, extractor, real.pooled, watch.signal));
    }
    const { name, path: weights, standard } = extractor.description;
    const title = standard ?? "Frechet distance";
    if (values.plot !== undefined) await draw(values, rows, title);
    await writeReport(io, {
      machine: await machine(),
      columns: columnsOf(title),
      rows,
      notes: [
        `${title} of ${values.count} pictures with guidance ${values.cfgScale} to those of ` +
        `${real.name}, by the features of ${name} (${weights}).`,
      ],
    }, values);
  } finally {
    device.close();
  }
}

/** Every sampler that is for a model, with every number of evaluations that it can make. */
function tasksOf(
  sources: readonly DiTSource[],
  { samplers, evaluations }: SamplersOptions,
): Task[] {
  const tasks = sources.flatMap((source) =>
    samplersFor(source.objective ?? "noise")
      .filter((sampler) => samplers?.includes(sampler) ?? true)
      .flatMap((sampler) =>
        evaluations.map((count): Task => {
          const steps = sampler === "heun" ? count / 2 : count;
          return { source, sampler, evaluations: count, steps };
        }).filter(({ steps }) => Number.isInteger(steps))
      )
  );
  if (tasks.length > 0) return tasks;
  throw new UsageError("nothing to measure: none of --samplers is for the models of --ckpt");
}

/** Side of the pictures, which all models must share to be compared. */
function imageSizeOf(sources: readonly DiTSource[]): number {
  const [{ config: { inputSize } }] = sources;
  for (const { path, config, latents } of sources) {
    if (latents) throw new UsageError(`${path}: draws latents; eval dit decodes and measures them`);
    if (config.inputSize === inputSize) continue;
    throw new UsageError(
      `${path}: pictures of side ${config.inputSize} cannot be compared with those of ${inputSize}`,
    );
  }
  return inputSize;
}

/** Draws pictures and compares their features with those of real ones. */
async function measure(
  device: Device,
  task: Task,
  values: SamplersOptions,
  extractor: FeatureExtractor,
  real: Gaussian,
  signal: AbortSignal,
): Promise<SamplerRow> {
  const { source, sampler, evaluations } = task;
  const parameters = await loadDiT(device, source);
  try {
    const time = { drawing: 0 };
    const labels = Array.from({ length: values.count }, (_, i) => i % source.config.classes);
    const pictures = drawn(device, task, values, labels, parameters, time);
    const classes = classifierClasses(extractor.description, source.classNames, labels);
    const features = await collectFeatures(extractor, pictures, { signal, classes });
    return {
      checkpoint: source.path,
      objective: source.objective ?? "noise",
      sampler,
      evaluations,
      distance: frechetDistance(real, features.pooled()),
      accuracy: features.accuracy(),
      pictures: features.count,
      milliseconds: time.drawing / features.count,
    };
  } finally {
    for (const buffer of parameters.values()) buffer.destroy();
  }
}

/** The pictures of a model, batch by batch; adds up the milliseconds that drawing them takes. */
async function* drawn(
  device: Device,
  { source, sampler, steps }: Task,
  { count, cfgScale, batchSize, seed }: SamplersOptions,
  labels: readonly number[],
  parameters: ReadonlyMap<string, DeviceBuffer>,
  time: { drawing: number },
): AsyncGenerator<Bitmap> {
  const { config, objective } = source;
  const program = await createDiTSampler(device, config, parameters, {
    ...{ sampler, steps, objective, clipDenoised: true },
    ...{ batchSize: Math.min(batchSize, count), guidance: { scale: cfgScale } },
  });
  try {
    let started = performance.now();
    for await (const batch of program.batches({ seed, labels })) {
      time.drawing += performance.now() - started;
      yield* samplesToBitmaps(batch, config);
      started = performance.now();
    }
  } finally {
    program.destroy();
  }
}

async function draw(
  { plot, count, cfgScale }: SamplersOptions,
  rows: readonly SamplerRow[],
  measure: string,
): Promise<void> {
  const several = new Set(rows.map(({ checkpoint }) => checkpoint)).size > 1;
  const nameOf = ({ sampler, objective }: SamplerRow): string =>
    several ? `${sampler}, ${objective}` : sampler;
  const samplers = [...Map.groupBy(rows, nameOf)].map(([name, ofSampler]) => ({
    name,
    points: ofSampler.map(({ evaluations: x, distance: y }) => ({ x, y })),
  }));
  const subtitle = `${count} pictures, guidance ${cfgScale}`;
  await writeChart(plot!, samplerCostChart(samplers, measure, subtitle));
}

const columnsOf = (measure: string): readonly Column<SamplerRow>[] => [
  { title: "checkpoint", value: ({ checkpoint }) => checkpoint },
  { title: "predicts", value: ({ objective }) => objective },
  { title: "sampler", value: ({ sampler }) => sampler },
  { title: "evaluations", value: ({ evaluations }) => evaluations },
  { title: measure, value: ({ distance }) => distance, digits: 3 },
  { title: "accuracy", value: ({ accuracy }) => accuracy, digits: 3 },
  { title: "n", value: ({ pictures }) => pictures },
  { title: "ms/picture", value: ({ milliseconds }) => milliseconds, digits: 1 },
];
