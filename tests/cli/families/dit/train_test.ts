/** `tessera train dit` from the command line: runs, resuming, signals. Errors are in `train_errors_test.ts`. */
import assert from "node:assert/strict";
import { basename, join } from "@std/path";
import { ditTraining } from "../../../../cli/families/dit/train.ts";
import { ditConfigs } from "../../../../models/dit/model.ts";
import { readManifest } from "../../../../training/checkpoints/manifest.ts";
import { readMetrics } from "../../../../training/runs/metrics.ts";
import { assertClose } from "../../../golden.ts";
import { paint } from "../../../data/helpers.ts";
import { keepsHalves } from "../../../half_activations.ts";
import type { SampleRecord } from "../../../../diffusion/samples/picture_files.ts";
import { loadSharp } from "../../../../formats/pictures/bitmap.ts";
import { layOutGrid } from "../../../../formats/pictures/picture_grid.ts";
import { readPngMetadata } from "../../../../formats/pictures/png.ts";
import { openSafetensors } from "../../../../formats/tensors/safetensors.ts";
import {
  assertFails,
  assertSameCheckpoint,
  assertSameTensors,
  checkpointFiles,
  checkpointOf,
  devices,
  namesIn,
  onWasm,
  run,
  shellWords,
  start,
  succeed,
  tinyModel,
  train,
  withFolder,
  writeTinyData,
} from "../../runs.ts";

const posix = { ignore: Deno.build.os === "windows" };

Deno.test("train dit learns the shipped pictures with the permissions of its task", async () => {
  await withFolder(async (results) => {
    const { code, out, err } = await start([
      ...["train", "dit", ...tinyModel, ...onWasm, "--results-dir", results],
      ...["--steps", "120", "--log-every", "30", "--ckpt-every", "50", "--keep", "2"],
    ]).finished();
    assert.equal(code, 0, err);
    const folder = join(results, "000-DiT-XS-4");
    assert.equal(out, `${folder}\n`);
    assert.match(err, /^device: wasm, .*1 thread.*\(asked for; (?:128|256)-bit: .* times .*\)$/m);
    assert.match(err, /^data: fashion, 4000 pictures, 10 classes$/m);
    assert.match(
      err,
      /^step 030\/120 {2}ETA .* {2}.* steps\/s {2}loss \d\.\d{4} {2}grad norm .* images\/s$/m,
    );
    assert.match(err, /^step 120\/120 {2}.* {2}loss \d\.\d{4}/m);

    const metrics = await readMetrics(folder);
    assert.deepEqual(metrics.map(({ step }) => step), [30, 60, 90, 120]);
    for (const line of metrics) {
      assert(Object.values(line).every(Number.isFinite), JSON.stringify(line));
      assert.equal(line.learningRate, 3e-3);
      assert.equal(line.skippedSteps, 0);
    }
    assert(metrics[3].loss < 0.92 * metrics[0].loss, `${metrics[0].loss} to ${metrics[3].loss}`);

    const files = [100, 120].flatMap((step) =>
      checkpointFiles.map((name) => join(checkpointOf("", step), name))
    );
    assert.deepEqual(
      (await namesIn(folder)).filter((name) => basename(name).includes(".")),
      [...files, "config.json", "log.txt", "loss.svg", "metrics.jsonl"].sort(),
    );
    const log = (await Deno.readTextFile(join(folder, "log.txt"))).trimEnd().split("\n");
    for (const line of log) assert.match(line, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z {2}\S/);
    const told = err.trimEnd().split("\n").filter((line) => !line.startsWith("draw pictures"));
    assert.deepEqual(log.map((line) => line.slice(26)), told);
    const { description } = JSON.parse(await Deno.readTextFile(join(folder, "config.json")));
    assert.equal(description.config.hidden, 16);
    assert.equal(description.classNames[7], "Sneaker");
    const manifest = JSON.parse(
      await Deno.readTextFile(join(checkpointOf(folder, 120), "state.json")),
    );
    assert.deepEqual({ ...description, ...manifest }, manifest);
    assert.equal(manifest.step, 120);
    assert.deepEqual(manifest.schedule, { steps: 120, logEvery: 30, checkpointEvery: 50, keep: 2 });
  });
});

