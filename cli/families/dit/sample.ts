/**
 * `tessera sample dit`: from flags to pictures.
 *
 * @module
 */
import { dirname } from "@std/path";
import { makeFolder } from "../../../formats/files/folder.ts";
import { writeTextAtomically } from "../../../formats/files/atomic_file.ts";
import { openWeights } from "../../../formats/weights.ts";
import { writeSamplesNpz } from "../../../formats/tensors/npz.ts";
import { teeSafetensors } from "../../../formats/tensors/safetensors.ts";
import type { SamplingProgram } from "../../../diffusion/sampling.ts";
import type { Device, DeviceBuffer } from "../../../kernels/device.ts";
import { type ChosenDevice, selectDevice } from "../../../kernels/select_device.ts";
import { isOfDiffusers } from "../../../training/checkpoints/diffusers_folder.ts";
import { explainOtherDesign } from "../../../models/dit/designs.ts";
import { type DiTConfig, ditParameters } from "../../../models/dit/model.ts";
import {
  createDiTSampler,
  type DiTSource,
  findDiT,
  loadDiT,
} from "../../../models/dit/sampling.ts";
import {
  checkWeights,
  isWeightsFile,
  weightsNotes,
} from "../../../training/checkpoints/checkpoint.ts";
import {
  gridPath,
  type GridText,
  type PictureModel,
  type SampleRecord,
  samplesToBitmaps,
  teeSamples,
} from "../../../diffusion/samples/picture_files.ts";
import { findEarlierSamples } from "../../../diffusion/samples/folder.ts";
import { chooseLabels, describeLabels, type ModelClasses } from "../classes.ts";
import { NoiseFile, prepareFiles, progressInterval, recordOf, withCause } from "../sampling.ts";
import { assetPath } from "../../terminal/assets.ts";
import { asUsage, UsageError } from "../../terminal/errors.ts";
import type { Io } from "../../terminal/io.ts";
import { ditFamily } from "../../../models/dit/family.ts";
import { namedConfigOrFile } from "../../flags/model_config.ts";
import { Progress } from "../../terminal/progress.ts";
import { watchSignals } from "../../terminal/signals.ts";
import type { Parsed } from "../../flags/flags.ts";
import { createSampler } from "../../../diffusion/samplers/samplers.ts";
import type { GuidanceSchedule } from "../../../diffusion/guidance.ts";
import { guidanceSchedule } from "../../flags/guidance_flags.ts";
import {
  findPictureDecoder,
  type FoundPictureDecoder,
  type OpenPictureDecoder,
} from "./decoder.ts";
import { chooseSampler } from "./sampler_flags.ts";
import type { sampleDitFlags, SampleDitOptions } from "./sample_flags.ts";

/** The checkpoint that comes with the tool. */
export const shippedCheckpoint = "models/checkpoints/fashion";

/** Draws pictures. */
export async function runSampleDit(
  io: Io,
  parsed: Parsed<typeof sampleDitFlags>,
): Promise<void> {
  const { values, given } = parsed;
  const source = await findSource(values);
  const sampling = chooseSampler(parsed, source.objective ?? "noise", source.path);
  using noise = await openNoise(values, source.config);
  const classes = classesOf(source);
  const count = noise?.count ?? values.count;
  const labels = asUsage(() => chooseLabels(classes, values.classes, count));
  const found = await decoderOf(source, values);
  const pictures = found?.pictures ?? source.config;
  checkOutput(pictures, values);
  const drawsPictures = !found && isPicture(source.config);
  const fit = await checkWeights(source.path, ditParameters(source.config), {
    explain: explainOtherDesign(source.config),
  });
  const chosen = await selectDevice({ ...values, batchInvariant: true });
  try {
    const output: Output = {
      ...source,
      sampling,
      found,
      pictures,
      guidance: values.cfgScale ?? (drawsPictures ? 2 : 4),
      schedule: guidanceSchedule(values),
      clipDenoised: values.clipDenoised ?? drawsPictures,
      labels,
      notes: weightsNotes(source, fit),
      device: chosen.device.description,
      // A file for a program need not become thousands of files for people.
      wantsPngs: isPicture(pictures) && (values.npz === undefined || given.has("out")),
    };
    await draw(io, values, output, chosen, noise);
  } finally {
    chosen.device.close();
  }
}

