import assert from "node:assert/strict";
import { measurePacking, packingColumns } from "../../../bench/packing/packing.ts";
import { layOut } from "../../../bench/packing/batches.ts";
import { packingCost } from "../../../bench/packing/cost.ts";
import { loadPictures } from "../../../bench/packing/grids.ts";
import { costByPart } from "../../../bench/parts.ts";
import { isMeasured } from "../../../bench/runner/places.ts";
import { macsOf } from "../../../bench/workloads/workload.ts";
import { syntheticPictures } from "../../../data/sources/synthetic_pictures.ts";
import { navitConfigs } from "../../../models/navit/model.ts";
import { navitForwardGraph } from "../../../models/navit/graph.ts";
import { createWasmDevice } from "../../../kernels/wasm/device.ts";
import { deviceChoices } from "../../devices.ts";

const patch = 2;
const pictures = (spread: number) =>
  syntheticPictures({ channels: 1, patch, tokens: 16, spread, seed: 3 });
const options = { patch, tokens: 16, sequences: 3, batches: 2, seed: 3 };

Deno.test("the overhead of dense attention is that of (6 d + 256 k) / (6 d + 256)", () => {
  const table: [number, readonly number[]][] = [
    [512, [7.7, 23.1, 53.8]],
    [768, [5.3, 15.8, 36.8]],
    [1024, [4.0, 12.0, 28.0]],
    [6144, [0.7, 2.1, 4.8]],
  ];
  for (const [hidden, percents] of table) {
    const config = { hidden, depth: 12, heads: 8, mlp: 4 * hidden, mlpBias: false };
    percents.forEach((percent, power) => {
      const images = new Array<number>(2 ** (power + 1)).fill(256);
      const { overhead } = packingCost(config, images, 1, 256 * images.length);
      assert(Math.abs(100 * overhead - percent) <= 0.05 + 1e-9, `${hidden}: ${overhead}`);
    });
  }
});

Deno.test("dense attention is what the graph counts, visible attention that of each image alone", () => {
  const config = { ...navitConfigs.get("NaViT-XS/16")!, depth: 3, hidden: 24, heads: 2 };
  const attentionOf = (sequences: number, length: number, slots: number): number => {
    const graph = navitForwardGraph(config, { sequences, length, slots }, "vectors");
    const pooling = sequences * 2 * length * slots * config.hidden;
    const parts = costByPart(graph).filter(({ part }) => part === "attention");
    return parts.reduce((sum, { multiplyAdds }) => sum + multiplyAdds, 0) - pooling;
  };
  const images = [5, 1, 7, 10];
  const cost = packingCost(config, images, 2, 13);
  assert.equal(cost.denseAttention * images.length, attentionOf(2, 13, 3));
  const alone = images.reduce((sum, tokens) => sum + attentionOf(1, tokens, 1), 0);
  assert.equal(cost.visibleAttention * images.length, alone);
});

Deno.test("pictures of given grids fill as few sequences as they fit in", async () => {
  const size = { depth: 1, hidden: 8, heads: 2, mlp: 16, positionLength: 3 };
  const config = { ...navitConfigs.get("NaViT-XS/4")!, ...size };
  const grids = [[1, 1], [2, 3], [2, 2], [1, 2]].map(([rows, columns]) => ({ rows, columns }));
  const device = await createWasmDevice({ threads: 1 });
  try {
    const { run, macs } = await loadPictures(device, config, grids);
    run();
    // 6 tokens; 4 + 2; 1.
    const shape = { sequences: 3, length: 6, slots: 2 };
    assert.equal(macs, macsOf(navitForwardGraph(config, shape, "logits")));
  } finally {
    device.close();
  }
});

/** Tokens of each picture of a batch, by its index in the set. */
function picturesOf(layout: Awaited<ReturnType<typeof layOut>>["packed"]): Map<number, number> {
  const { shape: { length, slots }, batches } = layout;
  const found = new Map<number, number>();
  for (const { segments, indices } of batches) {
    indices.forEach((index, slot) => {
      if (index < 0) return;
      const start = Math.floor(slot / slots) * length;
      const tokens = [...segments.subarray(start, start + length)]
        .filter((segment) => segment === slot % slots).length;
      found.set(index, tokens);
    });
  }
  return found;
}

