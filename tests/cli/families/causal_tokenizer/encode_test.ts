/** Caches of clips: what they say, the same bytes however they are made, what reads and refuses them. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { ripple } from "../../../../base/ripple.ts";
import { readCacheManifest } from "../../../../data/latents/cache.ts";
import { openLatentCache } from "../../../../data/latents/dataset.ts";
import { openSafetensors, writeSafetensors } from "../../../../formats/tensors/safetensors.ts";
import {
  findTokenizerDecoder,
  TokenizerDecoder,
} from "../../../../cli/families/causal_tokenizer/decoder.ts";
import { openDevice } from "../../../../kernels/devices.ts";
import { openTokenizerCoder } from "../../../../models/causal_tokenizer/coding.ts";
import { checkCausalTokenizerConfig } from "../../../../models/causal_tokenizer/config.ts";
import { causalTokenizerParameters } from "../../../../models/causal_tokenizer/model.ts";
import { elementCount } from "../../../../kernels/shape.ts";
import { readPictureSize } from "../../../../data/pictures/picture.ts";
import { openClips } from "../../../../data/clips/open_clips.ts";
import { writeClipAs } from "../../../data/clips/files.ts";
import { filesOf } from "../../verify_cases.ts";
import {
  assertRefuses,
  bytesIn,
  namesIn,
  onWasm,
  run,
  start,
  succeed,
  withFolder,
  writeTinyData,
} from "../../runs.ts";

const clips = filesOf("causal_tokenizer_clips");
const model = ["--ckpt", clips.ckpt, "--config", clips.config];
/** The family is that of the weights. */
const encode = (out: string, ...args: string[]): string[] => [
  ...["encode", ...model, "--out", out, "--shard-length", "2", ...onWasm, ...args],
];

/** Five clips of two classes, and one that is too short. */
async function writeClips(folder: string): Promise<string[]> {
  const sides = { height: 16, width: 16 };
  for (const name of ["down/a", "down/b", "up/c"]) {
    await writeClipAs(join(folder, `${name}.webp`), { ...sides, frames: 5 });
  }
  await writeClipAs(join(folder, "up/long.webp"), { ...sides, frames: 10, fps: 4 });
  await writeClipAs(join(folder, "up/short.webp"), { ...sides, frames: 3 });
  return ["--data-path", folder, "--frames", "5", "--quiet"];
}

/** Weights of the same tokenizer that are others. */
async function writeOthers(path: string): Promise<void> {
  const config = checkCausalTokenizerConfig(
    JSON.parse(await Deno.readTextFile(clips.config)),
    clips.config,
  );
  const tensors = causalTokenizerParameters(config).map(({ name, shape }, index) => ({
    ...{ name, shape, type: "F32" as const },
    data: ripple(elementCount(shape), index + 1, 0.1),
  }));
  await writeSafetensors(path, tensors);
}

Deno.test("encode tokenizer: labels, sources and rates of clips, latents as the coder makes them", () =>
  withFolder(async (folder) => {
    const data = join(folder, "clips");
    const cache = join(folder, "cache");
    await succeed(...encode(cache, ...await writeClips(data), "--flips"));
    const { source, classNames, pixels, latent, posterior, mirrored, shards, ...about } =
      await readCacheManifest(cache);
    assert.deepEqual([source.path, source.pictures, source.fps], [data, 5, 8]);
    assert.deepEqual([source.cuts, classNames], [{ crop: "center" }, ["down", "up"]]);
    assert.deepEqual(pixels, { channels: 3, frames: 5, height: 16, width: 16 });
    assert.deepEqual(latent, { channels: 3, frames: 3, height: 4, width: 4 });
    assert.deepEqual([posterior, mirrored, shards.length], [false, true, 3]);
    using last = await openSafetensors(join(cache, shards[2].file));
    assert.deepEqual(last.metadata, { first: "4", names: '["up/long.webp 5-9"]', fps: "[4]" });
    const read = await openLatentCache(cache);
    assert.deepEqual([0, 1, 2, 3, 4].map((index) => read.label(index)), [0, 0, 1, 1, 1]);
    assert.deepEqual([read.frames, read.latents.fps], [3, 8]);
    assert.equal(read.clipName!(2), "up/c.webp 0-4");

    const found = new Float32Array(2 * 144);
    await read.read([4, read.mirrorOf!(4)], found);
    const wanted = await encodedAndMirrored(data, 4);
    assert.deepEqual(found, wanted);
    const { shift, scale } = about.normalization!;
    assert.deepEqual(shift, about.statistics!.mean);
    assert.deepEqual(scale, about.statistics!.deviation.map((deviation) => 1 / deviation));
  }));

