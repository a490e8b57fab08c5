/**
 * Having sharp read a picture file: only a regular file, within a time limit, and with the reason
 * when it cannot be read.
 *
 * @module
 */

import { workerData } from "node:worker_threads";
import { InputError } from "../../base/errors.ts";
import { loadSharp } from "../../formats/pictures/bitmap.ts";
import { Turns } from "./turns.ts";

/** Pictures of more pixels, 400 MB decoded, are not read. A small file may claim any size. */
export const mostPixels = 1 << 27;

/** Seconds that one picture may take: a small SVG can ask its filters for hours of work. */
export const mostSeconds = 60;

/** A picture that sharp has opened. */
export type OpenPicture = ReturnType<Awaited<ReturnType<typeof loadSharp>>>;

/** Which pictures of an animation are opened; the first unless told. */
export interface PageRange {
  /** The first of them, from 0. */
  readonly page: number;
  /** How many. */
  readonly pages: number;
}

/** Reads one picture; `open` refuses one of more pixels than it is told. */
export type ReadPicture<T> = (
  open: (mostPixels: number, range?: PageRange) => OpenPicture,
) => Promise<T>;

/** Turns of this thread, and of those that share them with it, see {@link turnsOfWorkers}. */
const turns = new Turns(workerData?.turns);

/** What a worker thread is started with, so that it takes turns with the others of its pool. */
export function turnsOfWorkers(): { readonly turns: SharedArrayBuffer } {
  return { turns: new SharedArrayBuffer(8) };
}

/**
 * How many pictures of a thread are tried again, alone, for the reason. More are of no use, reports
 * name the first few, and a set may hold a hundred thousand damaged ones.
 */
const mostReasons = 16;
let reasons = 0;

/**
 * Has sharp read a picture.
 *
 * What sharp only warns of, faults of the header that every viewer passes over, is no failure.
 *
 * @param source path or contents of a file
 * @param where the file, for messages
 * @throws {InputError} when it is not a regular file, cannot be read, or takes too long
 */
export async function attempt<T>(
  source: string | Uint8Array,
  where: string,
  read: ReadPicture<T>,
): Promise<T> {
  if (typeof source === "string") await requireRegularFile(source, where);
  const sharp = await loadSharp();
  const body = () =>
    read((limitInputPixels, range) =>
      sharp(source, { failOn: "error", limitInputPixels, ...range })
    );
  try {
    return await turns.together(body);
  } catch (error) {
    if (isClear(error)) throw undecodable(where, reasonOf(error, where));
    if (reasons++ >= mostReasons) throw undecodable(where);
  }
  return await turns.alone(body).catch((error) => {
    throw undecodable(where, reasonOf(error, where));
  });
}

/** Opening a named pipe waits for somebody to write to it. */
async function requireRegularFile(path: string, where: string): Promise<void> {
  const info = await Deno.stat(path).catch((error) => {
    throw undecodable(
      where,
      error instanceof Deno.errors.NotFound ? "no such file" : error.message,
    );
  });
  if (!info.isFile) throw undecodable(where, "not a regular file");
}

function undecodable(where: string, reason?: string): InputError {
  const colon = reason === undefined ? "" : `: ${reason}`;
  return new InputError(`${where}: cannot be decoded as a picture${colon}`);
}

/** A picture takes longer than it may. */
class TimeLimitError extends Error {}

/**
 * Waits for `result` for at most so many seconds. Those in which this thread is busy or the machine
 * asleep do not count. What sharp does goes on after that, on a thread of its own.
 */
export async function withinSeconds<T>(seconds: number, result: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  let passed = 0;
  const timer = setInterval(() => {
    if (++passed >= seconds) reject(new TimeLimitError(`takes longer than ${seconds} s`));
  }, 1000);
  try {
    return await Promise.race([result, promise]);
  } finally {
    clearInterval(timer);
  }
}

/** Whether the reason for a failure is this picture's, whatever other threads do. */
function isClear(error: unknown): boolean {
  return error instanceof TimeLimitError || isTooLarge(error);
}

/** Whether sharp refused a picture for its size, which it does before decoding. */
export function isTooLarge(error: unknown): boolean {
  return error instanceof Error && /exceeds pixel limit/.test(error.message);
}

/** Why a picture cannot be read, on one line; undefined when sharp does not say. */
function reasonOf(error: unknown, where: string): string | undefined {
  const message = error instanceof Error ? error.message : String(error);
  if (isTooLarge(error)) return `${message} of ${mostPixels}`;
  const [first, second] = message
    .replaceAll(`${where}: `, "")
    .replaceAll(/bad seek to \d+\n/g, "") // how libheif feels for the end of a file
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.includes("failOn"));
  if (!first?.endsWith(":")) return first;
  return second ? `${first} ${second}` : first.slice(0, -1);
}
