/**
 * `tessera sample walt`: from flags to clips.
 *
 * @module
 */
import { type ClipRecord, sheetPath, teeClips } from "../../../diffusion/clip_sample_files.ts";
import type { SamplingProgress } from "../../../diffusion/sample_batches.ts";
import type { GridText } from "../../../diffusion/sample_files.ts";
import { findEarlierSamples } from "../../../diffusion/sample_folder.ts";
import { writeTextAtomically } from "../../../formats/files/atomic_file.ts";
import { writeSamplesNpz } from "../../../formats/tensors/npz.ts";
import { teeSafetensors } from "../../../formats/tensors/safetensors.ts";
import { type Clip, toClips } from "../../../formats/video/clip.ts";
import { requireEvenSize } from "../../../formats/video/mp4_writer.ts";
import { type ChosenDevice, selectDevice } from "../../../kernels/select_device.ts";
import type { ClipCodec } from "../../../models/clip_codec.ts";
import { type ClipSize, clipSize } from "../../../models/codec.ts";
import {
  type ClipRequest,
  continueClips,
  latentClip,
  type LoadedWalt,
  WaltSampler,
} from "../../../models/walt/draw_clips.ts";
import { waltParameters } from "../../../models/walt/model.ts";
import { loadWalt } from "../../../models/walt/source.ts";
import { checkWeights, weightsNotes } from "../../../training/checkpoints/checkpoint.ts";
import type { Parsed } from "../../flags/flags.ts";
import { UsageError } from "../../terminal/errors.ts";
import type { Io } from "../../terminal/io.ts";
import { Progress } from "../../terminal/progress.ts";
import { watchSignals } from "../../terminal/signals.ts";
import { describeLabels } from "../classes.ts";
import { prepareFiles, progressInterval, recordOf, withCause } from "../sampling.ts";
import { enlarged } from "./enlarge.ts";
import type { sampleWaltFlags, SampleWaltOptions } from "./sample_flags.ts";
import { codecOf, type DrawnModel, findEnlarger, findModel, gridOf } from "./sample_model.ts";
import { classesOf, givenConditions, planSamples, type SamplePlan } from "./sample_plan.ts";

/** Draws clips. */
export async function runSampleWalt(
  io: Io,
  { values, given }: Parsed<typeof sampleWaltFlags>,
): Promise<void> {
  const base = await findModel(values);
  using _base = base.tokenizer?.weights;
  const enlarger = await findEnlarger(values, base);
  using _enlarger = enlarger?.tokenizer?.weights;
  using plan = await planSamples(base, values);
  const last = enlarger ?? base;
  const isDecoded = last.tokenizer !== undefined || isPicture(last.config.latentChannels);
  checkOutput(last, isDecoded, values);
  const notes: string[] = [];
  for (const { source } of [base, ...enlarger ? [enlarger] : []]) {
    notes.push(
      ...weightsNotes(source, await checkWeights(source.path, waltParameters(source.config))),
    );
  }
  const chosen = await selectDevice({ ...values, batchInvariant: true });
  try {
    await draw(io, values, chosen, {
      ...{ base, enlarger, plan, notes, isDecoded },
      // A file for a program need not become many files for people.
      wantsFiles: isDecoded && (values.npz === undefined || given.has("out")),
    });
  } finally {
    chosen.device.close();
  }
}

/** What is drawn, and what with. */
export interface Drawing {
  readonly base: DrawnModel;
  /** Draws at twice the size what the first model has drawn. */
  readonly enlarger: DrawnModel | undefined;
  readonly plan: SamplePlan;
  /** What is to be told about the weights. */
  readonly notes: readonly string[];
  /** Whether what is drawn becomes pictures. */
  readonly isDecoded: boolean;
  /** Whether each clip becomes a file. */
  readonly wantsFiles: boolean;
}

/** The denoisers at work. */
export interface Samplers {
  readonly base: WaltSampler;
  readonly enlarger: WaltSampler | undefined;
  /** Pixels of what the last of them draws. */
  readonly codec: ClipCodec;
  readonly progress: SamplingProgress;
}

