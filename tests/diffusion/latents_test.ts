/** What a diffusion model is given of stored latents, and what a decoder is given of its own. */
import assert from "node:assert/strict";
import { decoderLatents, trainingLatents } from "../../diffusion/latents.ts";
import { seedWords, streams } from "../../diffusion/streams.ts";
import { compile } from "../../kernels/graph/compile.ts";
import { makeGraph } from "../../kernels/graph/graph.ts";
import { randomNormal } from "../../kernels/ops/random/op.ts";
import { constantTensor, input } from "../../kernels/tensor.ts";
import { eachDevice } from "../devices.ts";

const [shift, scale] = [[1, -2], [0.5, 4]];

eachDevice("training draws from posteriors by the number of the sample", async (device) => {
  const stored = input("stored", [3, 4, 1, 2]);
  const source = {
    seed: input("seed", [2], "i32"),
    rows: input("rows", [3], "i32"),
    draw: constantTensor(Int32Array.of(0), []),
  };
  const noise = randomNormal({ ...source, stream: streams.posterior }, [3, 2, 1, 2]);
  const latents = trainingLatents(stored, { posterior: true, shift, scale }, source);
  const plain = trainingLatents(stored, {
    posterior: false,
    shift: [...shift, 0, 0],
    scale: [...scale, 1, 1],
  }, source);
  const outputs = { noise, latents, plain };
  const executable = await device.load(compile(makeGraph("latents", { outputs })));
  // Means, then logarithms of variances: of deviation 1, of none (beyond the bound), of deviation 2.
  const values = Float32Array.of(
    ...[0, 0, 0, 0, 0, 0, 0, 0],
    ...[1, 2, 3, 4, -99, -99, -99, -99],
    ...[1, 2, 3, 4, ...new Array<number>(4).fill(Math.log(4))],
  );
  executable.buffer("stored").write(values);
  executable.buffer("seed").write(seedWords(5));
  executable.buffer("rows").write(Int32Array.of(7, 8, 1_000_000));
  executable.run();
  const read = async (name: string) => Float32Array.from(await executable.buffer(name).read());
  const [normal, drawn, same] = [await read("noise"), await read("latents"), await read("plain")];
  const deviations = [1, 0, 2];
  for (let i = 0; i < 12; i++) {
    const [picture, channel] = [Math.floor(i / 4), Math.floor(i / 2) % 2];
    const mean = values[8 * picture + i % 4];
    const expected = (mean + deviations[picture] * normal[i] - shift[channel]) * scale[channel];
    assert(Math.abs(drawn[i] - expected) < 2e-5, `${i}: ${drawn[i]} against ${expected}`);
    const unchanged = (values[8 * picture + i % 4] - shift[channel]) * scale[channel];
    assert(Math.abs(same[8 * picture + i % 4] - unchanged) < 1e-6);
  }
  executable.destroy();
});

Deno.test("a decoder gets latents as its encoder gave them", () => {
  const given = Float32Array.of(1, 2, 3, 4, -1, 0.5, 0, 7);
  const seen = given.map((z, i) =>
    (z - shift[Math.floor(i / 2) % 2]) * scale[Math.floor(i / 2) % 2]
  );
  assert.deepEqual(decoderLatents(seen, { shift, scale }, 2), given);
});
