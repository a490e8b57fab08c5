/** Small files that claim, or decompress to, far more than there is; files that lead elsewhere. */
import assert from "node:assert/strict";
import { crc32, deflateSync, gzipSync } from "node:zlib";
import { Buffer } from "node:buffer";
import { join } from "@std/path";
import {
  checkpointOf,
  onWasm,
  resealed,
  run,
  train,
  withFolder,
  writeTinyData,
} from "../cli/runs.ts";
import { idxBytes } from "../formats/helpers.ts";

/** A command that must refuse a file, and what it says. */
interface Refusal {
  readonly name: string;
  /** Writes files into a folder; returns the command line. */
  readonly prepare: (folder: string) => Promise<string[]>;
  readonly message: RegExp;
}

const dryRun = (data: string, ...args: string[]): string[] => [
  ...["train", "dit", "--dry-run", "--patch", "4", "--data-path", data],
  ...args,
];

function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc32(bytes.subarray(4, 8 + data.length)));
  return bytes;
}

/** A grey PNG of the given side whose pixels, all 0, are there for `rows` rows. */
function pngOfSide(side: number, rows: number): Uint8Array {
  const header = new Uint8Array(13);
  new DataView(header.buffer).setUint32(0, side);
  new DataView(header.buffer).setUint32(4, side);
  header.set([8, 0, 0, 0, 0], 8);
  return Uint8Array.from(
    [
      [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a],
      chunk("IHDR", header),
      chunk("IDAT", deflateSync(new Uint8Array(rows * (side + 1)))),
      chunk("IEND", new Uint8Array()),
    ].flatMap((part) => [...part]),
  );
}

/** A safetensors file with a header as given. */
function safetensors(header: string, length = BigInt(header.length)): Uint8Array {
  const bytes = new Uint8Array(8 + header.length + 64);
  new DataView(bytes.buffer).setBigUint64(0, length, true);
  bytes.set(new TextEncoder().encode(header), 8);
  return bytes;
}

const tensor = (shape: number[], end: number) =>
  `{"dtype":"F32","shape":[${shape}],"data_offsets":[0,${end}]}`;

/** A zip archive of one deflated entry with sizes as given. */
function zip(name: string, contents: Uint8Array, size = contents.length): Uint8Array {
  const data = deflateSync(contents).subarray(2, -4);
  const encoded = new TextEncoder().encode(name);
  const fields = (bytes: Uint8Array, at: number) => {
    const view = new DataView(bytes.buffer);
    view.setUint16(at, 20, true);
    view.setUint16(at + 4, 8, true);
    view.setUint32(at + 10, crc32(contents), true);
    view.setUint32(at + 14, data.length, true);
    view.setUint32(at + 18, size, true);
    view.setUint16(at + 22, encoded.length, true);
    return view;
  };
  const local = new Uint8Array(30);
  fields(local, 4).setUint32(0, 0x04034b50, true);
  const central = new Uint8Array(46);
  fields(central, 6).setUint32(0, 0x02014b50, true);
  const end = new Uint8Array(22);
  const view = new DataView(end.buffer);
  view.setUint32(0, 0x06054b50, true);
  view.setUint32(12, central.length + encoded.length, true);
  view.setUint32(16, local.length + encoded.length + data.length, true);
  const parts = [local, encoded, data, central, encoded, end];
  return new Uint8Array(Buffer.concat(parts));
}

function npy(shape: string, data: Uint8Array): Uint8Array {
  const text = `{'descr': '|u1', 'fortran_order': False, 'shape': (${shape}), }`.padEnd(117) + "\n";
  const head = Uint8Array.of(0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, text.length, 0);
  return new Uint8Array(Buffer.concat([head, new TextEncoder().encode(text), data]));
}

/** A command on one file. */
function onFile(
  name: string,
  contents: () => Uint8Array | string,
  command: (path: string) => string[],
): Refusal["prepare"] {
  return async (folder) => {
    const path = join(folder, name);
    const bytes = contents();
    await (typeof bytes === "string"
      ? Deno.writeTextFile(path, bytes)
      : Deno.writeFile(path, bytes));
    return command(path);
  };
}

