/** `tessera eval navit` from the command line: what it measures, where it writes it, what it refuses. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { openPictureSet } from "../../../../data/open.ts";
import type { EvaluationReport } from "../../../../evaluation/report/report.ts";
import { writeSafetensors } from "../../../../formats/tensors/safetensors.ts";
import { gridOf } from "../../../../models/navit/evaluation/image_grids.ts";
import { createWasmDevice } from "../../../../kernels/wasm/device.ts";
import { navitFamily } from "../../../../models/navit/family.ts";
import { readManifestOf } from "../../../../training/checkpoints/manifest.ts";
import { damagePixels } from "../../../data/helpers.ts";
import { logitsOneByOne, readFileWeights } from "../../../models/navit/images.ts";
import { mixedClasses, trainNaViT, writeMixedParts, writeMixedPictures } from "../../navit_runs.ts";
import {
  assertFails,
  assertRefuses,
  checkpointOf,
  devices,
  editManifest,
  namesIn,
  onWasm,
  resealed,
  run,
  succeed,
  train,
  withFolder,
} from "../../runs.ts";

/** Runs `body` with a run of the tiny model that has learnt something, and its pictures. */
function withRun(body: (run: string, data: string, folder: string) => Promise<void>) {
  return withFolder(async (folder) => {
    const data = await writeMixedParts(join(folder, "pictures"));
    const results = join(folder, "results");
    const flags = ["--steps", "40", "--warmup", "4", "--log-every", "40", ...onWasm];
    await body(await trainNaViT(results, data, ...flags), data, folder);
  });
}

/** Evaluates; the report that `--json` prints, which is all there is on stdout. */
async function evaluate(...args: string[]): Promise<EvaluationReport> {
  return JSON.parse(await succeed("eval", "navit", "--json", "--quiet", ...args));
}

const indexOfLargest = (values: Float32Array) => values.indexOf(Math.max(...values));

for (const { name, flags, available } of devices) {
  Deno.test({
    name: `accuracy is a count by hand over logits of one image at a time [${name}]`,
    ignore: !available,
    fn: () =>
      withRun(async (run, data) => {
        const settings = [
          { kind: "tokens", tokens: 6 },
          { kind: "tokens", tokens: 20 },
          { kind: "resolution", side: 30 },
          { kind: "square", side: 24 },
          { kind: "native", tokens: 20 },
          { kind: "padded", tokens: 20 },
        ] as const;
        const { settings: rows, classes } = await evaluate(
          ...["--ckpt", run, "--tokens", "6,20", "--resolution", "30", "--square", "24"],
          ...["--native", "--padded", "--batch-size", "2", ...flags],
        );
        const checkpoint = checkpointOf(run, 40);
        const { config } = await readManifestOf(navitFamily, checkpoint);
        const weights = await readFileWeights(join(checkpoint, "ema.safetensors"));
        const pictures = await openPictureSet(data, { split: "test" });
        const device = await createWasmDevice({ threads: 1 });
        try {
          const byHand = [];
          for (const setting of settings) {
            const grids = Array.from(
              { length: pictures.length },
              (_, index) => gridOf(setting, pictures.size(index), config.patch, 32),
            );
            const logits = await logitsOneByOne(device, config, weights, pictures, grids);
            const predicted = logits.map(indexOfLargest);
            const right = predicted.filter((label, index) => label === pictures.label(index));
            const tokens = grids.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
            byHand.push({
              kind: setting.kind,
              images: 12,
              tokens: tokens / 12,
              top1: right.length / 12,
              predicted,
            });
          }
          assert.deepEqual(
            rows.map(({ kind, images, tokens, top1 }) => ({ kind, images, tokens, top1 })),
            byHand.map(({ kind, images, tokens, top1 }) => ({ kind, images, tokens, top1 })),
          );
          const best = byHand.reduce((a, b) => b.top1 > a.top1 ? b : a);
          assert(best.top1 > 0.4, "nothing was learnt");
          const count = (label: number, isRight: boolean) =>
            best.predicted.filter((found, index) =>
              found === label && (!isRight || pictures.label(index) === label)
            ).length;
          assert.deepEqual(
            classes!.rows.map(({ name, images, correct, predicted }) => [
              name,
              images,
              correct,
              predicted,
            ]),
            mixedClasses.map((name, label) => [name, 4, count(label, true), count(label, false)]),
          );
        } finally {
          device.close();
        }
      }),
  });
}

