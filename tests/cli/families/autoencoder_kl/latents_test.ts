/** Latent diffusion from scratch: train an autoencoder, encode, train on the latents, draw pictures. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { decodePicture } from "../../../../data/pictures/picture.ts";
import { readPngMetadata } from "../../../../formats/pictures/png.ts";
import { openSafetensors } from "../../../../formats/tensors/safetensors.ts";
import { readCacheManifest } from "../../../../data/latents/cache.ts";
import { scale } from "../../../scale.ts";
import {
  assertRefuses,
  assertSameTensors,
  bytesIn,
  checkpointOf,
  namesIn,
  onWasm,
  run,
  type Running,
  start,
  succeed,
  withFolder,
  writeTinyData,
} from "../../runs.ts";

const words = (line: string): string[] => line.split(" ");

/** An autoencoder of grey pictures with latents of 4 x 4 x 4, trained for a step. */
async function trainVae(folder: string, data: string, ...args: string[]): Promise<string> {
  const model = words("--block-out-channels 4,8 --groups 2 --batch-size 4 --steps 1");
  const flags = [...model, "--data-path", data, "--results-dir", folder, ...onWasm, ...args];
  return await succeed("train", "vae", ...flags);
}

const encode = (vae: string, data: string, out: string, ...args: string[]): string[] => [
  ...["encode", "--ckpt", vae, "--data-path", data, "--out", out],
  ...words("--shard-length 5"),
  ...onWasm,
  ...args,
];

const tinyDiT = [...words("--patch 2 --hidden 16 --heads 2 --depth 1 --batch-size 4"), ...onWasm];

Deno.test("W.A.L.T trains on latents of pictures and draws sheets of them; its clips need a tokenizer", async () => {
  await withFolder(async (folder) => {
    const data = await writeTinyData(join(folder, "data.npz"));
    const cache = join(folder, "cache");
    await succeed(...encode(await trainVae(join(folder, "vae"), data), data, cache, "-q"));
    const tiny = words("--patch 2 --hidden 16 --heads 2 --depth 1 --batch-size 4 --steps 1");
    const run = await succeed(
      ...["train", "walt", "--data-path", cache, ...tiny, ...words("--sample-every 1 -q")],
      ...["--results-dir", join(folder, "walt"), ...onWasm],
    );
    assert.deepEqual(await namesIn(join(run, "samples")), ["0000001.png"]);
    await assertRefuses(
      folder,
      ["sample", "walt", "--ckpt", run, "--out", join(folder, "out"), ...onWasm],
      1,
      /ema\.safetensors: .* come from autoencoder-kl, .*; train walt --sample-every draws/,
    );
  });
});