Deno.test("the default model does not wait for its pictures", async () => {
  await withFolder(async (results) => {
    const schedule = ["--steps", "4", "--log-every", "1", "--results-dir", results];
    const metrics = await readMetrics(await succeed("train", "dit", ...schedule, ...onWasm));
    const shares = metrics.map(({ dataWait }) => dataWait);
    console.log(`waiting for data: ${shares.map((share) => (100 * share).toFixed(3)).join()} %`);
    assert(Math.max(...shares) < 0.02);
  });
});

for (const { name, flags, available } of devices) {
  Deno.test({
    name: `20 steps equal 10 and 10 resumed, bit for bit [${name}]`,
    ignore: !available,
    fn: () =>
      withFolder(async (results) => {
        const schedule = ["--ckpt-every", "5", "--log-every", "5", "--flip", ...flags];
        const whole = await train(results, "--steps", "20", ...schedule);
        const parts = await train(results, "--steps", "10", ...schedule);
        assert.deepEqual(
          await succeed("train", "dit", "--resume", parts, "--steps", "20", ...flags),
          parts,
        );
        await assertSameCheckpoint(checkpointOf(parts, 20), checkpointOf(whole, 20));
        const log = await Deno.readTextFile(join(parts, "log.txt"));
        assert.equal(log.match(/ {2}saved .*0000(?:010|020)$/gm)?.length, 2, log);
        const [a, b] = [await readMetrics(parts), await readMetrics(whole)];
        assert.deepEqual(
          a.map(({ step, loss, gradientNorm }) => [step, loss, gradientNorm]),
          b.map(({ step, loss, gradientNorm }) => [step, loss, gradientNorm]),
        );
      }),
  });
}

Deno.test("a cosine with warm-up goes on exactly where a run was resumed", async () => {
  await withFolder(async (results) => {
    const flags = ["--log-every", "1", ...onWasm];
    const rates = ["--lr-schedule", "cosine", "--warmup", "3", "--lr-min", "1e-3"];
    const whole = await train(results, "--steps", "8", ...rates, ...flags);
    const parts = await train(results, "--steps", "5", "--lr-steps", "8", ...rates, ...flags);
    await succeed(
      "train",
      "dit",
      "--resume",
      parts,
      "--steps",
      "10",
      "--ckpt-every",
      "8",
      ...onWasm,
    );
    await assertSameTensors(checkpointOf(parts, 8), checkpointOf(whole, 8));
    const metrics = await readMetrics(parts);
    const expected = [1, 2, 3, 2.809017, 2.309017, 1.690983, 1.190983, 1, 1, 1];
    metrics.forEach(({ learningRate }, index) =>
      assert(Math.abs(1e3 * learningRate - expected[index]) < 1e-6, `${index}: ${learningRate}`)
    );
    const { run: { rateSchedule } } = JSON.parse(
      await Deno.readTextFile(join(checkpointOf(parts, 10), "state.json")),
    );
    assert.deepEqual(rateSchedule, { kind: "cosine", warmup: 3, steps: 8, minimum: 1e-3 });
  });
});

Deno.test("--resume auto takes the run that was saved last and goes on as planned", async () => {
  await withFolder(async (results) => {
    const flags = ["--log-every", "2", "--ckpt-every", "2", "--keep", "5", ...onWasm];
    const older = await train(results, "--steps", "4", ...flags);
    const newer = await train(results, "--steps", "4", ...flags);
    const resume = (...args: string[]) =>
      succeed("train", "dit", "--results-dir", results, ...onWasm, "--resume", ...args);
    assert.equal(await resume("auto"), newer);
    await Deno.remove(checkpointOf(newer, 4), { recursive: true });
    await resume(newer);
    await assertSameCheckpoint(checkpointOf(newer, 4), checkpointOf(older, 4));
    assert.deepEqual((await readMetrics(newer)).map(({ step }) => step), [2, 4]);
    const finished = await run("train", "dit", ...onWasm, "--resume", newer);
    assert.match(finished.err, /^step 4 of 4: nothing to do; --steps sets a later end$/m);
    await resume(older, "--steps", "7");
    assert.equal(await resume("auto"), older);
    assert((await namesIn(older)).includes(checkpointOf("", 6)), "--ckpt-every was kept");
  });
});