Deno.test("pictures that lack a class count in the classes of the model", async () => {
  await withRun(async (run, data) => {
    const flags = ["--ckpt", run, "--tokens", "12", ...onWasm];
    const whole = await evaluate(...flags);
    await Deno.remove(join(data, "test", mixedClasses[0]), { recursive: true });
    const fewer = await evaluate(...flags);
    const counts = ({ classes }: EvaluationReport) =>
      classes!.rows.map(({ name, images, correct }) => ({ name, images, correct }));
    const [first, ...others] = counts(whole);
    assert.deepEqual(counts(fewer), [{ ...first, images: 0, correct: 0 }, ...others]);
  });
});

Deno.test("weights of the last step and other parts of the data can be chosen", async () => {
  await withRun(async (run, data) => {
    const both = ["--ckpt", run, "--tokens", "12", ...onWasm];
    const [averaged, raw, training, elsewhere] = [
      await evaluate(...both),
      await evaluate(...both, "--weights", "raw"),
      await evaluate(...both, "--split", "train"),
      await evaluate(...both, "--split", "train", "--data-path", join(data, "train")),
    ];
    assert.notEqual(averaged.settings[0].calibrationError, raw.settings[0].calibrationError);
    assert.deepEqual([averaged, training].map(({ settings: [row] }) => row.images), [12, 24]);
    assert.match(averaged.dataSet, /test, 12 pictures$/);
    assert.equal(elsewhere.settings[0].top1, training.settings[0].top1);
  });
});

Deno.test("a run with --holdout is evaluated on what it has not seen", async () => {
  await withFolder(async (folder) => {
    const data = await writeMixedPictures(join(folder, "pictures"), 8);
    const flags = ["--steps", "2", "--holdout", "0.25", ...onWasm];
    const run = await trainNaViT(folder, data, ...flags);
    const images = async (...args: string[]) => {
      const report = await evaluate("--ckpt", run, "--tokens", "6", ...onWasm, ...args);
      return [report.settings[0].images, report.dataSet.replace(/.*\((.*)\).*/, "$1")];
    };
    assert.deepEqual(await images(), [6, "test part"]);
    assert.deepEqual(await images("--split", "train"), [18, "training part"]);
  });
});

Deno.test("everything at once: cascades, probe, robustness, in every format of a file", async () => {
  await withRun(async (trained, _, folder) => {
    const path = (ending: string) => join(folder, `report.${ending}`);
    const files = ["html", "csv", "json", "txt"].map(path);
    const { code, out, err } = await run(
      ...[
        "eval",
        "navit",
        "--ckpt",
        trained,
        "--tokens",
        "3,6,12",
        "--square",
        "16",
        "--native",
        "--padded",
      ],
      ...["--probe", "--shots", "4", "--robustness", "--out", files.join(), ...onWasm],
    );
    assert.equal(code, 0, err);
    assert.match(err, /^000-NaViT-XS-8: 3 tokens \.\.\.$/m);
    assert.match(err, /^000-NaViT-XS-8: linear probe, 4 shots a class \.\.\.$/m);
    const report: EvaluationReport = JSON.parse(await Deno.readTextFile(path("json")));
    assert.deepEqual(report.settings.map(({ kind }) => kind), [
      ...["tokens", "tokens", "tokens", "square", "native", "padded"],
    ]);
    assert.equal(report.cascades!.cascades.length, 3);
    assert.deepEqual(report.probes!.map(({ shots, images }) => [shots, images]), [[4, 12]]);
    const [resolutions, aspects] = report.robustness!;
    const base = Math.round(Math.sqrt(12) * 8);
    assert.deepEqual([resolutions.base, aspects.base], [base, 1]);
    for (const { rows, base } of [resolutions, aspects]) {
      assert.equal(rows.length, 5);
      assert.equal(rows.find(({ value }) => value === base)!.difference, 0);
    }
    for (const { calibrationError, fillRate, top1, milliseconds } of report.settings) {
      assert(calibrationError >= 0 && calibrationError <= 1);
      assert(fillRate! > 0 && fillRate! <= 1 && top1 >= 0 && top1 <= 1 && milliseconds > 0);
    }
    assert.equal(await Deno.readTextFile(path("txt")), out.trimEnd());
    for (const title of ["12 tokens", "16 x 16", "native", "aspect ratio", "shots", "share"]) {
      assert(out.includes(title), `${title} is missing:\n${out}`);
    }
    const csv = (await Deno.readTextFile(path("csv"))).trimEnd().split("\n");
    assert.equal(csv.length, 7);
    const html = await Deno.readTextFile(path("html"));
    assert.match(html, /^<!doctype html>/i);
    assert((html.match(/<svg/g) ?? []).length >= 3, "charts are missing");
  });
});

Deno.test("a probe takes as many shots as the smallest class has", async () => {
  await withRun(async (trained) => {
    const { code, out, err } = await run(
      ...[
        "eval",
        "navit",
        "--ckpt",
        trained,
        "--tokens",
        "6",
        "--probe",
        "--json",
        ...onWasm,
      ],
    );
    assert.equal(code, 0, err);
    assert.match(err, /linear probe, 8 shots a class/);
    const { probes }: EvaluationReport = JSON.parse(out);
    assert.equal(probes![0].shots, 8);
  });
});

