import assert from "node:assert/strict";
import {
  alignedTable,
  type Column,
  csvTable,
  htmlTable,
  markdownTable,
} from "../../../formats/text/table.ts";

interface Row {
  readonly name: string;
  readonly share?: number;
}

const columns: Column<Row>[] = [
  { title: "name", value: ({ name }) => name },
  { title: "share (%)", value: ({ share }) => share, digits: 1 },
];

const rows: Row[] = [{ name: "<b> & co", share: 12.345 }, { name: "none" }];

Deno.test("html: text is escaped, columns of numbers are marked", () => {
  assert.equal(
    htmlTable(columns, rows),
    '<table>\n<thead><tr><th>name</th><th class="number">share (%)</th></tr></thead>\n<tbody>\n' +
      '<tr><td>&lt;b&gt; &amp; co</td><td class="number">12.3</td></tr>\n' +
      '<tr><td>none</td><td class="number">-</td></tr>\n</tbody>\n</table>',
  );
});

Deno.test("a table without rows is its headings", () => {
  assert.equal(alignedTable(columns, []), "name  share (%)");
  assert.equal(csvTable(columns, []), "name,share (%)");
});

Deno.test("names from files are harmless in every form of a table, and cut on a terminal", () => {
  const columns: Column<{ name: string }>[] = [{ title: "class", value: ({ name }) => name }];
  const rows = [{ name: "a\x1b[2J\x9b1m\nb" }, { name: "n".repeat(200) }];
  for (const render of [alignedTable, markdownTable, csvTable, htmlTable]) {
    const text = render(columns, rows);
    assert.doesNotMatch(text, /[^\P{Cc}\r\n]/u, render.name);
  }
  const lines = alignedTable(columns, rows).split("\n");
  assert.deepEqual(lines, ["class", "a\\u001b[2J\\u009b1m b", `${"n".repeat(45)}...`]);
  assert(markdownTable(columns, rows).includes("n".repeat(200)));
});
