import assert from "node:assert/strict";
import { join } from "@std/path";
import { openPictureSet } from "../../../data/open.ts";
import { type PackedArrays, packingStart } from "../../../data/packing/batch.ts";
import {
  createPackedLoader,
  type PackedLoaderOptions,
  packForEvaluation,
} from "../../../data/packing/loader.ts";
import { type PlannedPicture, planTraining } from "../../../data/packing/plan.ts";
import { gridTokens, largestGrid } from "../../../data/packing/patch_grid.ts";
import type { PictureSet } from "../../../data/picture_set.ts";
import { resize, triangleFilter } from "../../../data/pictures/resample.ts";
import { SkipReport } from "../../../data/pictures/skip_report.ts";
import { keptTokens } from "../../../data/packing/token_dropping.ts";
import { assertInputError, withFolder } from "../../formats/helpers.ts";
import { damagePixels, logNormalSizes, mixedSet, paint } from "../helpers.ts";

const set = mixedSet(
  logNormalSizes(40).map(({ width, height }) => ({
    width: Math.ceil(width / 8),
    height: Math.ceil(height / 8),
  })),
);

const options: PackedLoaderOptions = {
  sequences: 2,
  sequenceLength: 40,
  images: 5,
  patch: 4,
  openSequences: 6,
  seed: 21,
  resolution: {
    kind: "sampled",
    distribution: { kind: "normal", mean: -0.5 },
    over: "side",
    minimum: 8,
    maximum: 32,
  },
  dropping: { kind: "beta", mean: 0.4, maximum: 0.8 },
  flip: true,
  text: { sequenceLength: 50, captionLength: 12 },
  workers: 2,
};

/** The names of the arrays, as a batch has them. */
const arrayNames = [
  "patches",
  "segments",
  "rows",
  "columns",
  "gridRows",
  "gridColumns",
  "labels",
  "weights",
  "indices",
  "textTokens",
  "textSegments",
  "textPositions",
] as const;

/** Plain copies of a batch's arrays. */
function copyArrays(batch: PackedArrays): Record<string, number[]> {
  return Object.fromEntries(arrayNames.flatMap((name) => {
    const values = batch[name];
    return values ? [[name, [...values]]] : [];
  }));
}

/** Copies of the next few batches of a loader that is then closed. */
async function take(chosen: PackedLoaderOptions, count: number, pictures: PictureSet = set) {
  const loader = createPackedLoader(pictures, chosen);
  try {
    const batches = [];
    for (let index = 0; index < count; index++) {
      const batch = await loader.next();
      const { step, next, counts } = batch;
      batches.push({ step, next, counts, arrays: copyArrays(batch) });
    }
    return batches;
  } finally {
    loader.close();
  }
}

/** The values of a picture's kept patches, from the definition, one pixel after the other. */
function expectedPatches({ index, grid, tokens, position, isMirrored }: PlannedPicture): number[] {
  const sized = resize(set.source(index), triangleFilter, grid.rows * 4, grid.columns * 4);
  const chosen = keptTokens(gridTokens(grid), tokens, 21, position);
  return [...chosen].flatMap((token) =>
    Array.from({ length: 3 * 16 }, (_, place) => {
      const [channel, y, x] = [Math.floor(place / 16), Math.floor(place / 4) % 4, place % 4];
      const row = 4 * Math.floor(token / grid.columns) + y;
      const column = 4 * (token % grid.columns) + x;
      const from = isMirrored ? sized.width - 1 - column : column;
      return Math.fround(sized.data[(row * sized.width + from) * 3 + channel] / 127.5 - 1);
    })
  );
}