/** A clip and its mirror image, each encoded by itself. */
async function encodedAndMirrored(data: string, index: number): Promise<Float32Array> {
  const config = checkCausalTokenizerConfig(
    JSON.parse(await Deno.readTextFile(clips.config)),
    clips.config,
  );
  const set = await openClips(data, { frames: 5, warn: () => {} });
  const clip = new Float32Array(3 * 5 * 16 * 16);
  await set.read([index], clip);
  set.close();
  using weights = await openSafetensors(clips.ckpt);
  const device = await openDevice("wasm", { threads: 1 });
  const size = { frames: 5, height: 16, width: 16 };
  const request = { direction: "encode", batch: 1, clip: size } as const;
  const { coder } = await openTokenizerCoder(device, config, weights, request);
  const latents = await coder.run(clip);
  const mirrored = await coder.run(
    clip.map((_, i) => clip[i - i % 16 + 15 - i % 16]),
  );
  coder[Symbol.dispose]();
  device.close();
  return Float32Array.of(...latents, ...mirrored);
}

Deno.test("encode tokenizer: a killed cache ends with the same bytes; what is another is refused by name", () =>
  withFolder(async (folder) => {
    const data = await writeClips(join(folder, "clips"));
    const [whole, killed] = [join(folder, "whole"), join(folder, "killed")];
    await succeed(...encode(whole, ...data));
    const loud = data.slice(0, -1);
    const running = start(encode(killed, ...loud, "--batch-size", "1"));
    await running.until(/^clip/m);
    running.kill("SIGKILL");
    await running.finished();
    await succeed(...encode(killed, ...data, "--batch-size", "2"));
    assert.deepEqual(await bytesIn(killed), await bytesIn(whole));

    const others = join(folder, "others.safetensors");
    await writeOthers(others);
    const refusals: [readonly string[], number, RegExp][] = [
      [["--ckpt", others], 1, /was begun with another autoencoder/],
      [["--size", "8"], 1, /another size of clips \(.*16.*\), not .*8/],
      [["--hop", "1"], 1, /another set of clips/],
      [["--flips"], 1, /another choice of mirrored clips/],
      [["--data-path", whole], 1, /whole: is a cache of latents, .*pictures or clips are wanted/],
      [["--frames", "4"], 2, /--frames: 4 frames are not 1 \+ a multiple of 2; .*: 3 and 5/],
      [["--fps", "8", "--stride", "2"], 2, /--fps and --stride both say/],
    ];
    for (const [flags, code, message] of refusals) {
      await assertRefuses(folder, encode(whole, ...data, ...flags), code, message);
    }
    await assertRefuses(folder, ["encode", "tokenizer"], 2, /--out is needed/);
    await assertRefuses(folder, ["encode", "tokenizer", "--out", "x"], 2, /--ckpt is needed/);
  }));

Deno.test("train walt on a cache of clips: its tokenizer draws the sheets, and no other's latents will do", () =>
  withFolder(async (folder) => {
    const data = await writeClips(join(folder, "clips"));
    const [cache, second] = [join(folder, "cache"), join(folder, "second")];
    await succeed(...encode(cache, ...data));
    const others = join(folder, "others.safetensors");
    await writeOthers(others);
    await succeed(...encode(second, ...data, "--ckpt", others));
    const train = [
      ...["train", "walt", "--hidden", "16", "--depth", "2", "--heads", "2", "--patch", "2"],
      ...["--steps", "1", "--sample-every", "1", "--num-sampling-steps", "2"],
      ...[...onWasm, "--quiet", "--results-dir", folder, "--data-path"],
    ];
    const trained = await succeed(...train, cache);
    const { description } = JSON.parse(await Deno.readTextFile(join(trained, "config.json")));
    const { autoencoder, fps } = description.run.latents;
    assert.deepEqual([autoencoder.path.endsWith(clips.ckpt), fps], [true, 8]);
    assert.deepEqual(await namesIn(join(trained, "samples")), ["0000001.png"]);
    const more = ["train", "walt", "--resume", trained, "--allow-changes", "data", "--steps", "2"];
    await assertRefuses(
      folder,
      [...more, ...onWasm, "--data-path", second],
      1,
      /second: holds latents of .*others\.safetensors, the run trains on those of .*clips\.weights/,
    );
    await Deno.remove(others);
    const { code, err } = await run(...train, second);
    assert.equal(code, 1, err);
    assert.match(
      err,
      /come from this autoencoder, which draws the samples; --sample-every 0 draws/,
    );
  }));