/** Draws clips on a device and writes them. */
async function draw(
  io: Io,
  values: SampleWaltOptions,
  { device, reason }: ChosenDevice,
  drawing: Drawing,
): Promise<void> {
  const { base, enlarger, plan, notes, wantsFiles } = drawing;
  const { saveLatents, npz, out, format } = values;
  await prepareFiles([saveLatents, npz, npz && recordOf(npz)]);
  if (wantsFiles) await Deno.mkdir(out, { recursive: true });
  const ending = format === "png" ? "" : `.${format}` as const;
  const earlier = wantsFiles ? await findEarlierSamples(out, plan.count, ending) : [];
  const stages = 1 + plan.continuations + Number(enlarger !== undefined);
  const progress = new Progress(io, {
    noun: "evaluation",
    total: Math.ceil(plan.count / values.batchSize) * values.numSamplingSteps * stages,
    columns: {},
    quiet: values.quiet,
    interval: progressInterval,
  });
  progress.note(`device: ${device.kind.name}, ${device.description} (${reason})`);
  progress.note(`weights: ${[base, ...enlarger ? [enlarger] : []].map(pathOf).join(", then ")}`);
  notes.forEach((note) => progress.note(note));
  progress.note(describeClips(drawing));
  const load = (model: DrawnModel) => loadWalt(device, model.source, model.config, values.dtype);
  const loaded = await load(base);
  const larger = enlarger && await load(enlarger);
  const settings = {
    sampler: values.sampler,
    steps: values.numSamplingSteps,
    batchSize: Math.min(values.batchSize, plan.count),
    words: plan.features?.words,
  };
  using codec = codecOf(device, enlarger ?? base);
  codec.notes.forEach((note) => progress.note(note));
  using own = codecOf(device, base);
  const conditions = {
    ...plan.conditions,
    given: await givenConditions(base.config, own, plan, values),
  };
  using watch = watchSignals(io, "stopping");
  let evaluations = 0;
  const samplers: Samplers = {
    base: await WaltSampler.create(device, loaded, { ...settings, guidance: plan.guidance }),
    enlarger: larger && await WaltSampler.create(device, larger, {
      ...settings,
      guidance: canBeGuided(larger) ? plan.guidance : undefined,
    }),
    codec,
    progress: () => {
      watch.signal.throwIfAborted();
      progress.update(++evaluations);
    },
  };
  const { seed } = values;
  const { count, noise } = plan;
  const startNoise = noise && ((first: number, out: Float32Array) => noise.read(first, out));
  const request: ClipRequest = { seed, count, startNoise, conditions };
  const record = describe(values, drawing, device.description);
  const written = await writeSamples(values, drawing, samplers, request, { record, earlier })
    .catch(async (error) => {
      const cause = await withCause(error, pathOf(base), loaded.parameters);
      throw larger ? await withCause(cause, pathOf(enlarger!), larger.parameters) : cause;
    })
    .finally(() => progress.end());
  written.forEach((path) => io.out(path));
}

export const pathOf = ({ source }: DrawnModel): string => source.path;

/** Whether a denoiser that enlarges has learned to do without its class or caption. */
const canBeGuided = ({ config: { classes, nullClass, textWidth } }: LoadedWalt): boolean =>
  classes === null ? textWidth !== null : nullClass;

export const isPicture = (channels: number): boolean => channels === 1 || channels === 3;

/** Latents cannot be drawn without a tokenizer, and a video has even sides. */
function checkOutput(
  model: DrawnModel,
  isDecoded: boolean,
  { saveLatents, npz, format, out }: SampleWaltOptions,
): void {
  const { config: { latentChannels } } = model;
  if (isDecoded) {
    if (format === "mp4" && (npz === undefined || out !== undefined)) {
      requireEvenSize(clipSizeOf(model));
    }
    return;
  }
  const problem =
    `the model makes latents of ${latentChannels} channels, which need a tokenizer to become clips`;
  if (npz !== undefined) {
    throw new UsageError(`--npz: ${problem} (--tokenizer); --save-latents writes latents`);
  }
  if (saveLatents === undefined) {
    throw new UsageError(`${problem}; give --tokenizer, or write them with --save-latents FILE`);
  }
}

/** Frames and sides of a clip of a model. */
export const clipSizeOf = (model: DrawnModel): ClipSize =>
  clipSize(gridOf(model), latentClip(model.config));

/** What is drawn, in words. */
function describeClips({ base, enlarger, plan }: Drawing): string {
  const { labels, count } = plan;
  const what = labels
    ? describeLabels(classesOf(base.source), labels, "clip")
    : `${count} clip${count === 1 ? "" : "s"}`;
  const { height, width } = clipSizeOf(enlarger ?? base);
  return `${what}; ${plan.frames} x ${width} x ${height}, ${plan.fps} frames a second`;
}

/**
 * Writes batches as they come to all files asked for, none of them held in memory.
 *
 * @returns the paths to tell the user
 */
