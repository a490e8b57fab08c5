/** Files of PyTorch: what it writes is read bit for bit, what could do harm is refused by name. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import fc from "fast-check";
import { zipSync } from "fflate";
import { InputError } from "../../../base/errors.ts";
import { openPyTorch } from "../../../formats/pytorch/pytorch.ts";
import { openWeights } from "../../../formats/weights.ts";
import { scale } from "../../scale.ts";
import { assertInputError, withFolder } from "../helpers.ts";

const fixture = (name: string) => `${import.meta.dirname}/../../fixtures/${name}`;
const forms = ["pytorch_archive.pt", "pytorch_legacy.pt", "pytorch_protocol5.pt"];

/** Bytes of text, numbers and bytes one after the other. */
function bytesOf(...parts: readonly (string | number | Uint8Array)[]): Uint8Array<ArrayBuffer> {
  const encode = (part: string | number | Uint8Array) =>
    typeof part === "string"
      ? new TextEncoder().encode(part)
      : typeof part === "number"
      ? [part]
      : part;
  return Uint8Array.from(parts.flatMap((part) => [...encode(part)]));
}

/** A short text as pickles of protocol 2 hold it. */
const text = (value: string) => bytesOf("X", value.length, 0, 0, 0, value);

/** A name of Python's. */
const name = (module: string, name: string) => bytesOf("c", `${module}\n${name}\n`);

/** A tensor of two floats from `offset` on, in a storage of `elements`. */
const tensor = (offset = 0, elements = 2, shape = 2, stride = 1) =>
  bytesOf(
    ...[name("torch._utils", "_rebuild_tensor_v2"), "((", text("storage")],
    ...[name("torch", "FloatStorage"), text("0"), text("cpu"), "K", elements, "tQ"],
    ...["K", offset, "K", shape, 0x85, "K", stride, 0x85, 0x89, "}tR"],
  );

/** A dict with one entry. */
const dict = (key: string, value: Uint8Array) => bytesOf("}", text(key), value, "s");

/** A file around a pickle, with two floats in its storage. */
function archive(
  pickle: Uint8Array,
  files: Record<string, Uint8Array> = {},
): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(zipSync({
    "archive/data.pkl": bytesOf(0x80, 2, pickle, "."),
    "archive/data/0": new Uint8Array(8),
    ...files,
  }, { level: 0 }));
}

for (const form of forms) {
  Deno.test(`${form}: all types, views and names are those PyTorch means`, async () => {
    using file = await openWeights(fixture(form));
    using expected = await openWeights(fixture("pytorch_tensors.safetensors"));
    assert.deepEqual([...file.tensors.keys()].sort(), [...expected.tensors.keys()].sort());
    for (const { name, type, shape } of expected.tensors.values()) {
      const info = file.info(name);
      assert.deepEqual([info.type, info.shape], [type, shape], name);
      assert.deepEqual(file.readBytes(name), expected.readBytes(name), name);
    }
    assert.deepEqual(file.readFloat32("ema.transposed"), expected.readFloat32("ema.transposed"));
    const part = new Float32Array(3);
    file.readFloat32Part("ema.part", 4, part);
    assert.deepEqual(part, expected.readFloat32("ema.part").subarray(4, 7));
    assert.deepEqual(file.metadata, {
      "args.model": "DiT-S/2",
      "args.seed": "-7",
      "args.lr": "0.0001",
      "args.resume": "null",
      "args.big": String(2n ** 70n),
      epoch: "3",
    });
  });
}