const info = (path: string) => ["info", "checkpoint", path];
const zeros = (megabytes: number) => new Uint8Array(megabytes << 20);

const refusals: readonly Refusal[] = [
  {
    name: "a header of 2^60 bytes",
    prepare: onFile("a.safetensors", () => safetensors("{}", 2n ** 60n), info),
    message: /a\.safetensors: .*header length 1152921504606846976 is over the limit/,
  },
  {
    name: "a tensor of 2^60 bytes",
    prepare: onFile(
      "a.safetensors",
      () => safetensors(`{"w":${tensor([2 ** 58], 2 ** 60)}}`),
      info,
    ),
    message: /tensor "w": (?:data at bytes|data_offsets are not|shape is not)/,
  },
  {
    name: "sizes whose product overflows",
    prepare: onFile(
      "a.safetensors",
      () => safetensors(`{"w":${tensor([2 ** 50, 2 ** 50, 2 ** 50], 64)}}`),
      info,
    ),
    message: /tensor "w": F32 of shape .* takes .* bytes/,
  },
  {
    name: "a tensor that is there twice",
    prepare: onFile(
      "a.safetensors",
      () => safetensors(`{"w":${tensor([16], 64)},"w":${tensor([16], 64)}}`),
      info,
    ),
    message: /name "w" occurs twice in the header/,
  },
  ...["../a.safetensors", "/etc/passwd", "..", "b\\..\\c"].map((target): Refusal => ({
    name: `a shard at ${target}`,
    prepare: onFile("m.index.json", () => JSON.stringify({ weight_map: { w: target } }), info),
    message: /is not the name of a file beside it$/m,
  })),
  {
    name: "300,000 tensors with wrong names",
    prepare: onFile(
      "many.safetensors",
      () => {
        const entries = Array.from(
          { length: 300_000 },
          (_, i) => `"${"x".repeat(60)}${i}":${tensor([0], 0)}`,
        );
        return safetensors(`{${entries},"w":${tensor([16], 64)}}`);
      },
      (
        path,
      ) => [
        "sample",
        "dit",
        "--ckpt",
        path,
        "--config",
        "tests/fixtures/dit-pixel.config.json",
        "--classes",
        "1",
        ...onWasm,
      ],
    ),
    message: /^tessera: .*many\.safetensors: the parameter .* is missing/,
  },
  {
    name: "a picture of 60000 x 60000",
    prepare: async (folder) => {
      await Deno.mkdir(join(folder, "p", "a"), { recursive: true });
      await Deno.writeFile(join(folder, "p", "a", "0.png"), pngOfSide(60_000, 1));
      return dryRun(join(folder, "p"), "--image-size", "8");
    },
    message:
      /none of its 1 pictures can be decoded, such as a\/0\.png; repair them or take them out$/m,
  },
  {
    name: "a picture of 12000 x 12000, zeros in 140 kB",
    prepare: async (folder) => {
      await Deno.mkdir(join(folder, "p", "a"), { recursive: true });
      await Deno.writeFile(join(folder, "p", "a", "0.png"), pngOfSide(12_000, 12_000));
      return dryRun(join(folder, "p"), "--image-size", "8");
    },
    message:
      /none of its 1 pictures can be decoded, such as a\/0\.png; repair them or take them out$/m,
  },
  ...[["../sheet-0.png", "sheets is not a list"], ["sheet-0.png", "over the limit"]].map((
    [file, message],
  ): Refusal => ({
    name: `labels.json: ${message}`,
    prepare: async (folder) => {
      const sheet = { file, label: 0, count: 65535, sha256: "" };
      const set = { format: "tessera-picture-sheet-1", height: 65535, width: 65535, channels: 1 };
      const labels = { ...set, columns: 1, classNames: ["a"], sheets: [sheet] };
      await Deno.writeTextFile(join(folder, "labels.json"), JSON.stringify(labels));
      return dryRun(folder);
    },
    message: new RegExp(`labels\\.json: .*${message}`),
  })),
  {
    name: "gzipped pictures that never end",
    prepare: async (folder) => {
      const images = idxBytes([6, 8, 8], zeros(400));
      await Deno.writeFile(join(folder, "train-images-idx3-ubyte.gz"), gzipSync(images));
      await Deno.writeFile(
        join(folder, "train-labels-idx1-ubyte"),
        idxBytes([6], new Uint8Array(6)),
      );
      return dryRun(folder);
    },
    message: /decompresses to more than the 400 bytes of its header$/m,
  },
  {
    name: "an entry longer than its directory says",
    prepare: onFile("b.npz", () => zip("arr_0.npy", npy("2, 8, 8, 1", zeros(200)), 256), dryRun),
    message: /entry "arr_0\.npy": decompresses to more than 256 bytes$/m,
  },
  {
    name: "an entry far larger than deflate allows",
    prepare: onFile("b.npz", () => zip("arr_0.npy", npy("2, 8, 8, 1", zeros(0)), 2 ** 31), dryRun),
    message: /entry "arr_0\.npy" is damaged: its sizes are impossible$/m,
  },
  {
    name: "an array of 2^60 pictures",
    prepare: onFile(
      "b.npz",
      () => zip("arr_0.npy", npy(`${2n ** 60n}, 8, 8, 1`, zeros(0))),
      dryRun,
    ),
    message: /array "arr_0": shape .* is impossibly large$/m,
  },
  {
    name: "pictures of three million channels",
    prepare: onFile("c.npz", () => zip("arr_0.npy", npy("2, 8, 8, 3000000", zeros(0))), dryRun),
    message: /takes 384000000 bytes, the entry holds 0$/m,
  },
];

