/** `tessera train navit` from the command line: runs, resuming, signals. Errors are in `train_navit_errors_test.ts`. */
import assert from "node:assert/strict";
import { basename, join } from "@std/path";
import { openSafetensors } from "../../../../formats/tensors/safetensors.ts";
import type { PackingPosition } from "../../../../data/packing/batch.ts";
import { readManifest } from "../../../../training/checkpoints/manifest.ts";
import { readMetrics } from "../../../../training/runs/metrics.ts";
import { damagePixels } from "../../../data/helpers.ts";
import { assertClose } from "../../../golden.ts";
import {
  mixedClasses,
  runTraining,
  tinyNaViT,
  trainNaViT,
  writeMixedParts,
  writeMixedPictures,
} from "../../navit_runs.ts";
import {
  assertSameCheckpoint,
  checkpointFiles,
  checkpointOf,
  devices,
  namesIn,
  onWasm,
  run,
  shellWords,
  start,
  succeed,
  withFolder,
} from "../../runs.ts";

const posix = { ignore: Deno.build.os === "windows" };

Deno.test("train navit learns pictures of mixed sizes with the permissions of its task", async () => {
  await withFolder(async (folder) => {
    const data = await writeMixedParts(join(folder, "pictures"));
    const results = join(folder, "results");
    const { code, out, err } = await start([
      ...["train", "navit", ...tinyNaViT, ...onWasm, "--data-path", data, "--results-dir", results],
      ...["--steps", "200", "--log-every", "50", "--ckpt-every", "150", "--warmup", "10"],
    ]).finished();
    assert.equal(code, 0, err);
    const run = join(results, "000-NaViT-XS-8");
    assert.equal(out, `${run}\n`);
    assert.match(err, /^data: .*train, 24 pictures, 3 classes$/m);
    assert.match(err, /^model: 10,387 parameters, 4 sequences of 24 tokens$/m);
    assert.match(
      err,
      /^step 050\/200 .* {2}loss \d\.\d{4} {2}accuracy \d\.\d{3} {2}fill 0\.\d{3} /m,
    );
    assert.match(err, /^evaluate with: deno task tessera eval navit --ckpt '.*-8'$/m);

    const metrics = await readMetrics(run);
    assert.deepEqual(metrics.map(({ step }) => step), [50, 100, 150, 200]);
    for (const line of metrics) {
      assert(Object.values(line).every(Number.isFinite), JSON.stringify(line));
      const { fillRate, imagesPerSequence, tokensPerImage, unreadable, skippedSteps } = line;
      assert(fillRate > 0.8 && fillRate <= 1, `${fillRate}`);
      assert(imagesPerSequence > 1.5 && imagesPerSequence <= 4, `${imagesPerSequence}`);
      assert(tokensPerImage >= 4 && tokensPerImage <= 16, `${tokensPerImage}`);
      assert.deepEqual([unreadable, skippedSteps], [0, 0]);
    }
    // Three classes start at log 3 = 1.0986; 24 pictures can be learnt by heart.
    assert(metrics[0].loss < 1.1, `${metrics[0].loss}`);
    assert(metrics[3].loss < 0.5 * metrics[0].loss, `${metrics[0].loss} to ${metrics[3].loss}`);
    assert(metrics[3].accuracy > 0.85, `${metrics[3].accuracy}`);

    const files = [150, 200].flatMap((step) =>
      checkpointFiles.map((name) => join(checkpointOf("", step), name))
    );
    assert.deepEqual(
      (await namesIn(run)).filter((name) => basename(name).includes(".")),
      [...files, "config.json", "log.txt", "loss.svg", "metrics.jsonl"].sort(),
    );
    const { description } = JSON.parse(await Deno.readTextFile(join(run, "config.json")));
    assert.deepEqual(description.classNames, mixedClasses);
    const manifest = JSON.parse(
      await Deno.readTextFile(join(checkpointOf(run, 200), "state.json")),
    );
    assert.deepEqual({ ...description, ...manifest }, manifest);
  });
});