Deno.test("both layouts hold the same pictures with the same tokens", async () => {
  const set = pictures(16);
  const { packed, padded, images, longestSide } = await layOut(set, options);
  assert.equal(packed.batches.length, 2);
  assert.deepEqual([packed.shape.sequences, padded.shape.slots], [3, 1]);
  const [inPacked, inPadded] = [picturesOf(packed), picturesOf(padded)];
  assert.deepEqual(new Map([...inPadded].sort()), new Map([...inPacked].sort()));
  const total = images.reduce((sum, tokens) => sum + tokens, 0);
  assert.deepEqual([packed.images, packed.tokens], [images.length, total]);
  assert.equal(packed.fillRate, total / (2 * 3 * packed.shape.length));
  // Whole padded batches: the first pictures once more.
  assert.equal(padded.images % padded.shape.sequences, 0);
  assert(padded.images >= images.length);
  assert.equal(packed.shape.length, padded.shape.length);
  for (const { rows, columns } of packed.batches) {
    assert(Math.max(...rows, ...columns) < longestSide);
  }
});

Deno.test("pictures of one size are packed as they are padded", async () => {
  const { packed, padded } = await layOut(pictures(1), options);
  assert.equal(packed.images, 6);
  assert.equal(packed.shape.slots, 1);
  assert.equal(padded.batches.length, 2);
  assert.equal(packed.fillRate, padded.fillRate);
});

Deno.test("longer sequences are compared with more padded ones", async () => {
  const { packed, padded } = await layOut(pictures(4), { ...options, sequenceLength: 60 });
  assert.equal(packed.shape.length, 60);
  assert.equal(padded.shape.sequences, Math.floor(3 * 60 / padded.shape.length));
});

Deno.test("a picture longer than a sequence is refused", async () => {
  await assert.rejects(layOut(pictures(4), { ...options, sequenceLength: 12 }), {
    name: "InputError",
    message: /^synthetic, spread 4: the longest picture has \d\d tokens, a sequence 12$/,
  });
});

for (const { name, available } of deviceChoices.filter(({ strict }) => !strict)) {
  const place = name === "webgpu"
    ? { device: "webgpu" } as const
    : { device: "wasm", threads: Number.parseInt(name.slice("wasm, ".length)) } as const;
  Deno.test({
    name: `a row has everything [${name}]`,
    ignore: !available,
    async fn() {
      const size = { channels: 1, depth: 1, hidden: 16, heads: 2, mlp: 32, classes: 3 } as const;
      // Tables of positions shorter than some pictures are made long enough.
      const config = { ...navitConfigs.get("NaViT-XS/4")!, ...size, patch, positionLength: 2 };
      const layouts = await layOut(pictures(16), options);
      const about = { model: "tiny", config, pictures: "noise", spread: 16, layouts, place };
      for (const operation of ["forward", "train"] as const) {
        const row = await measurePacking({ ...about, operation }, 2);
        assert(isMeasured(row), row.status);
        const { packed, padded, ratio, fillRates } = row;
        assert.equal(ratio, packed.imagesPerSecond / padded.imagesPerSecond);
        for (const layout of [packed, padded]) {
          assert.equal(layout.samples.length, 2);
          assert.equal(layout.runsPerSample % layout.batches, 0);
          const seconds = layout.batches * layout.median / 1000;
          assert(Math.abs(layout.imagesPerSecond * seconds - layout.images) < 1e-9 * layout.images);
        }
        assert(fillRates.packed > fillRates.padded);
        assert(row.visibleAttention < row.denseAttention && row.overhead > 0);
        for (const { value, title } of packingColumns) {
          assert.notEqual(value(row), undefined, title);
        }
      }
    },
  });
}

Deno.test("a row that fails says why", async () => {
  const layouts = await layOut(pictures(4), options);
  const config = { ...navitConfigs.get("NaViT-XS/4")!, channels: 1, heads: 0, patch };
  const row = await measurePacking({
    operation: "forward",
    model: "wrong",
    config,
    pictures: "noise",
    layouts,
    place: { device: "wasm", threads: 1 },
  }, 1);
  assert(!isMeasured(row));
  assert.notEqual(row.status, "");
});
