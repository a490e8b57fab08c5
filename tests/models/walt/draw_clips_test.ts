/** How long clips are continued, and what is given to whom. */
import assert from "node:assert/strict";
import { continuations, givenFrom } from "../../../models/walt/draw_clips.ts";
import { waltConfigs } from "../../../models/walt/model.ts";

const config = waltConfigs.get("WALT-XS")!;
const grid = { channels: config.latentChannels, frames: 4, side: 8 };

Deno.test("long clips have the paper's lengths: 17, 29, 41, ...", () => {
  assert.deepEqual([17, 29, 41, 53].map((frames) => continuations(config, grid, frames)), [
    ...[0, 1, 2, 3],
  ]);
  const cases: [number, RegExp][] = [
    [
      18,
      /^InputError: 18 frames: clips of this model have 17, and long ones 12 more .*: 17 and 29$/,
    ],
    [40, /nearest: 29 and 41$/],
    [16, /nearest: 17$/],
  ];
  for (const [frames, message] of cases) {
    assert.throws(() => continuations(config, grid, frames), message);
  }
  const pictures = { ...config, latentFrames: 1 };
  assert.throws(() => continuations(pictures, grid, 5), /clips of this model have 1.*nearest: 1$/);
});

Deno.test("frames that are given lie first in each channel", () => {
  const small = { ...config, latentFrames: 3, latentSize: [1, 2] as const, latentChannels: 2 };
  const latents = Float32Array.from({ length: 16 }, (_, index) => index + 1);
  const given = givenFrom(small, latents, 2, (clip) => clip - 7);
  const out = new Float32Array(12);
  given.latents(8, out);
  assert.deepEqual([...out], [9, 10, 11, 12, 0, 0, 13, 14, 15, 16, 0, 0]);
});
