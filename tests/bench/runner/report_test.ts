import assert from "node:assert/strict";
import { renderReport, type Report } from "../../../bench/runner/report.ts";
import type { Column } from "../../../formats/text/table.ts";
import { testMachine as machine } from "../../formats/helpers.ts";

interface Row {
  readonly name: string;
  readonly milliseconds?: number;
  readonly samples: readonly number[];
}

const columns: Column<Row>[] = [
  { title: "name", value: ({ name }) => name },
  { title: "ms", value: ({ milliseconds }) => milliseconds, digits: 1 },
];

const report: Report<Row> = {
  machine,
  columns,
  rows: [
    { name: "a|b", milliseconds: 1234.56, samples: [1234.56] },
    { name: 'say "no"', samples: [] },
  ],
  notes: ["A note."],
};

const line =
  "Test CPU, 3 GHz, 2 cores, linux x86_64; tessera 0.1.0 (0123456789ab), Deno 2.9.6, V8 15.0";

Deno.test("table: aligned, numbers to the right, nothing as a dash", () => {
  assert.equal(
    renderReport(report, "table"),
    `${line}\n\nname           ms\na|b       1,234.6\nsay "no"        -\n\nA note.`,
  );
});

Deno.test("md: a table that can be pasted", () => {
  assert.equal(
    renderReport(report, "md"),
    `${line}\n\n| name | ms |\n| --- | ---: |\n| a\\|b | 1,234.6 |\n| say "no" | - |\n\nA note.`,
  );
});

Deno.test("csv: every digit, quotes where they are needed, the machine in every row", () => {
  const rest = '"Test CPU, 3 GHz",2,linux x86_64,2.9.6,15.0,0.1.0,0123456789abcdef';
  assert.deepEqual(renderReport(report, "csv").split("\r\n"), [
    "name,ms,cpu,cores,system,deno,v8,tessera,commit",
    `a|b,1234.56,${rest}`,
    `"say ""no""",,${rest}`,
  ]);
});

Deno.test("json and jsonl: rows whole", () => {
  const { rows, notes } = report;
  assert.deepEqual(JSON.parse(renderReport(report, "json")), {
    machine,
    rows: JSON.parse(JSON.stringify(rows)),
    notes,
  });
  const lines = renderReport(report, "jsonl").split("\n").map((text) => JSON.parse(text));
  assert.deepEqual(lines.map(({ name }) => name), ["a|b", 'say "no"']);
  assert.deepEqual(lines[0].machine, machine);
  assert.deepEqual(lines[0].samples, [1234.56]);
});
