import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { join } from "@std/path";
import fc from "fast-check";
import { zipSync } from "fflate";
import { InputError } from "../../../base/errors.ts";
import { encodeNpyHeader, parseNpyHeader } from "../../../formats/tensors/npy.ts";
import { NpzFile, writeNpz, writeSamplesNpz } from "../../../formats/tensors/npz.ts";
import { assertInputError, withFolder } from "../helpers.ts";
import { scale } from "../../scale.ts";

/** The bytes of an npy file of version 1 with a header text of one's own. */
function npy(dictionary: string, data: Uint8Array = new Uint8Array()): Uint8Array {
  const text = new TextEncoder().encode(dictionary + "\n");
  const head = [
    0x93,
    ...new TextEncoder().encode("NUMPY"),
    1,
    0,
    text.length & 255,
    text.length >> 8,
  ];
  return Uint8Array.from([...head, ...text, ...data]);
}

async function readAll(path: string): Promise<void> {
  using file = await NpzFile.open(path, 1 << 20);
  for (const name of file.names) await file.read(name);
}

Deno.test("npz: samples are read back, whole and by rows", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "samples.npz");
    const images = Uint8Array.from({ length: 5 * 2 * 3 * 3 }, (_, index) => index);
    const labels = [4, 3, 2, 1, 0];
    const pieces = [images.subarray(0, 7), images.subarray(7, 7), images.subarray(7)];
    const length = await writeSamplesNpz(path, [5, 2, 3, 3], pieces, labels);
    assert.equal((await Deno.stat(path)).size, length);

    using file = await NpzFile.open(path);
    assert.deepEqual(file.names, ["arr_0", "arr_1"]);
    const { type, shape, data } = await file.read("arr_0");
    assert.deepEqual([type, shape, data], ["U8", [5, 2, 3, 3], images]);
    assert.deepEqual((await file.read("arr_1")).data, BigInt64Array.of(4n, 3n, 2n, 1n, 0n));
    assert.equal((await file.info("arr_0")).dataStart % 64, 0);

    const batches = await Array.fromAsync(file.rows("arr_0", 2));
    assert.deepEqual(batches.map((batch) => batch.shape[0]), [2, 2, 1]);
    assert.deepEqual(batches.flatMap((batch) => [...batch.data as Uint8Array]), [...images]);
    await assertInputError(file.read("arr_2"), path, /nearest are "arr_0" and "arr_1"/);
  });
});

Deno.test("npz: labels may be filled while the pictures are written; no pictures is fine", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "samples.npz");
    const labels: number[] = [];
    async function* images() {
      for (let label = 0; label < 3; label++) {
        labels.push(await Promise.resolve(label));
        yield new Uint8Array(4).fill(label);
      }
    }
    await writeSamplesNpz(path, [3, 2, 2, 1], images(), labels);
    {
      using file = await NpzFile.open(path);
      assert.deepEqual((await file.read("arr_1")).data, BigInt64Array.of(0n, 1n, 2n));
    }
    await writeSamplesNpz(path, [0, 2, 2, 1], []);
    using file = await NpzFile.open(path);
    assert.deepEqual((await file.read("arr_0")).shape, [0, 2, 2, 1]);
    assert.deepEqual(await Array.fromAsync(file.rows("arr_0", 4)), []);
  });
});

Deno.test("npz: a wrong number of bytes leaves no file", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "samples.npz");
    const write = writeSamplesNpz(path, [2, 2, 2, 1], [new Uint8Array(7)]);
    await assert.rejects(write, /"arr_0\.npy" takes 136 bytes, got 135/);
    assert.deepEqual([...Deno.readDirSync(folder)], []);
  });
});

Deno.test("npz: deflated archives of other programs, all element types, Fortran order", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "statistics.npz");
    const doubles = new Uint8Array(Float64Array.of(1, 2, 3, 4, 5, 6).buffer);
    const archive = zipSync({
      "mu.npy": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (6,), }", doubles),
      "sigma.npy": npy("{'descr': '<f8', 'fortran_order': True, 'shape': (2, 3), }", doubles),
      "scalar.npy": npy(
        "{'descr': '|b1', 'fortran_order': False, 'shape': (), }",
        Uint8Array.of(1),
      ),
      "notes.txt": Uint8Array.of(1),
    });
    await Deno.writeFile(path, archive);
    using file = await NpzFile.open(path);
    assert.deepEqual(file.names, ["mu", "sigma", "scalar"]);
    assert.deepEqual((await file.read("mu")).data, Float64Array.of(1, 2, 3, 4, 5, 6));
    assert.deepEqual((await file.read("sigma")).data, Float64Array.of(1, 3, 5, 2, 4, 6));
    assert.deepEqual((await file.read("scalar")).shape, []);
    await assertInputError(Array.fromAsync(file.rows("sigma", 1)), path, /Fortran order/);
    await assertInputError(Array.fromAsync(file.rows("scalar", 1)), path, /scalar/);
    const halves = await Array.fromAsync(file.rows("mu", 4));
    assert.deepEqual(halves.map(({ data }) => data.length), [4, 2]);
  });
});

