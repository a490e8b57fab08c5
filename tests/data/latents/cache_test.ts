/** Caches of latents: the same bytes however they were written, statistics, and what is refused. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { InputError } from "../../../base/errors.ts";
import {
  type CacheDescription,
  cacheManifestPath,
  isLatentCache,
  normalizationOf,
  readCacheManifest,
} from "../../../data/latents/cache.ts";
import { openLatentCache } from "../../../data/latents/dataset.ts";
import { CacheWriter, type EncodedSamples } from "../../../data/latents/writer.ts";
import { inspectCache } from "../../../cli/commands/info_files.ts";
import {
  openSafetensors,
  type TensorToWrite,
  writeSafetensors,
} from "../../../formats/tensors/safetensors.ts";
import { createLoader } from "../../../data/order/loader.ts";
import { withFolder } from "../../cli/runs.ts";

const description: CacheDescription = {
  format: "tessera-latents",
  version: 1,
  autoencoder: { config: { family: "some" }, path: "/somewhere", hash: "0".repeat(64) },
  source: { path: "/pictures", fingerprint: "f", pictures: 7 },
  classNames: ["a", "b"],
  pixels: { channels: 3, height: 8, width: 12 },
  latent: { channels: 2, height: 2, width: 3 },
  posterior: true,
  mirrored: true,
  type: "F32",
  shardLength: 3,
};

/** Numbers of one picture: 2 means and 2 logarithms of variances for 6 positions. */
const length = 24;

/** What stands for the posterior of a picture; the number of the picture is its first mean. */
const moments = (picture: number, mirrored: boolean): Float32Array =>
  Float32Array.from(
    { length },
    (_, i) => i === 0 ? (mirrored ? -picture : picture) : Math.fround(Math.sin(picture * 31 + i)),
  );

function shard(first: number, count: number): EncodedSamples {
  const of = (mirrored: boolean) =>
    Float32Array.from(
      { length: count * length },
      (_, i) => moments(first + Math.floor(i / length), mirrored)[i % length],
    );
  const labels = Int32Array.from({ length: count }, (_, i) => (first + i) % 2);
  return { latents: of(false), mirrored: of(true), labels };
}

/** Writes at most so many files of what is missing. */
async function write(folder: string, changes: Partial<CacheDescription> = {}, files = Infinity) {
  using writer = await CacheWriter.open(folder, { ...description, ...changes });
  for (let file = 0; file < files && writer.next > 0; file++) {
    await writer.add(shard(writer.samples, writer.next));
  }
  return writer.next === 0 ? await writer.finish() : undefined;
}

/** The tensors of a file, to be written again without its metadata. */
async function tensorsOf(path: string): Promise<TensorToWrite[]> {
  using file = await openSafetensors(path);
  return [...file.tensors.values()].map(({ name, type, shape }) => {
    const data = file.readBytes(name);
    return { name, type: type as "F32" | "I32", shape, data };
  });
}

/** Exchanges the first two files in what `cache.json` says. */
async function exchangeFiles(folder: string): Promise<void> {
  const manifest = await readCacheManifest(folder);
  const [a, b, ...rest] = manifest.shards;
  const text = JSON.stringify({ ...manifest, shards: [b, a, ...rest] });
  await Deno.writeTextFile(cacheManifestPath(folder), text);
}

const contents = async (folder: string): Promise<Map<string, string>> => {
  const files = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
  return new Map(
    await Promise.all(
      files.map(async (name) =>
        [name, (await Deno.readFile(join(folder, name))).toBase64()] as const
      ),
    ),
  );
};

const refuses = (promise: Promise<unknown>, message: RegExp) =>
  assert.rejects(promise, (error) => error instanceof InputError && message.test(error.message));

Deno.test("a cache that was stopped after any file, or lost one, ends with the same bytes", async () => {
  await withFolder(async (folder) => {
    const whole = join(folder, "whole");
    await write(whole);
    const expected = await contents(whole);
    assert.equal(expected.size, 4);
    for (const files of [0, 1, 2]) {
      const stopped = join(folder, `stopped ${files}`);
      await write(stopped, {}, files);
      await refuses(
        openLatentCache(stopped),
        /is not whole: \d of 7 pictures are encoded; the same/,
      );
      // What a killed process was writing.
      await Deno.writeTextFile(join(stopped, ".cache.json.0123abcd.tmp"), "{");
      await write(stopped);
      assert.deepEqual(await contents(stopped), expected);
    }
    const { shards } = await readCacheManifest(whole);
    await Deno.truncate(join(whole, shards[1].file), 100);
    await refuses(openLatentCache(whole), /damaged: its length \(100\)/);
    await write(whole);
    assert.deepEqual(await contents(whole), expected);
    const [{ file }] = shards;
    const bytes = await Deno.readFile(join(whole, file));
    bytes[bytes.length - 40] ^= 1;
    await Deno.writeFile(join(whole, file), bytes);
    await refuses(openLatentCache(whole), /damaged: the checksum of its contents/);
    await write(whole);
    assert.deepEqual(await contents(whole), expected);
  });
});

