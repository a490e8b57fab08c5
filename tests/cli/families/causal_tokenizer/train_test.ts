/** Runs of tokenizers: exact, with the discriminator's state; on clips and on pictures; refusals. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { readPictureSize } from "../../../../data/pictures/picture.ts";
import { openSafetensors, writeSafetensors } from "../../../../formats/tensors/safetensors.ts";
import { causalTokenizerFamily } from "../../../../models/causal_tokenizer/family.ts";
import { readManifestOf } from "../../../../training/checkpoints/manifest.ts";
import {
  assertSameTensors,
  checkpointOf,
  namesIn,
  onWasm,
  run,
  start,
  succeed,
  withFolder,
} from "../../runs.ts";
import { assertClose, loadGolden, thinned } from "../../../golden.ts";
import { filesOf } from "../../verify_cases.ts";
import { writeClipAs } from "../../../data/clips/files.ts";

/** The smallest tokenizer with all kinds of layers, on small pictures. */
const tiny = [
  ...["train", "tokenizer", "--model", "ImageTokenizer-XS", "--base-channels", "2"],
  ...["--latent-channels", "2", "--groups", "2", "--batch-size", "2", "--log-every", "1"],
];
const pictures = [...tiny, "--data-path", "data/samples/fashion", "--size", "16"];
const quiet = [...onWasm, "--quiet"];

const metricsOf = async (folder: string): Promise<Record<string, number>[]> =>
  (await Deno.readTextFile(join(folder, "metrics.jsonl"))).trim().split("\n")
    .map((line) => JSON.parse(line));

Deno.test({
  name: "train tokenizer: a killed run goes on with the same bits, those of its companions too",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withFolder(async (results) => {
      const classifier = await succeed(
        ...["train", "navit", "--hidden", "16", "--heads", "2", "--depth", "1", "--patch", "8"],
        ...["--steps", "1", "--sequence-length", "16", "--batch-size", "2", ...quiet],
        ...["--results-dir", join(results, "navit")],
      );
      const flags = [
        ...[...pictures, ...onWasm, "--perceptual", classifier],
        ...["--results-dir", results, "--ckpt-every", "2", "--steps", "12"],
      ];
      const whole = await succeed(...flags, "--quiet");
      const killed = start(flags);
      await killed.until(/^saved .*0000002/m);
      killed.kill("SIGKILL");
      await killed.finished();
      const folder = join(results, "001-ImageTokenizer-XS");
      // The run has the classifier's weights, whatever becomes of their file.
      await Deno.remove(classifier, { recursive: true });
      await succeed("train", "tokenizer", "--resume", folder, ...quiet);
      await assertSameTensors(checkpointOf(folder, 12), checkpointOf(whole, 12));
      const { config, run } = await readManifestOf(causalTokenizerFamily, checkpointOf(whole, 12));
      assert.deepEqual([config.baseChannels, run.clip.frames, run.clip.width], [2, 1, 16]);
      assert.deepEqual(run.betas, [0, 0.99]);
      assert.deepEqual(run.weights, {
        ...{ l2: 5, perceptual: 0.1, adversarial: 0.1 },
        ...{ r1: 10, lecam: 0.001 },
      });
      using model = await openSafetensors(join(checkpointOf(whole, 12), "model.safetensors"));
      assert(!model.tensors.keys().some((name) => name.includes("discriminator")));
      using optimizer = await openSafetensors(join(checkpointOf(whole, 12), "optim.safetensors"));
      const running = optimizer.readFloat32("with.discriminator.running_logits");
      assert(running.every((mean) => mean !== 0));
      assert(optimizer.tensors.has("exp_avg_sq.discriminator.fc1.weight"));
      const last = (await metricsOf(folder)).at(-1)!;
      for (const name of ["l2", "perceptual", "adversarial", "discriminating", "r1", "lecam"]) {
        assert(Number.isFinite(last[name]), name);
      }
      const expected = 5 * last.l2 + 0.1 * (last.adversarial + last.perceptual);
      assert(Math.abs(last.loss - expected) < 1e-5 * expected);
    }),
});

Deno.test("train tokenizer: clips, first on the squared error, then against a discriminator", () =>
  withFolder(async (results) => {
    const flags = [
      ...["--data-path", "shipped:moving-fashion", "--frames", "5", "--size", "16"],
      ...["--model", "CausalTokenizer-XS", "--results-dir", results],
    ];
    const squared = await succeed(
      ...[...tiny, ...flags, ...quiet],
      ...["--adversarial-weight", "0", "--steps", "30", "--accumulate", "2"],
      ...["--sample-every", "20"],
      ...["--lr", "1e-2", "--lr-schedule", "constant", "--warmup", "5"],
    );
    // Data that comes with the tool is found by its name, wherever the user stands.
    const more = ["train", "tokenizer", "--resume", squared, "--steps", "31"];
    assert.equal(await succeed(...more, ...onWasm, "--quiet"), squared);
    const losses = (await metricsOf(squared)).map(({ l2 }) => l2);
    assert(losses.at(-1)! < losses[0] / 2, `${losses[0]} to ${losses.at(-1)}`);
    assert.deepEqual(await namesIn(join(squared, "samples")), [
      ...["0000020.png", "0000030.png", "0000031.png"],
    ]);
    const { width, height } = await readPictureSize(
      join(squared, "samples", "0000031.png"),
      "sheet",
    );
    assert(width > 200 && height > 200);
    const next = await succeed(
      ...[...tiny, ...flags, ...quiet, "--init-from", squared, "--steps", "1"],
    );
    const [first] = await metricsOf(next);
    assert(first.l2 < losses[0] / 2 && first.discriminating > 0);
    const { run } = await readManifestOf(causalTokenizerFamily, checkpointOf(next, 1));
    assert.deepEqual(run.clip, { frames: 5, height: 16, width: 16 });
    assert.deepEqual(run.cuts, { crop: "center" });
  }));