Deno.test("--sample-every draws grids, also after a resume, and the end says where the time went", async () => {
  await withFolder(async (results) => {
    const flags = [
      "--sample-every",
      "2",
      "--num-sampling-steps",
      "2",
      "--ckpt-every",
      "3",
      ...onWasm,
    ];
    const { code, out, err } = await run(
      ...["train", "dit", ...tinyModel, "--results-dir", results, "--steps", "5", ...flags],
    );
    assert.equal(code, 0, err);
    const time =
      /^time: \d.* for 5 steps; waiting for data \d+\.\d\d %, checkpoints \d+\.\d\d % \(2 of \d\.\d\d s\), drawing samples \d+\.\d\d %$/m;
    assert.match(err, time);
    const folder = out.trim();
    const grids = () => namesIn(join(folder, "samples"));
    assert.deepEqual(await grids(), ["0000002.png", "0000004.png", "0000005.png"]);
    await succeed("train", "dit", "--resume", folder, "--steps", "6", ...onWasm);
    assert.equal((await grids()).at(-1), "0000006.png");
    await succeed(
      ...["train", "dit", "--resume", folder, "--steps", "8", "--sample-every", "0", ...onWasm],
    );
    assert.equal((await grids()).at(-1), "0000006.png");
    assert.match(await succeed("info", join(folder, "samples", "0000006.png")), /"step": 6/);
  });
});

Deno.test("the command that a run prints at its end draws what its own grids show", async () => {
  await withFolder(async (results) => {
    const data = await writeTinyData(join(results, "data.npz"));
    const { err, out } = await run(
      ...["train", "dit", ...tinyModel, "--patch", "4", "--data-path", data, ...onWasm],
      ...["--results-dir", results, "--steps", "20", "--seed", "3", "--ema-decay", "0.5"],
      ...["--sample-every", "20", "--num-sampling-steps", "4"],
    );
    const command = /^draw pictures with: deno task tessera (.*)$/m.exec(err)?.[1];
    assert(command, err);
    const again = join(results, "again");
    await succeed(...shellWords(command), "--out", again, ...onWasm, "--quiet");
    const grids = await Promise.all(
      [join(out.trim(), "samples", "0000020.png"), join(again, "grid.png")].map((path) =>
        Deno.readFile(path)
      ),
    );
    const [own, drawn] = grids.map((png) => readPngMetadata(png) as SampleRecord);
    const { weights: _, spacing: __, dtype: ___, ...shared } = own;
    assert.deepEqual({ ...drawn, ...shared, device: own.device }, { ...drawn, device: own.device });
    assert.equal(drawn.labels.length, 10);
    const [a, b] = await Promise.all(grids.map(picturesOnGrid));
    assert(a.length > 10_000 && a.some((level) => level !== a[0]));
    assert.deepEqual(b, a);
  });
});

/** Pixels of a grid of ten pictures in two columns, without its heading. */
async function picturesOnGrid(png: Uint8Array): Promise<Uint8Array> {
  const pictures = Array.from({ length: 10 }, () => (
    { height: 8, width: 8, channels: 1, data: new Uint8Array(64) }
  ));
  const layout = layOutGrid(pictures, { title: "t", subtitle: "s", columnLabels: ["0", "1"] });
  const { x, y } = layout.cells[0];
  const sharp = await loadSharp();
  const { cellHeight, cellWidth, cells } = layout;
  return await sharp(png).extract({
    left: x,
    top: y,
    width: cells[1].x + cellWidth - x,
    height: cells[9].y + cellHeight - y,
  }).raw().toBuffer();
}

