import assert from "node:assert/strict";
import { join } from "@std/path";
import fc from "fast-check";
import { InputError } from "../../../base/errors.ts";
import { parseIdx, readIdx } from "../../../formats/tensors/idx.ts";
import { assertInputError, compress, idxBytes as idx, withFolder } from "../helpers.ts";
import { scale } from "../../scale.ts";

Deno.test("idx: plain and gzipped files give the same array", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "any-name");
    const bytes = idx([2, 1, 3], [1, 2, 3, 4, 5, 255]);
    for (const contents of [bytes, await compress(bytes, "gzip")]) {
      await Deno.writeFile(path, contents);
      const { shape, data } = await readIdx(path);
      assert.deepEqual(shape, [2, 1, 3]);
      assert.deepEqual([...data], [1, 2, 3, 4, 5, 255]);
    }
  });
});

Deno.test("idx: empty, one element and rank 0", () => {
  assert.deepEqual([...parseIdx("x", idx([0, 28, 28], [])).data], []);
  assert.deepEqual([...parseIdx("x", idx([1], [9])).data], [9]);
  assert.deepEqual([...parseIdx("x", idx([], [9])).data], [9]);
});

Deno.test("idx: what is wrong is said", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "bad-idx");
    const write = async (bytes: Uint8Array) => await Deno.writeFile(path, bytes);
    await assertInputError(readIdx(path), path, /no such file/);
    await assertInputError(readIdx(folder), folder, /is a folder/);
    const cases: [Uint8Array, RegExp][] = [
      [new Uint8Array(0), /not an IDX file/],
      [Uint8Array.of(0, 0, 8), /not an IDX file/],
      [new TextEncoder().encode("<html>"), /starts with \[3c 68 74 6d\]/],
      [idx([1], [1, 2, 3, 4], 0x0d), /elements are 32-bit floats/],
      [idx([3], [1, 2]), /truncated: shape \[3\] takes 3 bytes, the file holds 2/],
      [idx([1], [1, 2]), /shape \[1\] takes 1 bytes, the file holds 2/],
      [idx([2 ** 32 - 1, 2 ** 32 - 1], []), /truncated/],
      [idx([1, 1], []).subarray(0, 9), /truncated: 9 bytes, the header has 12/],
    ];
    for (const [bytes, expected] of cases) {
      await write(bytes);
      await assertInputError(readIdx(path), path, expected);
    }
  });
});

Deno.test("idx: damaged gzip and gzip bombs", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "images.gz");
    const packed = await compress(idx([1 << 20], new Uint8Array(1 << 20)), "gzip");
    await Deno.writeFile(path, packed);
    await assertInputError(readIdx(path, 1000), path, /more than 1000 bytes/);
    await Deno.writeFile(path, packed.subarray(0, packed.length - 9));
    await assertInputError(readIdx(path), path, /damaged or truncated/);
    packed[20] ^= 0xff;
    await Deno.writeFile(path, packed);
    await assertInputError(readIdx(path), path, /damaged or truncated/);
  });
});

Deno.test("idx: a header that claims more than the file can hold is refused before it is read", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "images");
    await Deno.writeFile(path, idx([2 ** 31, 28, 28], []));
    await Deno.truncate(path, 2 ** 31); // a hole
    const before = Deno.memoryUsage().external;
    await assertInputError(readIdx(path), path, /truncated: shape \[2147483648,28,28\] takes/);
    assert.ok(Deno.memoryUsage().external - before < 2 ** 24);
    const packed = await compress(idx([2 ** 30, 1], new Uint8Array(1 << 20)), "gzip");
    await Deno.writeFile(path, packed);
    const expected = new RegExp(`the file can hold at most ${1032 * packed.length - 12}$`);
    await assertInputError(readIdx(path), path, expected);
  });
});

Deno.test("idx: any bytes give an array or a clear error", () => {
  const good = idx([2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8]);
  const damaged = fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([at, value]) =>
    good.with(at, value)
  );
  const property = fc.property(fc.oneof(fc.uint8Array({ maxLength: 64 }), damaged), (bytes) => {
    try {
      const { shape, data } = parseIdx("file", bytes);
      assert.equal(data.length, shape.reduce((product, size) => product * size, 1));
    } catch (error) {
      assert.ok(error instanceof InputError, String(error));
    }
  });
  fc.assert(property, { numRuns: scale(500, 100_000) });
});
