/**
 * All kinds of sources of clips.
 *
 * @module
 */
import { InputError } from "../../../base/errors.ts";
import { ForeignVideoError } from "../../../formats/video/mp4_reader.ts";
import { animation } from "./animation.ts";
import { stream, video } from "./ffmpeg.ts";
import { frameFolder } from "./frame_folder.ts";
import { ownMp4 } from "./own_mp4.ts";
import type { Picture } from "../../pictures/picture.ts";
import type { ClipHead, ClipSource, FramePlace, SourceKind } from "./source.ts";

/** What each kind can do. */
export const sourceKinds: Readonly<Record<ClipSource["kind"], SourceKind>> = {
  frames: frameFolder,
  animation,
  mp4: ownMp4,
  video,
  stream,
};

/** Who reads what another does not. */
const successors: Readonly<Partial<Record<ClipSource["kind"], ClipSource["kind"]>>> = {
  mp4: "video",
  video: "stream",
};

/** The source for another reader, when an error says that the first one is not for it. */
function successorOf(source: ClipSource, error: unknown): ClipSource {
  const kind = successors[source.kind];
  if (!(error instanceof ForeignVideoError) || !kind) throw error;
  return { ...source, kind };
}

/**
 * Reads what is known of a source without decoding it, and finds out who reads it: an MP4 file that
 * is not like those of the tool is for ffmpeg.
 *
 * @throws {InputError} when it cannot be read
 */
export async function readHead(
  source: ClipSource,
): Promise<{ readonly source: ClipSource; readonly head: ClipHead }> {
  try {
    const head = await sourceKinds[source.kind].head(source);
    requireTimes(source.path, head);
    return { source, head };
  } catch (error) {
    return await readHead(successorOf(source, error));
  }
}

/** Longest a clip may take, in seconds: thirty years, in which samples can still be counted. */
const longestDuration = 1e9;

/** Refuses times that no clip has: damaged files may claim any. */
function requireTimes(path: string, { starts, frames }: ClipHead): void {
  const duration = starts ? starts[frames] - starts[0] : 0;
  if (duration <= longestDuration) return;
  throw new InputError(`${path}: damaged: its frames are shown for ${duration.toPrecision(2)} s`);
}

/** Videos that were found to be for another reader while they were decoded, by path. */
const found = new Map<string, ClipSource>();

/**
 * Decodes frames, and hands each on before the next is decoded.
 *
 * @param places in ascending order, each once
 * @throws {InputError} when one cannot be decoded
 */
export async function mapFrames<Result>(
  source: ClipSource,
  places: readonly FramePlace[],
  map: (frame: Picture) => Result,
): Promise<Result[]> {
  const reader = source.kind === "video" ? found.get(source.path) ?? source : source;
  try {
    const results: Result[] = [];
    for await (const frame of sourceKinds[reader.kind].frames(reader, places)) {
      results.push(map(frame));
    }
    return results;
  } catch (error) {
    const successor = successorOf(reader, error);
    const results = await mapFrames(successor, places, map);
    found.set(source.path, successor); // not before it has succeeded
    return results;
  }
}