/** The arrays of a planned step, built token by token. */
function expectedArrays(step: { sequences: readonly { items: PlannedPicture[] }[] }) {
  const columnsOf = new Map<string, number[]>(arrayNames.map((name) => [name, []]));
  const push = (name: typeof arrayNames[number], ...values: number[]) =>
    columnsOf.get(name)!.push(...values);
  const padTo = (name: typeof arrayNames[number], length: number, value: number) => {
    while (columnsOf.get(name)!.length < length) push(name, value);
  };
  const images = step.sequences.reduce((sum, { items }) => sum + items.length, 0);
  step.sequences.forEach(({ items }, sequence) => {
    items.forEach((picture, slot) => {
      const { grid, tokens, position, caption, index } = picture;
      push("patches", ...expectedPatches(picture));
      for (const token of keptTokens(gridTokens(grid), tokens, 21, position)) {
        push("segments", slot);
        push("rows", Math.floor(token / grid.columns));
        push("columns", token % grid.columns);
        push("gridRows", grid.rows);
        push("gridColumns", grid.columns);
      }
      push("labels", index % 3);
      push("indices", index);
      push("weights", Math.fround(1 / images));
      caption!.forEach((token, place) => {
        push("textTokens", token);
        push("textSegments", slot);
        push("textPositions", place);
      });
    });
    const end = sequence + 1;
    padTo("patches", end * 40 * 48, 0);
    for (const name of ["rows", "columns"] as const) padTo(name, end * 40, 0);
    for (const name of ["gridRows", "gridColumns"] as const) padTo(name, end * 40, 1);
    padTo("segments", end * 40, -1);
    for (const name of ["labels", "weights"] as const) padTo(name, end * 5, 0);
    padTo("indices", end * 5, -1);
    for (const name of ["textTokens", "textPositions"] as const) padTo(name, end * 50, 0);
    padTo("textSegments", end * 50, -1);
  });
  return Object.fromEntries(columnsOf);
}

Deno.test("packed loader: every array is what the plan says", async () => {
  const plan = planTraining(set, options, packingStart);
  for (const { step, next, counts, arrays } of await take(options, 7)) {
    const planned = plan.next().value;
    assert.deepEqual({ step, next }, { step: planned.step, next: planned.next });
    assert.deepEqual(arrays, expectedArrays(planned));
    const { segments, indices } = arrays;
    assert.equal(counts.tokens, segments.filter((slot) => slot >= 0).length);
    assert.equal(counts.images, indices.filter((index) => index >= 0).length);
    assert.equal(counts.unreadable, 0);
    const ofSlots = arrays.weights.reduce((sum, weight) => sum + weight, 0);
    assert.ok(Math.abs(ofSlots - 1) < 1e-6);
  }
});

Deno.test("packed loader: bits do not depend on workers, memory or batches ahead", async () => {
  const expected = await take(options, 6);
  const ways = [{ workers: 1 }, { workers: 3, ahead: 4 }, { ahead: 1, memoryBudget: 0 }];
  for (const way of ways) assert.deepEqual(await take({ ...options, ...way }, 6), expected);
});

Deno.test("packed loader: started at any position it continues exactly", async () => {
  const whole = await take(options, 8);
  for (const start of [1, 3, 5]) {
    const position = whole[start - 1].next;
    assert.deepEqual(await take({ ...options, position }, 3), whole.slice(start, start + 3));
  }
});

Deno.test("packed loader: without captions, grey, one picture of one pixel", async () => {
  const dot = mixedSet([{ width: 1, height: 1 }], 1);
  const single: PackedLoaderOptions = {
    sequences: 1,
    sequenceLength: 1,
    images: 1,
    patch: 1,
    seed: 0,
    resolution: { kind: "native" },
    workers: 1,
  };
  const [{ arrays, counts }, second] = await take(single, 2, dot);
  assert.deepEqual(arrays, {
    patches: [-1],
    segments: [0],
    rows: [0],
    columns: [0],
    gridRows: [1],
    gridColumns: [1],
    labels: [0],
    weights: [1],
    indices: [0],
  });
  assert.equal(counts.closedByImages, 0);
  assert.deepEqual(second.arrays, arrays);
});