Deno.test("a folder of runs: every navit is evaluated, the best first; others are left out", async () => {
  await withRun(async (trained, data, folder) => {
    const results = join(folder, "results");
    await train(results, "--steps", "1", ...onWasm);
    const flags = ["--steps", "2", "--hidden", "8", "--loss", "sigmoid", ...onWasm];
    await trainNaViT(results, data, ...flags);
    const first = join(results, "005-NaViT-XS-8");
    await Deno.rename(trained, first);
    const report = await evaluate("--ckpt", results, "--tokens", "6,12", ...onWasm);
    assert.deepEqual(report.settings.map(({ checkpoint, setting }) => [checkpoint, setting]), [
      ["005-NaViT-XS-8", "6 tokens"],
      ["005-NaViT-XS-8", "12 tokens"],
      ["002-NaViT-XS-8", "6 tokens"],
      ["002-NaViT-XS-8", "12 tokens"],
    ]);
    assert.equal(report.calibration!.length, 2);
    const alone = await evaluate("--ckpt", first, "--tokens", "6,12", ...onWasm);
    for (const row of [0, 1]) assert.equal(report.settings[row].top1, alone.settings[row].top1);
    await Deno.remove(first, { recursive: true });
    await Deno.remove(join(results, "002-NaViT-XS-8"), { recursive: true });
    const { code, err } = await run("eval", "navit", "--ckpt", results);
    assert.equal(code, 1);
    assert.match(err, /^tessera: .*results: none of its 1 runs trains a navit\n$/);
  });
});

Deno.test("runs in one folder must go with the same pictures", async () => {
  await withRun(async (_, data, folder) => {
    const results = join(folder, "results");
    const quick = ["--steps", "1", ...onWasm];
    const held = await writeMixedPictures(join(folder, "whole"), 4);
    await trainNaViT(results, held, "--holdout", "0.5", ...quick);
    const flags = ["--ckpt", results, "--tokens", "4", "--quiet", ...onWasm];
    const command = ["eval", "navit", ...flags];
    const { code, err } = await run(...command);
    assert.equal(code, 0, err);
    assert.match(
      err,
      /^warning: 001-NaViT-XS-8 was trained with --holdout 0\.5, 000-NaViT-XS-8 with 0, so it may have seen the pictures of this evaluation\n$/,
    );
    const grey = await trainNaViT(results, data, "--channels", "1", ...quick);
    const channels =
      /^tessera: 000-.* and 002-NaViT-XS-8 were trained on different kinds of pictures \(3 channels, .*; 1 channels, .*\): evaluate them one by one$/m;
    assertFails(await run(...command), 1, channels);
    await Deno.remove(grey, { recursive: true });
    await Deno.rename(join(data, "train", "checks"), join(data, "train", "xs"));
    await trainNaViT(results, join(data, "train"), ...quick);
    const classes = /000-.* and 003-.*classes columns, rows, xs\): evaluate them one by one$/m;
    assertFails(await run(...command), 1, classes);
  });
});

Deno.test("damaged pictures are left out, named once and counted", async () => {
  await withRun(async (trained, data) => {
    const flags = ["--ckpt", trained, "--tokens", "6,12", "--padded", "--batch-size", "1"];
    const evaluateQuietly = () => run("eval", "navit", "--json", "--quiet", ...flags, ...onWasm);
    await damagePixels(join(data, "test", "rows", "102.png"));
    const { code, out, err } = await evaluateQuietly();
    assert.equal(code, 0, err);
    const lines = err.trimEnd().split("\n");
    assert.equal(lines.length, 2, err);
    assert.match(lines[0], /^skipped: .*rows.102\.png: cannot be decoded as a picture: /);
    assert.match(lines[1], /^.*test: skipped 1 of 12 pictures$/);
    const report: EvaluationReport = JSON.parse(out);
    assert.deepEqual(report.settings.map(({ images }) => images), [11, 11, 11]);
    assert.deepEqual(report.classes!.rows.map(({ images }) => images), [4, 4, 3]);
    for (const name of mixedClasses) {
      for (let number = 100; number < 104; number++) {
        await damagePixels(join(data, "test", name, `${number}.png`));
      }
    }
    assertFails(await evaluateQuietly(), 1, /^tessera: .*test: no picture can be read$/m);
  });
});

