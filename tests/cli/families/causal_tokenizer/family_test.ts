/** The causal tokenizer as a family: what commands say of it, and where it has no part in them. */
import assert from "node:assert/strict";
import { causalTokenizerParameters } from "../../../../models/causal_tokenizer/model.ts";
import { deviceChoices } from "../../../devices.ts";
import { run, succeed } from "../../runs.ts";
import {
  deviceFlags,
  type Editable,
  filesOf,
  find,
  verifier,
  withEdited,
} from "../../verify_cases.ts";

const verify = verifier("tokenizer");
const clips = filesOf("causal_tokenizer_clips");
const pictures = filesOf("causal_tokenizer_pictures");

/** A case without the gradients that its fixture holds thinned. */
const fullGradients = (config: Parameters<typeof causalTokenizerParameters>[0]) => {
  const shapes = new Map(causalTokenizerParameters(config).map(({ name, shape }) => [name, shape]));
  return (tensors: Editable[]) =>
    tensors.filter(({ name, shape }) => {
      const source = name.replace(/^grad\./, "");
      const wanted = shapes.get(source) ?? find(tensors, `input.${source}`)?.shape;
      return source === name || wanted.join() === shape.join();
    });
};

for (const { name, available } of deviceChoices) {
  const files = name.includes("thread") ? clips : pictures;
  Deno.test({
    name: `verify tokenizer: both halves and their gradients [${name}]`,
    ignore: !available || name.includes("strict"),
    async fn() {
      const config = JSON.parse(await Deno.readTextFile(files.config));
      await withEdited(files.case, fullGradients(config), async (path) => {
        const flags = [...deviceFlags(name), "--json"];
        const { code, out, err } = await verify({ ...files, case: path }, ...flags);
        assert.deepEqual({ code, err }, { code: 0, err: "" });
        const { passed, tensors } = JSON.parse(out);
        const names = tensors.map(({ name }: { readonly name: string }) => name);
        assert(passed);
        assert.deepEqual(names.slice(0, 3), ["output.latent", "output.video", "grad.latent"]);
        assert(names.includes("grad.encoder.norm_out.weight"));
        assert(names.includes("grad.decoder.norm_out.weight"));
        for (const { relativeError } of tensors.slice(0, 2)) assert(relativeError < 1e-5);
      });
    },
  });
}

Deno.test("verify tokenizer: each cotangent is that of its half; what does not fit is refused", async () => {
  const full = fullGradients(JSON.parse(await Deno.readTextFile(pictures.config)));
  const cases: [(tensors: Editable[]) => Editable[] | void, RegExp | undefined][] = [
    [(tensors) => full(tensors).filter(({ name }) => !/^(?:grad|cotangent)/.test(name)), undefined],
    [
      (tensors) => full(tensors).filter(({ name }) => !name.startsWith("cotangent")),
      /grad\.latent needs the tensor cotangent\.latent or cotangent\.video beside it/,
    ],
    [
      // Without its cotangent the encoder's gradients are zeros, and the case has others.
      (tensors) => full(tensors).filter(({ name }) => name !== "cotangent.latent"),
      /tensors beyond the tolerance 0\.0001; the worst is grad\.encoder/,
    ],
    [
      (tensors) => void (find(tensors, "input.video").shape = [2, 3, 1, 12, 8]),
      /input\.latent has the shape \(2, 3, 1, 2, 3\), the model needs \(2, 3, 1, 3, 2\)/,
    ],
    [
      (tensors) => void (find(tensors, "input.video").shape = [2, 3, 1, 6, 16]),
      /input\.video: the height 6 is not divisible by 4; nearest heights: 4 and 8/,
    ],
    [
      (tensors) => void (find(tensors, "input.video").shape = [6, 1, 1, 8, 12]),
      /input\.video has the shape \(6, 1, 1, 8, 12\), the model needs \(N, 3, frames, H, W\)/,
    ],
  ];
  for (const [edit, message] of cases) {
    await withEdited(pictures.case, edit, async (path) => {
      const { code, err } = await verify({ ...pictures, case: path });
      assert.equal(code, message ? 1 : 0, err);
      assert.match(err, message ?? /^$/);
    });
  }
});