Deno.test("with --log-format json every line of stderr is an object, in every way to end", async () => {
  await withFolder(async (results) => {
    const photos = join(results, "photos");
    for (const name of ["cat", "dog"]) {
      await Deno.mkdir(join(photos, name), { recursive: true });
      await paint(join(photos, name, "good.png"), 128, 8, 8);
      await Deno.writeTextFile(join(photos, name, "bad\x1b[2J.png"), "no picture");
    }
    const json = (err: string) => err.trimEnd().split("\n").map((line) => JSON.parse(line));
    const args = ["--results-dir", results, ...onWasm, "--log-format", "json"];
    const model = ["--depth", "1", "--hidden", "16", "--heads", "2", "--steps", "1"];
    const dit = [...model, "--image-size", "8", "--patch", "4", "--batch-size", "2"];
    const navit = [...model, "--patch", "4", "--batch-size", "1", "--resolution", "8"];
    const trained: string[] = [];
    for (const [family, flags] of [["dit", dit], ["navit", navit]] as const) {
      const { code, out, err } = await start([
        ...["train", family, "--data-path", photos, ...flags, ...args],
      ]).finished();
      assert.equal(code, 0, err);
      trained.push(out.trim());
      const lines = json(err);
      const messages = lines.map(({ message }) => message ?? "");
      assert(lines.some(({ step, loss }) => step === 1 && Number.isFinite(loss)), err);
      const has = (text: string) => messages.some((message) => message.includes(text));
      assert(has("bad\x1b[2J.png") && (has("draw pictures with: ") || has("evaluate with: ")), err);
      assert.doesNotMatch(err, /\p{Cc}(?<!\n)/u);
    }
    const after: [number, ...string[]][] = [
      [0, "sample", "dit", "--ckpt", trained[0], "--num-sampling-steps", "1"],
      [1, "train", "dit", "--data-path", join(results, "none")],
      [2, "train", "dit", "--lr", "fast"],
    ];
    for (const [expected, ...words] of after) {
      const format = ["--log-format", "json", "--out", join(results, "out")];
      const { code, err } = await start([...words, ...format.slice(0, expected === 0 ? 4 : 2)])
        .finished();
      assert.equal(code, expected, err);
      const last = json(err).at(-1);
      if (expected > 0) assert.equal(last.exitCode, expected, err);
    }
  });
});

Deno.test("--init-from takes the weights and nothing else", async () => {
  await withFolder(async (results) => {
    const source = await train(results, "--steps", "6", ...onWasm);
    const { out } = await start([
      ...["train", "dit", ...tinyModel, ...onWasm, "--results-dir", results, "--init-from"],
      ...[source, "--steps", "1", "--lr", "1e-12", "--quiet"],
    ]).finished();
    const folder = out.trim();
    assert.equal(basename(folder), "001-DiT-XS-4");
    const read = async (file: string, name: string) => {
      using reader = await openSafetensors(file);
      return reader.readFloat32(name);
    };
    const name = "blocks.0.attn.qkv.weight";
    const weights = await read(join(checkpointOf(source, 6), "model.safetensors"), name);
    for (const file of ["model", "ema"]) {
      const path = join(checkpointOf(folder, 1), `${file}.safetensors`);
      assertClose(file, await read(path, name), weights, 1e-6);
    }
  });
});

