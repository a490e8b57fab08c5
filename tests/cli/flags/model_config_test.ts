import assert from "node:assert/strict";
import { parseSampleOptions } from "../../../cli/families/dit/sample_flags.ts";
import { parseTrainOptions } from "../../../cli/families/dit/train_flags.ts";

Deno.test("train dit has DiT's defaults, but for what suits small models", () => {
  const { values, given } = parseTrainOptions([]);
  // Depends on the width.
  assert.equal(values.lr, undefined);
  assert.equal(values.weightDecay, 0);
  assert.equal(values.batchSize, 64);
  assert.equal(values.labelDropout, 0.1);
  assert.equal(values.emaDecay, 0.9999);
  assert.equal(values.steps, undefined);
  assert.equal(given.size, 0);
});

Deno.test("train dit takes DiT's flag names", () => {
  const { values, given } = parseTrainOptions([
    "--model=DiT-B/4",
    "--data-path=pictures",
    "--results-dir=runs",
    "--image-size=64",
    "--num-classes=10",
    "--epochs=3",
    "--batch-size=32",
    "--log-every=10",
    "--ckpt-every=100",
    "--seed=7",
    "--resume=auto",
  ]);
  assert.equal(values.model, "DiT-B/4");
  assert.equal(values.dataPath, "pictures");
  assert.equal(values.imageSize, 64);
  assert.equal(values.numClasses, 10);
  assert.equal(values.batchSize, 32);
  assert.equal(values.resume, "auto");
  assert(given.has("epochs") && !given.has("lr"));
});

Deno.test("train dit refuses values out of range", () => {
  const cases: [string[], RegExp][] = [
    [["--lr", "0"], /^--lr 0 is out of range: it must be above 0$/],
    [["--label-dropout", "1.1"], /nearest valid value is 1$/],
    [["--steps", "0"], /^--steps 0 .* nearest valid value is 1$/],
    [["--log-format", "yaml"], /^--log-format "yaml" is not known; it takes text or json$/],
  ];
  for (const [args, message] of cases) {
    assert.throws(() => parseTrainOptions(args), { name: "UsageError", message });
  }
});

Deno.test("sample dit has DiT's defaults", () => {
  const { values } = parseSampleOptions([]);
  assert.equal(values.sampler, undefined, "depends on the model");
  assert.equal(values.cfgScale, undefined, "depends on the model");
  assert.equal(values.cfgChannels, "all");
  assert.equal(values.weights, "ema");
  assert.equal(values.spacing, undefined);
});

Deno.test("sample dit reads channels, and switches that can be given either way", () => {
  const { values } = parseSampleOptions(["--cfg-channels", "3"]);
  assert.deepEqual([values.cfgChannels, values.clipDenoised], [3, undefined]);
  assert.equal(parseSampleOptions(["--clip-denoised"]).values.clipDenoised, true);
  assert.equal(parseSampleOptions(["--no-clip-denoised"]).values.clipDenoised, false);
});

Deno.test("sample dit refuses what contradicts itself", () => {
  const cases: [string[], RegExp][] = [
    [["--eta", "0.5"], /^--eta is for --sampler ddim$/],
    [["--eta", "0.5", "--sampler", "heun"], /^--eta is for --sampler ddim, not heun$/],
    [["--cfg-interval", "0,0.5"], /^--cfg-interval is for --cfg-schedule interval, not constant$/],
    [
      ["--cfg-schedule", "interval", "--cfg-power", "2"],
      /^--cfg-power is for .* power-cosine, not/,
    ],
    [["--cfg-schedule", "interval", "--cfg-interval", "0.5,0.5"], /it takes two numbers between/],
    [["--noise", "n.safetensors", "--count", "4"], /^--noise fixes the number of pictures/],
    [["--sampler", "ddmp"], /did you mean ddpm\?/],
    [["--num-sampling-steps", "1001"], /nearest valid value is 1000$/],
    [["--cfg-channels", "none"], /^--cfg-channels "none" is not a whole number/],
  ];
  for (const [args, message] of cases) {
    assert.throws(() => parseSampleOptions(args), { name: "UsageError", message });
  }
});
