import assert from "node:assert/strict";
import { join } from "@std/path";
import fc from "fast-check";
import { InputError } from "../../../base/errors.ts";
import {
  openSafetensors,
  teeSafetensors,
  type TensorToWrite,
  writeSafetensors,
} from "../../../formats/tensors/safetensors.ts";
import { assertInputError, withFolder } from "../helpers.ts";
import { scale } from "../../scale.ts";

/** A safetensors file with the given header text and data length. */
function fileBytes(header: string, dataLength: number): Uint8Array<ArrayBuffer> {
  const json = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + json.length + dataLength);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

async function readEverything(path: string): Promise<void> {
  using reader = await openSafetensors(path);
  for (const [name, { type }] of reader.tensors) {
    if (!type.startsWith("F8")) reader.readFloat32(name);
    reader.readBytes(name);
  }
}

Deno.test("safetensors: what is written is read back", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "model.safetensors");
    const floats = Float32Array.of(0, -1.5, 3.1415927, 65504, 1e-7, -Infinity);
    const tensors: TensorToWrite[] = [
      { name: "bytes", type: "U8", shape: [3], data: Uint8Array.of(1, 2, 255) },
      { name: "half", type: "F16", shape: [2, 3], data: floats },
      { name: "brain", type: "BF16", shape: [6], data: () => floats },
      { name: "full", type: "F32", shape: [3, 2], data: () => Promise.resolve(floats) },
      { name: "scalar", type: "F32", shape: [], data: Float32Array.of(7) },
      { name: "nothing", type: "F32", shape: [0, 5], data: new Float32Array(0) },
      { name: "int", type: "I32", shape: [2], data: Int32Array.of(-5, 2 ** 31 - 1) },
      { name: "__proto__", type: "I64", shape: [2], data: BigInt64Array.of(-5n, 7n) },
    ];
    const { bytes } = await writeSafetensors(path, tensors, { step: "12", note: "é\n" });
    assert.equal((await Deno.stat(path)).size, bytes);

    using reader = await openSafetensors(path);
    assert.deepEqual(reader.metadata, { step: "12", note: "é\n" });
    assert.equal(reader.tensors.size, tensors.length);
    for (const { name, type, shape } of tensors) {
      assert.equal(reader.info(name).type, type);
      assert.deepEqual(reader.info(name).shape, shape);
    }
    assert.deepEqual(reader.readFloat32("full"), floats);
    assert.deepEqual(reader.readFloat32("half"), new Float32Array(new Float16Array(floats)));
    assert.deepEqual([...reader.readFloat32("brain")].slice(0, 2), [0, -1.5]);
    assert.equal(reader.readFloat32("brain")[2], 3.140625);
    assert.deepEqual(reader.readFloat32("scalar"), Float32Array.of(7));
    assert.equal(reader.readFloat32("nothing").length, 0);
    assert.deepEqual(reader.readInt32("int"), Int32Array.of(-5, 2 ** 31 - 1));
    assert.deepEqual(reader.readInt32("__proto__"), Int32Array.of(-5, 7));
    assert.deepEqual(reader.readFloat32("bytes"), Float32Array.of(1, 2, 255));
    assert.deepEqual(reader.readBytes("bytes"), Uint8Array.of(1, 2, 255));
  });
});

Deno.test("safetensors: data is aligned, header padded with spaces", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "aligned.safetensors");
    await writeSafetensors(path, [
      { name: "odd", type: "U8", shape: [3], data: Uint8Array.of(1, 2, 3) },
      { name: "wide", type: "I64", shape: [1], data: BigInt64Array.of(1n) },
      { name: "mid", type: "F32", shape: [1], data: Float32Array.of(1) },
    ]);
    const bytes = await Deno.readFile(path);
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    assert.equal(length % 8, 0);
    assert.match(new TextDecoder().decode(bytes.subarray(8, 8 + length)), /^\{.*\} *$/);
    using reader = await openSafetensors(path);
    assert.equal(reader.info("wide").offset % 8, 0);
    assert.equal(reader.info("mid").offset % 4, 0);
  });
});

Deno.test("safetensors: bfloat16 rounds to nearest even and keeps NaN", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "brain.safetensors");
    const bits = Uint32Array.of(0x3f808000, 0x3f818000, 0x3f808001, 0x7f800001, 0x7f7fffff);
    const data = new Float32Array(bits.buffer);
    await writeSafetensors(path, [{ name: "x", type: "BF16", shape: [5], data }]);
    using reader = await openSafetensors(path);
    const stored = new Uint16Array(reader.readBytes("x").buffer);
    assert.deepEqual(stored, Uint16Array.of(0x3f80, 0x3f82, 0x3f81, 0x7fc0, 0x7f80));
  });
});

