import assert from "node:assert/strict";
import { type ImageDataset, pictureLength } from "../../../data/dataset.ts";
import { createLoader, type LoaderOptions } from "../../../data/order/loader.ts";
import { batchIndices, isFlipped } from "../../../data/order/sampler.ts";
import { memorySet } from "../helpers.ts";

/** Copies of the next few batches. */
async function take(dataset: ImageDataset, options: LoaderOptions, count: number) {
  const loader = createLoader(dataset, options);
  const batches = [];
  for (let index = 0; index < count; index++) {
    const { step, images, labels } = await loader.next();
    batches.push({ step, images: images.slice(), labels: labels.slice() });
  }
  return batches;
}

Deno.test("loader: batches follow the sampler", async () => {
  const dataset = memorySet(7, 3, 2, 4);
  for (const { step, images, labels } of await take(dataset, { seed: 9, batchSize: 3 }, 6)) {
    const indices = batchIndices(9, 7, step, 3);
    const expected = new Float32Array(3 * pictureLength(dataset));
    dataset.read(indices, expected);
    assert.deepEqual(images, expected);
    assert.deepEqual([...labels], [...indices].map((index) => dataset.label(index)));
  }
});

Deno.test("loader: started at a step it continues exactly", async () => {
  const dataset = memorySet(10, 1, 3, 5);
  const options = { seed: 4, batchSize: 4, flip: true };
  const whole = await take(dataset, options, 9);
  assert.deepEqual(await take(dataset, { ...options, startStep: 5 }, 4), whole.slice(5));
});

Deno.test("loader: a batch larger than the data set, a set of one picture", async () => {
  const [{ labels }] = await take(memorySet(3, 1, 1, 1), { seed: 0, batchSize: 7 }, 1);
  assert.equal(labels.length, 7);
  const single = await take(memorySet(1, 3, 2, 2), { seed: 0, batchSize: 2 }, 3);
  assert.deepEqual(single[0].images, single[2].images);
});

Deno.test("loader: flips mirror rows of the chosen pictures only", async () => {
  const dataset = memorySet(6, 3, 2, 5);
  const length = pictureLength(dataset);
  const plain = await take(dataset, { seed: 2, batchSize: 4 }, 5);
  const flipped = await take(dataset, { seed: 2, batchSize: 4, flip: true }, 5);
  let mirrored = 0;
  for (const { step, images } of plain) {
    for (let picture = 0; picture < 4; picture++) {
      const values = images.subarray(picture * length, (picture + 1) * length);
      const isMirrored = isFlipped(2, step * 4 + picture);
      const expected = values.map((_, index) =>
        values[isMirrored ? index - index % 5 + 4 - index % 5 : index]
      );
      mirrored += Number(isMirrored);
      const got = flipped[step].images.subarray(picture * length, (picture + 1) * length);
      assert.deepEqual(got, expected);
    }
  }
  assert.ok(mirrored > 0 && mirrored < 20);
});

/** Lets everything happen that waits for nothing but its turn. */
const settle = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

Deno.test("loader: memory is recycled, one batch is read ahead", async () => {
  const inner = memorySet(8, 1, 2, 2);
  /** What lets each read go on that has started. */
  const gates: (() => void)[] = [];
  const gated: ImageDataset = {
    ...inner,
    label: (index) => inner.label(index),
    read: async (indices, out) => {
      await new Promise<void>((resolve) => gates.push(resolve));
      await inner.read(indices, out);
    },
  };
  const loader = createLoader(gated, { seed: 1, batchSize: 2 });
  const waiting = loader.next();
  await settle();
  assert.equal(gates.length, 1);
  gates[0]();
  const first = await waiting;
  const kept = first.images.slice();
  assert.equal(gates.length, 2, "the second batch is being read");
  gates[1]();
  await settle();
  assert.deepEqual(first.images, kept, "a batch is valid until the next call");
  // The second batch was read meanwhile: it is there before any timer can fire.
  const second = await Promise.race([loader.next(), settle()]);
  assert.ok(second);
  gates[2]();
  const third = await loader.next();
  assert.notEqual(first.images, second.images);
  assert.equal(first.images, third.images);
});

Deno.test("loader: the time in which a step waits for its batch is measured", async () => {
  const inner = memorySet(4, 1, 2, 2);
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const gated: ImageDataset = {
    ...inner,
    label: (index) => inner.label(index),
    read: async (indices, out) => {
      await gate;
      await inner.read(indices, out);
    },
  };
  const loader = createLoader(gated, { seed: 1, batchSize: 2 });
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(loader.waitSeconds, 0, "nobody waits yet");
  const start = performance.now();
  const waiting = loader.next();
  await new Promise((resolve) => setTimeout(resolve, 20));
  const atLeast = (performance.now() - start) / 1000;
  open();
  await waiting;
  const atMost = (performance.now() - start) / 1000;
  assert.ok(loader.waitSeconds >= atLeast && loader.waitSeconds <= atMost, `${loader.waitSeconds}`);
});

Deno.test("loader: a failed read reaches the caller", async () => {
  const inner = memorySet(2, 1, 1, 1);
  const broken: ImageDataset = {
    ...inner,
    label: (index) => inner.label(index),
    read: () => Promise.reject(new Error("disk gone")),
  };
  const loader = createLoader(broken, { seed: 1, batchSize: 2 });
  await new Promise((resolve) => setTimeout(resolve, 1));
  await assert.rejects(loader.next(), /disk gone/);
});
