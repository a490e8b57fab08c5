import assert from "node:assert/strict";
import {
  type GridOptions,
  layOutGrid,
  pictureGrid,
} from "../../../formats/pictures/picture_grid.ts";
import { darkPixels, decodePng, plain } from "../pictures.ts";

const pictures = (count: number, size = 28, channels = 1) =>
  Array.from({ length: count }, (_, index) => plain(size, size, 10 * index, channels));

Deno.test("grids are about square unless columns are given", () => {
  const sizes = [1, 2, 3, 5, 7, 10].map((count) => {
    const { rows, columns, cells } = layOutGrid(pictures(count));
    assert.equal(cells.length, count);
    return [rows, columns];
  });
  assert.deepEqual(sizes, [[1, 1], [1, 2], [2, 2], [2, 3], [3, 3], [3, 4]]);
  assert.equal(layOutGrid(pictures(7), { columns: 5 }).rows, 2);
});

Deno.test("small pictures are magnified by whole numbers, large ones are not", () => {
  const magnification = (size: number) => layOutGrid(pictures(1, size)).magnification;
  assert.deepEqual([28, 32, 64, 100, 256].map(magnification), [4, 4, 2, 1, 1]);
  assert.equal(layOutGrid(pictures(1), { cellSize: 280 }).magnification, 10);
});

Deno.test("cells lie inside the sheet and do not touch", () => {
  const { cells, cellWidth, cellHeight, height, width } = layOutGrid(pictures(7), {
    columns: 3,
    title: "t",
    rowLabels: ["a", "b", "c"],
    columnLabels: ["1", "2", "3"],
    captions: ["1", "2", "3", "4", "5", "6", "7"],
  });
  for (const { x, y } of cells) {
    assert.ok(x >= 20 && x + cellWidth <= width - 20);
    assert.ok(y >= 20 && y + cellHeight <= height - 20);
    for (const other of cells) {
      const apart = Math.abs(other.x - x) > cellWidth || Math.abs(other.y - y) > cellHeight;
      assert.ok((other.x === x && other.y === y) || apart);
    }
  }
});

for (const channels of [1, 3]) {
  Deno.test(`pixels of ${channels} channels become squares of the sheet`, async () => {
    const data = Uint8Array.from({ length: 4 * channels }, (_, index) => 20 * index);
    const bitmap = { height: 2, width: 2, channels, data };
    const options = { cellSize: 6 };
    const { cells: [cell], magnification, ...size } = layOutGrid([bitmap], options);
    const sheet = await decodePng(await pictureGrid([bitmap], options));
    assert.equal(magnification, 3);
    assert.deepEqual([sheet.height, sheet.width, sheet.channels], [size.height, size.width, 3]);
    for (let y = 0; y < 6; y++) {
      for (let x = 0; x < 6; x++) {
        const from = (Math.floor(y / 3) * 2 + Math.floor(x / 3)) * channels;
        const at = ((cell.y + y) * sheet.width + cell.x + x) * 3;
        const expected = [0, 1, 2].map((channel) => data[from + (channels === 1 ? 0 : channel)]);
        assert.deepEqual([...sheet.data.subarray(at, at + 3)], expected);
      }
    }
  });
}

Deno.test("every kind of text is drawn, where it belongs", async () => {
  const white = Array.from({ length: 4 }, () => plain(28, 28, 255));
  const options: GridOptions = {
    columns: 2,
    title: "Title",
    subtitle: "subtitle",
    columnLabels: ["one", "two"],
    rowLabels: ["first", "second"],
    captions: ["a", "b", "c", "d"],
  };
  const { cells, cellWidth, cellHeight } = layOutGrid(white, options);
  const sheet = await decodePng(await pictureGrid(white, options));
  const dark = (x: number, y: number, width: number, height: number) =>
    darkPixels(sheet, { x, y, width, height }, 150);
  const [{ x, y }] = cells;
  assert.ok(dark(20, 20, 100, 24) > 50, "title");
  assert.ok(dark(20, 46, 100, 18) > 20, "subtitle");
  assert.ok(dark(x, y - 20, cellWidth, 18) > 10, "column label");
  assert.ok(dark(20, y, x - 22, cellHeight) > 10, "row label");
  for (const cell of cells) {
    assert.ok(dark(cell.x, cell.y + cellHeight + 2, cellWidth, 18) > 5, "caption");
  }
});

Deno.test("a long title widens the sheet of a small picture, but not without end", () => {
  const width = (title: string) => layOutGrid(pictures(1), { title }).width;
  assert.ok(width("a title wider than one picture") > width("short"));
  assert.equal(width("long ".repeat(100)), 600);
});

Deno.test("long labels do not change the columns and stay in their place", async () => {
  const labels = ["a name that does not fit above a picture", "b"];
  const grid = layOutGrid(pictures(2), { columnLabels: labels });
  assert.equal(grid.width, layOutGrid(pictures(2), { columnLabels: ["a", "b"] }).width);
  const white = [plain(28, 28, 255), plain(28, 28, 255)];
  const sheet = await decodePng(await pictureGrid(white, { columnLabels: [labels[0], ""] }));
  const { x, y } = grid.cells[1];
  const place = { x, y: y - 20, width: grid.cellWidth, height: 18 };
  assert.equal(darkPixels(sheet, place, 250), 0);
  assert.equal(layOutGrid(pictures(1), { rowLabels: ["long ".repeat(50)] }).cells[0].x, 232);
});

Deno.test("grids that cannot be laid out are refused", () => {
  assert.throws(() => layOutGrid([]), /needs a picture/);
  assert.throws(() => layOutGrid([plain(2, 3, 0), plain(2, 4, 0)]), /3 x 2 and 4 x 2/);
  assert.throws(() => layOutGrid(pictures(1), { columns: 0 }), /1 or more columns, not 0/);
  assert.throws(
    () => layOutGrid(pictures(4), { columns: 2, columnLabels: ["a"] }),
    /columnLabels has 1 entries, expected 2/,
  );
  assert.throws(
    () => layOutGrid(pictures(4), { captions: ["a"] }),
    /captions has 1 entries, expected 4/,
  );
});