Deno.test("packed loader: memory is recycled, a batch is valid until the next call", async () => {
  const loader = createPackedLoader(set, { ...options, ahead: 2 });
  try {
    const first = await loader.next();
    const kept = copyArrays(first);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual(copyArrays(first), kept);
    const patches = [first.patches];
    for (let step = 1; step < 6; step++) patches.push((await loader.next()).patches);
    assert.equal(new Set(patches.map(({ buffer }) => buffer)).size, 3);
    assert.ok(loader.waitSeconds > 0);
  } finally {
    loader.close();
  }
});

Deno.test("packed loader: batches get ready while the main thread is busy", async () => {
  const many = { ...options, sequences: 6, ahead: 2 };
  const expected = await take(many, 6);
  const loader = createPackedLoader(set, many);
  try {
    const memory: Float32Array[] = [];
    for (let step = 0; step < 4; step++) memory.push((await loader.next()).patches);
    // The patches of batch 5 appear where those of batch 2 were, although nothing is awaited here.
    const { patches } = expected[5].arrays;
    const end = performance.now() + 30_000;
    while (!memory[2].every((value, place) => value === patches[place])) {
      assert.ok(performance.now() < end, "the workers wait for the main thread");
    }
  } finally {
    loader.close();
  }
});

Deno.test("packed loader: messages cost no time that grows with the batch", async () => {
  // In a message, Deno looks at every element of a typed array: these had taken minutes.
  const wide = { ...options, sequences: 16, sequenceLength: 400, patch: 16, images: 50 };
  const start = performance.now();
  const [{ counts }] = await take({ ...wide, openSequences: 16, text: undefined }, 1);
  assert.ok(counts.images > 300, `${counts.images}`);
  assert.ok(performance.now() - start < 20_000);
});

Deno.test("packed loader: a worker's error and closing reach the caller", async () => {
  const wrong = Object.create(set, {
    source: { value: () => ({ height: -2, width: 2, channels: 3, data: new Uint8Array(12) }) },
  });
  const failing = createPackedLoader(wrong, options);
  await assert.rejects(failing.next(), /RangeError: Invalid typed array length/);
  await assert.rejects(failing.next(), /RangeError: Invalid typed array length/);
  failing.close();

  const closed = createPackedLoader(set, options);
  await closed.next();
  closed.close();
  await assert.rejects(async () => {
    while (true) await closed.next();
  }, /the loader is closed/);
  assert.throws(() => createPackedLoader(set, { ...options, workers: 0 }), /0 workers/);
  assert.throws(() => createPackedLoader(set, { ...options, ahead: 0 }), /0 batches ahead/);
});

/** Eight pictures in a folder, of classes a and b. */
async function makeFolder(folder: string): Promise<string[]> {
  const paths: string[] = [];
  for (const name of ["a", "b"]) {
    for (let index = 0; index < 4; index++) {
      paths.push(join(folder, name, `${index}.png`));
      await paint(paths.at(-1)!, 10 * paths.length, 8 + 4 * index, 12);
    }
  }
  return paths;
}

const folderOptions: PackedLoaderOptions = {
  ...options,
  text: undefined,
  resolution: { kind: "fixed", side: 12 },
  dropping: { kind: "none" },
};

