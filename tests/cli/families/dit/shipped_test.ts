/** The latent DiT of colour pictures that comes with the tool, with its autoencoder. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { decodePicture } from "../../../../data/pictures/picture.ts";
import { onWasm, succeed, withFolder } from "../../runs.ts";

const folder = "models/checkpoints/emoji";

Deno.test("shipped:emoji has at most four megabytes, its autoencoder included", async () => {
  const files = ["ema.safetensors", "autoencoder/ema.safetensors"];
  const sizes = await Promise.all(files.map((file) => Deno.stat(join(folder, file))));
  assert(sizes.reduce((sum, { size }) => sum + size, 0) <= 4e6);
});

Deno.test("shipped:emoji draws faces that are round and yellow, flags that wave, red hearts and others", () =>
  withFolder(async (out) => {
    const drawing = "--classes faces,flags,hearts --sampler euler --num-sampling-steps 12";
    await succeed(
      ...["sample", "dit", "--ckpt", "shipped:emoji", "--out", out, "-q", ...onWasm],
      ...drawing.split(" "),
    );
    const pictures = await Promise.all(
      ["000000", "000001", "000002"].map((name) => decodePicture(join(out, `${name}.png`), name)),
    );
    for (const { width, height, channels } of pictures) {
      assert.deepEqual([width, height, channels], [64, 64, 3]);
    }
    const at = (
      index: number,
      x: number,
      y: number,
    ) => [...pictures[index].data.subarray(3 * (64 * y + x), 3 * (64 * y + x) + 3)];
    const isWhite = (pixel: number[]) => pixel.every((value) => value > 220);
    const [face, flag, heart] = [0, 1, 2];
    // What is drawn is in the middle of a white ground, which a flag crosses from side to side.
    for (const index of [face, heart]) {
      assert(isWhite(at(index, 1, 62)) && isWhite(at(index, 62, 62)), `${index}: corners`);
      assert(!isWhite(at(index, 32, 40)), `${index}: middle`);
    }
    assert(
      [8, 32, 55].every((x) => !isWhite(at(flag, x, 20)) || !isWhite(at(flag, x, 42))),
      "flag",
    );
    const [red, green, blue] = at(face, 20, 44);
    assert(red > 180 && red > blue + 40 && green > blue, `a face of ${[red, green, blue]}`);
  }));
