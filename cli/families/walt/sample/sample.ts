/**
 * `tessera sample walt`: from flags to clips.
 *
 * @module
 */
import { makeFolder } from "../../../../formats/files/folder.ts";
import { type ClipRecord, sheetPath, teeClips } from "../../../../diffusion/samples/clip_files.ts";
import type { GuidanceWeight } from "../../../../diffusion/guidance.ts";
import type { SamplingProgress } from "../../../../diffusion/samples/batches.ts";
import type { GridText } from "../../../../diffusion/samples/picture_files.ts";
import { findEarlierSamples } from "../../../../diffusion/samples/folder.ts";
import { writeTextAtomically } from "../../../../formats/files/atomic_file.ts";
import { writeSamplesNpz } from "../../../../formats/tensors/npz.ts";
import { teeSafetensors } from "../../../../formats/tensors/safetensors.ts";
import { type Clip, toClips } from "../../../../formats/video/clip.ts";
import { requireEvenSize } from "../../../../formats/video/mp4_writer.ts";
import type { Device } from "../../../../kernels/device.ts";
import { type ChosenDevice, selectDevice } from "../../../../kernels/select_device.ts";
import type { ClipCodec } from "../../../../models/clip_codec.ts";
import { type ClipSize, clipSize } from "../../../../models/codec.ts";
import {
  type ClipRequest,
  continueClips,
  latentClip,
  type LoadedWalt,
  WaltSampler,
} from "../../../../models/walt/draw_clips.ts";
import { type WaltConfig, waltParameters } from "../../../../models/walt/model.ts";
import { loadWalt } from "../../../../models/walt/source.ts";
import { checkWeights, weightsNotes } from "../../../../training/checkpoints/checkpoint.ts";
import type { Parsed } from "../../../flags/flags.ts";
import { UsageError } from "../../../terminal/errors.ts";
import type { Io } from "../../../terminal/io.ts";
import { Progress } from "../../../terminal/progress.ts";
import { watchSignals } from "../../../terminal/signals.ts";
import { describeLabels } from "../../classes.ts";
import { prepareFiles, progressInterval, recordOf, withCause } from "../../sampling.ts";
import { enlarged } from "./enlarge.ts";
import type { sampleWaltFlags, SampleWaltOptions } from "./flags.ts";
import { codecOf, type DrawnModel, findEnlargers, findModel, gridOf } from "./model.ts";
import { classesOf, givenConditions, planSamples, type SamplePlan } from "./plan.ts";

/** Draws clips. */
export async function runSampleWalt(
  io: Io,
  parsed: Parsed<typeof sampleWaltFlags>,
): Promise<void> {
  using drawing = await prepareSamples(parsed);
  const chosen = await selectDevice({ ...parsed.values, batchInvariant: true });
  try {
    const written = await drawSamples(io, drawing, chosen);
    written.forEach((path) => io.out(path));
  } finally {
    chosen.device.close();
  }
}

/** Reads what flags ask for, and refuses what does not fit before any work. Close it after use. */
export async function prepareSamples(
  { values, given }: Parsed<typeof sampleWaltFlags>,
): Promise<Drawing> {
  using opened = new DisposableStack();
  const base = await findModel(values);
  if (base.tokenizer) opened.use(base.tokenizer.weights);
  const enlargers = await findEnlargers(values, base);
  for (const { tokenizer } of enlargers) if (tokenizer) opened.use(tokenizer.weights);
  const plan = opened.use(await planSamples(base, values));
  const last = enlargers.at(-1) ?? base;
  const isDecoded = last.tokenizer !== undefined || isPicture(last.config.latentChannels);
  // A file for a program need not become many files for people.
  const wantsFiles = isDecoded && (values.npz === undefined || given.has("out"));
  if (!isDecoded) requireLatentsFile(last.config, values);
  if (wantsFiles && values.format === "mp4") requireEvenSize(clipSizeOf(last));
  const notes: string[] = [];
  for (const { source } of [base, ...enlargers]) {
    const fit = await checkWeights(source.path, waltParameters(source.config));
    notes.push(...weightsNotes(source, fit));
  }
  const kept = opened.move();
  return {
    ...{ values, base, enlargers, plan, notes, isDecoded, wantsFiles },
    [Symbol.dispose]: () => kept.dispose(),
  };
}

/** What is drawn, and what with. */
export interface Drawing extends Disposable {
  /** What the flags say. */
  readonly values: SampleWaltOptions;
  readonly base: DrawnModel;
  /** Draw at twice the size what the model before has drawn. */
  readonly enlargers: readonly DrawnModel[];
  readonly plan: SamplePlan;
  /** What is to be told about the weights. */
  readonly notes: readonly string[];
  /** Whether what is drawn becomes pictures. */
  readonly isDecoded: boolean;
  /** Whether each clip becomes a file. */
  readonly wantsFiles: boolean;
}