for (const { name, flags, available } of devices) {
  Deno.test({
    name:
      `train navit: 10 steps equal 5 and 5 resumed in the middle of a group, bit for bit [${name}]`,
    ignore: !available,
    fn: () =>
      withFolder(async (folder) => {
        const data = await writeMixedPictures(join(folder, "pictures"), 6);
        const settings = [
          ...["--flip", "--token-drop", "beta:0.4:0.8", "--lr-steps", "10", "--lr-timescale", "3"],
          ...["--ckpt-every", "4", "--log-every", "5", "--loss", "sigmoid", ...flags],
        ];
        const whole = await trainNaViT(folder, data, "--steps", "10", ...settings);
        const parts = await trainNaViT(folder, data, "--steps", "5", ...settings);
        const positionOf = async (step: number) =>
          (await readManifest(checkpointOf(parts, step))).position as PackingPosition;
        const { groupStart } = await positionOf(4);
        assert(groupStart > 0, "a group has ended before");
        assert.deepEqual(await positionOf(5), { step: 5, groupStart }, "in the middle of a group");
        const resume = ["train", "navit", "--resume", parts, ...flags];
        assert.equal(await succeed(...resume, "--steps", "10"), parts);
        await assertSameCheckpoint(checkpointOf(parts, 10), checkpointOf(whole, 10));
        const readings = async (run: string) =>
          (await readMetrics(run)).map((
            { step, loss, accuracy, gradientNorm, fillRate, learningRate },
          ) => [step, loss, accuracy, gradientNorm, fillRate, learningRate]);
        assert.deepEqual(await readings(parts), await readings(whole));
      }),
  });

  Deno.test({
    name: `train navit: contrastive runs learn captions and are resumed bit for bit [${name}]`,
    ignore: !available,
    fn: () =>
      withFolder(async (folder) => {
        const data = await writeMixedPictures(join(folder, "pictures"), 4);
        for (const className of mixedClasses) {
          for (let number = 0; number < 4; number++) {
            const caption = `${className} of picture ${number}`;
            await Deno.writeTextFile(join(data, className, `${number}.txt`), `${caption}\nnotes`);
          }
        }
        const settings = [
          ...["--loss", "contrastive", "--text-length", "24", "--text-hidden", "12"],
          ...["--text-heads", "2", "--text-depth", "1", "--projection", "8"],
          ...["--lr-steps", "20", "--log-every", "5", "--ckpt-every", "1000", ...flags],
        ];
        const whole = await trainNaViT(folder, data, "--steps", "20", ...settings);
        const metrics = await readMetrics(whole);
        assert(metrics[3].loss < 0.9 * metrics[0].loss, metrics.map(({ loss }) => loss).join());
        assert(metrics[3].matchProbability > metrics[0].matchProbability);
        const parts = await trainNaViT(folder, data, "--steps", "11", ...settings);
        await succeed("train", "navit", "--resume", parts, "--steps", "20", ...flags);
        await assertSameCheckpoint(checkpointOf(parts, 20), checkpointOf(whole, 20));

        await Deno.writeTextFile(join(data, "rows", "1.txt"), "other words");
        const { code, err } = await run("train", "navit", ...onWasm, "--resume", parts);
        assert.equal(code, 1);
        assert.match(err, /pictures: not the pictures this run was trained on/);
      }),
  });
}

Deno.test("train navit --init-from takes the weights and nothing else", async () => {
  await withFolder(async (folder) => {
    const data = await writeMixedPictures(join(folder, "pictures"), 4);
    const source = await trainNaViT(folder, data, "--steps", "6", ...onWasm);
    const flags = ["--init-from", source, "--steps", "1", "--lr", "1e-12", ...onWasm];
    const copy = await trainNaViT(folder, data, ...flags);
    assert.equal(basename(copy), "001-NaViT-XS-8");
    const read = async (file: string, name: string) => {
      using reader = await openSafetensors(file);
      return reader.readFloat32(name);
    };
    for (const name of ["blocks.0.attn.qkv.weight", "pos_embed.rows", "head.weight"]) {
      const weights = await read(join(checkpointOf(source, 6), "model.safetensors"), name);
      assert(weights.some((value) => value !== 0), name);
      for (const file of ["model", "ema"]) {
        const path = join(checkpointOf(copy, 1), `${file}.safetensors`);
        assertClose(`${file} ${name}`, await read(path, name), weights, 1e-6);
      }
    }
    assert.equal((await readManifest(checkpointOf(copy, 1))).step, 1);
  });
});

Deno.test("train navit: SIGINT saves, and the printed command goes on exactly", posix, async () => {
  await withFolder(async (folder) => {
    const data = await writeMixedPictures(join(folder, "pictures"), 4);
    const results = join(folder, "results");
    const settings = ["--lr-steps", "100000", "--log-every", "5", "--strict-math", ...onWasm];
    const running = start([
      ...["train", "navit", ...tinyNaViT, "--data-path", data, "--results-dir", results],
      ...["--steps", "100000", ...settings],
    ]);
    await running.until(/^step 000010/m);
    running.kill("SIGINT");
    const { code, out, err } = await running.finished();
    assert.equal(code, 130, err);
    assert.equal(out, "");
    const [, step, command] = /^stopped at step (\d+); go on with: deno task tessera (.*)$/m
      .exec(err)!;
    const last = Number(step) + 3;
    const resumed = await start([...shellWords(command), "--steps", `${last}`]).finished();
    assert.equal(resumed.code, 0, resumed.err);
    const whole = await trainNaViT(results, data, "--steps", `${last}`, ...settings);
    await assertSameCheckpoint(checkpointOf(resumed.out.trim(), last), checkpointOf(whole, last));
  });
});