Deno.test("a checkpoint says what it predicts, and is drawn from by a sampler that fits", async () => {
  await withFolder(async (folder) => {
    const results = ["--results-dir", folder, "--steps", "1", "--quiet", ...onWasm];
    const train = async (...flags: string[]) =>
      (await succeed("train", "dit", ...tinyModel, ...results, ...flags)).trim();
    const draw = (ckpt: string, ...flags: string[]) =>
      run(
        ...["sample", "dit", "--ckpt", ckpt, "--count", "2", "--num-sampling-steps", "2"],
        ...["--out", join(folder, "drawn"), ...flags, ...onWasm],
      );
    const flow = await train("--objective", "flow", "--sample-every", "1");
    const { run: settings, config } = await readManifest(checkpointOf(flow, 1));
    assert.equal(Object(settings).objective, "flow");
    assert.equal(Object(config).learnSigma, false);
    assert.deepEqual(await namesIn(join(flow, "samples")), ["0000001.png"]);
    assertFails(await draw(flow, "--sampler", "ddim"), 2, /a flow, which euler and heun are for$/m);
    assertFails(await draw(flow, "--spacing", "both-ends"), 2, /--spacing is for the schedule of/);
    const drawn = await draw(flow);
    assert.equal(drawn.code, 0, drawn.err);
    const png = await Deno.readFile(join(folder, "drawn/000000.png"));
    assert.equal((readPngMetadata(png) as SampleRecord).sampler, "heun");
    const velocity = await train("--objective", "velocity", "--loss-weight", "min-snr");
    const refused = await draw(velocity, "--sampler", "euler");
    assertFails(refused, 2, /the velocity of a diffusion, which ddpm, ddim and dpm\+\+ are for$/m);
    assert.equal((await draw(velocity, "--sampler", "dpm++")).code, 0);
    const weights = join(checkpointOf(flow, 1), "ema.safetensors");
    const bare = ["--config", join(checkpointOf(flow, 1), "state.json"), "--sampler", "euler"];
    assertFails(await draw(weights, ...bare), 2, /predicts the noise of a diffusion/);
    assert.equal((await draw(weights, ...bare, "--objective", "flow")).code, 0);
    assertFails(await draw(flow, "--objective", "flow"), 2, /--objective is for bare weights/);
    const weighted = ["--objective", "flow", "--loss-weight", "min-snr"];
    assertFails(
      await run("train", "dit", ...tinyModel, ...results, ...weighted),
      2,
      /not for --obj/,
    );
  });
});

Deno.test("small models from scratch learn a flow unless told otherwise, others the noise", async () => {
  const cases: [string, ...string[]][] = [
    ["flow"],
    ["noise", "--model", "DiT-S/4"],
    ["flow", "--model", "DiT-S/4", "--hidden", "96"],
    ["noise", "--loss-weight", "min-snr"],
    ["velocity", "--init-from", "models/checkpoints/fashion"],
    ["noise", "--init-from", "models/checkpoints/fashion", "--objective", "noise"],
    ["velocity", "--objective", "velocity"],
  ];
  for (const [objective, ...flags] of cases) {
    const plan = await succeed("train", "dit", "--dry-run", ...flags, ...onWasm);
    assert.match(plan, new RegExp(`^objective +${objective}$`, "m"), `${flags}`);
  }
  const flow = ["--objective", "flow", "--init-from", "models/checkpoints/fashion"];
  assertFails(
    await run("train", "dit", "--dry-run", ...flow, ...onWasm),
    1,
    /the weights have a learned variance, as of --objective noise, and a flow has none/,
  );
});

Deno.test("--conditioning chooses the block, and weights of another design are refused by its name", async () => {
  await withFolder(async (results) => {
    const crossed = ["--conditioning", "Cross-Attention"];
    const source = await train(results, "--steps", "1", ...crossed, ...onWasm);
    const { config } = await readManifest(checkpointOf(source, 1));
    assert.equal(Object(config).conditioning, "cross-attention");
    const other = ["train", "dit", ...tinyModel, ...onWasm, "--dry-run"];
    assertFails(
      await run(...other, "--init-from", source),
      1,
      /of a DiT with cross-attention conditioning, this model has adaLN-Zero; --conditioning cross-/,
    );
    await succeed(...other, ...crossed, "--init-from", source);
    assertFails(
      await run("train", "dit", "--resume", source, ...crossed),
      2,
      /--resume goes on with the settings of the run, so --conditioning cannot be given/,
    );
  });
});