Deno.test("npz: data larger than a read block, deflated", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "large.npz");
    const data = Uint8Array.from({ length: 3_000_017 }, (_, index) => index * index >> 7);
    const header = encodeNpyHeader("U8", [data.length]);
    const bytes = new Uint8Array(header.length + data.length);
    bytes.set(header);
    bytes.set(data, header.length);
    await Deno.writeFile(path, zipSync({ "x.npy": bytes }, { level: 1 }));
    using file = await NpzFile.open(path);
    assert.equal(crc32((await file.read("x")).data as Uint8Array), crc32(data));
    assert.equal((await file.info("x")).byteLength, data.length);
  });
});

Deno.test("npz: damage is found and named", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "damaged.npz");
    await assertInputError(NpzFile.open(path), path, /no such file/);
    await Deno.writeFile(path, new Uint8Array(10));
    await assertInputError(NpzFile.open(path), path, /not a zip archive/);

    await writeSamplesNpz(path, [1, 2, 2, 1], [Uint8Array.of(1, 2, 3, 4)]);
    const good = await Deno.readFile(path);
    const dataAt = good.length - 4 - 98 - (46 + 9 + 28);
    assert.equal(good[dataAt], 1);
    await Deno.writeFile(path, good.with(dataAt, 9));
    await assertInputError(readAll(path), path, /"arr_0.npy" is damaged: wrong checksum/);
    await Deno.writeFile(path, good.subarray(0, good.length - 1));
    await assertInputError(NpzFile.open(path), path, /not a zip archive, or truncated/);

    const large = { name: "x", type: "U8", shape: [2 ** 21], chunks: [new Uint8Array(2 ** 21)] };
    await writeNpz(path, [{ ...large, type: "U8" }]);
    await assertInputError(readAll(path), path, /takes 2097152 bytes, over 1048576/);
  });
});

Deno.test("npz: headers that cannot be read are named", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "header.npz");
    const cases: [Uint8Array, RegExp][] = [
      [new Uint8Array(3), /not an npy array/],
      [npy("{'descr': '>f8', 'fortran_order': False, 'shape': (1,)}"), />f8" is not one of \|b1/],
      [npy("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,)}"), /plain numbers/],
      [npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}"), /"\|O" is not one of/],
      [
        npy("{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999, 99999999999)}"),
        /large/,
      ],
      [npy("{'descr': '|u1', 'fortran_order': False, 'shape': (2,)}"), /takes 2 bytes/],
      [npy("{}").with(8, 200), /truncated/],
    ];
    for (const [bytes, expected] of cases) {
      await Deno.writeFile(path, zipSync({ "x.npy": bytes }));
      await assertInputError(readAll(path), path, expected);
    }
    const endless = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999, 0)}");
    await Deno.writeFile(path, zipSync({ "x.npy": endless }));
    using file = await NpzFile.open(path);
    await assertInputError(Array.fromAsync(file.rows("x", 1)), path, /no rows/);
  });
});

Deno.test("npz: headers are 64-byte aligned for every rank", () => {
  for (const shape of [[], [3], [50000, 256, 256, 3], new Array(20).fill(123456)]) {
    const header = encodeNpyHeader("F32", shape);
    assert.equal(header.length % 64, 0);
    if (shape.length > 10) continue; // too large to be read
    assert.deepEqual(parseNpyHeader("x", header).shape, shape);
  }
});

Deno.test("npz: damaged archives give clear errors only", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "fuzz.npz");
    await writeSamplesNpz(path, [3, 2, 2, 1], [new Uint8Array(12)], [1, 2, 3]);
    const stored = await Deno.readFile(path);
    const header = "{'descr': '<f4', 'fortran_order': True, 'shape': (3, 2)}";
    const deflated = zipSync({ "x.npy": npy(header, new Uint8Array(24)) });
    const edit = fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(255));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(stored, deflated),
        fc.array(edit, { maxLength: 5 }),
        fc.nat(60),
        async (good, edits, cut) => {
          const bytes = good.slice(0, good.length - Math.max(0, cut - 40));
          for (const [at, value] of edits) bytes[Math.floor(at * (bytes.length - 1))] = value;
          await Deno.writeFile(path, bytes);
          try {
            await readAll(path);
          } catch (error) {
            assert.ok(error instanceof InputError, String(error));
            assert.ok(error.message.startsWith(path), error.message);
          }
        },
      ),
      { numRuns: scale(500, 20_000) },
    );
  });
});
