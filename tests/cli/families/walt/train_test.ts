/** `tessera train walt`: pixels of clips, resuming, caches of latents, and what does not fit. */
import assert from "node:assert/strict";
import { basename, join } from "@std/path";
import { ripple } from "../../../../base/ripple.ts";
import { CacheWriter } from "../../../../data/latents/writer.ts";
import { namesMetadata } from "../../../../data/sample_names.ts";
import { writeSafetensors } from "../../../../formats/tensors/safetensors.ts";
import { writeClipAs } from "../../../data/clips/files.ts";
import { readMetrics } from "../../../../training/runs/metrics.ts";
import {
  assertSameCheckpoint,
  checkpointOf,
  namesIn,
  onWasm,
  run,
  succeed,
  withFolder,
} from "../../runs.ts";

/** A model of some ten thousand parameters, and on clips of 3 x 8 x 8. */
const model = [
  ...["--hidden", "16", "--depth", "2", "--heads", "2", "--patch", "2", "--batch-size", "4"],
  ...onWasm,
];
const tiny = [...model, "--frames", "3", "--size", "8"];

const train = async (results: string, ...flags: string[]): Promise<string> =>
  (await succeed("train", "walt", ...tiny, "--results-dir", results, ...flags)).trim();

const trainOnCache = async (results: string, cache: string, ...flags: string[]): Promise<string> =>
  await succeed(
    ...["train", "walt", ...model, "--data-path", cache, "--results-dir", results, ...flags],
  );

Deno.test("train walt learns moving pictures, and draws sheets of clips", async () => {
  await withFolder(async (results) => {
    const schedule = ["--steps", "60", "--log-every", "20", "--lr", "5e-3"];
    const folder = await train(results, ...schedule, "--sample-every", "60");
    const losses = (await readMetrics(folder)).map(({ loss }) => loss);
    assert(losses.every(Number.isFinite));
    assert(losses[2] < 0.8 * losses[0], losses.join());
    assert.deepEqual(await namesIn(join(folder, "samples")), ["0000060.png"]);
    const { description } = JSON.parse(await Deno.readTextFile(join(folder, "config.json")));
    const { latentFrames, latentSize, latentChannels, classes, nullClass } = description.config;
    assert.deepEqual([latentFrames, latentSize, latentChannels], [3, [8, 8], 1]);
    assert.deepEqual([classes, nullClass], [8, true]);
    assert.deepEqual(description.config.spatialWindow, [4, 4]);
    assert.deepEqual(description.config.spatioTemporalWindow, [3, 2, 2]);
    assert.equal(description.dataPath, "shipped:moving-fashion");
  });
});

Deno.test("train walt: clips that are left out are told, the others drawn", async () => {
  await withFolder(async (folder) => {
    const data = join(folder, "data");
    await writeClipAs(join(data, "long.webp"), { frames: 4 });
    await writeClipAs(join(data, "short.webp"), { frames: 2 });
    const sheet = join(folder, "sheet.png");
    const trained = await train(
      folder,
      ...["--data-path", data, "--channels", "3", "--steps", "1", "--preview-data", sheet],
    );
    const report = await Deno.readTextFile(join(trained, "data.txt"));
    assert.match(
      report,
      /^long\.webp: .*1 clip at 8 fps\nshort\.webp: .*left out: too short: .*\n$/,
    );
    assert.match(await Deno.readTextFile(join(trained, "log.txt")), /left out: 1 too short/);
    assert((await Deno.stat(sheet)).size > 0);
  });
});

Deno.test("train walt: 6 steps equal 3 and 3 resumed, bit for bit, in parts too", async () => {
  await withFolder(async (results) => {
    const flags = [
      "--accumulate",
      "2",
      "--frame-prediction",
      "0.5",
      "--image-share",
      "0.5",
      "--ckpt-every",
      "3",
      "--warmup",
      "0",
    ];
    const whole = await train(results, "--steps", "6", ...flags);
    const parts = await train(results, "--steps", "3", ...flags);
    await succeed("train", "walt", "--resume", parts, "--steps", "6", ...onWasm);
    await assertSameCheckpoint(checkpointOf(parts, 6), checkpointOf(whole, 6));
  });
});

const clips = 6;