Deno.test("safetensors: tensors larger than a block, from and into shared memory", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "large.safetensors");
    const count = 2 ** 20 + 17;
    const data = new Float32Array(new SharedArrayBuffer(4 * count));
    for (let index = 0; index < count; index++) data[index] = index % 2048;
    await writeSafetensors(path, [
      { name: "a", type: "F32", shape: [count], data },
      { name: "b", type: "F16", shape: [count], data },
      { name: "c", type: "I64", shape: [count], data: BigInt64Array.from(data, BigInt) },
    ]);
    using reader = await openSafetensors(path);
    const out = new Float32Array(new SharedArrayBuffer(4 * count));
    for (const name of ["a", "b", "c"]) {
      out.fill(-1);
      assert.equal(reader.readFloat32(name, out), out);
      assert.ok(out.every((value, index) => value === index % 2048), name);
      const part = new Float32Array(2 ** 20 + 1);
      reader.readFloat32Part(name, 13, part);
      assert.ok(part.every((value, index) => value === (index + 13) % 2048), name);
      assert.throws(() => reader.readFloat32Part(name, count - 1, new Float32Array(2)), RangeError);
    }
    assert.deepEqual(reader.readInt32("c"), Int32Array.from(data));
    assert.throws(() => reader.readFloat32("a", new Float32Array(3)), RangeError);
  });
});

Deno.test("safetensors: the writer refuses what it cannot store and leaves the old file", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "kept.safetensors");
    const good: TensorToWrite = { name: "x", type: "F32", shape: [2], data: new Float32Array(2) };
    await writeSafetensors(path, [good]);
    const before = await Deno.readFile(path);
    const bad: TensorToWrite[][] = [
      [{ ...good, shape: [3] }],
      [good, good],
      [{ ...good, type: "I32" }],
      [{ ...good, name: "__metadata__" }],
      [{ ...good, data: () => Promise.reject(new RangeError("lost device")) }],
    ];
    for (const tensors of bad) await assert.rejects(writeSafetensors(path, tensors), RangeError);
    assert.deepEqual(await Deno.readFile(path), before);
    assert.equal([...Deno.readDirSync(folder)].length, 1);
  });
});

Deno.test("safetensors: a tensor written as its parts pass, or not at all", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "parts.safetensors");
    const names = () => [...Deno.readDirSync(folder)].map(({ name }) => name);
    async function* parts(count: number) {
      for (let part = 0; part < count; part++) {
        assert(!names().includes("parts.safetensors"));
        yield await Promise.resolve(Float32Array.of(part, part + 0.5));
      }
    }
    const layout = (type: "F32" | "F16" | "I32") => ({ name: "x", type, shape: [3, 2] });
    for (const [type, count] of [["F32", 2], ["F32", 4], ["I32", 3]] as const) {
      const passing = Array.fromAsync(teeSafetensors(path, layout(type), parts(count)));
      await assert.rejects(passing, {
        name: "RangeError",
        message: /parts\.safetensors: tensor "x"/,
      });
    }
    for await (const _ of teeSafetensors(path, layout("F32"), parts(3))) break;
    assert.deepEqual(names(), []);
    for (const type of ["F32", "F16"] as const) {
      const passed = await Array.fromAsync(teeSafetensors(path, layout(type), parts(3)));
      assert.deepEqual(passed, [[0, 0.5], [1, 1.5], [2, 2.5]].map((row) => Float32Array.from(row)));
      assert.deepEqual(names(), ["parts.safetensors"]);
      {
        using reader = await openSafetensors(path);
        assert.deepEqual(reader.info("x").shape, [3, 2]);
        assert.deepEqual([...reader.readFloat32("x")], [0, 0.5, 1, 1.5, 2, 2.5]);
      }
      await Deno.remove(path);
    }
  });
});