for (const [signal, exitCode] of [["SIGHUP", 129], ["SIGINT", 130], ["SIGTERM", 143]] as const) {
  Deno.test(`${signal} saves, and the printed command goes on exactly`, posix, async () => {
    await withFolder(async (results) => {
      const running = start([
        ...["train", "dit", ...tinyModel, ...onWasm, "--strict-math", "--results-dir", results],
        ...["--steps", "100000", "--log-every", "5"],
      ]);
      await running.until(/^step 000010/m);
      running.kill(signal);
      const { code, out, err } = await running.finished();
      assert.equal(code, exitCode, err);
      assert.equal(out, "");
      const [, step, command] = /^stopped at step (\d+); go on with: deno task tessera (.*)$/m
        .exec(err)!;
      assert.match(err, new RegExp(`\\ntessera: stopped by ${signal}\\n$`));
      const last = Number(step) + 3;
      const resumed = await start([...shellWords(command), "--steps", `${last}`]).finished();
      assert.equal(resumed.code, 0, resumed.err);
      const flags = ["--strict-math", "--log-every", "5", ...onWasm];
      const whole = await train(results, "--steps", `${last}`, ...flags);
      await assertSameCheckpoint(
        checkpointOf(resumed.out.trim(), last),
        checkpointOf(whole, last),
      );
    });
  });
}

Deno.test("runs that start at once get folders of their own", async () => {
  await withFolder(async (results) => {
    const runs = Array.from({ length: 3 }, () =>
      start([
        ...["train", "dit", ...tinyModel, ...onWasm, "--results-dir", results],
        ...["--steps", "1", "--quiet"],
      ]).finished());
    const folders = (await Promise.all(runs)).map(({ out }) => basename(out.trim())).sort();
    assert.deepEqual(folders, ["000-DiT-XS-4", "001-DiT-XS-4", "002-DiT-XS-4"]);
  });
});

Deno.test("--dry-run prints what a run needs and leaves nothing behind", async () => {
  await withFolder(async (results) => {
    const { code, out, err } = await run(
      ...["train", "dit", "--dry-run", "--results-dir", join(results, "runs")],
      ...[...tinyModel, "--device", "webgpu"],
    );
    assert.deepEqual({ code, err }, { code: 0, err: "" });
    assert.match(out, /^parameters +12,674 \(12,418 trained\)$/m);
    assert.match(out, /^multiply-adds +101,376 a picture/m);
    assert.match(out, /^memory \(webgpu\)$/m);
    assert.match(out, /^ {2}total +\S+ [KM]iB$/m);
    assert.match(out, /^epoch +500\.0 batches, 4,000 pictures$/m);
    assert.match(out, /^limits +fits: buffers up to /m);
    assert.deepEqual(await namesIn(results), []);
  });
});

Deno.test("--loss-scaling and --activations are settings of the run; wasm refuses half precision", async () => {
  await withFolder(async (results) => {
    const source = await train(results, "--steps", "1", "--loss-scaling", ...onWasm);
    const { run: settings } = await readManifest(checkpointOf(source, 1));
    assert.deepEqual([settings.lossScaling, settings.activations], [true, undefined]);
    await succeed("train", "dit", "--resume", source, "--steps", "2", ...onWasm);
    assert.deepEqual((await readMetrics(source)).map(({ lossScale }) => lossScale), [65536, 65536]);
    using optimizer = await openSafetensors(join(checkpointOf(source, 2), "optim.safetensors"));
    assert.deepEqual(optimizer.readFloat32("loss_scale"), Float32Array.of(65536, 2, 0));
    for (const [flag, value] of [["--loss-scaling"], ["--activations", "f16"]]) {
      const given = value === undefined ? [flag] : [flag, value];
      assertFails(
        await run("train", "dit", "--resume", source, ...given),
        2,
        new RegExp(`so ${flag} cannot be given`),
      );
    }
  });
  for (const dryRun of [["--dry-run"], []]) {
    assertFails(
      await run("train", "dit", ...tinyModel, ...onWasm, ...dryRun, "--activations", "f16"),
      1,
      /^tessera: activations in f16: the wasm device \(asked for\) keeps f32 only; f16 needs --device webgpu/,
    );
  }
});

