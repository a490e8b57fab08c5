/** I3D against PyTorch, and clips and files that it does not take. */
import assert from "node:assert/strict";
import type { Clip } from "../../../formats/video/clip.ts";
import { I3DExtractor } from "../../../models/i3d/extractor.ts";
import { readI3D } from "../../../models/i3d/weights.ts";
import { deviceChoices, eachDevice } from "../../devices.ts";
import { assertInputError } from "../../formats/helpers.ts";
import { assertClose, loadGolden } from "../../golden.ts";
import { soaking } from "../../scale.ts";

const fixture = "tests/fixtures/i3d.safetensors";

/** The clips of `make_i3d.py`. */
function clips(): Clip[] {
  const size = { frames: 9, height: 10, width: 12, channels: 3, fps: 8 };
  const length = 9 * 10 * 12 * 3;
  return [0, 1].map((clip) => ({
    ...size,
    data: Uint8Array.from({ length }, (_, place) => {
      const index = clip * length + place;
      return index * 37 % 251 + Math.floor(index / 360) % 5;
    }),
  }));
}

/** Its kernels take a software adapter long to compile. */
const choices = deviceChoices.filter(({ name }) => soaking || name === "wasm, 2 threads");

eachDevice("logits of clips are those of PyTorch", async (device) => {
  const golden = await loadGolden("i3d.outputs");
  const size = { batch: 2, frames: 9 };
  using extractor = await I3DExtractor.create(device, await readI3D(fixture), size);
  const { pooled } = await extractor.extract(clips());
  assert.deepEqual([pooled.rows, pooled.columns], [2, 25]);
  assertClose("logits", pooled.values as Float32Array, golden.floats("logits"), 2e-5);
  const [short] = clips().map((clip) => ({ ...clip, frames: 8 }));
  await assert.rejects(extractor.extract([short]), /a clip has 8 frames, the others 9/);
  const weights = await readI3D(fixture);
  await assertInputError(
    I3DExtractor.create(device, weights, { batch: 1, frames: 8 }),
    fixture,
    /takes clips of 9 frames or more, these have 8/,
  );
}, choices);

Deno.test("weights of another network are refused by name", async () => {
  const path = "tests/fixtures/inception.safetensors";
  await assertInputError(readI3D(path), path, /the tensor Conv3d_1a_7x7\.conv3d\.weight/);
});