Deno.test("train navit --dry-run prints what a run needs and leaves nothing behind", async () => {
  await withFolder(async (folder) => {
    const data = await writeMixedPictures(folder, 4);
    const before = await namesIn(folder);
    const flags = ["--dry-run", "--accumulate", "2", ...onWasm];
    const { code, out, err } = await runTraining(join(folder, "results"), data, ...flags);
    assert.deepEqual({ code, err }, { code: 0, err: "" });
    assert.match(out, /^parameters +10,387 \(10,387 trained\)$/m);
    assert.match(out, /^batch +4 sequences in 2 parts$/m);
    assert.match(out, /^sequence +24 tokens, at most 4 pictures$/m);
    assert.match(
      out,
      /^packing +\d\.\d pictures a sequence, \d\d\.\d % of the tokens; 0\.0 % shrunk to fit$/m,
    );
    assert.match(out, /^data +12 pictures$/m);
    assert.match(out, /^ {2}gradient sums +\S+ KiB$/m);
    assert.match(out, /^limits +fits: /m);
    assert.deepEqual(await namesIn(folder), before);
  });
});

Deno.test("train navit warns when few pictures a sequence make most tokens padding", async () => {
  await withFolder(async (folder) => {
    const data = await writeMixedPictures(join(folder, "pictures"), 4);
    const train = (slots: number) =>
      runTraining(folder, data, "--dry-run", "--images-per-sequence", `${slots}`, ...onWasm);
    const { code, out, err } = await train(1);
    assert.equal(code, 0);
    const [, percent, enough] =
      /^warning: pictures fill only (\d+\.\d) % of the tokens, because --images-per-sequence 1 ends sequences early; (\d+) would fill them\n$/
        .exec(err)!;
    assert.match(out, new RegExp(`^packing +1\\.0 pictures a sequence, ${percent} %`, "m"));
    const better = await train(Number(enough));
    assert.equal(better.err, "");
    assert.match(better.out, /^packing .*, 9\d\.\d % of the tokens; /m);
  });
});

Deno.test("train navit warns when most pictures are made smaller than asked for", async () => {
  await withFolder(async (folder) => {
    const data = await writeMixedPictures(join(folder, "pictures"), 4);
    const plan = (...args: string[]) => runTraining(folder, data, "--dry-run", ...onWasm, ...args);
    const tokens = await plan("--resolution", "32:64", "--positions", "fourier");
    assert.match(
      tokens.err,
      /^warning: \d+\.\d % of the pictures are made smaller than --resolution asks, to fit 24 tokens\n$/,
    );
    const sides = await plan("--resolution", "30", "--position-length", "3");
    assert.match(sides.err, /^warning: .*, to fit 24 tokens and sides of 3 patches\n$/);
    const [, share] = /^warning: (\S+ %)/.exec(sides.err)!;
    assert.match(sides.out, new RegExp(`^packing .*; ${share} shrunk to fit$`, "m"));
  });
});

Deno.test("a run that goes on after its learning rate has come to 0 says so", async () => {
  await withFolder(async (folder) => {
    const data = await writeMixedPictures(join(folder, "pictures"), 2);
    const finished = await trainNaViT(folder, data, "--steps", "10", ...onWasm);
    const resume = ["train", "navit", "--quiet", ...onWasm, "--resume"];
    const { code, err } = await run(...resume, finished, "--steps", "12");
    assert.equal(code, 0, err);
    assert.match(
      err,
      /^warning: the learning rate of this run is 0 from step 10 on, so later steps change no weight; --init-from starts a new run from its weights\n$/,
    );
    const longer = ["--lr-steps", "12", "--steps", "10", ...onWasm];
    const unfinished = await trainNaViT(folder, data, ...longer);
    assert.equal((await run(...resume, unfinished, "--steps", "12")).err, "");
  });
});

Deno.test("train navit leaves out a damaged picture and counts it", async () => {
  await withFolder(async (folder) => {
    const data = await writeMixedPictures(join(folder, "pictures"), 4);
    await damagePixels(join(data, "rows", "2.png"));
    const { code, out, err } = await start([
      ...["train", "navit", ...tinyNaViT, ...onWasm, "--data-path", data],
      ...["--results-dir", join(folder, "results"), "--steps", "8", "--log-every", "8", "--quiet"],
    ]).finished();
    assert.equal(code, 0, err);
    const lines = err.trimEnd().split("\n");
    assert.equal(lines.length, 2, err);
    assert.match(lines[0], /^skipped: .*rows.2\.png: cannot be decoded as a picture: /);
    assert.match(lines[1], /pictures: skipped 1 of 12 pictures$/);
    const [{ unreadable, imagesPerSecond }] = await readMetrics(out.trim());
    assert(unreadable > 0 && imagesPerSecond > 0);
  });
});

Deno.test("train navit shrinks what is longer than the position tables, and counts it", async () => {
  await withFolder(async (folder) => {
    const data = await writeMixedPictures(join(folder, "pictures"), 4);
    const shrunk = async (...flags: string[]) => {
      const run = await trainNaViT(
        folder,
        data,
        ...["--steps", "4", "--log-every", "4", "--resolution", "30", ...flags, ...onWasm],
      );
      const [{ shrunk, loss }] = await readMetrics(run);
      assert(Number.isFinite(loss));
      return shrunk;
    };
    assert.equal(await shrunk("--position-length", "8"), 0);
    assert(await shrunk("--position-length", "3") > 0);
    assert.equal(await shrunk("--position-length", "3", "--positions", "fourier"), 0);
  });
});