Deno.test("latent diffusion without a download, from pictures to pictures", async () => {
  await withFolder(async (folder) => {
    const data = await writeTinyData(join(folder, "data.npz"));
    const vae = await trainVae(join(folder, "vae"), data);
    const cache = join(folder, "cache");
    await succeed(...encode(vae, data, cache, "--flips", "-q"));
    const { source, shards, mirrored } = await readCacheManifest(cache);
    assert.deepEqual([source.pictures, shards.length, mirrored], [16, 4, true]);

    const dit = (...args: string[]) =>
      succeed("train", "dit", "--results-dir", join(folder, "dit"), ...tinyDiT, ...args);
    const on = ["--data-path", cache, ...words("--flip --ckpt-every 2 --sample-every 4")];
    const whole = await dit(...on, "--steps", "4");
    const begun = await dit(...on, "--steps", "2");
    await succeed("train", "dit", "--resume", begun, "--steps", "4", ...onWasm);
    await assertSameTensors(checkpointOf(begun, 4), checkpointOf(whole, 4));
    const grid = readPngMetadata(await Deno.readFile(join(whole, "samples", "0000004.png")));
    assert.deepEqual(Object(grid).decoder.pictures, { channels: 1, inputSize: 8 });

    const sample = (out: string, ...args: string[]) =>
      [...words("sample dit --ckpt"), whole, "--out", join(folder, out), ...onWasm, ...args]
        .concat(words("--sampler euler --num-sampling-steps 2"));
    const latents = join(folder, "latents.safetensors");
    await succeed(...sample("drawn", "--save-latents", latents));
    const picture = await Deno.readFile(join(folder, "drawn", "000000.png"));
    const about = readPngMetadata(picture) as { readonly decoder: { readonly pictures: object } };
    assert.deepEqual(about.decoder.pictures, { channels: 1, inputSize: 8 });
    using drawn = await openSafetensors(latents);
    assert.deepEqual(drawn.info("latents").shape, [2, 4, 4, 4]);

    // Another decoder of the same encoder will do; another encoder is refused by name.
    const other = await trainVae(join(folder, "other"), data, "--seed", "1");
    await assertRefuses(
      folder,
      sample("drawn", "--vae", other),
      1,
      /ema\.safetensors: its encoder is not the one that the model's latents come from, that of/,
    );
    await assertRefuses(
      folder,
      words(
        `train dit --resume ${begun.replaceAll(" ", "\u0000")} --allow-changes data --data-path`,
      )
        .map((word) => word.replaceAll("\u0000", " ")).concat(data, onWasm),
      1,
      /data\.npz: is no cache of latents; the run trains on those of .*ema\.safetensors/,
    );
    // Another cache is refused by what differs; other pictures may be allowed, another size may not.
    const go = (
      data: string,
      ...args: string[]
    ) => ["train", "dit", "--resume", begun, "--data-path", data, ...args, ...onWasm];
    const cached = async (name: string, autoencoder: string, shade: number, ...args: string[]) => {
      const pictures = await writeTinyData(join(folder, `${name}.npz`), shade);
      const made = join(folder, name);
      await succeed(...encode(autoencoder, pictures, made, "--flips", "-q", ...args));
      return made;
    };
    const pale = await cached("pale", vae, 100);
    const foreign = await cached("foreign", other, 0);
    const large = await cached("large", vae, 0, "--image-size", "16");
    const numbers = String.raw`(-?[\d.e-]+(, )?){4}`;
    const refusals: [string[], RegExp][] = [
      [
        go(pale),
        RegExp(
          `pale: not the pictures this run .*: they have shift ${numbers} and scale ${numbers}, ` +
            `the run's shift ${numbers} and scale`,
        ),
      ],
      [go(foreign), /foreign: not the pictures .*: they are of .*other.*, the run's of .*vae/],
      [go(foreign, "--allow-changes", "data"), /foreign: holds latents of .*other.*, the run trai/],
      [
        go(large, "--allow-changes", "data"),
        /^tessera: .*large: the data set has side 8, the model 4/,
      ],
    ];
    for (const [args, message] of refusals) await assertRefuses(folder, args, 1, message);
    await succeed(...go(pale, "--allow-changes", "data", "--steps", "5"));

    // A model of latents stands for its autoencoder.
    const before = await bytesIn(cache);
    await succeed(...encode(whole, data, cache, "--flips", "-q"));
    assert.deepEqual(await bytesIn(cache), before);

    // A model to share has its autoencoder with it, wherever it goes.
    const shared = join(folder, "shared");
    await succeed("export", whole, "--out", join(folder, "made"));
    await Deno.rename(join(folder, "made"), shared);
    assert.deepEqual(await namesIn(shared), [
      "autoencoder",
      "autoencoder/ema.safetensors",
      "autoencoder/state.json",
      "ema.safetensors",
      "state.json",
    ]);
    await succeed("export", shared, "--out", join(folder, "again shared"), "--dtype", "f32");
    const moved = join(folder, "moved");
    await Deno.rename(vae, moved);
    await assertRefuses(folder, sample("again"), 1, /come from this autoencoder, --vae says where/);
    await succeed(...sample("again", "--vae", moved, "--tile", "8"));
    await succeed(...sample("shared", "--ckpt", join(folder, "again shared")));
    const pixels = (out: string) => decodePicture(join(folder, out, "000000.png"), out);
    assert.deepEqual(await pixels("again"), await pixels("drawn"));
    const [halves, exact] = [await pixels("shared"), await pixels("drawn")];
    exact.data.forEach((byte, index) => assert(Math.abs(byte - halves.data[index]) <= 4));
  });
});

/** Ends a process, which may have come to its own end before. */
function killIfRunning(running: Running): void {
  try {
    running.kill("SIGKILL");
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
  }
}

Deno.test("encode: killed and stopped, a cache ends with the same bytes; another autoencoder is refused", async () => {
  await withFolder(async (folder) => {
    const data = await writeTinyData(join(folder, "data.npz"));
    const vae = await trainVae(join(folder, "vae"), data);
    const whole = join(folder, "whole");
    await succeed(...encode(vae, data, whole));
    for (let time = 0; time < scale(1, 20); time++) {
      const killed = join(folder, `killed ${time}`);
      const running = start(encode(vae, data, killed, "--batch-size", "2"));
      await running.until(/^picture/m);
      await new Promise((resolve) => setTimeout(resolve, 3 * time));
      killIfRunning(running);
      await running.finished();
      // How many pictures are encoded at a time does not matter either.
      await succeed(...encode(vae, data, killed, "--batch-size", "3"));
      assert.deepEqual(await bytesIn(killed), await bytesIn(whole));
    }

    // Batches are no larger than what there is to encode.
    const large = await run(...encode(vae, data, join(folder, "large"), "--batch-size", "1000000"));
    assert.match(large.err, /^encode: in one piece, 5 at a time;/m);

    const about = JSON.parse(await succeed("info", whole, "--verify"));
    assert.deepEqual([about.encoded, about.files, about.verified], [16, 4, 4]);
    assert.equal(about.autoencoder.config.family, "autoencoder-kl");

    const other = await trainVae(join(folder, "other"), data, "--seed", "1");
    const refusals: [string[], number, RegExp][] = [
      [encode(other, data, whole), 1, /was begun with another autoencoder/],
      [encode(vae, data, whole, "--image-size", "16"), 1, /another size of pictures/],
      [encode(vae, data, whole, "--image-size", "7"), 1, /the side 7 is not divisible by 2/],
      [encode(vae, data, join(folder, "new"), "--tile", "7"), 2, /--tile: the side 7 is not divis/],
      [words("encode --out x"), 2, /--ckpt is needed/],
      [["encode", "--ckpt", vae], 2, /--out is needed/],
      [["encode", "--ckpt", data, "--out", "x"], 1, /a bare weights file needs --config/],
      [
        words("encode dit --ckpt x"),
        2,
        /encode: there is none for a DiT, only for tokenizer and vae/,
      ],
      [
        ["train", "dit", "--data-path", whole, "--flip", ...tinyDiT],
        1,
        /holds no mirrored pictures for --flip; encode --flips/,
      ],
    ];
    for (const [args, code, message] of refusals) await assertRefuses(folder, args, code, message);
  });
});
