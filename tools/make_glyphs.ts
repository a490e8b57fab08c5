/**
 * Makes `formats/plots/inter/*.ts`, the outlines of the letters that pictures and plots draw, from
 * the typeface Inter.
 *
 * Usage, in an empty folder: `npm pack @fontsource/inter@5.3.0`, unpack it, then
 * `deno run --allow-read --allow-write=formats tools/make_glyphs.ts <folder>/package`.
 *
 * @module
 */
import { join } from "@std/path";
import opentype from "opentype.js";

/** One command of an outline; `x` and `y` are missing in `Z`. */
interface PathCommand {
  readonly type: "M" | "L" | "Q" | "C" | "Z";
  readonly x: number;
  readonly y: number;
  readonly x1: number;
  readonly y1: number;
}

/** The part of opentype.js, which has no types of its own, that is used here. */
interface Glyph {
  readonly index: number;
  readonly advanceWidth: number;
  getPath(x: number, y: number, fontSize: number): { readonly commands: readonly PathCommand[] };
}

interface Font {
  readonly unitsPerEm: number;
  charToGlyph(character: string): Glyph;
  getKerningValue(left: Glyph, right: Glyph): number;
}

/** Outlines are stored in thousandths of the font size. */
const unitsPerEm = 1000;

/** Kerning below this many thousandths is not visible at the sizes of labels. */
const leastKerning = 15;

/** A weight of the typeface and the module it becomes. */
const weights = [
  { weight: 400, name: "regular" },
  { weight: 600, name: "semibold" },
] as const;

function range(first: number, last: number): string[] {
  return Array.from(
    { length: last - first + 1 },
    (_, index) => String.fromCodePoint(first + index),
  );
}

/** ASCII, Latin-1, punctuation and signs; then Greek, which is in a file of its own. */
const latin = [
  ...range(0x20, 0x7e),
  ...range(0xa1, 0xac),
  ...range(0xae, 0xff),
  ..."ıŒœ–—‘’“”•…€™↑↓−",
];
const greek = [...range(0x3b1, 0x3c9), ..."ΓΔΘΛΞΠΣΦΨΩ"];
const kerned = [...range(0x2c, 0x3a), ...range(0x41, 0x5a), ...range(0x61, 0x7a)];

async function readFont(folder: string, subset: string, weight: number): Promise<Font> {
  const bytes = await Deno.readFile(join(folder, "files", `inter-${subset}-${weight}-normal.woff`));
  return opentype.parse(bytes.buffer);
}

/** A point in whole units. */
type Point = readonly [x: number, y: number];

/** One command as relative SVG path data from `pen`; nothing for a line that goes nowhere. */
function relativeCommand({ type, x, y, x1, y1 }: PathCommand, pen: Point): [string, number[]] {
  const [dx, dy] = [Math.round(x) - pen[0], Math.round(y) - pen[1]];
  if (type === "M") return ["m", [dx, dy]];
  if (type === "Q") return ["q", [Math.round(x1) - pen[0], Math.round(y1) - pen[1], dx, dy]];
  if (type !== "L") throw new Error(`expected quadratic outlines that are not closed, got ${type}`);
  if (dx === 0 && dy === 0) return ["", []];
  if (dy === 0) return ["h", [dx]];
  return dx === 0 ? ["v", [dy]] : ["l", [dx, dy]];
}

/**
 * An outline as SVG path data that is relative throughout, y downwards, from the pen position. Sub-
 * paths stay open, which makes no difference to filling them.
 */
function outline(commands: readonly PathCommand[]): string {
  let pen: Point = [0, 0];
  let previous = "";
  let data = "";
  for (const command of commands) {
    const [letter, numbers] = relativeCommand(command, pen);
    if (letter === "") continue;
    // A letter need not be repeated, but after "m" numbers alone would mean lines.
    const isRepeated = letter === previous && letter !== "m";
    data += (isRepeated ? " " : letter) + numbers.join(" ");
    pen = [Math.round(command.x), Math.round(command.y)];
    previous = letter;
  }
  return data.replaceAll(" -", "-");
}

/** The entries of `glyphs` for some characters of a font. */
function glyphEntries(font: Font, characters: readonly string[]): [string, [number, string]][] {
  return characters.map((character) => {
    const glyph = font.charToGlyph(character);
    if (glyph.index === 0) throw new Error(`no outline of ${character}`);
    const advance = Math.round(glyph.advanceWidth * unitsPerEm / font.unitsPerEm);
    const { commands } = glyph.getPath(0, 0, unitsPerEm);
    return [character, [advance, outline(commands)]];
  });
}

function kerningEntries(font: Font): [string, number][] {
  const pairs = kerned.flatMap((left) => kerned.map((right) => [left, right] as const));
  return pairs
    .map(([left, right]): [string, number] => {
      const value = font.getKerningValue(font.charToGlyph(left), font.charToGlyph(right));
      return [left + right, Math.round(value * unitsPerEm / font.unitsPerEm)];
    })
    .filter(([, value]) => Math.abs(value) >= leastKerning);
}

function moduleText(name: string, latinFont: Font, greekFont: Font): string {
  const glyphs = [...glyphEntries(latinFont, latin), ...glyphEntries(greekFont, greek)]
    .map(([character, glyph]) => `    ${JSON.stringify(character)}: ${JSON.stringify(glyph)},`);
  const kerning = kerningEntries(latinFont)
    .map(([pair, value]) => `    ${JSON.stringify(pair)}: ${value},`);
  return [
    `/**`,
    ` * Letters of Inter, ${name}. Made by \`tools/make_glyphs.ts\`: do not edit.`,
    ` *`,
    ` * Copyright 2016 The Inter Project Authors (https://github.com/rsms/inter); SIL Open Font`,
    ` * License 1.1, see OFL.txt in this folder.`,
    ` *`,
    ` * @module`,
    ` */`,
    ``,
    `import type { Letters } from "../text.ts";`,
    ``,
    `/** Inter, ${name}. */`,
    `export const ${name}: Letters = {`,
    `  glyphs: {`,
    ...glyphs,
    `  },`,
    `  kerning: {`,
    ...kerning,
    `  },`,
    `};`,
    ``,
  ].join("\n");
}

const [folder] = Deno.args;
const target = "formats/plots/inter";
for (const { weight, name } of weights) {
  const latinFont = await readFont(folder, "latin", weight);
  const greekFont = await readFont(folder, "greek", weight);
  await Deno.writeTextFile(join(target, `${name}.ts`), moduleText(name, latinFont, greekFont));
}
const licence = await Deno.readTextFile(join(folder, "LICENSE"));
await Deno.writeTextFile(join(target, "OFL.txt"), licence);
