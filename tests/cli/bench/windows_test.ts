/** `tessera bench windows`: what is counted and drawn, and flags that do not go together. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { onWasm, run, succeed, withFolder } from "../runs.ts";

/** A model of 8 x 8 patches, two layers of width 16. */
const tiny = [
  ...["bench", "windows", "--hidden", "16", "--depth", "2", "--heads", "2", "--frames", "4,1"],
  ...["--repetitions", "1", ...onWasm],
];

Deno.test("bench windows: windows and full attention are counted, timed and drawn", async () => {
  await withFolder(async (folder) => {
    const plot = join(folder, "windows.svg");
    const { rows } = JSON.parse(await succeed(...tiny, "--json", "--plot", plot));
    const found = rows.map(({ frames, tokens }: Record<string, number>) => [frames, tokens]);
    assert.deepEqual(found, [[1, 64], [4, 256]]);
    // Of one frame all layers have whole frames, which is full attention.
    const [one, four] = rows;
    assert.equal(one.macs.full, one.macs.windows);
    // Two products of 256 tokens of width 16: with 64 keys in both layers, or with 256.
    assert.equal(four.macs.full - four.macs.windows, 2 * 256 * 16 * (2 * 256 - 2 * 64));
    for (const { windows, full } of rows) assert(windows.median > 0 && full.median > 0);
    const svg = await Deno.readTextFile(plot);
    assert.match(svg, /full attention/);
    assert.match(svg, /latent frames/);
  });
});

Deno.test("bench windows refuses other models, and charts of several things", async () => {
  const refusals: [string[], RegExp][] = [
    [["--model", "DiT-S/8"], /DiT-S\/8 .* is a dit, not a walt/],
    [["--plot", "windows.pdf"], /--plot "windows\.pdf": the ending must be \.svg or \.png/],
    [["--plot", "windows.svg", "--ops", "forward,train"], /--plot is of one operation/],
    [["--frames", "0"], /--frames 0/],
  ];
  for (const [flags, message] of refusals) {
    const { code, err } = await run(...tiny, ...flags);
    assert.equal(code, 2, err);
    assert.match(err, message);
  }
});