/** The denoisers at work; freed with their block. */
export interface Samplers extends Disposable {
  readonly base: WaltSampler;
  readonly enlargers: readonly WaltSampler[];
  /** Pixels of what the last of them draws. */
  readonly codec: ClipCodec;
  /** What clips are drawn from. */
  readonly request: ClipRequest;
  readonly progress: SamplingProgress;
  /** The error of a network that puts out NaN, with the weight that is to blame. */
  withCause(error: unknown): Promise<unknown>;
}

/**
 * Draws clips on a device and writes them.
 *
 * @param chosen the device, and why that one; without a reason the user knows what there is to tell
 * @param seen gets the clips of each batch
 * @returns the paths to tell the user
 */
export async function drawSamples(
  io: Io,
  drawing: Drawing,
  { device, reason }: Pick<ChosenDevice, "device"> & Partial<ChosenDevice>,
  seen: (clips: readonly Clip[]) => void = () => {},
): Promise<string[]> {
  const { base, enlargers, plan, notes, wantsFiles, values } = drawing;
  const { saveLatents, npz, out, format } = values;
  await prepareFiles([saveLatents, npz, npz && recordOf(npz)]);
  if (wantsFiles) await makeFolder(out);
  const ending = format === "png" ? "" : `.${format}` as const;
  const earlier = wantsFiles ? await findEarlierSamples(out, plan.count, ending) : [];
  const stages = 1 + plan.continuations + enlargers.length;
  const progress = new Progress(io, {
    noun: "evaluation",
    total: Math.ceil(plan.count / values.batchSize) * values.numSamplingSteps * stages,
    columns: {},
    quiet: values.quiet,
    interval: progressInterval,
  });
  const tell = (line: string) => reason !== undefined && progress.note(line);
  tell(`device: ${device.kind.name}, ${device.description} (${reason})`);
  tell(`weights: ${[base, ...enlargers].map(pathOf).join(", then ")}`);
  notes.forEach(tell);
  tell(describeClips(drawing));
  using watch = watchSignals(io, "stopping");
  let evaluations = 0;
  using samplers = await openSamplers(device, drawing, () => {
    watch.signal.throwIfAborted();
    progress.update(++evaluations);
  });
  samplers.codec.notes.forEach(tell);
  const record = describe(drawing, device.description);
  return await writeSamples(drawing, samplers, { record, earlier, seen })
    .catch(async (error) => {
      throw await samplers.withCause(error);
    })
    .finally(() => progress.end());
}

/** Takes the denoisers into memory, and encodes what clips begin with. */
export async function openSamplers(
  device: Device,
  { base, enlargers, plan, values }: Drawing,
  progress: SamplingProgress,
): Promise<Samplers> {
  using opened = new DisposableStack();
  const load = async (model: DrawnModel) => {
    const loaded = await loadWalt(device, model.source, model.config, values.dtype);
    return opened.adopt(loaded, ({ parameters }) => parameters.forEach((each) => each.destroy()));
  };
  const settings = {
    sampler: values.sampler,
    steps: values.numSamplingSteps,
    batchSize: Math.min(values.batchSize, plan.count),
    words: plan.features?.words,
  };
  const sampler = async (loaded: LoadedWalt, guidance: GuidanceWeight | undefined) =>
    opened.adopt(
      await WaltSampler.create(device, loaded, { ...settings, guidance }),
      (sampler) => sampler.destroy(),
    );
  const small = await load(base);
  const larger: LoadedWalt[] = [];
  for (const enlarger of enlargers) larger.push(await load(enlarger));
  const own = opened.use(codecOf(device, base));
  const given = await givenConditions(base.config, own, plan, values);
  const { noise, count } = plan;
  const first = await sampler(small, plan.guidance);
  const later: WaltSampler[] = [];
  for (const loaded of larger) {
    later.push(await sampler(loaded, canBeGuided(loaded) ? plan.guidance : undefined));
  }
  const last = enlargers.at(-1);
  const samplers = {
    base: first,
    enlargers: later,
    codec: last ? opened.use(codecOf(device, last)) : own,
    request: {
      ...{ seed: values.seed, count, conditions: { ...plan.conditions, given } },
      startNoise: noise && ((first: number, out: Float32Array) => noise.read(first, out)),
    },
    progress,
    async withCause(error: unknown) {
      let cause = await withCause(error, pathOf(base), small.parameters);
      for (const [place, enlarger] of enlargers.entries()) {
        cause = await withCause(cause, pathOf(enlarger), larger[place].parameters);
      }
      return cause;
    },
  };
  const kept = opened.move();
  return { ...samplers, [Symbol.dispose]: () => kept.dispose() };
}

