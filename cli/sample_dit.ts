/**
 * `tessera sample dit`: from flags to pictures.
 *
 * @module
 */
import { dirname } from "@std/path";
import { writeTextAtomically } from "../formats/atomic_file.ts";
import { InputError } from "../formats/errors.ts";
import { writeSamplesNpz } from "../formats/npz.ts";
import { openSafetensors, writeSafetensors } from "../formats/safetensors.ts";
import { selectDevice } from "../kernels/select_device.ts";
import { type DiTConfig, ditParameters } from "../models/dit.ts";
import {
  createDiTSampler,
  type DiTSource,
  findDiT,
  loadDiT,
  resolveClasses,
} from "../training/dit_model.ts";
import { checkWeights, isWeightsFile } from "../training/checkpoint.ts";
import { type SampleRecord, samplesToBitmaps, writeSamples } from "../training/pictures.ts";
import { assetPath } from "./assets.ts";
import { asUsage, UsageError } from "./errors.ts";
import type { Io } from "./io.ts";
import { namedConfigOrFile } from "./model_config.ts";
import { Progress } from "./progress.ts";
import type { Parsed } from "./flags.ts";
import type { sampleDitFlags, SampleDitOptions } from "./sample.ts";

/** The checkpoint that comes with the tool. */
export const shippedCheckpoint = "models/checkpoints/fashion";

/** Start noise given by the user. */
interface StartNoise {
  readonly values: Float32Array;
  readonly count: number;
}

/** Draws pictures. */
export async function runSampleDit(
  io: Io,
  { values, given }: Parsed<typeof sampleDitFlags>,
): Promise<void> {
  // A file for a program need not become thousands of files for people.
  const wantsPngs = values.npz === undefined || given.has("out");
  const source = await findSource(values);
  const noise = values.noise === undefined
    ? undefined
    : await readNoise(values.noise, source.config);
  const labels = asUsage(() => chooseLabels(values, source, noise?.count));
  checkOutput(source.config, values);
  await checkWeights(source.path, ditParameters(source.config));
  const { device, reason } = await selectDevice({ ...values, batchInvariant: true });
  try {
    await prepareOutput(source.config, values, wantsPngs);
    const progress = new Progress(io, {
      noun: "evaluation",
      total: Math.ceil(labels.length / values.batchSize) * values.numSamplingSteps,
      columns: {},
      quiet: values.quiet,
      logFormat: values.logFormat,
    });
    progress.note(`device: ${device.kind}, ${device.description} (${reason})`);
    const parameters = await loadDiT(device, source, values.dtype);
    const program = await createDiTSampler(device, source.config, parameters, {
      sampler: values.sampler,
      steps: values.numSamplingSteps,
      eta: values.eta,
      spacing: values.spacing,
      clipDenoised: values.clipDenoised,
      batchSize: Math.min(values.batchSize, labels.length),
      guidance: {
        scale: values.cfgScale,
        channels: values.cfgChannels === "all" ? undefined : values.cfgChannels,
      },
    });
    let evaluations = 0;
    const batches = program.batches(
      { seed: values.seed, labels, startNoise: noise?.values },
      () => progress.update(++evaluations),
    );
    const output = { ...source, labels, device: device.description };
    const samples = values.npz === undefined ? await Array.fromAsync(batches) : await writeNpzOf(
      values.npz,
      batches,
      output,
      wantsPngs || values.saveLatents !== undefined,
    );
    progress.end();
    await save(io, concatenate(samples), values, output, wantsPngs);
  } finally {
    device.close();
  }
}

/** The weights that the flags mean. */
async function findSource({ ckpt, config, weights }: SampleDitOptions): Promise<DiTSource> {
  const path = ckpt ?? assetPath(shippedCheckpoint);
  if (isWeightsFile(path) && config === undefined) {
    throw new UsageError(`--ckpt ${path} is a bare weights file, which needs --config`);
  }
  if (!isWeightsFile(path) && config !== undefined) {
    throw new UsageError("--config is for bare weights files; a checkpoint folder has its own");
  }
  return await findDiT(path, weights, config ? await namedConfigOrFile(config) : undefined);
}

/** The classes of the pictures: those asked for in turn, as many as asked for. */
function chooseLabels(
  { classes, count }: SampleDitOptions,
  { config, classNames }: DiTSource,
  noiseCount: number | undefined,
): number[] {
  const wanted = classes
    ? resolveClasses(classes, classNames, config.classes)
    : Array.from({ length: Math.min(config.classes, 10) }, (_, index) => index);
  const total = noiseCount ?? count ?? wanted.length;
  return Array.from({ length: total }, (_, index) => wanted[index % wanted.length]);
}

