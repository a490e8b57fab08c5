import assert from "node:assert/strict";
import { join } from "@std/path";
import {
  writeAtomically,
  writeBytesAtomically,
  writeStreamAtomically,
  writeTextAtomically,
} from "../../../formats/files/atomic_file.ts";
import { nearestNames, quote } from "../../../base/errors.ts";
import { withFolder } from "../helpers.ts";

const names = (folder: string) => [...Deno.readDirSync(folder)].map(({ name }) => name);

Deno.test("atomic file: text, bytes and streams arrive and nothing else is left", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "file");
    await writeTextAtomically(path, "old é");
    assert.equal(await Deno.readTextFile(path), "old é");
    await writeBytesAtomically(path, Uint8Array.of(1, 2));
    assert.deepEqual(await Deno.readFile(path), Uint8Array.of(1, 2));
    async function* chunks() {
      yield Uint8Array.of(3);
      yield await Promise.resolve(Uint8Array.of());
      yield Uint8Array.of(4, 5);
    }
    assert.equal(await writeStreamAtomically(path, chunks()), 3);
    assert.deepEqual(await Deno.readFile(path), Uint8Array.of(3, 4, 5));
    assert.deepEqual(names(folder), ["file"]);
  });
});

Deno.test("atomic file: while writing, and after a failure, the old file is there", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "file");
    await writeTextAtomically(path, "old");
    const failing = writeAtomically(path, async (writer) => {
      await writer.write(Uint8Array.of(1));
      assert.equal(await Deno.readTextFile(path), "old");
      assert.equal(names(folder).length, 2);
      throw new Error("power cut");
    });
    await assert.rejects(failing, /power cut/);
    assert.equal(await Deno.readTextFile(path), "old");
    assert.deepEqual(names(folder), ["file"]);
    const missing = writeTextAtomically(join(folder, "no", "file"), "");
    await assert.rejects(
      missing,
      (error) =>
        error instanceof Deno.errors.NotFound &&
        error.message.includes(join(folder, "no", "file'")),
    );
  });
});

Deno.test("atomic file: bytes already written can be corrected", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "file");
    const length = await writeAtomically(path, async (writer) => {
      await writer.write(Uint8Array.of(0, 0, 3));
      await writer.writeAt(0, Uint8Array.of(1, 2));
      await writer.write(Uint8Array.of(4));
      await assert.rejects(writer.writeAt(3, Uint8Array.of(1, 2)), RangeError);
      return writer.position;
    });
    assert.equal(length, 4);
    assert.deepEqual(await Deno.readFile(path), Uint8Array.of(1, 2, 3, 4));
  });
});

Deno.test("errors: nearest names and quoting", () => {
  assert.deepEqual(nearestNames("DiT-S2", ["WALT-L", "DiT-S/2", "DiT-B/2"]), [
    "DiT-S/2",
    "DiT-B/2",
  ]);
  assert.deepEqual(nearestNames("x", []), []);
  assert.equal(quote("a\nb"), '"a\\nb"');
  assert.equal(quote("a".repeat(200)).length, 82);
});
