/**
 * Damaged files through the commands that read them: one line, no crash, no hang, bounded memory.
 * What is damaged so that it is still valid may as well succeed.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { basename, dirname, join } from "@std/path";
import { encodePng } from "../../formats/pictures/bitmap.ts";
import { encodeMp4 } from "../../formats/video/mp4_writer.ts";
import { setPngMetadata } from "../../formats/pictures/png.ts";
import { CacheWriter } from "../../data/latents/writer.ts";
import { autoencoderKLConfigs } from "../../models/autoencoder_kl/model.ts";
import { pictureSheetFormat, pixelHash } from "../../data/sources/picture_sheet.ts";
import { checkpointOf, onWasm, run, train, withFolder, writeTinyData } from "../cli/runs.ts";
import type { Finished } from "../cli/support.ts";
import { idxBytes } from "../formats/helpers.ts";
import { binaryDamage, type Damage, jsonDamage } from "./damage.ts";
import { scale } from "../scale.ts";

const seed = Number(Deno.env.get("TESSERA_FUZZ_SEED") ?? 20261123);

/** Longest a damaged file may take, and most it may add to the resident memory. */
const longest = 8000;
const mostMemory = 600 * 2 ** 20;

/** A command that reads a file, which is damaged before. */
interface Target {
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  readonly damage: fc.Arbitrary<Damage>;
}

/** Runs a command line without the warnings about pictures that are left out. */
async function runQuietly(...args: string[]): Promise<Finished> {
  const { warn } = console;
  console.warn = () => {};
  try {
    return await run(...args);
  } finally {
    console.warn = warn;
  }
}

/** Runs a command line and checks how it ends; returns the exit code. */
async function assertOrderly(args: readonly string[], where: string): Promise<number> {
  const started = performance.now();
  const { code, err } = await runQuietly(...args);
  const took = performance.now() - started;
  assert(took < longest, `${where}: took ${took} ms`);
  assert([0, 1, 2, 3].includes(code), `${where}: exit code ${code}`);
  const message = err.split("\n").filter((line) => line.startsWith("tessera: "));
  assert.equal(message.length, code === 0 ? 0 : 1, `${where}: ${err}`);
  if (code !== 0) assert(err.endsWith(`${message[0]}\n`), `${where}: ${err}`);
  assert.doesNotMatch(err, /^ +at |--debug/m, where);
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(err, /[\x00-\x09\x0b-\x1f]/, where);
  assert(err.length < 5000, `${where}: a message of ${err.length} characters`);
  return code;
}

/** Writes a cache of latents of two pictures; returns the path of its file. */
async function writeCache(folder: string): Promise<string> {
  using writer = await CacheWriter.open(folder, {
    format: "tessera-latents",
    version: 1,
    autoencoder: {
      config: autoencoderKLConfigs.get("VAE-XS")!,
      path: "somewhere",
      hash: "0".repeat(64),
    },
    source: { path: "pictures", fingerprint: "f", pictures: 2 },
    classNames: ["a", "b"],
    pixels: { channels: 3, height: 16, width: 16 },
    latent: { channels: 4, height: 4, width: 4 },
    posterior: true,
    mirrored: false,
    type: "F32",
    shardLength: 2,
  });
  await writer.add({
    latents: Float32Array.from({ length: 2 * 8 * 16 }, (_, index) => Math.sin(index)),
    labels: Int32Array.of(0, 1),
  });
  const { shards: [{ file }] } = await writer.finish();
  return join(folder, file);
}