Deno.test("train tokenizer --init-from: a tokenizer of pictures is inflated to PyTorch's numbers, and said so", () =>
  withFolder(async (folder) => {
    const [clips, pictures] = ["clips", "pictures"].map((name) =>
      filesOf(`causal_tokenizer_${name}`)
    );
    const line = (ckpt: string) => [
      ...["train", "tokenizer", "--config", clips.config, "--init-from", ckpt, ...onWasm],
      ...["--data-path", "shipped:moving-fashion", "--frames", "3", "--size", "8"],
      ...["--steps", "1", "--batch-size", "1", "--adversarial-weight", "0", "--lr", "1e-30"],
      ...["--results-dir", folder],
    ];
    const { code, err, out } = await run(...line(pictures.ckpt));
    assert.equal(code, 0, err);
    assert.match(
      err,
      /a tokenizer of pictures, inflated to clips: \d+ kernels look at .* 1 up-samp/,
    );
    const golden = await loadGolden("causal_tokenizer_inflated");
    using model = await openSafetensors(join(checkpointOf(out.trim(), 1), "model.safetensors"));
    for (const name of model.tensors.keys()) {
      assertClose(name, thinned(model.readFloat32(name), golden), golden.floats(name), 1e-20);
    }
    // Levels that are others cannot be inflated.
    const others = join(folder, "others.safetensors");
    using stored = await openSafetensors(pictures.ckpt);
    await writeSafetensors(
      others,
      [...stored.tensors.values()].filter(({ name }) => !name.startsWith("encoder.mid.0"))
        .map(({ name, shape }) => ({ name, shape, type: "F32", data: stored.readFloat32(name) })),
    );
    const refused = await run(...line(others), "--dry-run");
    assert.equal(refused.code, 1, refused.err);
    assert.match(refused.err, /of a tokenizer of pictures, which must be .* encoder\.mid\.0/);
  }));

Deno.test("train tokenizer: the run folder says what became of every clip", () =>
  withFolder(async (folder) => {
    const data = join(folder, "data");
    await writeClipAs(join(data, "long.webp"), { frames: 6, height: 16, width: 16 });
    await writeClipAs(join(data, "short.webp"), { frames: 3, height: 16, width: 16 });
    const run = await succeed(
      ...[...tiny, ...quiet, "--model", "CausalTokenizer-XS", "--results-dir", folder],
      ...["--data-path", data, "--frames", "5", "--steps", "1", "--adversarial-weight", "0"],
    );
    assert.deepEqual((await Deno.readTextFile(join(run, "data.txt"))).split("\n"), [
      "long.webp: 16 x 16, 6 frames, 8 fps, 0.75 s; frames 0 to 4, 1 clip at 8 fps",
      "short.webp: 16 x 16, 3 frames, 8 fps, 0.38 s; left out: too short: 3 frames, 5 needed",
      "",
    ]);
    const log = await Deno.readTextFile(join(run, "log.txt"));
    assert.match(log, /left out: 1 too short: short\.webp/);
    assert.match(log, /data, 1 clip, 1 class$/m);
  }));

Deno.test("train tokenizer --dry-run says what a run would need", async () => {
  const plan = await succeed(...pictures, ...onWasm, "--dry-run");
  assert.match(plan, /^discriminator +[\d,]+ parameters$/m);
  assert.match(plan, /^latents +2 x 1 x 2 x 2 of 1 x 16 x 16$/m);
  assert.match(plan, /^limits +fits/m);
  const without = await succeed(...pictures, ...onWasm, "--dry-run", "--adversarial-weight", "0");
  assert.match(without, /^discriminator +none$/m);
});

Deno.test("train tokenizer: what does not go together is refused in one line", async () => {
  const clips = ["--model", "CausalTokenizer-XS", "--data-path", "shipped:moving-fashion"];
  const cases: [number, RegExp, readonly string[]][] = [
    [2, /--accumulate: the discriminator's means are .*--adversarial-weight 0/, [
      ...pictures,
      ...["--accumulate", "2"],
    ]],
    [2, /16 frames are not 1 \+ a multiple of 4; nearest numbers: 13 and 17/, [
      ...[...tiny, ...clips, "--frames", "16", "--size", "16"],
    ]],
    [2, /the height 20 is not divisible by 8; nearest heights: 16 and 24/, [
      ...[...pictures.slice(0, -1), "20"],
    ]],
    [2, /--fps, .* are for clips; --frames 1 takes pictures/, [...pictures, "--fps", "8"]],
    [1, /checkpoint none: does not exist/, [...pictures, "--perceptual", "none"]],
    [2, /--preview-data is for clips/, [...pictures, "--preview-data", "sheet.png"]],
    [2, /--size: pictures are cropped to squares/, [...pictures.slice(0, -1), "16x24"]],
    [2, /DiT-S\/8 is a dit, not a causal-tokenizer/, [...pictures, "--model", "DiT-S/8"]],
  ];
  for (const [expected, message, line] of cases) {
    const { code, err } = await run(...line, "--dry-run", ...onWasm);
    assert.equal(code, expected, err);
    assert.match(err, message);
    assert.equal(err.trimEnd().split("\n").at(-1)!.startsWith("tessera: "), true, err);
  }
});
