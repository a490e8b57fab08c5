/**
 * `tessera eval walt`: how near the clips of a denoiser are to real ones.
 *
 * @module
 */
import { clipStream } from "../../../data/clips/clip_stream.ts";
import type { Clip } from "../../../formats/video/clip.ts";
import type { Device } from "../../../kernels/device.ts";
import { selectDevice } from "../../../kernels/select_device.ts";
import { waltParameters } from "../../../models/walt/model.ts";
import { checkWeights, weightsNotes } from "../../../training/checkpoints/checkpoint.ts";
import { areMotions, compareClips } from "../../features/compare_clips.ts";
import type { RealSamples } from "../../features/compare.ts";
import type { Values } from "../../flags/flags.ts";
import { openClipData } from "../../runs/clip_data.ts";
import { opened, placeOf } from "../../runs/prepare.ts";
import { UsageError } from "../../terminal/errors.ts";
import type { Io } from "../../terminal/io.ts";
import { watchSignals } from "../../terminal/signals.ts";
import { reopenPixels, shipped } from "./clips.ts";
import { describeSampledWeights } from "../sample_flags.ts";
import type { evalWaltFlags } from "./eval_flags.ts";
import {
  clipSizeOf,
  clipsOf,
  type Drawing,
  isPicture,
  openSamplers,
  pathOf,
} from "./sample/sample.ts";
import type { SampleWaltOptions } from "./sample/flags.ts";
import { findModel } from "./sample/model.ts";
import { classesOf, planSamples } from "./sample/plan.ts";

type EvalWaltOptions = Values<typeof evalWaltFlags>;

/** Flags of `sample walt` that an evaluation has not. */
const unused = {
  ...{ image: undefined, framesFrom: undefined, length: undefined, noise: undefined },
  ...{ sr: undefined, srConfig: undefined, srNoise: 0 },
  ...{ out: "", format: "png" as const, quality: undefined, npz: undefined },
  saveLatents: undefined,
};

/** Draws clips and measures them against real ones. */
export async function runEvalWalt(io: Io, values: EvalWaltOptions): Promise<void> {
  const sampled: SampleWaltOptions = { ...values, ...unused };
  const base = await findModel(sampled);
  using _tokenizer = base.tokenizer?.weights;
  using plan = await planSamples(base, sampled);
  const isDecoded = base.tokenizer !== undefined || isPicture(base.config.latentChannels);
  if (!isDecoded) {
    throw new UsageError("--tokenizer is needed: the model draws latents");
  }
  const { source } = base;
  const fit = await checkWeights(source.path, waltParameters(source.config));
  const drawing: Drawing = {
    ...{ values: sampled, base, enlargers: [], plan, isDecoded, wantsFiles: false },
    notes: weightsNotes(source, fit),
    [Symbol.dispose]() {},
  };
  const real = realClips(io, values, drawing);
  const { device, reason } = await selectDevice({ ...values, batchInvariant: true });
  try {
    if (!values.quiet) {
      io.tell(`device: ${device.kind.name}, ${device.description} (${reason})`);
      io.tell(`weights: ${pathOf(base)}`);
      drawing.notes.forEach((note) => io.tell(note));
    }
    using watch = watchSignals(io, "stopping");
    await compareClips(io, values, device, real, {
      ...{ name: source.path, count: plan.count, frames: plan.frames },
      samples: drawnClips(device, drawing, watch.signal),
      motions: areMotions(classesOf(source).classNames) ? plan.labels : undefined,
      making: makingOf(values, drawing),
    }, watch.signal);
  } finally {
    device.close();
  }
}

/** What every line says of how the clips were made. */
function makingOf(
  values: EvalWaltOptions,
  { base, plan }: Drawing,
) {
  const { sampler, numSamplingSteps, seed } = values;
  const { height, width } = clipSizeOf(base);
  const { cfgScale, schedule: { kind } } = plan;
  return {
    ...{ frames: plan.frames, size: `${width} x ${height}` },
    guidance: kind === "constant" ? cfgScale : `${cfgScale}, ${kind}`,
    ...{ sampler, "sampling steps": numSamplingSteps, seed },
    weights: describeSampledWeights(values),
    "training step": base.source.manifest?.step,
  };
}

/** The real clips: as told, or those that a model of pixels was trained on. */
function realClips(
  io: Io,
  values: EvalWaltOptions,
  { base, plan }: Drawing,
): RealSamples<Clip> {
  const { manifest } = base.source;
  const path = values.dataPath ?? (base.tokenizer ? undefined : manifest?.dataPath);
  if (path === undefined && values.features !== undefined) {
    throw new UsageError(
      "--data-path is needed: the model does not say what clips it was trained on",
    );
  }
  const { height, width } = clipSizeOf(base);
  const cut = { ...values, frames: plan.frames, size: { height, width }, previewData: undefined };
  return {
    path: path ?? "",
    isRecorded: values.dataPath === undefined,
    open: () =>
      opened(io, values.quiet, async (events) => {
        const set = values.dataPath === undefined
          ? await reopenPixels(placeOf({ shipped }, path), manifest!, events)
          : await openClipData(values.dataPath, cut, { channels: 3, ...events });
        return clipStream(set, values.referenceCount);
      }),
  };
}

/** The clips of a model, drawn batch by batch. */
async function* drawnClips(
  device: Device,
  drawing: Drawing,
  signal: AbortSignal,
): AsyncGenerator<Clip> {
  using samplers = await openSamplers(device, drawing, () => signal.throwIfAborted());
  try {
    const latents = samplers.base.batches(samplers.request, samplers.progress);
    for await (const clips of clipsOf(latents, drawing, samplers)) yield* clips;
  } catch (error) {
    throw await samplers.withCause(error);
  }
}
