/**
 * Batches of joint training (W.A.L.T's learning from images and videos): some elements are not clips but
 * stacks of unrelated pictures, the first frames of as many clips drawn at random.
 *
 * Which elements those are, and what they hold, is a function of the seed and the number of the element, so
 * that neither the batch size nor a resumed run changes it.
 *
 * @module
 */
import { type ImageDataset, pictureLength } from "../../data/dataset.ts";
import { dataStreams, Draws } from "../../data/order/draws.ts";
import type { LoaderOptions } from "../../data/order/loader.ts";
import { type BatchSource, pictureBatches } from "../../training/runs/batch_source.ts";

/** What batches are made of. */
export interface JointBatchOptions extends LoaderOptions {
  /** The step of the first batch. */
  readonly startStep: number;
  /** Probability that an element is a stack of pictures. Pictures of stacks are not mirrored. */
  readonly imageShare: number;
}

/**
 * Batches of `images` (N, C, F, H, W), `labels` (N, F), one for every frame, `isImage` (N), and the
 * numbers of the `samples`.
 */
export function jointBatches(
  dataset: ImageDataset,
  { imageShare, ...options }: JointBatchOptions,
): BatchSource {
  const clips = pictureBatches(dataset, options);
  const { frames = 1 } = dataset;
  const length = pictureLength(dataset);
  const { seed, batchSize } = options;
  const clip = new Float32Array(length);
  let waited = 0;

  /** Fills an element with the first frames of clips, and says what they are. */
  async function fillStack(element: Float32Array, labels: Int32Array, draws: Draws): Promise<void> {
    for (let frame = 0; frame < frames; frame++) {
      const index = Math.floor(draws.uniform() * dataset.length);
      await dataset.read([index], clip);
      copyFirstFrame(clip, element, frame, dataset);
      labels[frame] = dataset.label(index);
    }
  }

  return {
    get waitSeconds() {
      return clips.waitSeconds + waited;
    },
    async next() {
      const batch = await clips.next();
      const start = performance.now();
      const [images, samples] = [
        batch.inputs.images as Float32Array,
        batch.inputs.samples as Int32Array,
      ];
      const labels = new Int32Array(batchSize * frames);
      const isImage = new Int32Array(batchSize);
      for (let n = 0; n < batchSize; n++) {
        const own = labels.subarray(n * frames, (n + 1) * frames).fill(batch.inputs.labels[n]);
        const draws = new Draws(seed, dataStreams.imageStack, samples[n]);
        if (draws.uniform() >= imageShare) continue;
        isImage[n] = 1;
        await fillStack(images.subarray(n * length, (n + 1) * length), own, draws);
      }
      waited += (performance.now() - start) / 1000;
      return { ...batch, inputs: { images, labels, isImage, samples } };
    },
  };
}

/** The first frame of a clip (C, F, H, W) as a frame of another. */
function copyFirstFrame(
  clip: Float32Array,
  to: Float32Array,
  frame: number,
  { frames = 1, height, width }: ImageDataset,
): void {
  const plane = height * width;
  for (let start = 0; start < clip.length; start += frames * plane) {
    to.set(clip.subarray(start, start + plane), start + frame * plane);
  }
}
