/**
 * Names that people give to classes: compared as Unicode means them, written so that a list of them
 * can be read back.
 *
 * @module
 */
import { escapeControls } from "./control_characters.ts";
import { InputError } from "./errors.ts";

/**
 * A name for comparing: letters with accents in one form, NFC. Folders that come from macOS have them
 * in parts, NFD, and look the same.
 */
export const normalizeName = (name: string): string => name.normalize("NFC");

/** A name as {@link splitNames} reads it: in quotes where it holds what has a meaning there. */
export function quoteName(name: string): string {
  return /^[^\s,"\\\p{C}](?:[^,"\\\p{C}]*[^\s,"\\\p{C}])?$/u.test(name)
    ? name
    : escapeControls(JSON.stringify(name));
}

/**
 * The names of a list with commas. A name with a comma in it stands in double quotes, as JSON has
 * them, or has a backslash before the comma.
 *
 * @throws InputError for an empty entry and for quotes that do not end
 */
export function splitNames(list: string): string[] {
  const entry = /\s*("(?:[^"\\]|\\.)*"|(?:\\.|[^",\\])(?:\\.|[^,\\])*)\s*,/gy;
  const names: string[] = [];
  let end = 0;
  for (const [matched, word] of `${list},`.matchAll(entry)) {
    end += matched.length;
    names.push(word.startsWith('"') ? parseQuoted(word) : word.trim().replaceAll(/\\(.)/g, "$1"));
  }
  const wrong = names.indexOf("");
  if (end === list.length + 1 && wrong < 0) return names;
  throw new InputError(
    `${
      JSON.stringify(list)
    } is not a list of names between commas: one is empty, or its quotes do ` +
      'not end; a name with a comma is written "a, b" or a\\, b',
  );
}

function parseQuoted(word: string): string {
  try {
    return JSON.parse(word);
  } catch {
    return "";
  }
}