/** Draws pictures on a device and writes them. */
async function draw(
  io: Io,
  values: SampleDitOptions,
  output: Output,
  { device, reason }: ChosenDevice,
  noise: NoiseFile | undefined,
): Promise<void> {
  const earlier = await prepareOutput(values, output);
  const { labels, notes, sampling } = output;
  const progress = new Progress(io, {
    noun: "evaluation",
    total: Math.ceil(labels.length / values.batchSize) *
      createSampler({ ...sampling, clipDenoised: output.clipDenoised }).steps.length,
    columns: {},
    quiet: values.quiet,
    interval: progressInterval,
  });
  progress.note(`device: ${device.kind.name}, ${device.description} (${reason})`);
  progress.note(`weights: ${output.path}`);
  notes.forEach((note) => progress.note(note));
  progress.note(
    describeLabels(classesOf(output), labels, "picture") + previewHint(values, output),
  );
  const parameters = await loadDiT(device, output, values.dtype);
  const program = await createProgram(device, values, output, parameters);
  using decoder = output.found && await output.found.open(device, values.tile);
  if (decoder) progress.note(`autoencoder: ${output.found!.path}; ${decoder.note}`);
  using watch = watchSignals(io, "stopping");
  let evaluations = 0;
  const batches = program.batches({
    seed: values.seed,
    labels,
    startNoise: noise && ((first, out) => noise.read(first, out)),
  }, () => {
    watch.signal.throwIfAborted();
    progress.update(++evaluations);
  });
  const written = await writeSamples(batches, values, output, earlier, decoder)
    .catch(async (error) => {
      throw await withCause(error, output.path, parameters);
    })
    .finally(() => progress.end());
  written.forEach((path) => io.out(path));
}

/** What to do about a preview that leaves classes out. */
function previewHint(
  { classes, count, noise }: SampleDitOptions,
  { labels, config }: Output,
): string {
  const isPreview = classes === undefined && count === undefined && noise === undefined;
  return isPreview && labels.length < config.classes
    ? "; --count draws from all of them in turn"
    : "";
}

/** Compiles the sampler that the flags ask for. */
export async function createProgram(
  device: Device,
  values: SampleDitOptions,
  { labels, config, sampling, guidance, schedule, clipDenoised }: Output,
  parameters: ReadonlyMap<string, DeviceBuffer>,
): Promise<SamplingProgram> {
  return await createDiTSampler(device, config, parameters, {
    ...sampling,
    clipDenoised,
    batchSize: Math.min(values.batchSize, labels.length),
    guidance: {
      scale: guidance,
      schedule,
      channels: values.cfgChannels === "all" ? undefined : values.cfgChannels,
    },
  });
}

/** The weights that the flags mean. */
export async function findSource(
  { ckpt, config, weights, objective }: SampleDitOptions,
): Promise<DiTSource> {
  const path = ckpt ?? assetPath(shippedCheckpoint);
  const isWeights = await isWeightsFile(path);
  if (isWeights && config === undefined && !await isOfDiffusers(dirname(path))) {
    // A file that is no weights at all is not helped by --config.
    (await openWeights(path)).close();
    throw new UsageError(`--ckpt ${path} is a bare weights file, which needs --config`);
  }
  if (!isWeights && config !== undefined) {
    throw new UsageError("--config is for bare weights files; a checkpoint folder has its own");
  }
  if (!isWeights && objective !== undefined) {
    throw new UsageError("--objective is for bare weights files; a checkpoint folder has its own");
  }
  const found = await findDiT(
    path,
    weights,
    config ? await namedConfigOrFile(ditFamily, config) : undefined,
  );
  return { ...found, objective: objective ?? found.objective };
}

/** The classes of a model. */
export const classesOf = ({ config: { classes }, classNames }: DiTSource): ModelClasses => ({
  classes,
  classNames,
});

/** The start noise that was made elsewhere, if there is any. */
async function openNoise(
  { noise }: SampleDitOptions,
  { channels, inputSize }: DiTConfig,
): Promise<NoiseFile | undefined> {
  if (noise === undefined) return undefined;
  return await NoiseFile.open(noise, [channels, inputSize, inputSize], "picture");
}

export const isPicture = ({ channels }: PictureModel): boolean => channels === 1 || channels === 3;

/** The autoencoder of a model of latents; undefined for one of pictures. */
export async function decoderOf(
  { config, latents: settings }: DiTSource,
  { vae }: SampleDitOptions,
): Promise<FoundPictureDecoder | undefined> {
  if (vae === undefined && settings === undefined) return undefined;
  return await findPictureDecoder(vae, { ...config, settings });
}

