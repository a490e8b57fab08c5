/**
 * W.A.L.T's denoiser on made-up latents, to be counted and timed.
 *
 * @module
 */
import { ripple } from "../../base/ripple.ts";
import { trainingSteps } from "../../diffusion/schedule.ts";
import { elementCount, type HostArray } from "../../kernels/shape.ts";
import type { TracedModel, Workload, WorkSize } from "../family.ts";
import { traceWalt, type WaltBatch, waltInputShapes } from "./graph.ts";
import { type WaltConfig, waltParameters } from "./model.ts";

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

/** Some time steps and labels; no given frames, and captions of words only. */
function wholeNumber(name: string, index: number, { classes }: WaltConfig): number {
  if (name === "t" || name === "noiseLevel") return 37 * index % trainingSteps;
  if (name === "y") return index % classes!;
  return name === "textMask" ? 1 : 0;
}
