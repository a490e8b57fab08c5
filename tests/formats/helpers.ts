/** What the tests of file formats share. */

import assert from "node:assert/strict";
import { InputError } from "../../base/errors.ts";
import type { Machine } from "../../base/machine.ts";

/** A machine that reports can name. */
export const testMachine: Machine = {
  cpu: "Test CPU, 3 GHz",
  cores: 2,
  system: "linux x86_64",
  deno: "2.9.6",
  v8: "15.0",
  tessera: "0.1.0",
  commit: "0123456789abcdef",
};

/** Runs `body` with the path of a new folder and removes the folder afterwards. */
export async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "tessera-test-" });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Asserts that a promise rejects with an InputError of one line that starts with `where`. */
export async function assertInputError(
  promise: Promise<unknown>,
  where: string,
  expected: RegExp,
): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof InputError, String(error));
    assert.ok(error.message.startsWith(where), `"${error.message}" does not start with "${where}"`);
    assert.ok(!error.message.includes("\n"), error.message);
    assert.match(error.message, expected);
    return true;
  });
}

/** Bytes through a compression stream. */
export async function compress(
  bytes: Uint8Array<ArrayBuffer>,
  format: CompressionFormat,
): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream(format));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** An IDX file. */
export function idxBytes(
  shape: number[],
  data: ArrayLike<number>,
  type = 0x08,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4 + 4 * shape.length + data.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0, 0, type, shape.length]);
  shape.forEach((size, axis) => view.setUint32(4 + 4 * axis, size));
  bytes.set(data, 4 + 4 * shape.length);
  return bytes;
}