export const pathOf = ({ source }: DrawnModel): string => source.path;

/** Whether a denoiser that enlarges has learned to do without its class or caption. */
const canBeGuided = ({ config: { classes, nullClass, textWidth } }: LoadedWalt): boolean =>
  classes === null ? textWidth !== null : nullClass;

export const isPicture = (channels: number): boolean => channels === 1 || channels === 3;

/** Refuses latents that would become nothing. */
function requireLatentsFile(
  { latentChannels }: WaltConfig,
  { saveLatents, npz }: SampleWaltOptions,
): void {
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
function describeClips({ base, enlargers, plan }: Drawing): string {
  const { labels, count } = plan;
  const what = labels
    ? describeLabels(classesOf(base.source), labels, "clip")
    : `${count} clip${count === 1 ? "" : "s"}`;
  const { height, width } = clipSizeOf(enlargers.at(-1) ?? base);
  return `${what}; ${plan.frames} x ${width} x ${height}, ${plan.fps} frames a second`;
}

/** What is known when clips are written. */
interface Writing {
  /** How they were made. */
  readonly record: ClipRecord;
  /** What an earlier run has left. */
  readonly earlier: readonly string[];
  readonly seen: (clips: readonly Clip[]) => void;
}

/**
 * Writes batches as they come to all files asked for, none of them held in memory.
 *
 * @returns the paths to tell the user
 */
async function writeSamples(
  drawing: Drawing,
  samplers: Samplers,
  { record, earlier, seen }: Writing,
): Promise<string[]> {
  const { base, enlargers, plan, isDecoded, wantsFiles, values } = drawing;
  const { saveLatents, npz, out, format, quality } = values;
  const { request, progress } = samplers;
  const written: string[] = [];
  let latents: AsyncIterable<Float32Array> = samplers.base.batches(request, progress);
  const models = [base, ...enlargers];
  for (const [place, sampler] of samplers.enlargers.entries()) {
    const stage = {
      ...{ base: models[place], enlarger: models[place + 1], sampler, place },
      noiseLevel: values.srNoise,
    };
    latents = enlarged(latents, stage, request, progress);
  }
  const last = models.at(-1)!;
  if (saveLatents !== undefined) {
    const { latentChannels, latentFrames, latentSize } = last.config;
    const shape = [plan.count, latentChannels, latentFrames, ...latentSize];
    latents = teeSafetensors(saveLatents, { name: "latents", type: "F32", shape }, latents);
    written.push(saveLatents);
  }
  if (!isDecoded) {
    for await (const _ of latents) { /* the file fills as batches pass */ }
    return written;
  }
  let clips: AsyncIterable<readonly Clip[]> = clipsOf(latents, drawing, samplers, seen);
  if (wantsFiles) {
    const output = { format, quality, text: sheetText(drawing) };
    clips = teeClips(out, clips, record, output, earlier);
  }
  if (npz === undefined) {
    for await (const _ of clips) { /* the files fill as batches pass */ }
  } else {
    const { height, width } = clipSizeOf(last);
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
  { base, enlargers, plan }: Drawing,
  { base: sampler, codec, progress, request }: Samplers,
  seen: Writing["seen"] = () => {},
): AsyncGenerator<Clip[]> {
  const model = enlargers.at(-1) ?? base;
  const { height, width } = clipSizeOf(model);
  let first = 0;
  for await (const drawn of latents) {
    const decoded = await codec.decode(drawn, latentClip(model.config));
    const times = plan.continuations;
    const part = { clips: decoded, first, times };
    const whole = await continueClips(sampler, codec, request, part, progress);
    const count = whole.length / (codec.colours * plan.frames * height * width);
    const shape = [count, codec.colours, plan.frames, height, width] as const;
    const batch = toClips(whole, shape, plan.fps);
    seen(batch);
    yield batch;
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
  { base: { source }, plan: { cfgScale, schedule: { kind } }, values }: Drawing,
): GridText {
  const { sampler, numSamplingSteps, seed } = values;
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
  { base: { source, config, tokenizer }, enlargers, plan, values }: Drawing,
  device: string,
): ClipRecord {
  const { image, framesFrom, embeddings } = values;
  const enlarging = enlargers.map(({ source, config }) => ({
    ...{ weights: source.path, config },
    noiseLevel: values.srNoise,
  }));
  return {
    weights: source.path,
    dtype: values.dtype,
    step: source.manifest?.step,
    config,
    tokenizer: (enlargers.at(-1)?.tokenizer ?? tokenizer)?.source.path,
    given: {
      ...{ image, framesFrom, embeddings },
      enlarging: enlarging.length === 0 ? undefined : enlarging,
    },
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
