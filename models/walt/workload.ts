/**
 * W.A.L.T's denoiser on made-up latents, to be counted and timed.
 *
 * @module
 */
import { ripple } from "../../base/ripple.ts";
import { trainingSteps } from "../../diffusion/schedule.ts";
import { elementCount, type HostArray } from "../../kernels/shape.ts";
import { seedWords } from "../../diffusion/streams.ts";
import type { TracedModel, TrainingWorkload, Workload, WorkSize } from "../family.ts";
import { traceWalt, type WaltBatch, waltInputShapes } from "./graph.ts";
import { type WaltConfig, waltParameters } from "./model.ts";
import { waltTrainingGraphs } from "./step.ts";

/** Clips, of which each has one label or one caption of the usual length. */
const clips = (batch: number): WaltBatch => ({
  batch,
  labelGroups: 1,
  textGroups: 1,
  words: 64,
  images: false,
});

/** Traces a forward pass of clips. */
export const traceClips = (config: WaltConfig, { batch, weights }: WorkSize): TracedModel =>
  traceWalt(config, clips(batch), weights);

/** A forward pass. */
export function waltWorkload(config: WaltConfig, size: WorkSize): Workload {
  const inputs = waltInputShapes(config, clips(size.batch)).map(([name, shape, dtype], index) => {
    const values: HostArray = dtype === "f32"
      ? ripple(elementCount(shape), index + 1)
      : Int32Array.from({ length: elementCount(shape) }, (_, i) => wholeNumber(name, i, config));
    return [name, values] as const;
  });
  return {
    specifications: waltParameters(config),
    traced: traceClips(config, size),
    inputs: Object.fromEntries(inputs),
  };
}

/**
 * The step of `tessera train walt`: noise, both passes of self-conditioning, loss, clipping, AdamW, average.
 * A low resolution is made of the latents that it is trained on.
 */
export function waltTrainingWorkload(config: WaltConfig, { batch }: WorkSize): TrainingWorkload {
  const { latentChannels, latentFrames, latentSize, classes, textWidth } = config;
  const { words } = clips(batch);
  const latents = ripple(elementCount([batch, latentChannels, latentFrames, ...latentSize]), 1);
  const numbers = (value: (index: number) => number) =>
    Int32Array.from({ length: batch }, (_, index) => value(index));
  return {
    specifications: waltParameters(config),
    graphs: waltTrainingGraphs(config, {
      batchSize: batch,
      labelDropout: 0.1,
      selfConditioning: 0.9,
      framePrediction: 0.1,
      imageShare: 0,
      clipNorm: 1,
      text: textWidth === null ? undefined : { path: "", fingerprint: "", words },
      lowResolution: config.lowResolution ? { maxNoise: 300 } : undefined,
    }),
    constants: { seed: seedWords(1) },
    inputs: (step) => ({
      images: latents,
      ...(classes !== null && { labels: numbers((index) => index % classes) }),
      ...(textWidth !== null && {
        text: ripple(batch * words * textWidth, 2),
        textMask: new Int32Array(batch * words).fill(1),
      }),
      samples: numbers((index) => step * batch + index),
    }),
  };
}

/** Some time steps and labels; no given frames, and captions of words only. */
function wholeNumber(name: string, index: number, { classes }: WaltConfig): number {
  if (name === "t" || name === "noiseLevel") return 37 * index % trainingSteps;
  if (name === "y") return index % classes!;
  return name === "textMask" ? 1 : 0;
}
