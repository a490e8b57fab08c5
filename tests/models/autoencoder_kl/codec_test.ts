/** Coding pictures on a device: whole, in tiles, and in the memory that was forecast. */
import assert from "node:assert/strict";
import { InputError } from "../../../base/errors.ts";
import {
  codingMemory,
  type CodingSettings,
  PictureCoder,
  planCoding,
} from "../../../models/autoencoder_kl/codec.ts";
import {
  type AutoencoderKLConfig,
  autoencoderKLConfigs,
} from "../../../models/autoencoder_kl/model.ts";
import { deviceKind, openDevice } from "../../../kernels/devices.ts";
import { eachDevice } from "../../devices.ts";
import { assertClose, loadConfig, loadGolden } from "../../golden.ts";

const small = await loadConfig<AutoencoderKLConfig>("autoencoder_kl");
const weights = await loadGolden("autoencoder_kl.weights");
const golden = await loadGolden("autoencoder_kl.case");
const size = { height: 2, width: 3 };

eachDevice("VAE: pictures to moments and latents to pictures, as PyTorch does", async (device) => {
  const halves = {
    encode: ["input.image", "output.moments"],
    decode: ["input.latent", "output.image"],
  };
  for (const half of ["encode", "decode"] as const) {
    const [from, to] = halves[half];
    const settings = { half, batch: 2, size, tile: size };
    using coder = await PictureCoder.create(device, small, settings, weights.floats);
    const out = await coder.run(golden.floats(from));
    assertClose(to, out, golden.floats(to), 1e-5);
    await assert.rejects(coder.run(new Float32Array(3)), /3 elements are not \d+ planes of/);
  }
});

Deno.test("VAE: coding allocates what was forecast, on wasm to the byte", async () => {
  for (const half of ["encode", "decode"] as const) {
    const device = await openDevice("wasm", { threads: 1 });
    try {
      const settings: CodingSettings = { half, batch: 1, size, tile: size };
      const target = { kind: device.kind, threads: 1 };
      using _ = await PictureCoder.create(device, small, settings, weights.floats);
      assert.equal(device.allocatedBytes, codingMemory(small, settings, target));
    } finally {
      device.close();
    }
  }
});

Deno.test("VAE: where tiles meet, the picture changes by less than half of what they disagree about", async () => {
  const device = await openDevice("wasm", { threads: 1 });
  try {
    const latent = Float32Array.from({ length: 2 * 8 * 40 }, (_, i) => Math.sin(0.37 * i * i));
    const decoded = async (from: Float32Array, width: number, tile = width) => {
      const sides = (width: number) => ({ height: 8, width });
      const settings = { half: "decode", batch: 1, size: sides(width), tile: sides(tile) } as const;
      using coder = await PictureCoder.create(device, small, settings, weights.floats);
      let tiles = 0;
      return { out: await coder.run(from, (_, total) => void (tiles = total)), tiles };
    };
    const whole = await decoded(latent, 40);
    const tiled = await decoded(latent, 40, 16);
    assert.deepEqual([whole.tiles, tiled.tiles], [1, 3]);
    const part = (first: number) => latent.filter((_, i) => i % 40 >= first && i % 40 < first + 16);
    const [left, right] = [await decoded(part(0), 16), await decoded(part(12), 16)];
    // Tiles begin at columns 0 and 48 of the picture, which has 32 lines of 160 in 3 colours.
    const rows = Array.from({ length: 3 * 32 }, (_, row) => row);
    const mean = (of: (row: number) => number): number =>
      rows.reduce((sum, row) => sum + Math.abs(of(row)), 0) / rows.length;
    const error = (row: number, x: number) => tiled.out[row * 160 + x] - whole.out[row * 160 + x];
    const disagreement = Math.max(
      ...[48, 52, 56, 60, 63].map((x) =>
        mean((row) => left.out[row * 64 + x] - right.out[row * 64 + x - 48])
      ),
    );
    for (const x of [47, 48, 63, 64]) {
      const step = mean((row) => error(row, x) - error(row, x - 1));
      assert(step < disagreement / 2, `${x}: ${step} of ${disagreement}`);
    }
  } finally {
    device.close();
  }
});

Deno.test("VAE: 512 x 512 is coded in one piece within 4 GiB, larger pictures in tiles", async () => {
  const published = autoencoderKLConfigs.get("SD-VAE")!;
  const target = { kind: await deviceKind("wasm"), threads: 2 };
  const square = (side: number) => ({ height: side, width: side });
  const plan = (half: "encode" | "decode", side: number, batch = 1, more = {}) =>
    planCoding(published, { half, batch, size: square(side), ...more }, target);
  for (const half of ["encode", "decode"] as const) {
    const settings = await plan(half, 64);
    assert.deepEqual(settings, { half, batch: 1, size: square(64), tile: square(64) });
    assert(codingMemory(published, settings, target) < 2 ** 30);
    // Fewer pictures at a time come before tiles, which change what is computed.
    const many = await plan(half, 64, 16);
    assert.deepEqual([many.batch, many.tile], [half === "encode" ? 8 : 4, square(64)]);
    const { batch, tile } = await plan(half, 256, 16);
    assert(batch === 1 && tile.height >= 96 && tile.height < 256);
    assert.deepEqual((await plan(half, 64, 1, { tile: square(16) })).tile, square(16));
  }
  const limits = () => Promise.resolve({ buffer: 1 << 20, owner: "a toy" });
  const toy = { kind: { ...target.kind, limits }, threads: 1 };
  await assert.rejects(
    planCoding(published, { half: "decode", batch: 1, size: square(64) }, toy),
    (error) =>
      error instanceof InputError &&
      /decode: not even a tile of 8 x 8 latent positions fits .* a toy/.test(error.message),
  );
});