Deno.test("packed loader: a damaged picture has no weight, is counted and named once", async () => {
  await withFolder(async (folder) => {
    const paths = await makeFolder(folder);
    await damagePixels(paths[2]);
    const warnings: string[] = [];
    const skips = new SkipReport("pictures", (line) => warnings.push(line));
    const pictures = await openPictureSet(folder);
    assert.equal(pictures.length, 8);
    const batches = await take({ ...folderOptions, skips }, 6, pictures);
    assert.deepEqual(await take({ ...folderOptions, skips }, 6, pictures), batches);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0], /^skipped: .*2.png: cannot be decoded/);
    assert.equal(skips.count, 1);
    const plan = planTraining(pictures, folderOptions, packingStart);
    let unreadable = 0;
    for (const { arrays, counts } of batches) {
      const planned = plan.next().value.sequences.flatMap(({ items }, sequence) =>
        items.map(({ index }, slot) => ({ index, slot: 5 * sequence + slot }))
      );
      const good = planned.filter(({ index }) => index !== 2);
      assert.deepEqual([counts.images, counts.unreadable], [
        good.length,
        planned.length - good.length,
      ]);
      unreadable += counts.unreadable;
      for (const { index, slot } of planned) {
        const expected = index === 2 ? [0, -1, 0] : [
          Math.fround(1 / good.length),
          index,
          pictures.label(index),
        ];
        assert.deepEqual(
          [arrays.weights[slot], arrays.indices[slot], arrays.labels[slot]],
          expected,
        );
      }
    }
    assert.ok(unreadable > 0);
  });
});

Deno.test("packed loader: nothing but damage is an error", async () => {
  await withFolder(async (folder) => {
    const paths = await makeFolder(folder);
    for (const path of paths) await damagePixels(path);
    const pictures = await openPictureSet(folder);
    const silent = new SkipReport("pictures", () => {});
    const taking = take({ ...folderOptions, skips: silent }, 1, pictures);
    await assertInputError(
      taking,
      folder,
      /none of the \d+ pictures of step 0 can be decoded; the first: .*\d.png: cannot be decoded/,
    );
  });
});

Deno.test("packed loader: pictures that vanish or change in a run are named, a lost class is said", async () => {
  await withFolder(async (folder) => {
    const [first, ...others] = await makeFolder(folder);
    for (const path of others.splice(3)) await Deno.remove(path); // reports name five
    await paint(join(folder, "b/0.png"), 1);
    others.push(join(folder, "b/0.png"));
    const pictures = await openPictureSet(folder);
    const warnings: string[] = [];
    const skips = new SkipReport("pictures", (line) => warnings.push(line));
    const options = { ...folderOptions, skips, memoryBudget: 0, workers: 1, ahead: 1 };
    const loader = createPackedLoader(pictures, options);
    try {
      assert.equal((await loader.next()).counts.unreadable, 0);
      await paint(first, 1, 33, 5);
      for (const path of others) await Deno.remove(path);
      await assert.rejects(async () => {
        while (true) await loader.next();
      }, (error: Error) => {
        assert.ok(error.message.startsWith(folder));
        assert.match(error.message, /of step \d+ can be decoded; the first: .*\.png: /);
        return true;
      });
      for (const reason of [/: no such file$/, /0.png: has changed: 33 x 5 pixels/]) {
        assert.ok(warnings.some((line) => reason.test(line)), warnings.join("\n"));
      }
      assert.ok(warnings.some((line) => /^warning: .*: no picture of class ".*" can/.test(line)));
      assert.equal(new Set(warnings).size, warnings.length);
    } finally {
      loader.close();
    }
  });
});

Deno.test("evaluation: a batch of nothing but damage has no weight, and the others go on", async () => {
  await withFolder(async (folder) => {
    const paths = await makeFolder(folder);
    await damagePixels(paths[1]);
    const pictures = await openPictureSet(folder);
    const items = paths.map((_, index) => ({ index, grid: { rows: 1, columns: 2 } }));
    const shape = { sequences: 1, sequenceLength: 2, images: 1, patch: 2 };
    const warnings: string[] = [];
    const options = { ...shape, skips: new SkipReport("set", (line) => warnings.push(line)) };
    const seen: (readonly number[])[] = [];
    for await (const { counts, weights } of packForEvaluation(pictures, items, options)) {
      seen.push([counts.images, counts.unreadable, weights[0]]);
    }
    assert.deepEqual(seen, paths.map((_, index) => index === 1 ? [0, 1, 0] : [1, 0, 1]));
    assert.match(warnings.join("\n"), /^skipped: .*1.png: .*$/);
  });
});

