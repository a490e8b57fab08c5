/**
 * Batches of W.A.L.T's denoiser: clips with what the model is told of them, and in joint training (its learning
 * from images and videos) stacks of unrelated pictures among them, the first frames of as many clips drawn at
 * random.
 *
 * Which elements those are, and what they hold, is a function of the seed and the number of the element, so
 * that neither the batch size nor a resumed run changes it.
 *
 * @module
 */
import { type ImageDataset, pictureLength } from "../../data/dataset.ts";
import { dataStreams, Draws } from "../../data/order/draws.ts";
import { createLoader, type LoaderOptions } from "../../data/order/loader.ts";
import { isFlipped } from "../../data/order/sampler.ts";
import type { HostArray } from "../../kernels/shape.ts";
import type { BatchSource } from "../../training/runs/batch_source.ts";
import type { ClipCaptions, WaltConditions, WaltDataset } from "./conditions.ts";

/** What batches are made of. */
export interface WaltBatchOptions extends LoaderOptions {
  /** The step of the first batch. */
  readonly startStep: number;
  /** Probability that an element is a stack of pictures. Pictures of stacks are not mirrored. */
  readonly imageShare: number;
}

/** Which clips an element is made of. */
interface Origins {
  /** One clip, or for a stack the one that each frame comes from. */
  readonly clips: Int32Array;
  /** Whether it is a stack of pictures. */
  readonly isStack: boolean;
  /** Whether it is mirrored. */
  readonly isFlipped: boolean;
}

/**
 * Batches of `images` (N, C, F, H, W), `labels` (N, G), the numbers of the `samples`, and where there are such
 * `isImage` (N), `text` (N, G, M, width) with `textMask` (N, G, M), and `lowResolution`
 * (N, C, F, H / 2, W / 2). In joint training G is the number of frames, else 1.
 */
export function waltBatches(dataset: WaltDataset, options: WaltBatchOptions): BatchSource {
  const loader = createLoader(dataset, options);
  const { frames = 1 } = dataset;
  const { seed, batchSize, imageShare, flip = false } = options;
  const isJoint = imageShare > 0;
  const groups = isJoint ? frames : 1;
  const length = pictureLength(dataset);
  const stacks = new FrameStacks(dataset);
  const conditions = conditionsOf(dataset, batchSize, groups);
  let waited = 0;

  function originsOf(sample: number, index: number): Origins {
    const draws = new Draws(seed, dataStreams.imageStack, sample);
    const isStack = isJoint && draws.uniform() < imageShare;
    const clips = Int32Array.from(
      { length: groups },
      () => isStack ? Math.floor(draws.uniform() * dataset.length) : index,
    );
    return { clips, isStack, isFlipped: flip && !isStack && isFlipped(seed, sample) };
  }

  return {
    get waitSeconds() {
      return loader.waitSeconds + waited;
    },
    async next() {
      const { step, images, indices } = await loader.next();
      const start = performance.now();
      const samples = Int32Array.from(indices, (_, n) => step * batchSize + n);
      const origins = Array.from(indices, (index, n) => originsOf(samples[n], index));
      for (const [n, { clips, isStack }] of origins.entries()) {
        if (isStack) await stacks.fill(images.subarray(n * length, (n + 1) * length), clips);
      }
      const inputs: Record<string, HostArray> = {
        images,
        labels: clipsOf(origins).map((clip) => dataset.label(clip)),
        samples,
        ...(isJoint && { isImage: Int32Array.from(origins, ({ isStack }) => Number(isStack)) }),
        ...await conditions(origins),
      };
      waited += (performance.now() - start) / 1000;
      return { inputs, images: batchSize };
    },
  };
}

/** The clips of elements, one after the other. */
const clipsOf = (origins: readonly Origins[]): Int32Array =>
  Int32Array.from(origins.flatMap(({ clips }) => [...clips]));

/** Makes stacks of first frames of clips. */
class FrameStacks {
  readonly #dataset: ImageDataset;
  readonly #clip: Float32Array;

  constructor(dataset: ImageDataset) {
    this.#dataset = dataset;
    this.#clip = new Float32Array(pictureLength(dataset));
  }

  /** Fills an element (C, F, H, W) with the first frames of clips, one for each frame. */
  async fill(element: Float32Array, clips: Int32Array): Promise<void> {
    const { frames = 1, height, width } = this.#dataset;
    const plane = height * width;
    for (const [frame, index] of clips.entries()) {
      await this.#dataset.read([index], this.#clip);
      for (let start = 0; start < element.length; start += frames * plane) {
        element.set(this.#clip.subarray(start, start + plane), start + frame * plane);
      }
    }
  }
}

/** What a model is told of the elements of a batch, in memory that the next batch uses again. */
function conditionsOf(
  { captions, lowResolution }: WaltConditions,
  batchSize: number,
  groups: number,
): (origins: readonly Origins[]) => Promise<Record<string, HostArray>> {
  const texts = captions && captionsOf(captions, batchSize * groups);
  const small = lowResolution && lowResolutionsOf(lowResolution, batchSize);
  return async (origins) => ({ ...texts?.(origins), ...await small?.(origins) });
}

/** Captions of elements, one for each of their clips. */
function captionsOf({ features, rows }: ClipCaptions, count: number) {
  const { words, width } = features;
  const text = new Float32Array(count * words * width);
  const textMask = new Int32Array(count * words);
  return (origins: readonly Origins[]) => {
    for (const [n, clip] of clipsOf(origins).entries()) {
      const own = text.subarray(n * words * width, (n + 1) * words * width);
      features.read(rows[clip], own, textMask.subarray(n * words, (n + 1) * words));
    }
    return { text, textMask };
  };
}

/** The low resolution of elements, mirrored where they are. */
function lowResolutionsOf(dataset: ImageDataset, batchSize: number) {
  const length = pictureLength(dataset);
  const stacks = new FrameStacks(dataset);
  const lowResolution = new Float32Array(batchSize * length);
  return async (origins: readonly Origins[]) => {
    for (const [n, { clips, isStack, isFlipped }] of origins.entries()) {
      const own = lowResolution.subarray(n * length, (n + 1) * length);
      if (isStack) await stacks.fill(own, clips);
      else await dataset.read([isFlipped ? dataset.mirrorOf!(clips[0]) : clips[0]], own);
    }
    return { lowResolution };
  };
}
