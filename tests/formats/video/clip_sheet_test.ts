import assert from "node:assert/strict";
import { clipSheet, spreadFrames } from "../../../formats/video/clip_sheet.ts";
import { layOutGrid } from "../../../formats/pictures/picture_grid.ts";
import { framesOf } from "../../../formats/video/clip.ts";
import { decodePng } from "../pictures.ts";
import { movingSpot } from "./clips.ts";

Deno.test("sheet of clips: a row a clip, frames spread from the first to the last", async () => {
  assert.deepEqual(spreadFrames(17, 9), [0, 2, 4, 6, 8, 10, 12, 14, 16]);
  assert.deepEqual(spreadFrames(3, 9), [0, 1, 2]);
  assert.deepEqual(spreadFrames(5, 1), [0]);
  const clips = [movingSpot(5, 8, 8), movingSpot(5, 8, 8, 1)];
  const names = ["one", "two"];
  const sheet = await decodePng(await clipSheet(clips, { names, frames: 3, cellSize: 8 }));
  const shown = clips.flatMap((clip) => [0, 2, 4].map((index) => framesOf(clip)[index]));
  const labels = { columnLabels: ["0", "2", "4"], rowLabels: names };
  const { cells } = layOutGrid(shown, { columns: 3, ...labels, cellSize: 8 });
  shown.forEach(({ data, channels }, place) => {
    const { x, y } = cells[place];
    const pixel = (3 * 8 + 5) * channels;
    const at = ((y + 3) * sheet.width + x + 5) * 3;
    assert.equal(sheet.data[at], data[pixel], `cell ${place}`);
  });
});

Deno.test("sheet of clips: none, or clips of different length, are the caller's mistake", async () => {
  await assert.rejects(clipSheet([]), RangeError);
  await assert.rejects(clipSheet([movingSpot(2, 8, 8), movingSpot(3, 8, 8)]), RangeError);
});