/** Pickles that are refused, and what is said. */
const refused: readonly [what: string, file: Uint8Array<ArrayBuffer>, message: RegExp][] = [
  [
    "a program",
    archive(bytesOf(name("os", "system"), text("rm -rf /"), 0x85, "R")),
    /: holds "os\.system", which is neither a tensor nor a plain container: only running/,
  ],
  [
    "a program by the names of protocol 4",
    archive(bytesOf(0x8c, 8, "builtins", 0x8c, 4, "eval", 0x93, 0x8c, 1, "1", 0x85, "R")),
    /holds "builtins\.eval"/,
  ],
  [
    "a name that looks like one of PyTorch's",
    archive(name("torch", "float32.__reduce__")),
    /holds "torch\.float32\.__reduce__"/,
  ],
  [
    "a type that is called",
    archive(bytesOf(name("torch", "float32"), ")R")),
    /calls "torch\.float32"/,
  ],
  ["no tensors", archive(dict("a", bytesOf("K", 1))), /a PyTorch file without tensors$/],
  [
    "a tensor beyond its storage",
    archive(tensor(1)),
    /a tensor of the shape \(2\) in a storage of 2/,
  ],
  ["strides beyond its storage", archive(tensor(0, 2, 2, 2)), /in a storage of 2 elements$/],
  ["a storage beyond its file", archive(tensor(0, 3)), /the storage 0 has 8 bytes, 12 are needed$/],
  [
    "another type of elements",
    archive(
      bytesOf("(", text("storage"), name("torch", "Size"), text("0"), text("cpu"), "K", 2, "tQ"),
    ),
    /storages of the type "torch\.Size" cannot be read$/,
  ],
  ["an unknown operation", archive(bytesOf(0xff)), /the unknown pickle operation 255 at byte/],
  ["an empty stack", archive(bytesOf()), /an empty stack at byte/],
  ["a later protocol", archive(bytesOf(0x80, 9)), /pickle protocol 9; 0 to 5 can be read/],
  [
    "the other byte order",
    archive(tensor(), { "archive/byteorder": bytesOf("big") }),
    /byte order "big"; "little" can be read$/,
  ],
  [
    "TorchScript",
    archive(tensor(), { "archive/code/__torch__.py": bytesOf("def") }),
    /a TorchScript program, not weights/,
  ],
  [
    "an archive of something else",
    Uint8Array.from(zipSync({ "a.txt": bytesOf("a") })),
    /no PyTorch/,
  ],
  [
    "a container as a key",
    archive(bytesOf("}", text("w"), tensor(), "s]}s")),
    /a dict with a container as a key cannot be read$/,
  ],
  ["a pickle of something else", bytesOf(0x80, 2, "K", 7, "."), /a pickle of another program/],
];

for (const [what, contents, message] of refused) {
  Deno.test(`PyTorch: ${what} is refused by name`, async () => {
    await withFolder(async (folder) => {
      const path = join(folder, "model.pt");
      await Deno.writeFile(path, contents);
      await assertInputError(openPyTorch(path), path, message);
    });
  });
}

Deno.test("PyTorch: a container that holds itself, or others a billion times, ends", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "model.pt");
    // A list that holds itself, beside a tensor.
    const cyclic = bytesOf("}(", text("loop"), "]q", 0, "h", 0, "a", text("w"), tensor(), "u");
    // A list of a list of ... each twice the one before.
    const doubled = Array.from({ length: 60 }, () => bytesOf("q", 1, "]h", 1, "ah", 1, "a"));
    const laughs = bytesOf("}(", text("w"), tensor(), text("x"), "]", ...doubled, "u");
    // And 100,000 lists, one inside of the other.
    const deep = bytesOf(
      "}(",
      text("w"),
      tensor(),
      text("x"),
      "](".repeat(50_000),
      "l".repeat(50_000),
    );
    for (const pickle of [cyclic, laughs, bytesOf(deep, 0x86, "0u")]) {
      await Deno.writeFile(path, archive(pickle));
      await openPyTorch(path).then((file) => {
        assert.deepEqual([...file.tensors.keys()], ["w"]);
        file.close();
      }, (error) => assert.ok(error instanceof InputError, error));
    }
  });
});

Deno.test("PyTorch: a pickle without an end is damaged, however long", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "model.pt");
    await Deno.writeFile(path, archive(bytesOf("N0".repeat(100_000))));
    await assertInputError(openPyTorch(path), path, /an empty stack/);
  });
});

Deno.test("PyTorch: truncated and damaged files give clear errors only", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "model.pt");
    const read = async (bytes: Uint8Array) => {
      await Deno.writeFile(path, bytes);
      try {
        using file = await openWeights(path);
        for (const name of file.tensors.keys()) file.readBytes(name);
      } catch (error) {
        assert.ok(error instanceof InputError && !error.message.includes("\n"), String(error));
      }
    };
    for (const form of forms) {
      const whole = await Deno.readFile(fixture(form));
      for (let length = 0; length < whole.length; length += 61) {
        await read(whole.subarray(0, length));
      }
      const damage = fc.tuple(fc.nat(whole.length - 1), fc.nat(255));
      const property = fc.asyncProperty(
        fc.array(damage, { minLength: 1, maxLength: 3 }),
        async (places) => {
          const bytes = whole.slice();
          for (const [at, value] of places) bytes[at] = value;
          await read(bytes);
        },
      );
      await fc.assert(property, { seed: 7, numRuns: scale(150, 5000) });
    }
  });
});