Deno.test({
  name: "--dry-run with --activations f16 foresees half the temporaries",
  ignore: !keepsHalves,
  async fn() {
    const temporaries = async (activations: string): Promise<number> => {
      const plan = await succeed(
        ...["train", "dit", "--dry-run", "--model", "DiT-S/4", "--depth", "2"],
        ...["--device", "webgpu", "--batch-size", "1024", "--activations", activations],
      );
      return Number(/^ {2}temporaries +(\S+) GiB$/m.exec(plan)?.[1]);
    };
    const ratio = await temporaries("f16") / await temporaries("f32");
    assert(ratio > 0.48 && ratio < 0.56, `${ratio}`);
  },
});

Deno.test("--dry-run says what does not fit and what a batch in parts saves", async () => {
  const flags = ["train", "dit", "--dry-run", "--model", "DiT-S/4", "--depth", "2", ...onWasm];
  const whole = await succeed(...flags, "--batch-size", "4096");
  assert.match(
    whole,
    /^limits +does not fit: \S+ GiB of memory, wasm has 4 GiB; give --accumulate/m,
  );
  const parts = await succeed(...flags, "--batch-size", "4096", "--accumulate", "16");
  assert.match(parts, /^batch +4096 pictures in 16 parts$/m);
  assert.match(parts, /^ {2}gradient sums +\S+ MiB$/m);
  assert.match(parts, /^ {2}thread scratch +8 MiB$/m);
  assert.match(parts, /^limits +fits: /m);
});

Deno.test("what is left out of a folder and a single class are said", async () => {
  await withFolder(async (folder) => {
    const data = join(folder, "pets");
    for (const [index, name] of ["cat/1.png", "cat/2.png", "dog/1.png"].entries()) {
      await paint(join(data, name), 50 * index, 8, 8);
    }
    await Deno.mkdir(join(data, "annotations"));
    await Deno.writeTextFile(join(data, "cat/3.bmp"), "BM");
    const flags = ["--hidden", "16", "--heads", "2", "--depth", "1", "--patch", "4", ...onWasm];
    const train = (...args: string[]) =>
      run("train", "dit", "--data-path", data, "--results-dir", join(folder, "runs"), ...args);
    const first = await train(...flags, "--image-size", "8", "--steps", "1", "--quiet");
    assert.equal(first.code, 0, first.err);
    assert.equal(
      first.err.replaceAll(data, "PETS"),
      "PETS: left out: 1 .bmp, which cannot be read\n" +
        "PETS: left out: folders without pictures: annotations\n",
    );
    const resumed = await train("--resume", first.out.trim(), "--steps", "2", ...onWasm);
    assert.equal(resumed.code, 0, resumed.err);
    await Deno.remove(join(data, "dog"), { recursive: true });
    const single = await train(...flags, "--image-size", "8", "--dry-run");
    assert.match(single.err, /^warning: .*pets: all pictures are of one class, "cat": /m);
  });
});

Deno.test("train dit: the usual rate falls with the width, to the paper's at its smallest, and is lower without gates", () => {
  const config = ditConfigs.get("DiT-XS/4")!;
  const rates = [16, 128, 256, 384, 1152].map((hidden) =>
    ditTraining.learningRate({ ...config, hidden })
  );
  assert.deepEqual(rates, [4e-3, 4e-3, 2e-3, 1e-4, 1e-4]);
  for (const conditioning of ["adaLN", "in-context", "cross-attention"] as const) {
    assert.equal(ditTraining.learningRate({ ...config, conditioning }), 2e-3);
  }
});