/** Makes a file of each kind that the commands read. */
async function makeTargets(folder: string): Promise<Target[]> {
  const at = (...names: string[]) => join(folder, ...names);
  const write = async (path: string, bytes: Uint8Array | string) => {
    await Deno.mkdir(dirname(path), { recursive: true });
    await (typeof bytes === "string"
      ? Deno.writeTextFile(path, bytes)
      : Deno.writeFile(path, bytes));
    return path;
  };
  const npz = await writeTinyData(at("data.npz"));
  const small = ["--patch", "4", "--data-path", npz, ...onWasm, "--steps", "1"];
  const model = await train(at("results"), ...small);
  const checkpoint = checkpointOf(model, 1);
  const dryRun = (...args: string[]) => ["train", "dit", "--dry-run", "--patch", "4", ...args];

  const count = 6;
  const pictures = await write(
    at("idx", "train-images-idx3-ubyte"),
    idxBytes([count, 8, 8], new Uint8Array(count * 64)),
  );
  await write(at("idx", "train-labels-idx1-ubyte"), idxBytes([count], [0, 1, 2, 0, 1, 2]));
  const zipped = new Response(
    new Blob([await Deno.readFile(pictures)]).stream().pipeThrough(new CompressionStream("gzip")),
  );
  await write(at("gzip", "train-images-idx3-ubyte.gz"), await zipped.bytes());
  await write(at("gzip", "train-labels-idx1-ubyte"), idxBytes([count], [0, 1, 2, 0, 1, 2]));
  await write(at("cifar", "train.bin"), new Uint8Array(2 * 3074));

  const pixels = Uint8Array.from({ length: 4 * 64 }, (_, index) => index);
  const sheet = await encodePng({ height: 8, width: 32, channels: 1, data: pixels });
  await write(at("sheets", "sheet-0.png"), sheet);
  const order = Uint8Array.from(
    { length: 256 },
    (_, i) => pixels[Math.floor(i % 64 / 8) * 32 + Math.floor(i / 64) * 8 + i % 8],
  );
  const labels = {
    ...{ format: pictureSheetFormat, name: "x", source: "x", order: "x", height: 8, width: 8 },
    ...{ channels: 1, columns: 4, classNames: ["a"] },
    sheets: [{ file: "sheet-0.png", label: 0, count: 4, sha256: pixelHash(order) }],
  };
  await write(at("sheets", "labels.json"), JSON.stringify(labels));
  await write(at("pictures", "a", "0.png"), sheet);
  await write(at("png", "sample.png"), setPngMetadata(sheet, { seed: 1, labels: [1, 2] }));
  const clip = { frames: 2, height: 8, width: 8, channels: 1, data: new Uint8Array(128), fps: 8 };
  const mp4 = await write(at("clip.mp4"), await encodeMp4(clip, { comment: '{"seed":1}' }));
  const shard = await writeCache(at("cache"));
  const fixtures = "tests/fixtures";
  const config = await write(
    at("config.json"),
    await Deno.readTextFile(`${fixtures}/dit-pixel.config.json`),
  );
  const [weights, verified] = await Promise.all(
    ["weights", "case"].map(async (name) =>
      await write(
        at(`${name}.safetensors`),
        await Deno.readFile(`${fixtures}/dit-pixel.${name}.safetensors`),
      )
    ),
  );
  const verify = ["verify", "dit", ...onWasm, "--tolerance", "1e-3"];
  const verifying = [...verify, "--config", config, "--ckpt", weights, "--case", verified];
  const resume = ["train", "dit", "--resume", model, "--steps", "1", ...onWasm, "--quiet"];
  const [binary, json] = [binaryDamage, jsonDamage];
  return [
    { name: "npz", file: npz, args: dryRun("--data-path", npz), damage: binary },
    { name: "IDX", file: pictures, args: dryRun("--data-path", at("idx")), damage: binary },
    {
      name: "gzipped IDX",
      file: at("gzip", "train-images-idx3-ubyte.gz"),
      args: dryRun("--data-path", at("gzip")),
      damage: binary,
    },
    {
      name: "CIFAR",
      file: at("cifar", "train.bin"),
      args: dryRun("--data-path", at("cifar")),
      damage: binary,
    },
    {
      name: "labels.json",
      file: at("sheets", "labels.json"),
      args: dryRun("--data-path", at("sheets")),
      damage: json,
    },
    {
      name: "sheet",
      file: at("sheets", "sheet-0.png"),
      args: dryRun("--data-path", at("sheets")),
      damage: binary,
    },
    {
      name: "picture",
      file: at("pictures", "a", "0.png"),
      args: dryRun("--data-path", at("pictures"), "--image-size", "8"),
      damage: binary,
    },
    {
      name: "PNG text",
      file: at("png", "sample.png"),
      args: ["info", at("png", "sample.png")],
      damage: fc.oneof(binary, json),
    },
    {
      name: "cache of latents",
      file: at("cache", "cache.json"),
      args: dryRun("--data-path", at("cache")),
      damage: json,
    },
    {
      name: "latents",
      file: shard,
      args: dryRun("--data-path", at("cache")),
      damage: fc.oneof(binary, json),
    },
    { name: "MP4", file: mp4, args: ["info", mp4], damage: binary },
    { name: "config", file: config, args: ["info", "model", "--config", config], damage: json },
    { name: "case config", file: config, args: verifying, damage: json },
    { name: "case weights", file: weights, args: verifying, damage: fc.oneof(binary, json) },
    { name: "case", file: verified, args: verifying, damage: fc.oneof(binary, json) },
    ...["model", "ema", "optim"].map((name): Target => ({
      name: `resumed ${name}`,
      file: join(checkpoint, `${name}.safetensors`),
      args: resume,
      damage: fc.oneof(binary, json),
    })),
    {
      name: "manifest",
      file: join(checkpoint, "state.json"),
      args: ["info", "checkpoint", model],
      damage: json,
    },
    { name: "resumed manifest", file: join(checkpoint, "state.json"), args: resume, damage: json },
    {
      name: "latest",
      file: join(model, "checkpoints", "latest"),
      args: resume,
      damage: json,
    },
  ];
}

const total = scale(500, 10_000);

Deno.test(`${total} damaged files: one line each (seed ${seed})`, async () => {
  await withFolder(async (folder) => {
    const targets = await makeTargets(folder);
    for (const { name, args } of targets) assert.equal((await run(...args)).code, 0, name);
    const before = Deno.memoryUsage().rss;
    const started = performance.now();
    let refused = 0;
    for (const { name, file, args, damage } of targets) {
      const whole = await Deno.readFile(file);
      const property = fc.asyncProperty(
        fc.array(damage, { minLength: 1, maxLength: 2 }),
        async (ways) => {
          const kind = `${name} ${basename(file)}, ${ways.map((way) => way.kind).join(", ")}`;
          await Deno.writeFile(file, ways.reduce((bytes, way) => way.apply(bytes), whole));
          if (await assertOrderly(args, kind) !== 0) refused++;
        },
      );
      await fc.assert(property, { seed, numRuns: Math.ceil(total / targets.length) });
      await Deno.writeFile(file, whole);
      assert.equal((await run(...args)).code, 0, `${name}, repaired`);
    }
    const grown = Deno.memoryUsage().rss - before;
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(`${refused} refused in ${seconds} s; resident memory +${grown >> 20} MiB`);
    assert(grown < mostMemory, `resident memory grew by ${grown} bytes`);
    assert(refused > total / 2);
  });
});
