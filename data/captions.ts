/**
 * The words that go with a picture file.
 *
 * @module
 */

import { basename, extname } from "@std/path";
import { isRegularFile, readText } from "../formats/text/plain.ts";

/** The words of a name: letters between digits, signs and spaces, in lower case. */
function wordsOf(name: string): string[] {
  return name.toLowerCase().match(/[\p{L}\p{M}']+/gu) ?? [];
}

/**
 * A caption made from names: the class, then the words of the file name that are not in the class.
 * So a caption starts with what a classifier would say, and numbered files of a class share one.
 *
 * @example
 * ```ts
 * import { captionFromNames } from "./captions.ts";
 *
 * captionFromNames("animals", "pets/brown_bear-02.png"); // "animals: brown bear"
 * captionFromNames("Ankle boot", "0017.png"); // "ankle boot"
 * ```
 */
export function captionFromNames(className: string, path: string): string {
  const classWords = wordsOf(className);
  const fileWords = wordsOf(basename(path, extname(path)));
  const added = fileWords.filter((word) => !classWords.includes(word));
  const parts = [classWords.length > 0 ? classWords.join(" ") : className, added.join(" ")];
  return parts.filter(Boolean).join(": ");
}

/**
 * The caption of a picture file: the first line of the text file beside it with the same name and the
 * extension `.txt`, where there is one and the line is not empty; else {@link captionFromNames}.
 *
 * @throws {InputError} when the text is neither UTF-8 nor UTF-16 with a byte order mark
 */
export async function readCaption(path: string, className: string): Promise<string> {
  return await readCaptionBeside(path.slice(0, path.length - extname(path).length)) ||
    captionFromNames(className, path);
}

/** The first line of the text file with a name, but for its extension; empty where there is none. */
export async function readCaptionBeside(stem: string): Promise<string> {
  const path = `${stem}.txt`;
  const text = await isRegularFile(path) ? await readText(path) : "";
  return text.split("\n")[0].trim();
}
