/** Batches of joint training: which elements are stacks of pictures, and what they hold. */
import assert from "node:assert/strict";
import type { ImageDataset } from "../../../data/dataset.ts";
import { jointBatches } from "../../../models/walt/batches.ts";

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
  const source = jointBatches(clips, { seed: 5, batchSize, startStep, imageShare });
  const found = new Map<number, { image: number; labels: number[]; values: number[] }>();
  for (let step = 0; step < steps; step++) {
    const { inputs: { images, labels, isImage, samples }, images: count } = await source.next();
    assert.equal(count, batchSize);
    samples.forEach((sample, n) =>
      found.set(sample, {
        image: isImage[n],
        labels: [...labels.slice(n * frames, (n + 1) * frames)],
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
  }
});