Deno.test("a cache that says what its files do not hold ends with the same bytes", async () => {
  await withFolder(async (folder) => {
    const whole = join(folder, "whole");
    await write(whole);
    const expected = await contents(whole);
    const path = cacheManifestPath(whole);
    const text = await Deno.readTextFile(path);
    const [first, , last] = (await readCacheManifest(whole)).shards.map(({ pictures, file }) =>
      `"file": "${file}",\n      "pictures": ${pictures}`
    );
    const lies: [string, string][] = [
      ['"pictures": 7', '"pictures": 4'],
      ['"pictures": 7', '"pictures": 9007199254740991'],
      [first, first.replace(/3$/, "2")],
      [first, first.replace(/3$/, "50")],
      [last, last.replace(/1$/, "100")],
      ['"posterior": true', '"posterior": false'],
      [',\n    "b"', ""],
      ['"path": "/pictures"', '"path": "/other"'],
    ];
    for (const [from, to] of lies) {
      assert(text.includes(from), from);
      await Deno.writeTextFile(path, text.replace(from, to));
      await write(whole);
      assert.deepEqual(await contents(whole), expected, to);
    }
    await Deno.writeTextFile(path, text.replace('"height": 2', '"height": 1099511627776'));
    await refuses(write(whole), /was begun with another size of latents/);
  });
});

Deno.test("files in another order are refused by name, and put right by the same command", async () => {
  await withFolder(async (folder) => {
    await write(folder);
    const expected = await contents(folder);
    const [, { file }] = (await readCacheManifest(folder)).shards;
    await exchangeFiles(folder);
    const message = new RegExp(
      `${file}: holds the pictures from number 3 on, but cache.json names it for those from 0 on`,
    );
    await refuses(openLatentCache(folder), message);
    await refuses(inspectCache(folder, { verify: true }), message);
    await write(folder);
    assert.deepEqual(await contents(folder), expected);
  });
});

Deno.test("a cache of before files said their place is read", async () => {
  await withFolder(async (folder) => {
    await write(folder);
    const manifest = await readCacheManifest(folder);
    const shards = await Promise.all(manifest.shards.map(async (shard) => {
      const path = join(folder, shard.file);
      const tensors = await tensorsOf(path);
      return { ...shard, record: await writeSafetensors(path, tensors) };
    }));
    const text = JSON.stringify({ ...manifest, shards });
    await Deno.writeTextFile(cacheManifestPath(folder), text);
    const dataset = await openLatentCache(folder);
    const out = new Float32Array(length);
    dataset.read([4], out);
    assert.deepEqual(out, moments(4, false));
    assert.equal((await inspectCache(folder, { verify: true })).verified, 3);
    await exchangeFiles(folder);
    await openLatentCache(folder);
  });
});

Deno.test("an empty cache.json is told as what it is; beside pictures it makes no cache", async () => {
  await withFolder(async (folder) => {
    await write(folder);
    await Deno.writeTextFile(cacheManifestPath(folder), "\n");
    assert(await isLatentCache(folder));
    const message =
      /cache\.json: is empty, so it is not known what this cache holds; remove the folder/;
    await refuses(openLatentCache(folder), message);
    await refuses(write(folder), message);
    await Deno.writeTextFile(join(folder, "0.png"), "");
    assert(!await isLatentCache(folder));
  });
});

Deno.test("a cache that was told the names of its pictures knows them; others have none", async () => {
  await withFolder(async (folder) => {
    const names = ["a 0", "b 1", "c/2", "d", "e", "f", "g"];
    const named = join(folder, "named");
    using writer = await CacheWriter.open(named, description);
    while (writer.next > 0) {
      const { samples: first, next: count } = writer;
      await writer.add({ ...shard(first, count), names: names.slice(first, first + count) });
    }
    await writer.finish();
    const { clipName } = await openLatentCache(named);
    assert.deepEqual(names.map((_, index) => clipName!(index)), names);
    assert.equal(clipName!(names.length + 2), "c/2", "mirrored pictures have the same names");
    const plain = join(folder, "plain");
    await write(plain);
    assert.equal((await openLatentCache(plain)).clipName, undefined);
  });
});