async function readNoise(path: string, config: DiTConfig): Promise<StartNoise> {
  using reader = await openSafetensors(path);
  const { shape } = reader.info("noise");
  const { channels, inputSize } = config;
  const [count, ...picture] = shape;
  if (
    shape.length !== 4 || count === 0 || picture.join() !== [channels, inputSize, inputSize].join()
  ) {
    throw new InputError(
      `${path}: noise has the shape (${shape.join(", ")}), ` +
        `the model needs (N, ${channels}, ${inputSize}, ${inputSize})`,
    );
  }
  return { values: reader.readFloat32("noise"), count };
}

const isPicture = (channels: number): boolean => channels === 1 || channels === 3;

/** Latents cannot be drawn without a decoder. */
function checkOutput({ channels }: DiTConfig, { saveLatents, npz }: SampleDitOptions): void {
  if (isPicture(channels)) return;
  const problem =
    `the model makes latents of ${channels} channels, which need a decoder to become pictures`;
  if (npz !== undefined) throw new UsageError(`--npz: ${problem}; --save-latents writes latents`);
  if (saveLatents === undefined) {
    throw new UsageError(`${problem}; write them with --save-latents FILE`);
  }
}

/** Makes the folders of what will be written, so that a wrong path shows before the work. */
async function prepareOutput(
  { channels }: DiTConfig,
  { out, saveLatents, npz }: SampleDitOptions,
  wantsPngs: boolean,
): Promise<void> {
  for (const file of [saveLatents, npz]) {
    if (file !== undefined) await Deno.mkdir(dirname(file), { recursive: true });
  }
  if (isPicture(channels) && wantsPngs) await Deno.mkdir(out, { recursive: true });
}

/** What is written about pictures besides the flags. */
type Output = DiTSource & { readonly labels: readonly number[]; readonly device: string };

/**
 * Writes batches to an npz file as they come.
 *
 * @param keep whether the batches are needed afterwards; otherwise none is held in memory
 * @returns the batches that were kept
 */
async function writeNpzOf(
  path: string,
  batches: AsyncIterable<Float32Array>,
  { config, labels }: Output,
  keep: boolean,
): Promise<Float32Array[]> {
  const kept: Float32Array[] = [];
  async function* bytes(): AsyncGenerator<Uint8Array> {
    for await (const batch of batches) {
      if (keep) kept.push(batch);
      for (const { data } of samplesToBitmaps(batch, config)) yield data;
    }
  }
  const { inputSize, channels } = config;
  await writeSamplesNpz(path, [labels.length, inputSize, inputSize, channels], bytes(), labels);
  return kept;
}

function concatenate(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((length, part) => length + part.length, 0));
  let done = 0;
  for (const part of parts) {
    whole.set(part, done);
    done += part.length;
  }
  return whole;
}

async function save(
  io: Io,
  samples: Float32Array,
  values: SampleDitOptions,
  source: Output,
  wantsPngs: boolean,
): Promise<void> {
  const { config, labels } = source;
  const record = describe(values, source);
  if (values.saveLatents !== undefined) {
    const shape = [labels.length, config.channels, config.inputSize, config.inputSize];
    await writeSafetensors(values.saveLatents, [
      { name: "latents", type: "F32", shape, data: samples },
    ]);
    io.out(values.saveLatents);
  }
  if (values.npz !== undefined) {
    await writeTextAtomically(`${values.npz}.json`, `${JSON.stringify(record, null, 2)}\n`);
    io.out(values.npz);
  }
  if (!isPicture(config.channels) || !wantsPngs) return;
  const guidance = values.cfgScale === 1 ? "no guidance" : `guidance ${values.cfgScale}`;
  const grid = await writeSamples(values.out, samples, record, {
    title: source.step === undefined ? "DiT" : `DiT after ${source.step} steps`,
    subtitle:
      `${values.sampler}, ${values.numSamplingSteps} steps, ${guidance}, seed ${values.seed}`,
  });
  io.out(grid);
}

/** How the pictures were made. */
function describe(
  values: SampleDitOptions,
  { path, step, config, device, labels, classNames }: Output,
): SampleRecord {
  return {
    weights: path,
    dtype: values.dtype,
    step,
    config,
    sampler: values.sampler,
    samplingSteps: values.numSamplingSteps,
    eta: values.sampler === "ddim" ? values.eta : undefined,
    spacing: values.spacing,
    clipDenoised: values.clipDenoised,
    cfgScale: values.cfgScale,
    cfgChannels: values.cfgChannels,
    seed: values.seed,
    device,
    labels,
    classNames,
  };
}
