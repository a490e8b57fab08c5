/**
 * Texts that come from files (names of files, classes and tensors, metadata) made harmless where
 * they are shown: a terminal obeys control characters.
 *
 * @module
 */

/** C0 without tab and line ends, DEL, C1. A carriage return alone would overwrite its line. */
// deno-lint-ignore no-control-regex
const controls = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)/g;

/**
 * A text with its control characters written out, such as `\u001b`; tabs and line ends stay.
 *
 * The form is JSON's, so that a JSON document means the same afterwards.
 */
export function escapeControls(text: string): string {
  return text.replace(
    controls,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** The same on one line: line ends and tabs, with the blanks around them, become one blank. */
export function oneLine(text: string): string {
  return escapeControls(text.replaceAll(/\s*[\t\n\r\u2028\u2029]\s*/g, " ")).trimEnd();
}
