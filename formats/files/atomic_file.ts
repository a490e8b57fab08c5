/**
 * Files and folders that are either the old version or the complete new one, whatever happens in
 * between.
 *
 * The contents go to a temporary name in the same folder, are flushed to the disk, and take their
 * final name by a rename; the folder is flushed last, so that the rename itself survives a power
 * cut. When producing the contents fails, what is temporary is removed and the old version stays. A
 * process that is killed leaves it behind; {@link removeLeftovers} clears it away. A link under the final
 * name is replaced like anything else; what it leads to stays as it is.
 *
 * @module
 */

import { basename, dirname, join } from "@std/path";
import { InputError } from "../../base/errors.ts";
import { folderProblem } from "./folder.ts";

/** Names of files and folders that were being written, or removed, when a process was killed. */
const leftoverPattern = /^\..+\.[0-9a-f]{8}\.(?:tmp|partial)$/;

/** A name that no other process uses, beside `path`. */
function temporaryName(path: string, extension: "tmp" | "partial"): string {
  const unique = crypto.randomUUID().slice(0, 8);
  return join(dirname(path), `.${basename(path)}.${unique}.${extension}`);
}

/** Where the contents of a file being written go. */
export interface AtomicWriter {
  /** Bytes appended so far. */
  readonly position: number;
  /** Appends all bytes of a view; the view may be reused once the promise has settled. */
  write(bytes: Uint8Array): Promise<void>;
  /** Overwrites bytes already written, for fields known only later. `position` stays. */
  writeAt(offset: number, bytes: Uint8Array): Promise<void>;
}

/**
 * Flushes the entries of a folder (new names, renames) to the disk.
 *
 * Windows has no such operation and does without; there this does nothing.
 */
async function syncDirectory(path: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  using directory = await Deno.open(path);
  await directory.sync();
}

/**
 * Refuses the path of a folder for a file, which would be found out only when the file is whole.
 *
 * @throws {InputError}
 */
export async function requireNoFolder(path: string): Promise<void> {
  const isFolder = await Deno.stat(path).then(({ isDirectory }) => isDirectory, () => false);
  if (isFolder) throw new InputError(`${path}: is a folder; give the name of a file`);
}

/** A file that takes its name once it is whole. Declare it with `await using`. */
export class AtomicFile implements AtomicWriter, AsyncDisposable {
  #length = 0;
  #isOpen = true;
  #isCommitted = false;
  readonly #path: string;
  readonly #temporary: string;
  readonly #file: Deno.FsFile;

  private constructor(
    path: string,
    temporary: string,
    file: Deno.FsFile,
  ) {
    this.#path = path;
    this.#temporary = temporary;
    this.#file = file;
  }

  /**
   * Starts a file under a temporary name.
   *
   * @param path the final name; its folder must exist
   * @throws {InputError} when a folder has the name, or nothing can be written there; `Deno.errors.NotFound`
   * when there is no folder for it
   */
  static async create(path: string): Promise<AtomicFile> {
    await requireNoFolder(path);
    const temporary = temporaryName(path, "tmp");
    const opening = Deno.open(temporary, { write: true, createNew: true });
    const file = await naming(path, opening).catch(async (error) => {
      const problem = await folderProblem(dirname(path));
      if (problem !== undefined) throw new InputError(problem, { cause: error });
      throw withoutTemporary(error, temporary, path);
    });
    // Tells removeTemporaries that it is being written; some network file systems have no locks.
    await file.tryLock(true).catch(() => false);
    return new AtomicFile(path, temporary, file);
  }

  get position(): number {
    return this.#length;
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#writeAll(bytes);
    this.#length += bytes.length;
  }

  async writeAt(offset: number, bytes: Uint8Array): Promise<void> {
    if (offset < 0 || offset + bytes.length > this.#length) {
      throw new RangeError(`bytes ${offset}..${offset + bytes.length} were not written yet`);
    }
    await this.#file.seek(offset, Deno.SeekMode.Start);
    await this.#writeAll(bytes);
    await this.#file.seek(this.#length, Deno.SeekMode.Start);
  }