Deno.test("packed loader: decoded pictures are kept while they fit into the budget", async () => {
  await withFolder(async (folder) => {
    const paths = await makeFolder(folder);
    const pictures = await openPictureSet(folder);
    const expected = await take(folderOptions, 9, pictures);
    const loader = createPackedLoader(pictures, folderOptions);
    const warnings: string[] = [];
    const small = createPackedLoader(pictures, {
      ...folderOptions,
      memoryBudget: 700, // two or three of them
      skips: new SkipReport("small", (line) => warnings.push(line)),
    });
    try {
      for (let step = 0; step < 3; step++) { // sees all eight pictures
        assert.deepEqual(copyArrays(await loader.next()), expected[step].arrays);
        await small.next();
      }
      for (const path of paths) await Deno.remove(path);
      for (let step = 3; step < 9; step++) {
        assert.deepEqual(copyArrays(await loader.next()), expected[step].arrays);
        const { images, unreadable } = (await small.next()).counts;
        assert.equal(images + unreadable, expected[step].counts.images);
      }
      assert.ok(warnings.length >= 5, `${warnings.length}`);
    } finally {
      loader.close();
      small.close();
    }
  });
});

Deno.test("evaluation: all pictures once, whole, in order; the last batch is padded", async () => {
  const items = Array.from({ length: 23 }, (_, index) => ({
    index: 2 * index % 23,
    grid: largestGrid(set.size(2 * index % 23), 17),
  }));
  const shape = { sequences: 2, sequenceLength: 40, images: 5, patch: 4, workers: 2 };
  const seen: number[] = [];
  let images = 0;
  for await (const batch of packForEvaluation(set, items, shape)) {
    const first = seen.length;
    batch.indices.forEach((index, slot) => {
      if (index < 0) return assert.equal(batch.weights[slot], 0);
      seen.push(index);
      const sequence = Math.floor(slot / 5);
      const places = [...batch.segments.keys()]
        .filter((at) => Math.floor(at / 40) === sequence && batch.segments[at] === slot % 5);
      const { grid } = items.find((item) => item.index === index)!;
      assert.equal(places.length, gridTokens(grid));
      const columns = places.map((at) => batch.columns[at]);
      const expected = places.map((_, token) => token % grid.columns);
      assert.deepEqual(columns, expected);
    });
    images += batch.counts.images;
    const taken = items.slice(first, seen.length).map(({ index }) => index);
    assert.deepEqual(seen.slice(first).toSorted(), taken.toSorted());
  }
  assert.deepEqual([images, new Set(seen).size], [23, 23]);
  for await (const _ of packForEvaluation(set, [], shape)) assert.fail("no pictures, no batch");
  for await (const { counts } of packForEvaluation(set, items, shape)) {
    assert.ok(counts.images > 0);
    break; // ends the workers
  }
  const large = packForEvaluation(set, [{ index: 0, grid: { rows: 5, columns: 9 } }], shape);
  await assert.rejects(large.next(), { name: "RangeError", message: /45 tokens .* of 40/ });
});

Deno.test("packed loader: a program that forgets to close its loader ends", async () => {
  const program = `
    import { createPackedLoader } from "./data/packing/loader.ts";
    import { mixedSet } from "./tests/data/helpers.ts";
    const loader = createPackedLoader(mixedSet([{ width: 5, height: 9 }]), {
      sequences: 1, sequenceLength: 9, images: 2, patch: 4, seed: 1, resolution: { kind: "native" },
    });
    console.log((await loader.next()).counts.tokens);
  `;
  const command = new Deno.Command(Deno.execPath(), {
    args: ["eval", program],
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(60_000),
  });
  const { code, stdout, stderr } = await command.output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  assert.equal(new TextDecoder().decode(stdout), "4\n");
});
