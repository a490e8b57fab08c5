/**
 * Plain text of others: UTF-8, or what its byte order mark says.
 *
 * @module
 */

import { InputError } from "../../base/errors.ts";
import { RangeFile } from "../files/range_file.ts";

/** Most bytes that are read of a text, where its reader does not say. */
const usualBytes = 1 << 24;

/** Whether a path leads to a regular file. */
export async function isRegularFile(path: string): Promise<boolean> {
  return await Deno.stat(path).then(({ isFile }) => isFile, () => false);
}

/** The encoding that a byte order mark says, or UTF-8. */
function encodingOf([first, second]: Uint8Array): string {
  if (first === 0xff && second === 0xfe) return "utf-16le";
  return first === 0xfe && second === 0xff ? "utf-16be" : "utf-8";
}

/**
 * Reads a text without its byte order mark.
 *
 * @param mostBytes that it may have; 16 MiB unless told
 *
 * @throws {InputError} when there is no such file, it is longer, or is not valid UTF-8 or UTF-16
 */
export async function readText(path: string, mostBytes = usualBytes): Promise<string> {
  using file = await RangeFile.open(path);
  if (file.size > mostBytes) throw new InputError(`${path}: longer than ${mostBytes} bytes`);
  const bytes = file.read(0, file.size);
  const encoding = encodingOf(bytes);
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
    if (!text.includes("\0")) return text;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
  throw new InputError(`${path}: not valid ${encoding.toUpperCase()}`);
}

/** The lines of a text that hold something, without the blanks around it. */
export function linesOf(text: string): string[] {
  return text.split("\n").map((line) => line.trim()).filter(Boolean);
}