Deno.test("safetensors: a header that lies is named", async () => {
  const entry = (offsets: string, type = "F32", shape = "[1]") =>
    `{"dtype":"${type}","shape":${shape},"data_offsets":${offsets}}`;
  const cases: [string, number, RegExp][] = [
    ["[]", 0, /not a JSON object/],
    ["nonsense", 0, /header is not JSON/],
    [`{"a":${entry("[0,4]")},"a":${entry("[0,4]")}}`, 4, /"a" occurs twice/],
    [`{"a":${entry("[0,4]")},"b":${entry("[0,4]")}}`, 4, /tensor "b" overlaps tensor "a"/],
    [`{"a":${entry("[0,4]")},"b":${entry("[8,12]")}}`, 12, /"b" leaves a gap after tensor "a"/],
    [`{"a":${entry("[0,4]")}}`, 9, /5 bytes after tensor "a" belong to no tensor/],
    [`{"a":${entry("[0,8]", "F32", "[2]")}}`, 4, /"a": data at bytes 0..8.*truncated/],
    [`{"a":${entry("[4,0]")}}`, 4, /"a": data at bytes 4..0/],
    [`{"a":${entry("[0,4]", "F16")}}`, 4, /F16 of shape \[1\] takes 2 bytes/],
    [`{"a":${entry("[0,4]", "F31")}}`, 4, /dtype "F31" is not one of/],
    [`{"a":${entry("[0,4]", "toString")}}`, 4, /dtype "toString" is not one of/],
    [`{"a":${entry("[0,1152921504606846976]", "U8", "[1152921504606846976]")}}`, 4, /"a"/],
    [`{"a":${entry("[0,0]", "U8", "[9007199254740991,9007199254740991,0]")}}`, 0, /^$/],
    [`{"a":${entry("[0,4]", "F32", "[-1]")}}`, 4, /shape is not a list/],
    [`{"a":${entry("[0,4]", "F32", "[1.5]")}}`, 4, /shape is not a list/],
    [`{"a":${entry("[0]")}}`, 4, /data_offsets are not two/],
    [`{"a":3}`, 4, /"a": entry is not an object/],
    [`{"__metadata__":{"k":1}}`, 0, /metadata "k" is not a string/],
    [`{"__metadata__":[]}`, 0, /__metadata__ is not an object/],
  ];
  await withFolder(async (folder) => {
    const path = join(folder, "liar.safetensors");
    for (const [header, dataLength, expected] of cases) {
      await Deno.writeFile(path, fileBytes(header, dataLength));
      if (expected.source === "^$") await readEverything(path);
      else await assertInputError(readEverything(path), path, expected);
    }
  });
});

Deno.test("safetensors: absurd lengths, short files, missing files and folders", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "short.safetensors");
    await assertInputError(openSafetensors(path), path, /no such file/);
    await assertInputError(openSafetensors(folder), folder, /is a folder/);
    for (const size of [0, 7]) {
      await Deno.writeFile(path, new Uint8Array(size));
      await assertInputError(openSafetensors(path), path, new RegExp(`only ${size} bytes`));
    }
    const prefix = new Uint8Array(16);
    new DataView(prefix.buffer).setBigUint64(0, 2n ** 60n, true);
    await Deno.writeFile(path, prefix);
    await assertInputError(openSafetensors(path), path, /1152921504606846976 is over the limit/);
    new DataView(prefix.buffer).setBigUint64(0, 99n, true);
    await Deno.writeFile(path, prefix);
    await assertInputError(openSafetensors(path), path, /header of 99 bytes in a file of 16/);
  });
});

Deno.test("safetensors: a metadata text of megabytes is scanned without recursion", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "text.safetensors");
    const text = 'a"\\'.repeat(4_000_000);
    await writeSafetensors(path, [], { text });
    using reader = await openSafetensors(path);
    assert.equal(reader.metadata.text, text);
  });
});

Deno.test("safetensors: only the header of a sparse 2.7 GB file is read on opening", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "huge.safetensors");
    const size = 2_700_000_000;
    const entry = { dtype: "U8", shape: [size], data_offsets: [0, size] };
    const header = fileBytes(JSON.stringify({ huge: entry }), 0);
    await Deno.writeFile(path, header);
    await Deno.truncate(path, header.length + size);
    const start = performance.now();
    using reader = await openSafetensors(path);
    assert.equal(reader.info("huge").byteLength, size);
    assert.ok(performance.now() - start < 1000);
  });
});

Deno.test("safetensors: an unknown tensor gets the nearest names", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "names.safetensors");
    const tensor = (name: string): TensorToWrite => ({
      name,
      type: "F32",
      shape: [1],
      data: Float32Array.of(1.5),
    });
    await writeSafetensors(path, ["blocks.0.attn", "blocks.1.attn", "y"].map(tensor));
    using reader = await openSafetensors(path);
    assert.throws(() => reader.info("block.1.attn"), /nearest are "blocks.1.attn"/);
    assert.throws(() => reader.readInt32("y"), /"y" \(F32\) is not a tensor of integers/);
  });
});