Deno.test("what cannot be evaluated is refused in one line", async () => {
  await withRun(async (trained, data, folder) => {
    const path = (name: string) => join(folder, name);
    await Deno.mkdir(path("empty"));
    await writeMixedPictures(path("zebras"), 1);
    await Deno.rename(join(path("zebras"), "rows"), join(path("zebras"), "zebras"));
    await writeMixedPictures(path("whole"), 1);
    const dit = await train(path("dits"), "--steps", "1", ...onWasm);
    const on = (name: string) => ["--data-path", path(name), "--split", "train"];
    const cases: [string[], number, RegExp][] = [
      [on("missing"), 1, /missing: no such file or folder$/m],
      [on("empty"), 1, /empty: not a data set: no pictures .*; looked for /],
      [
        on("zebras"),
        1,
        /class "zebras" is none of the 3 known; did you mean /,
      ],
      [["--data-path", path("whole")], 1, /whole: has no separate test part; --split train .*/],
      [["--probe", "--shots", "9"], 2, /class "checks" has 8 of the 9 .*; at most 8 shots are /],
      [["--ckpt", path("missing")], 1, /checkpoint .*missing: does not exist; give a run /],
      [["--ckpt", path("empty")], 1, /has no checkpoint in it; give a run folder, /],
      [["--ckpt", dit], 1, /a model of the family dit, not navit$/m],
      [["--tokens", "0"], 2, /--tokens 0 is out of range: .* the nearest valid value is 1$/m],
      [["--tokens", "4,,6"], 2, /--tokens "4,,6" has an empty entry$/m],
      [["--weights", "emma"], 2, /did you mean ema\?/],
      [["--out", "report.pdf"], 2, /the ending must be \.html, \.csv, \.json or \.txt$/m],
      [["--tokns", "4"], 2, /unknown option '--tokns'; did you mean --tokens\?/],
    ];
    const command = ["eval", "navit", "--quiet", ...onWasm];
    for (const [args, code, message] of cases) {
      const checkpoint = args.includes("--ckpt") ? [] : ["--ckpt", trained];
      await assertRefuses(folder, [...command, ...checkpoint, ...args], code, message);
    }
    // Advice belongs to its own error: there is a test part, and a path was given.
    await Deno.mkdir(path("parts"));
    await Deno.rename(path("zebras"), join(path("parts"), "test"));
    await Deno.rename(path("whole"), join(path("parts"), "train"));
    const plain = { missing: /missing: no such file or folder$/m, parts: /is none of the 3 known/ };
    for (const [name, message] of Object.entries(plain)) {
      const { err } = await run(...command, "--ckpt", trained, "--data-path", path(name));
      assert.match(err, message);
      assert.doesNotMatch(err, /--split|--holdout|--data-path/);
    }
    const newest = checkpointOf(trained, 40);
    const refuse = (message: RegExp) =>
      assertRefuses(folder, [...command, "--ckpt", trained], 1, message);
    const weights = await Deno.readFile(join(newest, "ema.safetensors"));
    await Deno.writeFile(join(newest, "ema.safetensors"), weights.subarray(0, -10));
    await refuse(/ema\.safetensors: damaged: its length/);
    for (const name of ["ema", "model"]) {
      await Deno.remove(join(newest, `${name}.safetensors`));
    }
    await refuse(/ema\.safetensors: no such file$/m);
    const manifest = join(newest, "state.json");
    const text = await Deno.readTextFile(manifest);
    await Deno.writeTextFile(manifest, resealed(text.replace('"patch": 8', '"patch": 0')));
    await refuse(/state\.json: config: patch: /);
    await Deno.writeTextFile(manifest, text.slice(0, 100));
    await refuse(/state\.json: not valid JSON, the file is damaged$/m);
    assert((await namesIn(data)).length > 0);
  });
});

Deno.test("weights that are not finite end an evaluation with exit code 3 and the tensor's name", async () => {
  await withFolder(async (folder) => {
    const data = await writeMixedParts(join(folder, "pictures"));
    const path = await trainNaViT(join(folder, "results"), data, "--steps", "1", ...onWasm);
    const checkpoint = checkpointOf(path, 1);
    const file = join(checkpoint, "ema.safetensors");
    const { shapes, floats } = await readFileWeights(file);
    floats("head.bias")[1] = NaN;
    const tensors = [...shapes].map(([name, shape]) => ({ name, shape, data: floats(name) }));
    const record = await writeSafetensors(file, tensors.map((each) => ({ ...each, type: "F32" })));
    await editManifest(checkpoint, (text) => {
      const manifest = JSON.parse(text);
      manifest.files["ema.safetensors"] = record;
      return `${JSON.stringify(manifest, null, 2)}\n`;
    });
    assertFails(
      await run("eval", "navit", "--ckpt", path, ...onWasm, "--tokens", "6"),
      3,
      /^tessera: 000-NaViT.*: head\.bias holds NaN at element 1$/m,
    );
  });
});
