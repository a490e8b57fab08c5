/**
 * Any other video, through an `ffmpeg` that the user has installed. It is asked for the times of the
 * frames, which it tells without decoding, and for frames from a time on, which come through a pipe
 * one after the other: a video may be hours long.
 *
 * @module
 */
import { resolve } from "@std/path";
import { InputError, quote } from "../../../base/errors.ts";
import { RangeFile } from "../../../formats/files/range_file.ts";
import { ForeignVideoError, mostFrames } from "../../../formats/video/mp4_reader.ts";
import { mostPixels } from "../../pictures/attempt.ts";
import type { Picture } from "../../pictures/picture.ts";
import { ByteReader } from "./byte_reader.ts";
import type { ClipHead, FramePlace, SourceKind } from "./source.ts";

/** Videos that store the times of their frames, and can be sought in. Others are a `ForeignVideoError`. */
export const video: SourceKind = {
  head: async ({ path }) => await headWith(path, ["-c", "copy"]),
  frames: ({ path }, places) =>
    places[0].index === 0 ? fromStart(path, places) : fromSeek(path, places),
};

/** Other videos (AVI, MPEG), which are decoded from their beginning for everything. */
export const stream: SourceKind = {
  head: async ({ path }) => await headWith(path, [...await asTheyAre(path), "-vf", "scale=16:16"]),
  frames: ({ path }, places) => fromStart(path, places),
};

/** How ffmpeg is got, by operating system. */
const ways: Readonly<Record<string, string>> = {
  linux: "apt-get install ffmpeg",
  darwin: "brew install ffmpeg",
  windows: "winget install ffmpeg",
};

/** What ffmpeg prints where a frame has no time. */
const noTime = "-9223372036854775808";

/** Longest time without a byte, in seconds, before it is given up. */
const patience = 60;

/** Only the file itself is read: a video may be a list of other files and addresses. */
const input = (path: string): string[] => [
  ...["-protocol_whitelist", "file,pipe", "-i", `file:${resolve(path)}`],
  ...["-map", "0:v:0"],
];

/** Frames as they are, none left out and none repeated for the sake of an even rate. */
async function asTheyAre(path: string): Promise<string[]> {
  version ??= await readVersion(path);
  return [version < newNames ? "-vsync" : "-fps_mode", "passthrough"];
}

/** @param how the times are found out, as options of ffmpeg */
async function headWith(path: string, how: readonly string[]): Promise<ClipHead> {
  (await RangeFile.open(path)).close(); // is it there, and no pipe?
  // The size as decoded: videos of telephones lie on their side.
  const [starts, [first]] = await Promise.all([
    listTimes(path, how),
    Array.fromAsync(decode(path, [], 1)),
  ]);
  if (!first) throw new InputError(`${path}: its first frame cannot be decoded`);
  const { width, height } = first;
  return { width, height, frames: starts.length - 1, starts };
}

/** Decodes from the beginning, and keeps some frames. */
async function* fromStart(path: string, places: readonly FramePlace[]): AsyncGenerator<Picture> {
  let decoded = 0;
  for await (const frame of pick(decode(path, [], places.at(-1)!.index + 1), places, 0)) {
    decoded++;
    yield frame;
  }
  if (decoded === places.length) return;
  throw new InputError(`${path}: damaged: frame ${places[decoded].index} cannot be decoded`);
}

/** Margin around times, which are rounded on their way, in seconds: less than a frame lasts. */
const margin = 0.002;

/**
 * Decodes from a time on, and keeps some frames. Whether a seek leads to where it should depends on
 * the file (it does not in transport streams), so the frames between two times are counted.
 *
 * @throws {ForeignVideoError} when one is missing, or cannot be decoded: perhaps for want of others
 */
async function* fromSeek(path: string, places: readonly FramePlace[]): AsyncGenerator<Picture> {
  const [first, last] = [places[0], places.at(-1)!];
  const [from, to] = [first.start - margin, last.start + margin].map((time) => time.toFixed(6));
  const seek = ["-copyts", "-noaccurate_seek", "-seek_timestamp", "1", "-ss", from];
  const select = ["-vf", `select='between(t,${from},${to})'`];
  const decoding = decode(path, seek, last.index - first.index + 1, select);
  let decoded = 0;
  try {
    for await (const frame of pick(decoding, places, first.index)) {
      decoded++;
      yield frame;
    }
  } catch (error) {
    throw error instanceof InputError ? new ForeignVideoError(error.message) : error;
  }
  if (decoded < places.length) throw new ForeignVideoError(`${path}: seeking misses frames`);
}

/** Those frames that are wanted, of frames from the number `first` on. */
async function* pick(
  frames: AsyncIterable<Picture>,
  places: readonly FramePlace[],
  first: number,
): AsyncGenerator<Picture> {
  let [index, next] = [first, 0];
  for await (const frame of frames) {
    if (index++ !== places[next]?.index) continue;
    next++;
    yield frame;
  }
}

/**
 * When each frame begins and the last one ends, in seconds.
 *
 * @throws {ForeignVideoError} when a frame has no time
 */