Deno.test("a cache of something else is refused by what differs; so is a folder of something else", async () => {
  await withFolder(async (folder) => {
    const cache = join(folder, "cache");
    await write(cache, {}, 1);
    const { autoencoder, pixels, source } = description;
    const others: [Partial<CacheDescription>, RegExp][] = [
      [
        { autoencoder: { ...autoencoder, hash: "1".repeat(64) } },
        /was begun with another autoencoder/,
      ],
      [{ pixels: { ...pixels, width: 8 } }, /another size of pictures \(.*12.*\), not .*8/],
      [{ source: { ...source, fingerprint: "g" } }, /another set of pictures/],
      [{ mirrored: false }, /another choice of mirrored pictures/],
      [{ type: "F16" }, /another type of numbers/],
      [{ shardLength: 4 }, /another number of pictures a file/],
    ];
    for (const [changes, message] of others) await refuses(write(cache, changes), message);
    // Where autoencoder and pictures lie does not matter.
    assert(await write(cache, { autoencoder: { ...autoencoder, path: "/elsewhere" } }));
    {
      using _other = await CacheWriter.open(cache, description);
      await refuses(write(cache), /another process encodes into this folder/);
    }
    await write(cache);
    const other = join(folder, "other");
    await Deno.mkdir(other);
    await Deno.writeTextFile(join(other, "mine.txt"), "");
    await refuses(write(other), /is no cache of latents and holds mine\.txt/);
    const path = cacheManifestPath(cache);
    const text = await Deno.readTextFile(path);
    const damages: [string, string, RegExp][] = [
      ['"pictures": 7', '"pictures": 8', /its files hold 7 pictures, not 8 in files of 3/],
      ['"height": 2', '"height": 3', /latents is not of the shape \(3, 4, 3, 3\)/],
      [',\n    "b"', "", /label 1 is not one of 1 classes/],
      ['"scale": [', '"scale": [1, ', /its normalization is not of 2 channels/],
      ['"scale": [', '"scale": [0, ', /cache\.json: normalization\.scale\.0: /],
      ['"scale": [', '"scale": [1e39, ', /cache\.json: normalization\.scale\.0: /],
      ['"mean": [', '"mean": [1, ', /its table of statistics is not of 2 channels/],
      ['"values": [', '"values": [1, ', /its table of sums is not of 2 channels/],
      ['"squares": [', '"squares": [1e101, ', /cache\.json: shards\.0\.sums\.squares\.0: /],
    ];
    for (const [from, to, message] of damages) {
      assert(text.includes(from), from);
      await Deno.writeTextFile(path, text.replace(from, to));
      await refuses(openLatentCache(cache), message);
    }
    await Deno.writeTextFile(path, text.replace('"posterior": true', '"posterior": 1'));
    await refuses(openLatentCache(cache), /cache\.json: posterior: /);
    await Deno.writeTextFile(path, text.slice(0, -9));
    await refuses(openLatentCache(cache), /not valid JSON/);
  });
});

Deno.test("statistics are those of the samples that training draws", async () => {
  await withFolder(async (folder) => {
    const { statistics, normalization } = (await write(folder))!;
    const all = Array.from({ length: 7 }, (_, i) => [moments(i, false), moments(i, true)]).flat();
    for (const channel of [0, 1]) {
      const means = all.flatMap((m) => [...m.subarray(6 * channel, 6 * channel + 6)]);
      const variances = all.flatMap((m) =>
        [...m.subarray(12 + 6 * channel, 18 + 6 * channel)].map(Math.exp)
      );
      const average = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
      const mean = average(means);
      const deviation = Math.sqrt(
        average(means.map((m) => (m - mean) ** 2)) + average(variances),
      );
      assert(Math.abs(statistics!.mean[channel] - mean) < 1e-9);
      assert(Math.abs(statistics!.deviation[channel] - deviation) < 1e-9);
    }
    assert.deepEqual(normalization!.shift, statistics!.mean);
    assert.deepEqual(normalization!.scale, statistics!.deviation.map((d) => 1 / d));
    assert.deepEqual(normalizationOf(statistics!, 0.18215), {
      shift: [0, 0],
      scale: [0.18215, 0.18215],
    });
    assert.deepEqual(normalizationOf({ mean: [1], deviation: [0] }), { shift: [1], scale: [1] });
  });
});

Deno.test("a cache is a data set: latents, labels, mirrored ones where the loader mirrors", async () => {
  await withFolder(async (folder) => {
    const [exact, halves] = [join(folder, "f32"), join(folder, "f16")];
    await write(exact);
    await write(halves, { type: "F16" });
    const dataset = await openLatentCache(exact);
    const { channels, height, width, classNames } = dataset;
    assert.deepEqual([dataset.length, channels, height, width], [7, 4, 2, 3]);
    assert.deepEqual([classNames, dataset.label(4), dataset.label(5)], [["a", "b"], 0, 1]);
    const out = new Float32Array(3 * length);
    dataset.read([6, 0, dataset.mirrorOf!(4)], out);
    assert.deepEqual(
      out,
      Float32Array.of(...moments(6, false), ...moments(0, false), ...moments(4, true)),
    );
    const rounded = await openLatentCache(halves);
    rounded.read([6, 0, 4], out);
    assert.equal(out[1], new Float16Array([moments(6, false)[1]])[0]);
    assert.notEqual(rounded.fingerprint, dataset.fingerprint);
    assert.throws(() => dataset.read([14], new Float32Array(length)), /no latent 14, there are 7/);
    const loader = createLoader(dataset, { seed: 3, batchSize: 7, flip: true });
    const { images, indices } = await loader.next();
    const firsts = [...indices].map((_, i) => images[i * length]);
    assert.deepEqual(firsts.map(Math.abs), [...indices]);
    assert(firsts.some((value) => value < 0) && firsts.some((value) => value > 0));
  });
});