Deno.test("safetensors: sharded index", async () => {
  await withFolder(async (folder) => {
    const index = join(folder, "model.safetensors.index.json");
    const shard = async (file: string, name: string, value: number) =>
      await writeSafetensors(join(folder, file), [
        { name, type: "F32", shape: [1], data: Float32Array.of(value) },
      ]);
    await shard("one.safetensors", "a", 1);
    await shard("two.safetensors", "b", 2);
    const write = (map: unknown) => Deno.writeTextFile(index, JSON.stringify({ weight_map: map }));

    await write({ a: "one.safetensors", b: "two.safetensors" });
    using reader = await openSafetensors(index);
    assert.deepEqual([...reader.tensors.keys()], ["a", "b"]);
    assert.deepEqual(reader.readFloat32("b"), Float32Array.of(2));
    assert.throws(() => reader.readFloat32("c"), InputError);

    await write({ a: "two.safetensors" });
    await assertInputError(openSafetensors(index), folder, /no tensor "a"/);
    await write({ a: "three.safetensors" });
    await assertInputError(openSafetensors(index), folder, /no such file/);
    for (const escape of ["../one.safetensors", "/etc/passwd", "..", "", "a\\b", 3, null]) {
      await write({ a: escape });
      await assertInputError(openSafetensors(index), index, /not the name of a file beside it/);
    }
    for (const text of ["[]", "null", "{", "3", '{"weight_map":[]}']) {
      await Deno.writeTextFile(index, text);
      await assertInputError(openSafetensors(index), index, /not JSON|weight_map/);
    }
  });
});

Deno.test("safetensors: damaged files give clear errors only", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "damaged.safetensors");
    await writeSafetensors(path, [
      { name: "a", type: "F32", shape: [2, 2], data: new Float32Array(4) },
      { name: "b", type: "U8", shape: [5], data: new Uint8Array(5) },
      { name: "c", type: "BF16", shape: [1], data: new Float32Array(1) },
    ], { k: "v" });
    const good = await Deno.readFile(path);
    const edit = fc.record({
      at: fc.nat(good.length - 1),
      value: fc.oneof(
        fc.nat(255),
        fc.constantFrom(...new TextEncoder().encode('0123456789{}[]",:')),
      ),
    });
    const damage = fc.record({ edits: fc.array(edit, { maxLength: 6 }), cut: fc.nat(40) });
    await fc.assert(
      fc.asyncProperty(damage, async ({ edits, cut }) => {
        const bytes = good.slice(0, cut > 20 ? good.length - cut + 20 : good.length);
        for (const { at, value } of edits) if (at < bytes.length) bytes[at] = value;
        await Deno.writeFile(path, bytes);
        try {
          await readEverything(path);
        } catch (error) {
          assert.ok(error instanceof InputError, String(error));
          assert.ok(error.message.startsWith(path) && !error.message.includes("\n"), error.message);
        }
      }),
      { numRuns: scale(400, 20_000) },
    );
  });
});

Deno.test("safetensors: any tensors survive a round trip", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "any.safetensors");
    const tensor = fc.record({
      name: fc.string({ unit: "binary" }).filter((name) => name !== "__metadata__"),
      shape: fc.array(fc.nat(4), { maxLength: 4 }),
      type: fc.constantFrom("F32" as const, "U8" as const),
    });
    const tensors = fc.uniqueArray(tensor, { maxLength: 6, selector: ({ name }) => name });
    await fc.assert(
      fc.asyncProperty(tensors, async (list) => {
        const withData = list.map((each, seed) => {
          const count = each.shape.reduce((product, size) => product * size, 1);
          const values = Array.from({ length: count }, (_, index) => (seed * 7 + index) % 256);
          return {
            ...each,
            data: each.type === "U8" ? Uint8Array.from(values) : Float32Array.from(values),
          };
        });
        await writeSafetensors(path, withData);
        using reader = await openSafetensors(path);
        assert.equal(reader.tensors.size, list.length);
        for (const { name, shape, data } of withData) {
          assert.deepEqual(reader.info(name).shape, shape);
          assert.deepEqual([...reader.readFloat32(name)], [...data]);
        }
      }),
      { numRuns: 100 },
    );
  });
});
