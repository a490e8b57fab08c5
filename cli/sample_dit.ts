/**
 * `tessera sample dit`: from flags to pictures.
 *
 * @module
 */
import { dirname } from "@std/path";
import { InputError } from "../formats/errors.ts";
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
import { type SampleRecord, writeSamples } from "../training/pictures.ts";
import { assetPath } from "./assets.ts";
import { asUsage, UsageError } from "./errors.ts";
import type { Io } from "./io.ts";
import { namedConfigOrFile } from "./model_config.ts";
import { Progress } from "./progress.ts";
import type { SampleDitOptions } from "./sample.ts";

/** The checkpoint that comes with the tool. */
export const shippedCheckpoint = "models/checkpoints/fashion";

/** Start noise given by the user. */
interface StartNoise {
  readonly values: Float32Array;
  readonly count: number;
}

/** Draws pictures. */
export async function runSampleDit(io: Io, values: SampleDitOptions): Promise<void> {
  const source = await findSource(values);
  const noise = values.noise === undefined
    ? undefined
    : await readNoise(values.noise, source.config);
  const labels = asUsage(() => chooseLabels(values, source, noise?.count));
  checkOutput(source.config, values);
  await checkWeights(source.path, ditParameters(source.config));
  const { device, reason } = await selectDevice({ ...values, batchInvariant: true });
  try {
    await prepareOutput(source.config, values);
    const progress = new Progress(io, {
      noun: "evaluation",
      total: Math.ceil(labels.length / values.batchSize) * values.numSamplingSteps,
      columns: {},
      quiet: values.quiet,
      logFormat: values.logFormat,
    });
    progress.note(`device: ${device.kind}, ${device.description} (${reason})`);
    const parameters = await loadDiT(device, source);
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
    const samples = await program.sample(
      { seed: values.seed, labels, startNoise: noise?.values },
      () => progress.update(++evaluations),
    );
    progress.end();
    await save(io, samples, values, { ...source, labels, device: device.description });
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
function checkOutput({ channels }: DiTConfig, { saveLatents }: SampleDitOptions): void {
  if (isPicture(channels) || saveLatents !== undefined) return;
  throw new UsageError(
    `the model makes latents of ${channels} channels, which need a decoder to become pictures; ` +
      "write them with --save-latents FILE",
  );
}

/** Makes the folders of what will be written, so that a wrong path shows before the work. */
async function prepareOutput(
  { channels }: DiTConfig,
  { out, saveLatents }: SampleDitOptions,
): Promise<void> {
  if (saveLatents !== undefined) await Deno.mkdir(dirname(saveLatents), { recursive: true });
  if (isPicture(channels)) await Deno.mkdir(out, { recursive: true });
}

async function save(
  io: Io,
  samples: Float32Array,
  values: SampleDitOptions,
  source: DiTSource & { labels: readonly number[]; device: string },
): Promise<void> {
  const { config, labels, classNames } = source;
  if (values.saveLatents !== undefined) {
    const shape = [labels.length, config.channels, config.inputSize, config.inputSize];
    await writeSafetensors(values.saveLatents, [
      { name: "latents", type: "F32", shape, data: samples },
    ]);
    io.out(values.saveLatents);
  }
  if (!isPicture(config.channels)) return;
  const record: SampleRecord = {
    weights: source.path,
    step: source.step,
    config,
    sampler: values.sampler,
    samplingSteps: values.numSamplingSteps,
    eta: values.sampler === "ddim" ? values.eta : undefined,
    spacing: values.spacing,
    clipDenoised: values.clipDenoised,
    cfgScale: values.cfgScale,
    cfgChannels: values.cfgChannels,
    seed: values.seed,
    device: source.device,
    labels,
    classNames,
  };
  const guidance = values.cfgScale === 1 ? "no guidance" : `guidance ${values.cfgScale}`;
  const grid = await writeSamples(values.out, samples, record, {
    title: source.step === undefined ? "DiT" : `DiT after ${source.step} steps`,
    subtitle:
      `${values.sampler}, ${values.numSamplingSteps} steps, ${guidance}, seed ${values.seed}`,
  });
  io.out(grid);
}
