/** The study of W.A.L.T's claims: its runs are ones that the tool knows, and its report replaces the last. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { parseFlags } from "../../cli/flags/flags.ts";
import { navitTrainFlags } from "../../cli/families/navit/train_flags.ts";
import { trainWaltFlags } from "../../cli/families/walt/train_flags.ts";
import { parts } from "../../tools/walt_study/parts.ts";
import { partChart, partReport, withReport } from "../../tools/walt_study/report.ts";
import { waltConfigs } from "../../models/walt/model.ts";
import { withSpeeds } from "../../tools/walt_study/runs.ts";
import { classifierFlags, variantsOf } from "../../tools/walt_study/studies.ts";

const [movingPictures, animations] = parts;

Deno.test("the runs of the study have names of their own, and flags of the tool", () => {
  for (const { studies, flags: ofPart } of parts) {
    const variants = variantsOf(studies);
    const names = studies.flatMap(({ variants }) => variants.map(({ name }) => name));
    assert.equal(new Set(names).size, variants.length);
    const different = variants.map(({ flags, model }) => JSON.stringify([flags, model]));
    assert.equal(new Set(different).size, variants.length);
    for (const { flags } of variants) {
      const { values } = parseFlags(trainWaltFlags, [...ofPart, ...flags]);
      assert.equal(values.heads, 4);
    }
  }
  assert.equal(parseFlags(navitTrainFlags, [...classifierFlags]).values.hidden, 32);
  assert.equal(new Set(parts.map(({ folder }) => folder)).size, parts.length);
});

const result = (motion: number, stepsPerSecond?: number) => ({
  ...{ parameters: 1234567, multiplyAdds: 5e6, loss: 0.25, direction: 0.75, speed: 0.5, motion },
  ...(stepsPerSecond !== undefined && { stepsPerSecond }),
});
const results = {
  usual: { 0: result(0.5, 20), 1: result(0.7, 22) },
  "full attention": { 0: result(0.25) },
};

Deno.test("the report has a table for every study with results, over the seeds that there are", () => {
  const report = partReport(movingPictures, results, 3000);
  assert.match(report, /### Windows\n\nThe paper: full attention is no better/);
  assert.match(
    report,
    /\| usual \| 2 \| 1,234,567 \| 5\.0 \| 21\.0 ± 1\.4 \| 0\.2500 ± 0\.0000 \| 75\.0 ± 0\.0 \| .* \| 60\.0 ± 14\.1 \|/,
  );
  assert.match(report, /\| full attention \| 1 \| .* \| - \| .* \| 25\.0 ± 0\.0 \|/);
  assert.doesNotMatch(report, /raw latents/);
  const { bars } = partChart(movingPictures, results, 3000);
  assert.deepEqual(bars.at(-1), {
    category: "latent normalisation: usual",
    value: 60,
    error: bars[0].error,
  });
});

Deno.test("animations have a distance and a chart of their own", () => {
  const { direction: _, speed: __, motion: ___, ...facts } = result(0);
  const found = { usual: { 0: { ...facts, distance: 123.46 } } };
  const report = partReport(animations, found, 10);
  assert.match(
    report,
    /\| run \|.*\| loss \| Frechet distance \|\n.*\n\| usual \| 1 \|.*123\.5 ± 0\.0/,
  );
  assert.match(report, /!\[.*\]\(walt-study-animations\.png\)\n\n10 steps, 1 seeds, .*240 clips/);
  assert.deepEqual(partChart(animations, found, 10).bars, [
    { category: "usual", value: 123.46, error: undefined },
  ]);
});

Deno.test("how fast earlier runs were comes from their folders, from the fastest tenth of the time", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const run = join(folder, "usual, seed 1", "000-WALT-XS");
    const checkpoint = join(run, "checkpoints", "0000020");
    await Deno.mkdir(checkpoint, { recursive: true });
    await Deno.writeTextFile(join(run, "checkpoints", "latest"), "0000020");
    await Deno.writeTextFile(
      join(run, "config.json"),
      JSON.stringify({
        description: { config: waltConfigs.get("WALT-XS"), run: { batchSize: 16 } },
      }),
    );
    const rates = Array.from({ length: 20 }, (_, index) => index === 7 ? 32 : index);
    const line = (imagesPerSecond: number) => JSON.stringify({ step: 1, loss: 1, imagesPerSecond });
    await Deno.writeTextFile(join(run, "metrics.jsonl"), `${rates.map(line).join("\n")}\n`);
    const filled = await withSpeeds(folder, results);
    assert.deepEqual(filled, results, "what is known stays, and what has no folder");
    const { stepsPerSecond: _, ...unknown } = result(0.7, 22);
    const { usual } = await withSpeeds(folder, { usual: { 1: unknown } });
    assert.equal(usual[1].stepsPerSecond, (32 + 19) / 2 / 16);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a document keeps what stands around the report", () => {
  const document = "before\n<!-- study -->\nold\n<!-- end of study -->\nafter\n";
  assert.equal(
    withReport(document, "new\n"),
    "before\n<!-- study -->\n\nnew\n\n<!-- end of study -->\nafter\n",
  );
  assert.equal(withReport(withReport(document, "new\n"), "new\n"), withReport(document, "new\n"));
  assert.throws(() => withReport("nothing", "new"), /no lines <!-- study -->/);
});
