/**
 * Text as outlines. The SVG renderer inside sharp can only draw letters that are installed on the
 * machine, and a fresh container has none: every letter becomes an empty box. So pictures and plots
 * never contain `<text>`; they carry the outlines of Inter, and look the same everywhere.
 *
 * Lengths are in pixels. Characters that Inter's part shipped here lacks are drawn without their
 * accent if that helps, otherwise as a box.
 *
 * @module
 */

import { escapeXml } from "../xml.ts";
import { regular } from "./inter/regular.ts";
import { semibold } from "./inter/semibold.ts";

/** One weight of a typeface, in thousandths of the font size. */
export interface Letters {
  /** Of each character the advance of the pen and the outline, SVG path data relative to the pen. */
  readonly glyphs: Readonly<Record<string, readonly [advance: number, outline: string]>>;
  /** What to add between two characters. */
  readonly kerning: Readonly<Record<string, number>>;
}

/** How a piece of text looks. */
export interface TextStyle {
  /** Font size in pixels. */
  readonly size: number;
  /** Semibold instead of regular. */
  readonly bold?: boolean;
  /** CSS colour; {@link inkColor} if not given. */
  readonly fill?: string;
  /** Which point of the text stands at the given position; `start` if not given. */
  readonly anchor?: "start" | "middle" | "end";
}

/** Colour of text that is read first. */
export const inkColor = "#1f2328";

/** Colour of text that is read second. */
export const mutedColor = "#59636e";

/** Height of a capital letter as a share of the font size. */
export const capHeight = 0.727;

/** A box, for characters that have no outline here. */
const missing = [600, "m80 0v-700h440v700zm60-60h320v-580h-320z"] as const;

/** The characters of a text that have outlines, accents removed from those that do not. */
function drawable(text: string, { glyphs }: Letters): string[] {
  return [...text.normalize("NFC").replace(/\s/gu, " ")].flatMap((character) => {
    if (character in glyphs) return [character];
    const plain = [...character.normalize("NFKD").replace(/\p{M}/gu, "")];
    const isPlain = plain.length > 0 && plain.every((part) => part in glyphs);
    // Selectors and joiners that only change the character before them draw nothing.
    if (/^[\p{M}\p{Cf}]$/u.test(character)) return [];
    return isPlain ? plain : [character];
  });
}

/** Walks over the letters of a text; returns the width, in thousandths of the font size. */
function walk(text: string, letters: Letters, visit: (outline: string, pen: number) => void) {
  let pen = 0;
  let previous = "";
  for (const character of drawable(text, letters)) {
    pen += letters.kerning[previous + character] ?? 0;
    const [advance, outline] = letters.glyphs[character] ?? missing;
    visit(outline, pen);
    pen += advance;
    previous = character;
  }
  return pen;
}

/**
 * The width of a text in pixels.
 *
 * @example
 * ```ts
 * import { textWidth } from "./text.ts";
 *
 * textWidth("loss", { size: 12 }); // about 24
 * ```
 */
export function textWidth(text: string, { size, bold }: TextStyle): number {
  return walk(text, bold ? semibold : regular, () => {}) * size / 1000;
}

/** A text cut to fit into `width` pixels, with "…" where something is missing. */
export function shortenText(text: string, width: number, style: TextStyle): string {
  if (textWidth(text, style) <= width) return text;
  const characters = [...text];
  let [fits, tooLong] = [0, characters.length];
  const shortened = (length: number) => `${characters.slice(0, length).join("").trimEnd()}…`;
  while (tooLong - fits > 1) {
    const middle = (fits + tooLong) >> 1;
    if (textWidth(shortened(middle), style) <= width) fits = middle;
    else tooLong = middle;
  }
  return shortened(fits);
}

/**
 * A text as SVG: an element that draws its outlines, with the text itself as the label that screen
 * readers find.
 *
 * @param place a point, the left end of the base line unless `style.anchor` says otherwise, or any
 *   SVG transformation
 */
export function textOutline(
  text: string,
  place: { readonly x: number; readonly y: number } | string,
  style: TextStyle,
): string {
  let path = "";
  const letters = style.bold ? semibold : regular;
  const width = walk(text, letters, (outline, pen) => {
    // Outlines start with a relative move, which begins where the last one ended: make it absolute.
    const [, x, y, rest] = outline.match(/^m(-?\d+)[ ]?(-?\d+)(.*)$/s) ?? [];
    if (rest !== undefined) path += `M${pen + Number(x)} ${y}${rest}`;
  });
  const before = { start: 0, middle: -width / 2, end: -width }[style.anchor ?? "start"];
  const transform = typeof place === "string" ? place : `translate(${place.x} ${place.y})`;
  const scale = style.size / 1000;
  return `<path role="img" aria-label="${escapeXml(text)}" fill="${style.fill ?? inkColor}" ` +
    `transform="${transform} scale(${scale}) translate(${before} 0)" d="${path}"/>`;
}

/** An SVG document of some elements, in pixels. */
export function svgDocument(width: number, height: number, elements: readonly string[]): string {
  const size = `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size}>${elements.join("")}</svg>`;
}
