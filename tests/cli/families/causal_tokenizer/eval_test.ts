/** Evaluations of tokenizers: what is measured of what, trimmed clips, sheets, refusals. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { readPictureSize } from "../../../../data/pictures/picture.ts";
import { writeSafetensors } from "../../../../formats/tensors/safetensors.ts";
import { onWasm, run, succeed, withFolder } from "../../runs.ts";
import { filesOf } from "../../verify_cases.ts";

const files = filesOf("causal_tokenizer_clips");
const model = ["--ckpt", files.ckpt, "--config", files.config];
const data = ["--data-path", "shipped:moving-fashion", "--size", "16", "--count", "2"];
const evaluate = ["eval", "tokenizer", ...model, ...data, ...onWasm, "--quiet"];

interface Row {
  readonly measure: string;
  readonly value: number;
  readonly [about: string]: unknown;
}

const rowsOf = async (...args: string[]): Promise<Map<string, Row>> => {
  const { rows } = JSON.parse(await succeed(...evaluate, ...args, "--json"));
  return new Map(rows.map((row: Row) => [row.measure, row]));
};

Deno.test("eval tokenizer: every line says what was measured of how many clips of what", () =>
  withFolder(async (folder) => {
    const sheet = join(folder, "sheet.png");
    const rows = await rowsOf("--frames", "5", "--sheet", sheet);
    for (const row of rows.values()) {
      const { n, split, size, range, crop } = row;
      assert.deepEqual([n, split, size, range, crop], [
        2,
        "train",
        "5 x 16 x 16",
        "0 .. 1",
        "center",
      ]);
    }
    // The psnr of a clip is that of its mean error, that of frames the mean of theirs: never less.
    const frames = [0, 1, 2, 3, 4].map((frame) => rows.get(`psnr, frame ${frame}`)!.value);
    const mean = frames.reduce((sum, value) => sum + value, 0) / 5;
    assert(Math.abs(rows.get("psnr, frames")!.value - mean) < 1e-9);
    assert(rows.get("psnr, clip")!.value <= mean);
    assert(
      rows.get("ssim, frames")!.value < 1 && rows.get("change, mean squared error")!.value > 0,
    );
    assert(
      rows.get("latent channel 2, deviation")!.value > 0 && !rows.has("latent channel 3, mean"),
    );
    const { width, height } = await readPictureSize(sheet, "sheet");
    assert(width > 200 && height > 100);
  }));

Deno.test("eval tokenizer: frames that make no latent are refused with the nearest, or trimmed", async () => {
  const { code, err } = await run(...evaluate, "--frames", "6");
  assert.equal(code, 2);
  assert.match(err, /--frames: 6 frames are not 1 \+ a multiple of 2; nearest numbers: 5 and 7/);
  const rows = await rowsOf("--frames", "6", "--trim", "--split", "train");
  assert.equal(rows.get("psnr, clip")!.size, "5 x 16 x 16");
  const pictures = ["--data-path", "data/samples/fashion", "--frames", "1"];
  const { rows: [first], ...rest } = JSON.parse(
    await succeed(...evaluate, ...pictures, "--json", "--split", "train"),
  );
  assert.deepEqual([first.size, "machine" in rest], ["1 x 16 x 16", true]);
});

Deno.test("eval tokenizer: what cannot be evaluated is refused in one line", () =>
  withFolder(async (folder) => {
    const broken = join(folder, "broken.safetensors");
    const config = JSON.parse(await Deno.readTextFile(files.config));
    const { causalTokenizerParameters } = await import(
      "../../../../models/causal_tokenizer/model.ts"
    );
    await writeSafetensors(
      broken,
      causalTokenizerParameters(config).map(({ name, shape }) => ({
        name,
        type: "F32" as const,
        shape,
        data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(
          name === "encoder.conv_out.bias" ? NaN : 0.1,
        ),
      })),
    );
    const cases: [number, RegExp, readonly string[]][] = [
      [2, /--ckpt is needed/, ["eval", "tokenizer"]],
      [1, /does not say which model it is of; give --config/, ["--ckpt", files.ckpt]],
      [2, /--sheet "s.gif": the ending must be .png/, [...model, "--sheet", "s.gif"]],
      [1, /the height 18 is not divisible by 4; nearest heights: 16 and 20/, [
        ...model,
        ...["--data-path", "shipped:moving-fashion", "--frames", "5", "--size", "18"],
      ]],
      [3, /broken.safetensors: encoder.conv_out.bias holds NaN at element 0/, [
        ...["--ckpt", broken, "--config", files.config, ...data, "--frames", "3"],
      ]],
    ];
    for (const [expected, message, flags] of cases) {
      const line = flags[0] === "eval" ? flags : ["eval", "tokenizer", ...flags, ...onWasm, "-q"];
      const { code, err } = await run(...line);
      assert.deepEqual([code, message.test(err)], [expected, true], err);
    }
  }));
