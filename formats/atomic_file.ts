/**
 * Files that are either the old version or the complete new one, whatever happens in between.
 *
 * The contents go to a temporary name in the same folder, are flushed to the disk, and take their
 * final name by a rename; the folder is flushed last, so that the rename itself survives a power
 * cut. When producing the contents fails, the temporary file is removed and the old one stays.
 *
 * @module
 */

import { basename, dirname, join } from "@std/path";

/** Where the contents of a file being written go. */
export interface AtomicWriter {
  /** Bytes appended so far. */
  readonly position: number;
  /** Appends all bytes of a view; the view may be reused once the promise has settled. */
  write(bytes: Uint8Array): Promise<void>;
  /** Overwrites bytes already written, for fields known only later. `position` stays. */
  writeAt(offset: number, bytes: Uint8Array): Promise<void>;
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  let written = 0;
  while (written < bytes.length) written += await file.write(bytes.subarray(written));
}

function writerFor(file: Deno.FsFile): AtomicWriter {
  let position = 0;
  return {
    get position() {
      return position;
    },
    async write(bytes) {
      await writeAll(file, bytes);
      position += bytes.length;
    },
    async writeAt(offset, bytes) {
      if (offset < 0 || offset + bytes.length > position) {
        throw new RangeError(`bytes ${offset}..${offset + bytes.length} were not written yet`);
      }
      await file.seek(offset, Deno.SeekMode.Start);
      await writeAll(file, bytes);
      await file.seek(position, Deno.SeekMode.Start);
    },
  };
}

/**
 * Flushes the entries of a folder (new names, renames) to the disk.
 *
 * Windows has no such operation and does without; there this does nothing.
 */
export async function syncDirectory(path: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  using directory = await Deno.open(path);
  await directory.sync();
}

/**
 * Writes a file whose contents `produce` streams out, all or nothing.
 *
 * @param path the final name; its folder must exist
 * @param produce writes the contents, in order, to the writer it is given
 * @returns what `produce` returned
 * @throws what `produce` or the file system throws; an older file of that name is then untouched
 */
export async function writeAtomically<Result>(
  path: string,
  produce: (writer: AtomicWriter) => Promise<Result>,
): Promise<Result> {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.${crypto.randomUUID().slice(0, 8)}.tmp`);
  try {
    let result: Result;
    {
      using file = await Deno.open(temporary, { write: true, createNew: true });
      result = await produce(writerFor(file));
      await file.sync();
    }
    await Deno.rename(temporary, path);
    await syncDirectory(folder);
    return result;
  } catch (error) {
    await Deno.remove(temporary).catch(() => {}); // already renamed, or never created
    throw error;
  }
}

/** Writes bytes to a file, all or nothing. */
export async function writeBytesAtomically(path: string, bytes: Uint8Array): Promise<void> {
  await writeAtomically(path, (writer) => writer.write(bytes));
}

/** Writes text to a file as UTF-8, all or nothing. */
export async function writeTextAtomically(path: string, text: string): Promise<void> {
  await writeBytesAtomically(path, new TextEncoder().encode(text));
}

/** Writes the chunks of a stream to a file, all or nothing; resolves to the number of bytes. */
export async function writeStreamAtomically(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
): Promise<number> {
  return await writeAtomically(path, async (writer) => {
    for await (const chunk of chunks) await writer.write(chunk);
    return writer.position;
  });
}