for (const { name, prepare, message } of refusals) {
  Deno.test(`refused: ${name}`, async () => {
    await withFolder(async (folder) => {
      const args = await prepare(folder);
      const before = Deno.memoryUsage().rss;
      const started = performance.now();
      const { code, out, err } = await run(...args);
      assert.equal(code, 1, err);
      assert.equal(out, "");
      assert.match(err, message);
      assert.match(err, /^(?:.*skipped.*\n)*tessera: [^\n]{1,2100}\n$/);
      assert.doesNotMatch(err, /--debug/);
      const [took, grown] = [performance.now() - started, Deno.memoryUsage().rss - before];
      assert(took < 5000, `took ${took} ms`);
      // The longest file here is a header of 30 MB, which takes some ten times that once it is parsed,
      // the more the later the garbage collector comes.
      assert(grown < 400 * 2 ** 20, `resident memory grew by ${grown >> 20} MiB`);
    });
  });
}

Deno.test("what a checkpoint says about paths leads nowhere", async () => {
  await withFolder(async (folder) => {
    const data = await writeTinyData(join(folder, "data.npz"));
    const small = ["--patch", "4", "--data-path", data, ...onWasm, "--steps", "1"];
    const model = await train(join(folder, "results"), ...small);
    const latest = join(model, "checkpoints", "latest");
    for (const text of ["../../../../etc", "/etc/passwd\n", "0000009", "\0", ""]) {
      await Deno.writeTextFile(latest, text);
      const resumed = await run("train", "dit", "--resume", model, "--steps", "1", ...onWasm);
      assert.equal(resumed.code, 0, resumed.err);
    }
    const manifest = join(checkpointOf(model, 1), "state.json");
    const whole = JSON.parse(await Deno.readTextFile(manifest));
    for (
      const [change, message] of [
        [{ dataPath: "/etc/passwd" }, /\/etc\/passwd: not a data set/],
        [{ dataPath: "../../nowhere" }, /: no such file or folder; .*--data-path says where it is/],
        [{ step: 2 ** 60 }, /state\.json: step: /],
        [{ config: { ...whole.config, patch: 3 } }, /8 is not divisible by the patch 3/],
        [{ config: { ...whole.config, depth: 2 ** 40 } }, /config: depth: /],
        [{ classNames: ["a", "b", "c"] }, /3 classNames, but the model has 2 classes$/m],
      ] as const
    ) {
      const changed = JSON.stringify({ ...whole, ...change }, null, 2);
      await Deno.writeTextFile(manifest, resealed(`${changed}\n`));
      const { code, err } = await run("train", "dit", "--resume", model, ...onWasm);
      assert.equal(code, 1, err);
      assert.match(err, message);
    }
  });
});
