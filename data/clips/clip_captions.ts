/**
 * The words that go with clips.
 *
 * @module
 */
import { join, posix } from "@std/path";
import { forEachIndex } from "../../base/concurrency.ts";
import { InputError, quote } from "../../base/errors.ts";
import { readText } from "../../formats/text/plain.ts";
import { captionFromNames, readCaption, readCaptionBeside } from "../captions.ts";
import type { FoundClips } from "./find_clips.ts";
import type { ClipSource } from "./sources/source.ts";

/** The file beside the clips that has captions of many. */
export const captionFile = "metadata.jsonl";

/** Most bytes of that file: some million captions. */
const longestList = 1 << 28;

/** How many files are read at once. */
const concurrency = 32;

/** Names of the field with the path of a clip, and of the one with its caption, as tools call them. */
const pathFields = ["file_name", "path", "video_path", "video", "media_path"];
const captionFields = ["text", "caption", "prompt"];

/** The first of some fields of a line that is a text. */
function textOf(line: Readonly<Record<string, unknown>>, fields: readonly string[]) {
  return fields.map((field) => line[field]).find((value) => typeof value === "string");
}

/**
 * The captions in a folder's `metadata.jsonl` by the path of their clip, which is empty where there is
 * no such file: one JSON object a line, such as `{"file_name": "cats/1.mp4", "text": "a cat"}`.
 *
 * @param warn gets a line about clips that have several captions
 * @throws {InputError} for a line that is not one, by its number
 */
export async function readCaptionFile(
  folder: string,
  warn: (line: string) => void,
): Promise<ReadonlyMap<string, string>> {
  const path = join(folder, captionFile);
  const captions = new Map<string, string>();
  if (!await isThere(path)) return captions;
  const repeated: string[] = [];
  for (const [index, line] of (await readText(path, longestList)).split("\n").entries()) {
    if (line.trim() === "") continue;
    const fields = parseLine(line);
    const [name, caption] = [textOf(fields, pathFields), textOf(fields, captionFields)];
    if (name === undefined || caption === undefined) {
      throw new InputError(
        `${path}: line ${index + 1} is not {"file_name": ..., "text": ...} but ${quote(line)}`,
      );
    }
    const clip = posix.normalize(name.replaceAll("\\", "/"));
    if (captions.has(clip)) repeated.push(clip);
    captions.set(clip, caption.trim());
  }
  if (repeated.length > 0) {
    const lines = repeated.length === 1
      ? "1 line is a further caption"
      : `${repeated.length} lines are further captions`;
    warn(
      `${path}: ${lines} of a clip, such as ${quote(repeated[0])}; the last of each is taken`,
    );
  }
  return captions;
}

/** Whether there is something of a name; what is no file is told when it is read. */
const isThere = (path: string): Promise<boolean> => Deno.stat(path).then(() => true, () => false);

function parseLine(line: string): Record<string, unknown> {
  try {
    return JSON.parse(line) ?? {};
  } catch {
    return {};
  }
}

/**
 * A caption for each clip: that of `metadata.jsonl` where it says something, else the first line of the text file beside it
 * with its name and the extension `.txt`, else its class and the words of its name.
 *
 * @param warn gets a line about captions of clips that are not there
 * @throws {InputError} when a file of captions cannot be read
 */
export async function readClipCaptions(
  { folder, clips, classNames }: FoundClips,
  warn: (line: string) => void,
): Promise<ReadonlyMap<string, string>> {
  const listed = await readCaptionFile(folder, warn);
  const names = new Set(clips.map(({ name }) => name));
  const missing = [...listed.keys()].filter((name) => !names.has(name));
  if (missing.length > 0) {
    warn(
      `${join(folder, captionFile)}: ${missing.length} of ${listed.size} captions are of no clip ` +
        `here, such as ${quote(missing[0])}`,
    );
  }
  const captions = new Map<string, string>();
  await forEachIndex(clips.length, concurrency, async (index) => {
    const { name, source, label } = clips[index];
    captions.set(name, listed.get(name) || await captionOf(source, classNames[label]));
  });
  return captions;
}

/** A caption from what lies beside a clip, or from names; what stands behind a dot is no extension of a folder. */
async function captionOf({ kind, path }: ClipSource, className: string): Promise<string> {
  if (kind !== "frames") return await readCaption(path, className);
  return await readCaptionBeside(path) || captionFromNames(className, `${path}.`);
}