/** Latents cannot be drawn without a decoder. */
function checkOutput(pictures: PictureModel, { saveLatents, npz }: SampleDitOptions): void {
  if (isPicture(pictures)) return;
  const problem =
    `the model makes latents of ${pictures.channels} channels, which need a decoder to become pictures`;
  if (npz !== undefined) {
    throw new UsageError(`--npz: ${problem} (--vae); --save-latents writes latents`);
  }
  if (saveLatents === undefined) {
    throw new UsageError(`${problem}; give --vae, or write them with --save-latents FILE`);
  }
}

/** What is written about pictures besides the flags. */
export type Output = DiTSource & {
  /** The autoencoder of a model of latents. */
  readonly found: FoundPictureDecoder | undefined;
  /** What pictures are like. */
  readonly pictures: PictureModel;
  readonly sampling: ReturnType<typeof chooseSampler>;
  /** Scale of the guidance. */
  readonly guidance: number;
  readonly schedule: GuidanceSchedule;
  readonly clipDenoised: boolean;
  readonly labels: readonly number[];
  /** What is to be told about the weights. */
  readonly notes: readonly string[];
  readonly device: string;
  readonly wantsPngs: boolean;
};

/**
 * Makes the folders of what will be written, so that a wrong path shows before the work, and clears
 * away what a killed run left half-written.
 *
 * @returns the pictures of an earlier run
 */
async function prepareOutput(
  { out, saveLatents, npz }: SampleDitOptions,
  { labels, wantsPngs }: Output,
): Promise<string[]> {
  await prepareFiles([saveLatents, npz, npz && recordOf(npz)]);
  if (!wantsPngs) return [];
  await makeFolder(out);
  return await findEarlierSamples(out, labels.length, ".png");
}

/**
 * Writes batches as they come to all files asked for, none of them held in memory.
 *
 * @param decoder makes pictures of latents
 * @returns the paths to tell the user
 */
async function writeSamples(
  batches: AsyncIterable<Float32Array>,
  values: SampleDitOptions,
  output: Output,
  earlier: readonly string[],
  decoder: OpenPictureDecoder | undefined,
): Promise<string[]> {
  const { saveLatents, npz, out } = values;
  const { config, pictures, labels, wantsPngs } = output;
  const record = describe(values, output);
  const written: string[] = [];
  if (saveLatents !== undefined) {
    const shape = [labels.length, config.channels, config.inputSize, config.inputSize];
    batches = teeSafetensors(saveLatents, { name: "latents", type: "F32", shape }, batches);
    written.push(saveLatents);
  }
  if (decoder) batches = decoder.decodeAll(batches);
  if (wantsPngs) batches = teeSamples(out, batches, record, gridText(values, output), earlier);
  if (npz === undefined) {
    for await (const _ of batches) { /* the files fill as batches pass */ }
  } else {
    const { channels, inputSize } = pictures;
    const shape = [labels.length, inputSize, inputSize, channels] as const;
    await writeSamplesNpz(npz, shape, bytesOf(batches, pictures), labels);
    await writeTextAtomically(recordOf(npz), `${JSON.stringify(record, null, 2)}\n`);
    written.push(npz);
  }
  return wantsPngs ? [...written, gridPath(out)] : written;
}

/** The bytes of the pictures of each batch. */
async function* bytesOf(
  batches: AsyncIterable<Float32Array>,
  pictures: PictureModel,
): AsyncGenerator<Uint8Array> {
  for await (const batch of batches) {
    for (const { data } of samplesToBitmaps(batch, pictures)) yield data;
  }
}

/** What stands above the grid. */
function gridText(
  { seed }: SampleDitOptions,
  { step, guidance, sampling: { sampler, steps } }: Output,
): GridText {
  const strength = guidance === 1 ? "no guidance" : `guidance ${guidance}`;
  return {
    title: step === undefined ? "DiT" : `DiT after ${step} steps`,
    subtitle: `${sampler}, ${steps} steps, ${strength}, seed ${seed}`,
  };
}

/** How the pictures were made. */
function describe(
  values: SampleDitOptions,
  output: Output,
): SampleRecord {
  const { path, step, config, found, guidance, clipDenoised, device, labels, classNames } = output;
  const { sampler, steps, eta, spacing } = output.sampling;
  const { schedule } = output;
  return {
    decoder: found && { path: found.path, pictures: found.pictures },
    weights: path,
    dtype: values.dtype,
    step,
    config,
    sampler,
    samplingSteps: steps,
    eta: sampler === "ddim" ? eta : undefined,
    spacing,
    clipDenoised,
    cfgScale: guidance,
    cfgSchedule: schedule.kind === "constant" ? undefined : schedule,
    cfgChannels: values.cfgChannels,
    seed: values.seed,
    noise: values.noise,
    device,
    labels,
    classNames,
  };
}