/** Writes a cache of latents of clips, some of each of two classes. */
async function writeCache(
  folder: string,
  frames: number | undefined,
  side = 4,
  seed = 1,
): Promise<void> {
  const latent = { channels: 2, frames, height: side, width: side };
  using writer = await CacheWriter.open(folder, {
    format: "tessera-latents",
    version: 1,
    autoencoder: { config: { family: "other" }, path: "tokenizer", hash: "0".repeat(64) },
    source: { path: "clips", fingerprint: "made up", pictures: clips },
    classNames: ["slow", "fast"],
    pixels: { channels: 3, frames, height: 4 * side, width: 4 * side },
    latent,
    posterior: false,
    mirrored: false,
    type: "F32",
    shardLength: clips,
  });
  const labels = Int32Array.from({ length: clips }, (_, index) => index % 2);
  const latents = ripple(clips * latent.channels * (frames ?? 1) * side ** 2, seed, 3);
  await writer.add({ latents, labels, names: clipNames });
  await writer.finish();
}

const clipNames = Array.from({ length: clips }, (_, index) => `clip ${index}`);

/** Writes features of captions, of three words of six numbers. */
async function writeFeatures(path: string, names: readonly string[], seed = 1): Promise<void> {
  const shape = [names.length, 3, 6];
  const words = Int32Array.from({ length: 3 * names.length }, (_, index) => Number(index % 3 < 2));
  await writeSafetensors(path, [
    { name: "text", type: "F32", shape, data: ripple(18 * names.length, seed) },
    { name: "textMask", type: "I32", shape: shape.slice(0, 2), data: words },
  ], namesMetadata(names));
}

/** The description of a run. */
async function descriptionOf(folder: string) {
  return JSON.parse(await Deno.readTextFile(join(folder, "config.json"))).description;
}

/** Trains on a cache, whole and in two parts, and returns the description of the run. */
async function trainTwice(folder: string, cache: string, ...flags: string[]) {
  const every = ["--ckpt-every", "1", "--warmup", "0", ...flags];
  const whole = await trainOnCache(folder, cache, "--steps", "2", ...every);
  const parts = await trainOnCache(folder, cache, "--steps", "1", ...every);
  await succeed("train", "walt", "--resume", parts, "--steps", "2", ...onWasm);
  await assertSameCheckpoint(checkpointOf(parts, 2), checkpointOf(whole, 2));
  return await descriptionOf(whole);
}

