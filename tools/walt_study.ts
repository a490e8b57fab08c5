/**
 * Claims of W.A.L.T's paper, repeated at our size: small models of pictures that move, trained with three
 * seeds, of which is measured how many of the clips they draw move as their classes say.
 *
 *     deno run -A tools/walt_study.ts --out results/walt-study
 *     deno run -A tools/walt_study.ts --out results/walt-study --docs docs/walt.md
 *
 * It takes about an hour of one core (`--threads 1`), can be stopped with Ctrl-C at any moment, and goes on with the same
 * command. With `--docs` it trains nothing, and writes what there is into a document, between the lines
 * `<!-- study -->` and `<!-- end of study -->`, with a chart beside it.
 *
 * @module
 */
import { basename, dirname, join } from "@std/path";
import { parseArgs } from "node:util";
import { writeBytesAtomically, writeTextAtomically } from "../formats/files/atomic_file.ts";
import { svgToPng } from "../formats/pictures/bitmap.ts";
import { renderChart } from "../formats/plots/render.ts";
import { type Results, studyChart, studyReport, withReport } from "./walt_study/report.ts";
import { runVariant, Stopped } from "./walt_study/runs.ts";
import { allVariants } from "./walt_study/studies.ts";

/** The file of the results in a study's folder. */
const resultsFile = "results.json";

/** What the runs of a study have in common, and what was measured so far. */
interface StudyFile {
  readonly steps: number;
  readonly results: Results;
}

const { values } = parseArgs({
  options: {
    out: { type: "string", default: "results/walt-study" },
    steps: { type: "string", default: "1000" },
    seeds: { type: "string", default: "3" },
    only: { type: "string" },
    threads: { type: "string" },
    docs: { type: "string" },
  },
});

async function readStudy(): Promise<StudyFile> {
  const steps = Number(values.steps);
  const path = join(values.out, resultsFile);
  const text = await Deno.readTextFile(path).catch(() => undefined);
  if (text === undefined) return { steps, results: {} };
  const found: StudyFile = JSON.parse(text);
  if (values.docs !== undefined) return found;
  if (found.steps === steps) return found;
  throw new Error(`${path}: was begun with --steps ${found.steps}`);
}

/** Makes what is missing; all variants with the first seed come first. */
async function runStudy(study: StudyFile, signal: AbortSignal): Promise<void> {
  const { steps } = study;
  const device = values.threads === undefined ? [] : ["--threads", values.threads];
  const settings = { folder: values.out, steps, device, signal };
  await Deno.mkdir(values.out, { recursive: true });
  const results: Record<string, Results[string]> = { ...study.results };
  const path = join(values.out, resultsFile);
  await writeTextAtomically(path, JSON.stringify({ ...study, results }, null, 1));
  for (let seed = 0; seed < Number(values.seeds); seed++) {
    for (const variant of allVariants) {
      const { name } = variant;
      if (values.only !== undefined && !name.includes(values.only)) continue;
      if (results[name]?.[seed] !== undefined) continue;
      console.error(`${name}, seed ${seed} ...`);
      const result = await runVariant(settings, variant, seed);
      results[name] = { ...results[name], [seed]: result };
      await writeTextAtomically(path, JSON.stringify({ ...study, results }, null, 1));
    }
  }
}

async function writeDocs(path: string, { steps, results }: StudyFile): Promise<void> {
  const chart = join(dirname(path), "walt-study.png");
  await writeBytesAtomically(chart, await svgToPng(await renderChart(studyChart(results, steps))));
  const report = studyReport(results, steps, basename(chart));
  await writeTextAtomically(path, withReport(await Deno.readTextFile(path), report));
}

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => stop.abort(signal));
}
const study = await readStudy();
try {
  if (values.docs === undefined) await runStudy(study, stop.signal);
  else await writeDocs(values.docs, study);
} catch (error) {
  if (!(error instanceof Stopped)) throw error;
  console.error("stopped; the same command goes on");
  Deno.exit(130);
}
