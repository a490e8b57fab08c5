/** Checksums of files as they are written and read. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { ChecksumReader, ChecksumWriter, textChecksum } from "../../../formats/files/checksum.ts";
import { RangeFile } from "../../../formats/files/range_file.ts";
import { withFolder } from "../../cli/runs.ts";

Deno.test("the checksum is the CRC-32 of zip and PNG", () => {
  assert.equal(textChecksum("123456789"), "cbf43926");
  assert.equal(textChecksum(""), "00000000");
});

Deno.test("written in parts and read in any order, a file has one checksum", async () => {
  await withFolder(async (folder) => {
    const bytes = Uint8Array.from({ length: 9_000_001 }, (_, index) => index * 7 >> 3);
    const parts: Uint8Array[] = [];
    const writer = new ChecksumWriter({
      write: (part) => Promise.resolve(void parts.push(part.slice())),
    });
    for (const [start, end] of [[0, 8], [8, 5_000_000], [5_000_000, bytes.length]]) {
      await writer.write(bytes.subarray(start, end));
    }
    assert.equal(parts.length, 3);
    const path = join(folder, "file");
    await Deno.writeFile(path, bytes);
    for (const offsets of [[], [0, 10, 20], [20, 0, 10], [0, 20, 0]]) {
      using file = await RangeFile.open(path);
      const reader = new ChecksumReader(file);
      for (const offset of offsets) assert.deepEqual(reader.read(offset, 10)[0], bytes[offset]);
      assert.equal(reader.finish(), writer.checksum, offsets.join());
    }
  });
});
