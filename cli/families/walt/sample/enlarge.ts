/**
 * The cascade of W.A.L.T: a denoiser draws at twice the size what another one has drawn.
 *
 * @module
 */
import type { SamplingProgress } from "../../../../diffusion/samples/batches.ts";
import { decoderLatents, normalizedLatents } from "../../../../diffusion/latents.ts";
import { clipLength } from "../../../../models/clip_codec.ts";
import { positions } from "../../../../models/codec.ts";
import {
  type ClipRequest,
  latentClip,
  type WaltSampler,
} from "../../../../models/walt/draw_clips.ts";
import type { DrawnModel } from "./model.ts";

/** A stage of the cascade. */
export interface EnlargingStage {
  readonly base: DrawnModel;
  readonly enlarger: DrawnModel;
  readonly sampler: WaltSampler;
  /** Time step, 0 .. 999, of the noise that is added to what is enlarged. */
  readonly noiseLevel: number;
  /** Its place in the cascade, from 0: every stage has start noise of its own. */
  readonly place: number;
}

/** Batches of what a model draws, each drawn at twice the height and width. */
export async function* enlarged(
  batches: AsyncIterable<Float32Array>,
  { base, enlarger, sampler, noiseLevel, place }: EnlargingStage,
  request: ClipRequest,
  progress: SamplingProgress,
): AsyncGenerator<Float32Array> {
  const size = latentClip(base.config);
  const length = clipLength(base.config.latentChannels, size);
  const { label, caption } = request.conditions;
  let first = 0;
  for await (const drawn of batches) {
    const small = asSeenBy(enlarger, base, drawn);
    const start = first;
    const lowResolution = {
      noiseLevel,
      latents(clip: number, out: Float32Array) {
        out.set(small.subarray((clip - start) * length, (clip - start + 1) * length));
      },
    };
    const conditions = { label, caption, lowResolution };
    yield await sampler.batch({ ...request, conditions }, first, place, progress);
    first += drawn.length / length;
  }
}

/** What a model draws, normalized as the one that enlarges it was trained on it. */
function asSeenBy(enlarger: DrawnModel, base: DrawnModel, drawn: Float32Array): Float32Array {
  const from = base.tokenizer?.normalization;
  const cached = enlarger.source.manifest?.run.lowResolution?.cache?.latents;
  const to = cached ?? enlarger.tokenizer?.normalization;
  if (!from || !to) return drawn;
  const each = positions(latentClip(base.config));
  return normalizedLatents(decoderLatents(drawn, from, each), to, each);
}
