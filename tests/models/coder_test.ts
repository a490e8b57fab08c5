/** Clips in chunks: the numbers of the clip in one piece, at its cost, in the memory that is foreseen. */
import assert from "node:assert/strict";
import { ripple } from "../../base/ripple.ts";
import { elementCount } from "../../kernels/shape.ts";
import { causalTokenizerCodec } from "../../models/causal_tokenizer/graph.ts";
import {
  type CausalTokenizerConfig,
  causalTokenizerParameters,
} from "../../models/causal_tokenizer/model.ts";
import {
  chunkPlans,
  type Codec,
  Coder,
  codingCost,
  codingMemory,
  type CodingSettings,
  planCoding,
} from "../../models/coder.ts";
import { clipSize, latentSize, positions } from "../../models/codec.ts";
import { BlendedPlanes, cutTile, scaledAxis } from "../../models/tiles.ts";
import { deviceChoices, eachDevice } from "../devices.ts";
import { assertClose } from "../golden.ts";

/** A tokenizer that halves sides and time behind each level but the last. */
function tokenizer(multipliers: readonly number[]): Codec {
  const config: CausalTokenizerConfig = {
    family: "causal-tokenizer",
    baseChannels: 2,
    multipliers,
    blocksPerLevel: 1,
    latentChannels: 2,
    temporalDownsampling: multipliers.slice(1).map(() => true),
    temporalKernel: 3,
    groups: 1,
  };
  return {
    face: causalTokenizerCodec as Codec["face"],
    config,
    specifications: causalTokenizerParameters(config),
  };
}

/** Four frames become one latent frame. */
const codec = tokenizer([1, 2, 2]);
/** Two do: few kernels, for a device that is slow to compile them. */
const small = tokenizer([1, 2]);

/** Values that no two parameters share. */
const weightsOf = ({ specifications }: Codec) => (name: string): Float32Array => {
  const index = specifications.findIndex((parameter) => parameter.name === name);
  return ripple(elementCount(specifications[index].shape), 7 + index);
};

/** Settings of two clips in chunks of so many latent frames. */
function settings(
  { face, config }: Codec,
  direction: CodingSettings["direction"],
  chunks: readonly number[],
): CodingSettings {
  const frames = chunks.reduce((sum, count) => sum + count, 0);
  const clip = clipSize(face.grid(config), { frames, height: 1, width: 2 });
  return { direction, batch: 2, clip, chunks };
}

/** A made-up batch. */
function made({ face, config }: Codec, { direction, batch, clip }: CodingSettings): Float32Array {
  const grid = face.grid(config);
  const latents = grid.channels * positions(latentSize(grid, clip));
  return ripple(batch * (direction === "encode" ? 3 * positions(clip) : latents), 1);
}

/** Devices without those that only compute in another mode. */
const plain = deviceChoices.filter(({ name }) => !name.includes("strict"));

for (const { name, available, create } of plain) {
  Deno.test({
    name: `clips are coded in chunks of any plan as in one piece [${name}]`,
    ignore: !available,
    async fn() {
      const device = await create();
      try {
        const isExact = name.includes("thread");
        const model = isExact ? codec : small;
        const plans = isExact ? [[1, 1, 1, 1], [1, 3], [2, 2], [1, 2, 1]] : [[1, 1]];
        for (const direction of ["encode", "decode"] as const) {
          const code = async (chunks: readonly number[]) => {
            const how = settings(model, direction, chunks);
            using coder = Coder.create(device, model, how, weightsOf(model));
            const steps: number[] = [];
            const out = await coder.run(made(model, how), (done) => void steps.push(done));
            assert.deepEqual([steps.length, steps.at(-1)], [chunks.length, isExact ? 4 : 2]);
            return out;
          };
          const whole = await code([isExact ? 4 : 2]);
          assert(whole.every(Number.isFinite) && new Set(whole).size === whole.length);
          for (const chunks of plans) {
            const parts = await code(chunks);
            if (isExact) assert.deepEqual(parts, whole, `${direction} ${chunks}`);
            else assertClose(`${direction} ${chunks}`, parts, whole, 1e-6);
          }
        }
      } finally {
        device.close();
      }
    },
  });
}

Deno.test("no chunk computes a frame that it does not need: all together cost what the clip costs", () => {
  for (const direction of ["encode", "decode"] as const) {
    const whole = codingCost(codec, settings(codec, direction, [5]));
    for (const chunks of chunkPlans(5)) {
      assert.equal(codingCost(codec, settings(codec, direction, chunks)), whole, `${chunks}`);
    }
  }
});

Deno.test("plans are the whole, then ever smaller chunks behind the first latent frame", () => {
  assert.deepEqual(chunkPlans(1), [[1]]);
  assert.deepEqual(chunkPlans(5), [[5], [1, 4], [1, 2, 2], [1, 1, 1, 1, 1]]);
  assert.deepEqual(chunkPlans(8), [[8], [1, 4, 3], [1, 2, 2, 2, 1], [1, 1, 1, 1, 1, 1, 1, 1]]);
});