Deno.test("latents that a model draws are decoded as the clips that they stand for", () =>
  withFolder(async (folder) => {
    const cache = join(folder, "cache");
    await succeed(...encode(cache, ...await writeClips(join(folder, "clips"))));
    const { latents: settings, channels, ...set } = await openLatentCache(cache);
    const stored = new Float32Array(2 * 144);
    await set.read([1, 4], stored);
    // As a diffusion model sees them.
    const drawn = stored.map((value, index) => {
      const channel = Math.floor(index / 48) % channels;
      return (value - settings.shift[channel]) * settings.scale[channel];
    });
    const found = await findTokenizerDecoder(undefined, settings, "");
    const device = await openDevice("wasm", { threads: 1 });
    const decoder = await TokenizerDecoder.open(device, found, { frames: 3, height: 4, width: 4 });
    assert.deepEqual(decoder.clips, { channels: 3, frames: 5, height: 16, width: 16 });
    const decoded = await decoder.decode(drawn);
    const { source: { config }, weights } = found;
    const request = { direction: "decode", batch: 1, clip: decoder.clips } as const;
    const { coder } = await openTokenizerCoder(device, config, weights, request);
    for (const index of [0, 1]) {
      const wanted = await coder.run(stored.subarray(index * 144, (index + 1) * 144));
      const got = decoded.subarray(index * wanted.length, (index + 1) * wanted.length);
      assert(wanted.every((value, place) => Math.abs(value - got[place]) < 1e-4));
    }
    weights.close();
    device.close();
  }));

Deno.test("encode tokenizer: pictures have latents without frames; clips that come with the tool keep their classes", () =>
  withFolder(async (folder) => {
    const pictures = filesOf("causal_tokenizer_pictures");
    const cache = join(folder, "pictures");
    await succeed(
      ...["encode", "tokenizer", "--ckpt", pictures.ckpt, "--config", pictures.config],
      ...["--data-path", await writeTinyData(join(folder, "data.npz")), "--size", "8"],
      ...["--out", cache, ...onWasm, "-q"],
    );
    const { latent, source } = await readCacheManifest(cache);
    assert.deepEqual([latent.frames, source.cuts, source.fps], [undefined, undefined, undefined]);
    // A DiT is trained on them, and finds the tokenizer that makes pictures of what it draws.
    const quiet = [...onWasm, "-q", "--num-sampling-steps", "2"];
    const dit = await succeed(
      ...["train", "dit", "--data-path", cache, "--patch", "1", "--hidden", "16", "--heads", "2"],
      ...["--depth", "1", "--steps", "1", "--sample-every", "1", "--results-dir", folder, ...quiet],
    );
    assert.deepEqual(await namesIn(join(dit, "samples")), ["0000001.png"]);
    const drawn = join(folder, "drawn");
    await succeed("sample", "dit", "--ckpt", dit, "--out", drawn, ...quiet);
    const { width, height } = await readPictureSize(join(drawn, "000000.png"), "drawn");
    assert.deepEqual([width, height], [8, 8]);
    const tiled = ["sample", "dit", "--ckpt", dit, "--out", drawn, "--tile", "4", ...quiet];
    assert.match((await run(...tiled)).err, /--tile is for VAEs; a tokenizer is divided as memory/);
    const motion = join(folder, "motion");
    const flags = ["--data-path", "shipped:motion", "--frames", "3", "--size", "8", "-q"];
    await succeed(...encode(motion, ...flags, "--shard-length", "100"));
    const found = await readCacheManifest(motion);
    assert.deepEqual([found.classNames.length, found.source.path], [10, "shipped:motion"]);
    assert.equal((await openLatentCache(motion)).length, found.source.pictures);
  }));