async function listTimes(path: string, how: readonly string[]): Promise<Float64Array> {
  await using running = start(path, ["-copyts", ...input(path), ...how, "-f", "framecrc", "-"]);
  const times: number[] = [];
  let [tick, last, count] = [NaN, 1, 0];
  for await (const line of running.output.lines()) {
    if (++count > mostFrames) throw new InputError(`${path}: has more than ${mostFrames} frames`);
    const [, over, under] = /^#tb 0: (\d+)\/(\d+)$/.exec(line) ?? [];
    if (under !== undefined) tick = Number(over) / Number(under);
    if (!line.startsWith("0,")) continue;
    const [, , time = "", duration] = line.split(",");
    if (time.trim() === noTime) throw new ForeignVideoError(`${path}: its frames have no times`);
    times.push(Number(time));
    last = Math.max(Number(duration), 1);
  }
  await running.succeeded();
  if (times.length === 0 || !(tick > 0)) throw new InputError(`${path}: there is no frame in it`);
  times.sort((a, b) => a - b);
  return Float64Array.from([...times, times.at(-1)! + last], (time) => time * tick);
}

/**
 * Decodes frames in their order.
 *
 * @param seek where to begin, as options before the input
 * @param count most frames that are wanted
 * @param select which, as options after the input
 */
async function* decode(
  path: string,
  seek: readonly string[],
  count: number,
  select: readonly string[] = [],
): AsyncGenerator<Picture> {
  const output = ["-frames:v", `${count}`, "-c:v", "ppm", "-f", "image2pipe", "-"];
  // Else what cannot be decoded is made up from the frames around it.
  const strict = ["-xerror", "-err_detect", "explode"];
  const args = [...strict, ...seek, ...input(path), ...select, ...await asTheyAre(path), ...output];
  await using running = start(path, args);
  const reader = running.output;
  let decoded = 0;
  for (; decoded < count && await reader.hasMore(); decoded++) yield await readPpm(path, reader);
  if (decoded < count) await running.succeeded();
}

/** A picture as PPM has it: `P6`, width, height, 255 and the pixels. */
async function readPpm(path: string, reader: ByteReader): Promise<Picture> {
  const words: string[] = [];
  while (words.length < 4) words.push(await reader.word());
  const [magic, width, height, most] = [words[0], ...words.slice(1).map(Number)] as const;
  const isSize = width >= 1 && height >= 1 && width * height <= mostPixels;
  if (magic !== "P6" || most !== 255 || !isSize) {
    throw new InputError(`${path}: ffmpeg gave no picture but ${quote(words.join(" "))}`);
  }
  return { width, height, channels: 3, data: await reader.bytes(3 * width * height) };
}

/** An ffmpeg at work. */
interface Running extends AsyncDisposable {
  readonly output: ByteReader;
  /** Waits for its end. @throws {InputError} with what it said, when it has failed */
  succeeded(): Promise<void>;
}

/**
 * Starts ffmpeg.
 *
 * @throws {InputError} when there is none, or it may not be run
 */
function start(path: string, args: readonly string[]): Running {
  const child = spawn(path, ["-v", "error", "-nostdin", ...args]);
  const said = readStart(child.stderr);
  const output = new ByteReader(path, child.stdout, patience);
  let hasEnded = false;
  const status = child.status.then((status) => {
    hasEnded = true;
    return status;
  });
  return {
    output,
    async succeeded() {
      const { success } = await status;
      if (success) return;
      throw new InputError(`${path}: ffmpeg cannot read it: ${reasonOf(path, await said)}`);
    },
    async [Symbol.asyncDispose]() {
      if (!hasEnded) kill(child);
      await output.cancel();
      await Promise.all([status, said]);
    },
  };
}

function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch {
    // It has ended just now.
  }
}

function spawn(path: string, args: readonly string[]): Deno.ChildProcess {
  try {
    const options = { stdin: "null", stdout: "piped", stderr: "piped" } as const;
    return new Deno.Command("ffmpeg", { args: [...args], ...options }).spawn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      const way = ways[Deno.build.os] ?? "see https://ffmpeg.org/download.html";
      throw new InputError(`${path}: reading it takes ffmpeg, which is not on the PATH (${way})`);
    }
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    throw new InputError(
      `${path}: reading it takes ffmpeg, which may not be run here: start Deno ` +
        "with --allow-run=ffmpeg",
    );
  }
}

/** Most characters of what ffmpeg says that are kept: of a damaged video it says something per frame. */
const longestReason = 4000;

async function readStart(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  let text = "";
  for await (const part of stream.pipeThrough(new TextDecoderStream())) {
    if (text.length < longestReason) text += part;
  }
  return text;
}

/** The last thing that was said, without the name of the file and the address of the part that says it. */
function reasonOf(path: string, said: string): string {
  const lines = said.split("\n").map((line) => line.replace(/^\[[^\]]*\] /, "").trim());
  const line = lines.filter((text) => text !== "").at(-1) ?? "no reason given";
  return line.replaceAll(`file:${resolve(path)}: `, "").slice(0, 200);
}

/** The version of ffmpeg, once it is known. */
let version: number | undefined;

/** The version with which some options got other names. */
const newNames = 5.1;

/** Asks for the version; builds without a number are new. */
async function readVersion(path: string): Promise<number> {
  await using running = start(path, ["-version"]);
  const { value: first = "" } = await running.output.lines().next();
  const [, number] = /^ffmpeg version n?(\d+\.\d+)/.exec(first) ?? [];
  return number === undefined ? Infinity : Number(number);
}
