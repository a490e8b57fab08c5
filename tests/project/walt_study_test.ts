/** The study of W.A.L.T's claims: its runs are ones that the tool knows, and its report replaces the last. */
import assert from "node:assert/strict";
import { parseFlags } from "../../cli/flags/flags.ts";
import { trainWaltFlags } from "../../cli/families/walt/train_flags.ts";
import { studyChart, studyReport, withReport } from "../../tools/walt_study/report.ts";
import { allVariants, commonFlags, studies } from "../../tools/walt_study/studies.ts";

Deno.test("the runs of the study have names of their own, and flags of the tool", () => {
  const names = studies.flatMap(({ variants }) => variants.map(({ name }) => name));
  assert.equal(new Set(names).size, allVariants.length);
  assert.equal(
    new Set(
      allVariants.map(({ flags, model }) => JSON.stringify([flags, model])),
    ).size,
    allVariants.length,
  );
  for (const { flags } of allVariants) {
    const { values } = parseFlags(trainWaltFlags, [...commonFlags, ...flags]);
    assert.equal(values.heads, 4);
  }
});

const result = (motion: number) => ({
  ...{ parameters: 1234567, multiplyAdds: 5e6, loss: 0.25, direction: 0.75, speed: 0.5, motion },
});
const results = {
  usual: { 0: result(0.5), 1: result(0.7) },
  "full attention": { 0: result(0.25) },
};

Deno.test("the report has a table for every study with results, over the seeds that there are", () => {
  const report = studyReport(results, 3000, "chart.png");
  assert.match(report, /### Windows\n\nThe paper: full attention is no better/);
  assert.match(
    report,
    /\| usual \| 2 \| 1,234,567 \| 5\.0 \| 0\.2500 ± 0\.0000 \| 75\.0 ± 0\.0 \| .* \| 60\.0 ± 14\.1 \|/,
  );
  assert.match(report, /\| full attention \| 1 \| .* \| 25\.0 ± 0\.0 \|/);
  assert.doesNotMatch(report, /raw latents/);
  const { bars } = studyChart(results, 3000);
  assert.deepEqual(bars.at(-1), {
    category: "latent normalisation: usual",
    value: 60,
    error: bars[0].error,
  });
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
