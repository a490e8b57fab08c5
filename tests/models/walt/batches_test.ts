/** Batches: which elements are stacks of pictures, what they hold, and what the model is told of them. */
import assert from "node:assert/strict";
import type { ImageDataset } from "../../../data/dataset.ts";
import type { LatentDataset } from "../../../data/latents/dataset.ts";
import type { TextFeatures } from "../../../data/text_features.ts";
import { captionsOf } from "../../../models/walt/conditions.ts";
import { waltBatches } from "../../../models/walt/batches.ts";

const [channels, frames, plane] = [2, 3, 4];
const length = channels * frames * plane;

/** Clips whose values say where they come from: index, channel and frame. */
const clips: ImageDataset = {
  name: "numbers",
  length: 10,
  ...{ channels, frames, height: 2, width: 2 },
  classNames: ["a", "b", "c"],
  fingerprint: "numbers",
  label: (index) => index % 3,
  read(indices, out) {
    for (const [position, index] of Array.from(indices).entries()) {
      for (let i = 0; i < length; i++) {
        const [channel, frame] = [Math.floor(i / plane / frames), Math.floor(i / plane) % frames];
        out[position * length + i] = 100 * index + 10 * channel + frame;
      }
    }
  },
};

/** The elements of some steps, by their numbers. */
async function elements(imageShare: number, batchSize: number, startStep: number, steps: number) {
  const groups = imageShare > 0 ? frames : 1;
  const source = waltBatches(clips, { seed: 5, batchSize, startStep, imageShare });
  const found = new Map<number, { image: number; labels: number[]; values: number[] }>();
  for (let step = 0; step < steps; step++) {
    const { inputs: { images, labels, isImage, samples }, images: count } = await source.next();
    assert.equal(count, batchSize);
    samples.forEach((sample, n) =>
      found.set(sample, {
        image: isImage?.[n] ?? 0,
        labels: [...labels.slice(n * groups, (n + 1) * groups)],
        values: [...images.slice(n * length, (n + 1) * length)],
      })
    );
  }
  return found;
}

/** The clips that the frames of an element come from, and the frames of theirs. */
const sources = (values: readonly number[]) =>
  Array.from({ length: frames }, (_, frame) => {
    const value = values[frame * plane];
    assert(values.slice(frame * plane, (frame + 1) * plane).every((other) => other === value));
    assert.equal(values[(frames + frame) * plane], value + 10, "channels belong together");
    return [Math.floor(value / 100), value % 100];
  });

Deno.test("stacks hold first frames of other clips with the labels of those; clips stay", async () => {
  const found = await elements(0.5, 6, 0, 40);
  const images = [...found.values()].filter(({ image }) => image === 1);
  assert(images.length > 90 && images.length < 150, `${images.length} of 240`);
  for (const { image, labels, values } of found.values()) {
    const from = sources(values);
    assert.deepEqual(labels, from.map(([index]) => index % 3));
    const expected = image ? [0, 0, 0] : [0, 1, 2];
    assert.deepEqual(from.map(([, frame]) => frame), expected);
    if (!image) assert.equal(new Set(from.map(([index]) => index)).size, 1);
  }
  assert(images.some(({ values }) => new Set(sources(values).map(([index]) => index)).size === 3));
});

Deno.test("an element is the same in every batch size that meets it, and after a resume", async () => {
  const whole = await elements(0.4, 5, 0, 8);
  const later = await elements(0.4, 5, 4, 4);
  for (const [sample, element] of later) assert.deepEqual(element, whole.get(sample));
  const larger = await elements(0.4, 10, 0, 4);
  for (const [sample, element] of larger) assert.deepEqual(element, whole.get(sample));
});

Deno.test("a share of 0 has clips only, one of 1 stacks only", async () => {
  for (const share of [0, 1]) {
    const found = await elements(share, 4, 0, 5);
    assert([...found.values()].every(({ image }) => image === share));
    assert([...found.values()].every(({ labels }) => labels.length === (share ? frames : 1)));
  }
});

/** Features whose numbers say the row, two words of one number each. */
const features: TextFeatures = {
  path: "captions",
  names: Array.from({ length: 10 }, (_, index) => index % 2 ? `clip ${index}` : `${index}.mp4`),
  words: 2,
  width: 1,
  fingerprint: "captions",
  rowOf: (name) => features.names.indexOf(name),
  read(row, text, mask) {
    text.fill(row);
    mask.set([1, row % 2]);
  },
  [Symbol.dispose]() {},
};

/** Latents whose numbers say the index; those of mirrored clips are 100 more. */
const small = {
  ...clips,
  height: 1,
  width: 1,
  mirrorOf: (index: number) => 100 + index,
  read: (indices: ArrayLike<number>, out: Float32Array) => void out.fill(indices[0]),
} as unknown as LatentDataset;

Deno.test("captions and low resolutions are those of the clips that elements are made of", async () => {
  const clipName = (index: number) => index % 2 ? `clip ${index}` : `${index}.mp4 0-3`;
  const captions = captionsOf({ ...clips, clipName }, features);
  assert.deepEqual([...captions.rows], [...clips.classNames.keys(), 3, 4, 5, 6, 7, 8, 9]);
  for (const imageShare of [0, 0.5]) {
    const told = { ...clips, captions, lowResolution: small };
    const source = waltBatches(told, {
      seed: 5,
      batchSize: 8,
      startStep: 0,
      imageShare,
      flip: true,
    });
    const groups = imageShare > 0 ? frames : 1;
    let mirrored = 0;
    for (let step = 0; step < 4; step++) {
      const { inputs } = await source.next();
      const [images, text, textMask, low] = ["images", "text", "textMask", "lowResolution"]
        .map((name) => [...inputs[name]]);
      for (let n = 0; n < 8; n++) {
        const from = sources(images.slice(n * length, (n + 1) * length)).map(([index]) => index);
        const rows = text.slice(2 * n * groups, 2 * (n + 1) * groups).filter((_, i) => i % 2 === 0);
        assert.deepEqual(rows, from.slice(0, groups));
        const masks = textMask.slice(2 * n * groups, 2 * (n + 1) * groups);
        assert.deepEqual(masks, rows.flatMap((row) => [1, row % 2]));
        const lows = low.slice(n * channels * frames, n * channels * frames + frames);
        mirrored += Number(lows[0] >= 100);
        assert.deepEqual(lows.map((value) => value % 100), from);
      }
    }
    assert(mirrored > 0);
  }
});

Deno.test("clips without names have no captions", () => {
  assert.throws(
    () => captionsOf(clips, features),
    /numbers: does not say what its clips are called/,
  );
});
