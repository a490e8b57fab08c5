import assert from "node:assert/strict";
import { shortenText, svgDocument, textOutline, textWidth } from "../../../formats/plots/text.ts";
import { svgToPng } from "../../../formats/pictures/bitmap.ts";
import { darkPixels, decodePng } from "../pictures.ts";

const style = { size: 20 };

async function drawn(text: string, bold = false): Promise<number> {
  const svg = svgDocument(200, 40, [textOutline(text, { x: 10, y: 28 }, { ...style, bold })]);
  const picture = await decodePng(await svgToPng(svg, 1));
  return darkPixels(picture, { x: 0, y: 0, width: 200, height: 40 });
}

Deno.test("letters are outlines that need no font", async () => {
  const element = textOutline("Loss", { x: 0, y: 0 }, style);
  assert.match(element, /^<path [^<]*\/>$/);
  assert.ok(await drawn("Loss") > 100);
  assert.ok(await drawn("Loss", true) > await drawn("Loss"));
  assert.equal(await drawn(" "), 0);
});

Deno.test("the drawing is as wide as the text measures", async () => {
  const width = Math.round(textWidth("HHHH", style));
  const svg = svgDocument(200, 40, [textOutline("HHHH", { x: 0, y: 28 }, style)]);
  const picture = await decodePng(await svgToPng(svg, 1));
  const columns = Array.from({ length: 200 }, (_, x) => x)
    .filter((x) => darkPixels(picture, { x, y: 0, width: 1, height: 40 }) > 0);
  assert.ok(columns.length > 0 && columns[0] < 5);
  assert.ok(Math.abs(columns.at(-1)! - width) < 5);
});

Deno.test("width grows with the size and with each letter; kerning brings letters together", () => {
  assert.ok(Math.abs(textWidth("loss", { size: 24 }) - 2 * textWidth("loss", { size: 12 })) < 1e-9);
  assert.equal(textWidth("", style), 0);
  assert.ok(textWidth("7.", style) < textWidth("7", style) + textWidth(".", style));
});

Deno.test("texts are shortened to their room, whatever it is", () => {
  const text = "a name that is far too long";
  assert.equal(shortenText(text, 1000, style), text);
  for (const width of [200, 100, 60, 30]) {
    const short = shortenText(text, width, style);
    assert.ok(short.endsWith("…") && text.startsWith(short.slice(0, -1)));
    assert.ok(textWidth(short, style) <= width);
  }
  assert.equal(shortenText(text, 0, style), "…");
});

Deno.test("unknown characters lose their accent or become a box, never nothing", async () => {
  assert.equal(textWidth("ő", style), textWidth("o", style));
  assert.equal(textWidth("e\u0301", style), textWidth("é", style));
  assert.ok(await drawn("猫") > 20);
  assert.ok(await drawn("🐈") > 20);
  assert.equal(textWidth("a\u200d\ufe0f", style), textWidth("a", style));
  for (const name of ["__proto__", "constructor", "toString"]) {
    assert.ok(Number.isFinite(textWidth(name, style)));
  }
});

Deno.test("markup in texts is only text", () => {
  const element = textOutline('"/><script>', { x: 0, y: 0 }, style);
  assert.ok(!element.includes("<script"));
});