async function writeSamples(
  values: SampleWaltOptions,
  drawing: Drawing,
  samplers: Samplers,
  request: ClipRequest,
  { record, earlier }: { readonly record: ClipRecord; readonly earlier: readonly string[] },
): Promise<string[]> {
  const { saveLatents, npz, out, format, quality } = values;
  const { base, enlarger, plan, isDecoded, wantsFiles } = drawing;
  const written: string[] = [];
  let latents: AsyncIterable<Float32Array> = samplers.base.batches(request, samplers.progress);
  if (enlarger) {
    const sampler = samplers.enlarger!;
    const stage = { base, enlarger, sampler, noiseLevel: values.srNoise };
    latents = enlarged(latents, stage, request, samplers.progress);
  }
  if (saveLatents !== undefined) {
    const { latentChannels, latentFrames, latentSize } = (enlarger ?? base).config;
    const shape = [plan.count, latentChannels, latentFrames, ...latentSize];
    latents = teeSafetensors(saveLatents, { name: "latents", type: "F32", shape }, latents);
    written.push(saveLatents);
  }
  if (!isDecoded) {
    for await (const _ of latents) { /* the file fills as batches pass */ }
    return written;
  }
  let clips: AsyncIterable<readonly Clip[]> = clipsOf(latents, drawing, samplers, request);
  if (wantsFiles) {
    const output = { format, quality, text: sheetText(values, drawing) };
    clips = teeClips(out, clips, record, output, earlier);
  }
  if (npz === undefined) {
    for await (const _ of clips) { /* the files fill as batches pass */ }
  } else {
    const { height, width } = clipSizeOf(enlarger ?? base);
    const shape = [plan.count, plan.frames, height, width, samplers.codec.colours] as const;
    await writeSamplesNpz(npz, shape, bytesOf(clips), plan.labels ?? zeros(plan.count));
    await writeTextAtomically(recordOf(npz), `${JSON.stringify(record, null, 2)}\n`);
    written.push(npz);
  }
  return wantsFiles ? [...written, sheetPath(out)] : written;
}

const zeros = (count: number): number[] => new Array<number>(count).fill(0);

/** The clips behind what was drawn, continued where they are to be longer. */
export async function* clipsOf(
  latents: AsyncIterable<Float32Array>,
  { base, enlarger, plan }: Drawing,
  { base: sampler, codec, progress }: Samplers,
  request: ClipRequest,
): AsyncGenerator<Clip[]> {
  const model = enlarger ?? base;
  const { height, width } = clipSizeOf(model);
  let first = 0;
  for await (const drawn of latents) {
    const decoded = await codec.decode(drawn, latentClip(model.config));
    const times = plan.continuations;
    const part = { clips: decoded, first, times };
    const whole = await continueClips(sampler, codec, request, part, progress);
    const count = whole.length / (codec.colours * plan.frames * height * width);
    yield toClips(whole, [count, codec.colours, plan.frames, height, width], plan.fps);
    first += count;
  }
}

/** The bytes of the clips of each batch. */
async function* bytesOf(batches: AsyncIterable<readonly Clip[]>): AsyncGenerator<Uint8Array> {
  for await (const batch of batches) {
    for (const { data } of batch) yield data;
  }
}

/** What stands above the sheet. */
function sheetText(
  { sampler, numSamplingSteps, seed }: SampleWaltOptions,
  { base: { source }, plan: { cfgScale, schedule: { kind } } }: Drawing,
): GridText {
  const step = source.manifest?.step;
  const schedule = kind === "constant" ? "" : ` ${kind}`;
  const strength = cfgScale === 1 ? "no guidance" : `guidance ${cfgScale}${schedule}`;
  return {
    title: step === undefined ? "W.A.L.T" : `W.A.L.T after ${step} steps`,
    subtitle: `${sampler}, ${numSamplingSteps} steps, ${strength}, seed ${seed}`,
  };
}

/** How the clips were made. */
function describe(
  values: SampleWaltOptions,
  { base: { source, config, tokenizer }, enlarger, plan }: Drawing,
  device: string,
): ClipRecord {
  const { image, framesFrom, embeddings } = values;
  const enlarging = enlarger && {
    weights: enlarger.source.path,
    config: enlarger.config,
    noiseLevel: values.srNoise,
  };
  return {
    weights: source.path,
    dtype: values.dtype,
    step: source.manifest?.step,
    config,
    tokenizer: (enlarger?.tokenizer ?? tokenizer)?.source.path,
    given: { image, framesFrom, embeddings, enlarging },
    sampler: values.sampler,
    samplingSteps: values.numSamplingSteps,
    cfgScale: plan.cfgScale,
    cfgSchedule: plan.schedule.kind === "constant" ? undefined : plan.schedule,
    seed: values.seed,
    noise: values.noise,
    device,
    frames: plan.frames,
    fps: plan.fps,
    labels: plan.labels,
    classNames: classesOf(source).classNames,
    captions: plan.captions,
  };
}
