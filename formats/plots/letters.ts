/**
 * The letters of the typeface Inter, regular and semibold: opentype.js reads them from the font
 * files in `inter/` when the first text is measured or drawn.
 *
 * The files are the Latin and the Greek subset that Fontsource makes of Inter
 * (`npm:@fontsource/inter@5.3.0`). Inter is under the SIL Open Font License 1.1, `inter/OFL.txt`.
 *
 * @module
 */

import opentype from "opentype.js";

/** The part of a glyph that is used here; opentype.js has no types of its own. */
interface Glyph {
  /** 0 is the box for what the font lacks. */
  readonly index: number;
  readonly advanceWidth: number;
  getPath(x: number, y: number, fontSize: number): { toPathData(decimals: number): string };
}

/** The part of a font that is used here. */
interface Font {
  readonly unitsPerEm: number;
  charToGlyph(character: string): Glyph;
  getKerningValue(left: Glyph, right: Glyph): number;
}

/** A letter of one font. Lengths are in thousandths of the font size. */
export interface Letter {
  readonly font: Font;
  readonly glyph: Glyph;
  /** How far the pen moves on. */
  readonly advance: number;
}

/** Weights of the typeface. */
export type LetterWeight = "regular" | "semibold";

const unitsPerEm = 1000;

/** The fonts of a weight, the one that is asked first in front. */
const fontFiles: Readonly<Record<LetterWeight, readonly URL[]>> = {
  regular: [
    new URL("./inter/latin-400.woff", import.meta.url),
    new URL("./inter/greek-400.woff", import.meta.url),
  ],
  semibold: [
    new URL("./inter/latin-600.woff", import.meta.url),
    new URL("./inter/greek-600.woff", import.meta.url),
  ],
};

const loadedFonts = new Map<LetterWeight, readonly Font[]>();

function fontsOf(weight: LetterWeight): readonly Font[] {
  let fonts = loadedFonts.get(weight);
  if (!fonts) {
    fonts = fontFiles[weight].map((file) => opentype.parse(Deno.readFileSync(file).buffer));
    loadedFonts.set(weight, fonts);
  }
  return fonts;
}

/** The letter of a character; undefined when no font of the weight has it. */
export function letterOf(character: string, weight: LetterWeight): Letter | undefined {
  for (const font of fontsOf(weight)) {
    const glyph = font.charToGlyph(character);
    if (glyph.index === 0) continue;
    return { font, glyph, advance: glyph.advanceWidth * unitsPerEm / font.unitsPerEm };
  }
  return undefined;
}

/** What to add between two letters, in thousandths of the font size. */
export function kerning(left: Letter, right: Letter): number {
  if (left.font !== right.font) return 0;
  return left.font.getKerningValue(left.glyph, right.glyph) * unitsPerEm / left.font.unitsPerEm;
}

/** The outline of a letter at a pen position, as SVG path data in thousandths of the font size. */
export function letterOutline({ glyph }: Letter, pen: number): string {
  return glyph.getPath(pen, 0, unitsPerEm).toPathData(0);
}