for (const { name, available, create } of plain) {
  const threads = name.includes("2 threads") ? 2 : 1;
  Deno.test({
    name: `the memory of chunks is foreseen to the byte, and decides their size [${name}]`,
    // A device that tunes its kernels while it loads them has more at times.
    ignore: !available || !name.includes("thread"),
    async fn() {
      const device = await create();
      try {
        const { kind } = device;
        const before = device.allocatedBytes;
        const how = settings(codec, "decode", [1, 2, 1]);
        {
          using coder = Coder.create(device, codec, how, weightsOf(codec));
          await coder.run(made(codec, how));
        }
        const total = codingMemory(codec, how, { kind, threads });
        assert.deepEqual([device.peakBytes, device.allocatedBytes], [total, before]);
        const memory = (plan: Partial<CodingSettings>) =>
          codingMemory(codec, { ...how, ...plan }, { kind, threads });
        const among = (total: number, batch: number) => {
          const limits = () => Promise.resolve({ total, buffer: total, owner: "a test" });
          return planCoding(codec, { ...how, batch }, { kind: { ...kind, limits }, threads });
        };
        assert.deepEqual(await among(2 ** 32, 2), { batch: 2, chunks: [4] });
        const one = memory({ batch: 1, chunks: [4] });
        assert.deepEqual(await among(one, 2), { batch: 1, chunks: [4], tile: undefined });
        const parts = { batch: 1, chunks: [1, 2, 1], tile: undefined };
        assert.deepEqual(await among(memory(parts), 2), parts);
        const taken = 2 ** 20;
        const target = { kind, threads, taken };
        assert.equal(codingMemory(codec, how, target), total + taken);
        const huge = { ...how.clip, height: 2 ** 15, width: 2 ** 15 };
        const plan = await planCoding(codec, { ...how, batch: 2, clip: huge }, { kind, threads });
        assert.equal(plan.tile?.height, 96, "whole frames have more elements than arrays may have");
        await assert.rejects(among(1024, 1), {
          name: "InputError",
          message: /^decode: the smallest parts of a clip take \d+ MiB, a test has 1 MiB; take a/,
        });
      } finally {
        device.close();
      }
    },
  });
}

Deno.test("tiles are blended to the whole, and are taken where whole frames do not fit", async () => {
  const [{ create }] = plain.filter(({ name }) => name === "wasm, 1 thread");
  const device = await create();
  try {
    const grid = codec.face.grid(codec.config);
    const clip = clipSize(grid, { frames: 2, height: 8, width: 12 });
    for (const direction of ["encode", "decode"] as const) {
      const how = { direction, batch: 1, clip, chunks: [1, 1] };
      const code = async (settings: CodingSettings, from: Float32Array) => {
        using coder = Coder.create(device, codec, settings, weightsOf(codec));
        let last = [0, 0];
        const out = await coder.run(from, (...progress) => void (last = progress));
        return { out, last };
      };
      const from = made(codec, how);
      const tiled = await code({ ...how, tile: { height: 8, width: 8 } }, from);
      // 12 positions are two tiles of 8, each a clip of its own.
      const [rows, columns] = [{ starts: [0], length: 8 }, { starts: [0, 4], length: 8 }];
      const [before, behind] = direction === "encode" ? [grid.side, 1] : [1, grid.side];
      const sides = { height: 8 * before, width: 12 * before };
      const whole = new BlendedPlanes(
        direction === "encode" ? grid.channels * 2 : 3 * clip.frames,
        scaledAxis(rows, behind),
        scaledAxis(columns, behind),
      );
      for (const column of [0, 1]) {
        const tile = cutTile(
          from,
          sides,
          scaledAxis(rows, before),
          scaledAxis(columns, before),
          [0, column],
        );
        const alone = { ...how, clip: clipSize(grid, { frames: 2, height: 8, width: 8 }) };
        whole.add((await code(alone, tile)).out, 0, column);
      }
      assert.deepEqual(tiled.out, whole.values);
      assert.deepEqual(tiled.last, [4, 4]);
      const size = (tile?: { height: number; width: number }) =>
        codingMemory(codec, { ...how, tile }, { kind: device.kind, threads: 1 });
      assert(size({ height: 8, width: 8 }) < size());
      const total = size({ height: 8, width: 8 });
      const limits = () => Promise.resolve({ total, buffer: total, owner: "a test" });
      const target = { kind: { ...device.kind, limits }, threads: 1 };
      const { tile } = await planCoding(codec, how, target);
      assert.deepEqual(tile, { height: 8, width: 8 });
    }
  } finally {
    device.close();
  }
});

eachDevice("what no clip is made of is refused", async (device) => {
  const refused = (how: CodingSettings, message: RegExp) =>
    assert.throws(() => Coder.create(device, codec, how, weightsOf(codec)), message);
  const good = settings(codec, "encode", [1, 2]);
  refused({ ...good, chunks: [1, 1] }, /chunks of 1, 1 are not 3 latent frames/);
  refused({ ...good, chunks: [1.5, 1.5] }, /chunks of 1.5, 1.5 are not 3 latent frames/);
  refused({ ...good, clip: { ...good.clip, frames: 8 } }, /nearest numbers: 5 and 9/);
  refused({ ...good, tile: { height: 2, width: 1 } }, /tiles of 2 x 1 are larger than .* 1 x 2$/);
  using coder = Coder.create(device, codec, good, weightsOf(codec));
  await assert.rejects(coder.run(new Float32Array(5)), /5 elements are not clips of \(2, 3, 9/);
});