  /** Flushes the file and gives it its name; an older one is replaced. */
  async commit(): Promise<void> {
    await naming(this.#path, this.#file.sync());
    this.#close();
    await naming(this.#path, Deno.rename(this.#temporary, this.#path));
    this.#isCommitted = true;
    await syncDirectory(dirname(this.#path));
  }

  /** Closes the file, and removes it when it was not committed. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#close();
    if (!this.#isCommitted) await Deno.remove(this.#temporary).catch(() => {}); // or out of reach
  }

  #close(): void {
    if (this.#isOpen) this.#file.close();
    this.#isOpen = false;
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    let written = 0;
    while (written < bytes.length) {
      written += await naming(this.#path, this.#file.write(bytes.subarray(written)));
    }
  }
}

/** What an operation on a file gives; a failure names the file. */
async function naming<Result>(path: string, operation: Promise<Result>): Promise<Result> {
  try {
    return await operation;
  } catch (error) {
    throw writeProblem(path, error);
  }
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
  await using file = await AtomicFile.create(path);
  const result = await produce(file);
  await file.commit();
  return result;
}

/**
 * What to tell about a failed write. A full disk or a quota has no class of error of its own, and
 * often no path in its message: it becomes an `InputError` that names the file. Everything else is
 * told as it is.
 */
export function writeProblem(path: string, error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const [, reason, place] = /^(.*) \(os error \d+\)(: .*)?$/.exec(error.message) ?? [];
  const isClear = place !== undefined &&
    Object.values(Deno.errors).some((kind) => error instanceof kind);
  if (reason === undefined || isClear) return error;
  return new InputError(`${path}: cannot be written: ${reason.toLowerCase()}`, { cause: error });
}

/**
 * Makes a folder whose contents `produce` writes, all or nothing; an older one is replaced.
 *
 * @param path the final name; the folder around it must exist
 * @param produce writes files, flushed to the disk, into the folder it is given
 * @throws what `produce` or the file system throws; an older folder of that name is then untouched
 */
export async function writeFolderAtomically(
  path: string,
  produce: (temporary: string) => Promise<void>,
): Promise<void> {
  const temporary = temporaryName(path, "partial");
  try {
    await Deno.mkdir(temporary);
    await produce(temporary);
    await removeFolderAtomically(path);
    await Deno.rename(temporary, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await Deno.remove(temporary, { recursive: true }).catch(() => {}); // never made, or out of reach
    throw withoutTemporary(error, temporary, path);
  }
}

/** An error that names what was asked for: the temporary name means nothing to the user. */
function withoutTemporary(error: unknown, temporary: string, path: string): unknown {
  if (error instanceof Error) error.message = error.message.replaceAll(temporary, path);
  return error;
}

/** Removes a folder, if it is there, so that under its name there is never a part of it. */
export async function removeFolderAtomically(path: string): Promise<void> {
  const temporary = temporaryName(path, "partial");
  try {
    await Deno.rename(path, temporary);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  await Deno.remove(temporary, { recursive: true });
}

/**
 * Removes what killed processes left in a folder and the folders inside of it; nobody else may be
 * writing there meanwhile.
 */
export async function removeLeftovers(folder: string): Promise<void> {
  for (const { name, isDirectory } of await Array.fromAsync(Deno.readDir(folder))) {
    const path = join(folder, name);
    if (leftoverPattern.test(name)) await Deno.remove(path, { recursive: true });
    else if (isDirectory) await removeLeftovers(path);
  }
}

/**
 * Removes what killed processes left of files being written in a folder of the user's. What another
 * process is writing stays, and so does everything else.
 *
 * @param isOwn whether a file is one that the caller writes, by its final name
 */
export async function removeTemporaries(
  folder: string,
  isOwn: (name: string) => boolean,
): Promise<void> {
  for await (const { name, isFile } of Deno.readDir(folder)) {
    const target = /^\.(.+)\.[0-9a-f]{8}\.tmp$/.exec(name)?.[1];
    if (!isFile || target === undefined || !isOwn(target)) continue;
    const path = join(folder, name);
    using file = await Deno.open(path, { read: true, write: true });
    if (await file.tryLock(true)) await Deno.remove(path);
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