Deno.test("train walt --embeddings: captions by the names of clips; resumed with the same bits and text", async () => {
  await withFolder(async (folder) => {
    const [cache, captions] = [join(folder, "cache"), join(folder, "captions.safetensors")];
    await writeCache(cache, 3);
    await writeFeatures(captions, clipNames.toReversed());
    const flags = ["--embeddings", captions];
    const compared = ["--image-share", "0.5", "--schedule", "linear", "--raw-latents"];
    const { config, run: { text, schedule, latents } } = await trainTwice(
      folder,
      cache,
      ...flags,
      ...compared,
    );
    assert.deepEqual([schedule, latents.shift, latents.scale], ["linear", [0, 0], [1, 1]]);
    assert.deepEqual([config.classes, config.textWidth], [null, 6]);
    assert.deepEqual([text.path, text.words], [captions, 3]);
    await writeFeatures(captions, clipNames, 2);
    const { err } = await run(
      "train",
      "walt",
      "--resume",
      join(folder, "000-WALT-XS"),
      "--steps",
      "3",
    );
    assert.match(err, /captions\.safetensors: is not the text that the run was begun with/);
    await writeFeatures(captions, clipNames.slice(1));
    const missing = await run(
      "train",
      "walt",
      ...model,
      "--data-path",
      cache,
      ...flags,
      "--dry-run",
    );
    assert.match(missing.err, /captions\.safetensors: no text of "clip 0"; the nearest are "clip /);
  });
});

/** Trains the smallest tokenizer for a step. */
const trainTokenizer = async (results: string): Promise<string> =>
  await succeed(
    ...["train", "tokenizer", "--model", "ImageTokenizer-XS", "--base-channels", "2"],
    ...["--latent-channels", "2", "--groups", "2", "--batch-size", "2", "--steps", "1"],
    ...["--data-path", "data/samples/fashion", "--size", "16", "--results-dir", results, ...onWasm],
  );

Deno.test("train walt --tokenizer: clips are encoded once, at two sizes to enlarge, and then trained on", async () => {
  await withFolder(async (folder) => {
    const tokenizer = await trainTokenizer(join(folder, "tokenizer"));
    const data = join(folder, "clips");
    for (const name of ["down/a", "down/b", "up/c"]) {
      await writeClipAs(join(data, `${name}.webp`), { frames: 3, height: 32, width: 32 });
    }
    const captions = join(folder, "captions.safetensors");
    await writeFeatures(captions, ["down/a.webp", "down/b.webp", "up/c.webp"]);
    const flags = [
      ...["train", "walt", "--data-path", data, "--frames", "3", "--size", "32", "--patch", "1"],
      ...["--hidden", "16", "--depth", "2", "--heads", "2", "--batch-size", "2", "--steps", "2"],
      ...["--tokenizer", tokenizer, "--super-resolution", "--embeddings", captions, "--flip"],
      ...["--sample-every", "2", "--num-sampling-steps", "1", ...onWasm, "--results-dir", folder],
    ];
    const planned = await succeed(...flags, "--dry-run");
    assert.match(planned, /tokens +48/);
    assert(!(await namesIn(folder)).includes("latents"), "a plan encodes nothing");
    const first = await succeed(...flags);
    assert.deepEqual(await namesIn(join(first, "samples")), ["0000002.png"]);
    const caches = (await namesIn(join(folder, "latents"))).filter((name) => !name.includes("/"));
    assert.equal(caches.length, 2);
    const { config, run: settings, dataPath } = await descriptionOf(first);
    assert.deepEqual([config.latentSize, config.latentFrames, config.latentChannels], [
      [4, 4],
      3,
      2,
    ]);
    const paths = [dataPath, settings.lowResolution.cache.path];
    assert.deepEqual(paths.map((path) => basename(path)).sort(), caches);
    const made = await Promise.all(paths.map((path) => Deno.stat(join(path, "cache.json"))));
    // The file of the run has the clips, whose latents are there.
    const { err, out } = await run(
      ...[
        "train",
        "walt",
        "--config",
        join(first, "config.json"),
        "--results-dir",
        folder,
        ...onWasm,
      ],
    );
    assert.doesNotMatch(err, /encode:/);
    await assertSameCheckpoint(checkpointOf(out.trim(), 2), checkpointOf(first, 2));
    const later = await Promise.all(paths.map((path) => Deno.stat(join(path, "cache.json"))));
    assert.deepEqual(later.map(({ mtime }) => mtime), made.map(({ mtime }) => mtime));
    await succeed("train", "walt", "--resume", first, "--steps", "3", ...onWasm);
    const pictures = await succeed(
      ...["train", "walt", "--tokenizer", tokenizer, "--data-path", "data/samples/fashion"],
      ...["--frames", "1", "--size", "16", "--patch", "1", "--results-dir", folder, "--dry-run"],
    );
    assert.match(pictures, /tokens +4\n/, "pictures are clips of one frame");
    const refusals: [string[], RegExp][] = [
      [["--size", "36"], /height 36 is not divisible by 8/],
      [["--size", "40"], /height 20 is not divisible by 8/],
      [["--low-resolution", paths[0]], /--low-resolution is for caches/],
      [
        ["--tokenizer", "shipped:moving-fashion", "--frames", "4"],
        /^tessera: --frames and --size: 4 frames are not 1 \+ a multiple of 4; nearest numbers: 1 and 5/m,
      ],
      [["--tokenizer", captions], /is a file of weights; it takes a run or checkpoint/],
    ];
    for (const [more, message] of refusals) {
      assert.match((await run(...flags, "--dry-run", ...more)).err, message);
    }
  });
});

Deno.test("train walt --low-resolution: from means of pixels, or a cache of half the size", async () => {
  await withFolder(async (folder) => {
    const [cache, small] = [join(folder, "cache"), join(folder, "small")];
    await writeCache(cache, 3);
    await writeCache(small, 3, 2, 5);
    const ofPixels = await train(folder, "--steps", "1", "--super-resolution");
    const { config, run: { lowResolution } } = await descriptionOf(ofPixels);
    assert.equal(config.lowResolution, true);
    assert.deepEqual(lowResolution, { maxNoise: 300 });
    const flags = ["--low-resolution", small];
    const { run: settings } = await trainTwice(
      folder,
      cache,
      ...flags,
      "--low-resolution-noise",
      "50",
    );
    assert.deepEqual(settings.lowResolution.maxNoise, 50);
    assert.equal(settings.lowResolution.cache.path, small);
    assert.equal(settings.lowResolution.cache.latents.scale.length, 2);
    await Deno.remove(small, { recursive: true });
    await writeCache(small, 3, 2, 6);
    const resumed = await run(
      "train",
      "walt",
      "--resume",
      join(folder, "001-WALT-XS"),
      "--steps",
      "3",
    );
    assert.match(resumed.err, /small: is not the low resolution that the run was begun with/);
    const refusals: [string[], RegExp][] = [
      [
        ["--data-path", cache, "--low-resolution", cache],
        /\/cache: is not .*\/cache at half the size: height 4, not 2/,
      ],
      [["--data-path", cache, "--super-resolution"], /a cache needs --low-resolution, one of half/],
      [["--low-resolution", small], /is for latents; pixels are enlarged with --super-resolution/],
    ];
    for (const [flags, message] of refusals) {
      assert.match((await run("train", "walt", ...tiny, "--dry-run", ...flags)).err, message);
    }
  });
});

Deno.test("train walt on caches of latents: clips, and pictures as clips of one frame", async () => {
  await withFolder(async (folder) => {
    for (const frames of [3, undefined]) {
      const cache = join(folder, `cache of ${frames}`);
      await writeCache(cache, frames);
      const run = await trainOnCache(folder, cache, "--steps", "2", "--log-every", "1");
      const { description } = JSON.parse(await Deno.readTextFile(join(run, "config.json")));
      const { latentFrames, latentChannels, spatioTemporalWindow } = description.config;
      assert.deepEqual([latentFrames, latentChannels], [frames ?? 1, 2]);
      assert.deepEqual(spatioTemporalWindow, frames === undefined ? null : [3, 1, 1]);
      assert.equal(description.run.latents.scale.length, 2);
      const [{ loss }] = await readMetrics(run);
      assert(loss > 0.5 && loss < 2, `${loss}: normalised latents have deviation 1`);
    }
  });
});

Deno.test("train walt refuses what does not fit, with the nearest valid values", async () => {
  const cases: [string, RegExp][] = [
    ["--model WALT-L-text", /the model is told text: --embeddings FILE gives the features/],
    ["--model DiT-XS/4", /DiT-XS\/4 is a dit, not a walt/],
    ["--spatio-temporal-window 2,4,4", /2 does not divide 3 latent frames; nearest: 1 and 3/],
    ["--patch 3", /height of the latent 8 is not divisible by the patch 3/],
    ["--num-classes 4", /the data set has classes 8, the model 4/],
    [
      "--spatial-window none --image-share 0.5",
      /--image-share 0\.5: attention that spans time in all/,
    ],
    ["--self-conditioning 2", /--self-conditioning 2/],
    ["--raw-latents", /--raw-latents: .* has pixels/],
    ["--frames 2 --image-share -1", /--image-share -1/],
  ];
  for (const [flags, message] of cases) {
    const { code, err } = await run(
      ...["train", "walt", ...tiny, "--dry-run", ...flags.split(" ")],
    );
    assert.match(err, message, flags);
    assert.equal(code, 2, flags);
  }
  await withFolder(async (folder) => {
    const cache = join(folder, "cache");
    await writeCache(cache, 3);
    const cases: [string[], number, RegExp][] = [
      [["--flip"], 1, /holds no mirrored pictures for --flip/],
      [
        ["--frames", "3"],
        2,
        /^tessera: --frames: .*cache is a cache of latents, for which encode/m,
      ],
      [["--preview-data", "x.png"], 2, /^tessera: --preview-data: .* is a cache of latents/m],
    ];
    for (const [flags, expected, message] of cases) {
      const { code, err } = await run(
        ...["train", "walt", ...model, "--data-path", cache, ...flags, "--dry-run"],
      );
      assert.match(err, message);
      assert.equal(code, expected);
    }
    const pictures = join(folder, "pictures");
    await writeCache(pictures, undefined);
    const joint = ["--data-path", pictures, "--image-share", "0.5", "--dry-run"];
    assert.match(
      (await run("train", "walt", ...model, ...joint)).err,
      /--image-share is for clips/,
    );
  });
});

Deno.test("train walt --dry-run says what WALT-L needs and that it does not fit", async () => {
  const flags = ["--model", "WALT-L", "--batch-size", "1", "--dry-run", ...onWasm];
  const { err, out, code } = await run("train", "walt", ...flags);
  assert.equal(code, 0, err);
  assert.match(out + err, /parameters +312,372,624/);
  assert.match(
    out + err,
    /does not fit: .* weights, moments and averages alone take 4\.7 GiB: only a smaller model fits/,
  );
  const batch = await run(
    "train",
    "walt",
    "--model",
    "WALT-S",
    "--batch-size",
    "4096",
    "--dry-run",
    ...onWasm,
  );
  assert.match(batch.out + batch.err, /does not fit: .* give --accumulate, a smaller batch or/);
});
