/**
 * Text as outlines. The SVG renderer inside sharp can only draw letters that are installed on the
 * machine, and a fresh container has none: every letter becomes an empty box. So pictures and plots
 * never contain `<text>`; they carry the outlines of Inter, and look the same everywhere.
 *
 * Lengths are in pixels. Characters that the fonts shipped here lack are drawn without their
 * accent if that helps, otherwise as a box.
 *
 * @module
 */

import { escapeXml } from "../text/xml.ts";
import { kerning, type Letter, letterOf, letterOutline, type LetterWeight } from "./letters.ts";

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

/** A box, for characters that no font here has. */
const missing = { advance: 600, outline: "h440v-700h-440zm60-60v-580h320v580z", left: 80 } as const;

/** The letters of a text, accents removed from those that no font has; undefined for a box. */
function lettersOf(text: string, weight: LetterWeight): (Letter | undefined)[] {
  return [...text.normalize("NFC").replace(/\s/gu, " ")].flatMap((character) => {
    const letter = letterOf(character, weight);
    if (letter) return [letter];
    // Selectors and joiners that only change the character before them draw nothing.
    if (/^[\p{M}\p{Cf}]$/u.test(character)) return [];
    const plain = [...character.normalize("NFKD").replace(/\p{M}/gu, "")]
      .map((part) => letterOf(part, weight));
    return plain.includes(undefined) ? [undefined] : plain;
  });
}

/** Walks over the letters of a text; returns the width, in thousandths of the font size. */
function walk(
  text: string,
  weight: LetterWeight,
  visit: (letter: Letter | undefined, pen: number) => void,
): number {
  let pen = 0;
  let previous: Letter | undefined;
  for (const letter of lettersOf(text, weight)) {
    if (previous && letter) pen += kerning(previous, letter);
    visit(letter, pen);
    pen += letter?.advance ?? missing.advance;
    previous = letter;
  }
  return pen;
}

function weightOf({ bold }: TextStyle): LetterWeight {
  return bold ? "semibold" : "regular";
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
export function textWidth(text: string, style: TextStyle): number {
  return walk(text, weightOf(style), () => {}) * style.size / 1000;
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
  const width = walk(text, weightOf(style), (letter, pen) => {
    path += letter
      ? letterOutline(letter, pen)
      : `M${Math.round(pen) + missing.left} 0${missing.outline}`;
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