Deno.test("info model: counts of the tokenizers of the paper, on clips and pictures of any size", async () => {
  const report = async (...args: string[]) =>
    JSON.parse(await succeed("info", "model", ...args, "--json"));
  const video = await report("CausalTokenizer");
  assert.deepEqual([video.parameters, video.tokens], [370_373_259, 5 * 16 * 16]);
  assert.deepEqual(video.clip, { frames: 17, height: 128, width: 128 });
  const image = await report("ImageTokenizer");
  assert.deepEqual([image.parameters, image.tokens], [102_642_955, 32 * 32]);
  // Convolutions cost four times as much for four times the pixels; the adaptive norms' maps do not.
  const large = await report("ImageTokenizer", "--image-size", "512");
  const maps = 2 * 8 * (512 + 512 + 256 + 128);
  assert.deepEqual([large.tokens, large.macs], [64 * 64, 4 * (image.macs - maps) + maps]);
  const longer = await report("CausalTokenizer-XS", "--frames", "33", "--base-channels", "8");
  assert.deepEqual([longer.clip.frames, longer.tokens], [33, 9 * 16 * 16]);
  assert.equal(longer.config.baseChannels, 8);
  const text = await succeed("info", "model", "CausalTokenizer");
  assert.match(text, /a clip of 17 x 128 x 128, forward \(convolutions and products\)$/m);
});

Deno.test("bench: tokenizers are counted and timed", async () => {
  const { rows: [row] } = JSON.parse(
    await succeed("bench", "flops", "--model", "ImageTokenizer-XS", "--format", "json"),
  );
  assert.deepEqual([row.parameters, row.clip.frames], [621_207, 1]);
  const parts = JSON.parse(
    await succeed(..."bench flops --model ImageTokenizer-XS --detail --format json".split(" ")),
  );
  const sum = parts.rows.reduce(
    (total: number, part: { readonly multiplyAdds: number }) => total + part.multiplyAdds,
    0,
  );
  assert.equal(sum, row.macs);
  const bench = "bench throughput --model ImageTokenizer-XS --image-size 8 --batch-size 1 -r 1";
  const flags = ["--device", "wasm", "--threads", "1", "--format", "json"];
  const timed = JSON.parse(
    await succeed(...bench.split(" "), "--ops", "forward,train-plain", ...flags),
  );
  const statuses = timed.rows.map(({ status }: { readonly status: string }) => status);
  assert.deepEqual(statuses, ["ok", "ok"]);
});

Deno.test("commands say in one line what a tokenizer is not for, and which sizes it takes", async () => {
  const cases: [string, RegExp][] = [
    ["sample tokenizer --count 4", /^tessera: sample: there is none for a causal tokenizer, only/],
    ["sample causal-tokenizer", /^tessera: sample: there is none for a causal tokenizer/],
    ["demo tokenizer", /^tessera: demo: there is none for a causal tokenizer, only for dit and/],
    ["info model CausalTokenizer --heads 4", /--heads: not for CausalTokenizer, which is a causal/],
    ["info model CausalTokenizer --tokens 4", /--tokens is for models of any size/],
    ["info model DiT-S/4 --frames 5", /--frames: for causal tokenizer only, and DiT-S\/4 is a DiT/],
    ["info model CausalTokenizer --frames 16", /nearest numbers: 13 and 17/],
    ["info model ImageTokenizer --image-size 100", /nearest heights: 96 and 104/],
    ["info model ImageTokenizer --groups 48", /nearest widths: 96 and 144/],
  ];
  for (const [line, message] of cases) {
    const { code, err } = await run(...line.split(" "));
    assert.equal(code, 2, line);
    assert.match(err, message);
    assert.equal(err.trimEnd().split("\n").length, 1, err);
  }
});
