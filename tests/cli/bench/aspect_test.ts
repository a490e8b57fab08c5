/** `tessera bench aspect`: the study in little. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { namesIn, onWasm, run, succeed, withFolder } from "../runs.ts";

const tiny = [
  ...["--depth", "1", "--hidden", "16", "--heads", "2", "--patch", "16", "--resolution", "32:64"],
  ...["--batch-size", "2", "--sequence-length", "32", "--open-sequences", "4"],
  ...["--steps", "4", "--points", "2", "--seeds", "2", "--quiet", ...onWasm],
];

Deno.test("bench aspect trains every kind from every seed, and goes on where it stopped", async () => {
  await withFolder(async (folder) => {
    const results = join(folder, "study");
    const chart = join(folder, "chart.svg");
    const flags = ["bench", "aspect", ...tiny, "--results-dir", results];
    const table = await succeed(...flags, "--out", chart);
    const rows = table.split("\n").filter((line) => /^(?:aspect ratio|squa)/.test(line));
    assert.equal(rows.length, 6, table);
    assert(rows.every((row) => / 2 +(?:15|16)\.\d$/.test(row.trim())), table);
    assert.match(await Deno.readTextFile(chart), /training multiply-adds/);
    const checkpoints = (await namesIn(results)).filter((name) => /\d{7}$/.test(name));
    assert.equal(checkpoints.length, 12);
    // Nothing is left to train: the same numbers, from the same files.
    const again = await succeed(...flags);
    assert.equal(again, table);
  });
});

Deno.test("bench aspect refuses what is no study", async () => {
  const cases: [string[], RegExp][] = [
    [["--steps", "5", "--points", "2"], /--points 2 does not divide 5 steps; --steps 6 would do/],
    [["--resolution", "64"], /needs a range of resolutions: --resolution MIN:MAX/],
    [["--out", "x.pdf"], /--out x.pdf: the ending must be \.svg or \.png/],
  ];
  for (const [flags, message] of cases) {
    const { code, err } = await run("bench", "aspect", ...flags);
    assert.equal(code, 2, err);
    assert.match(err, message);
  }
});
