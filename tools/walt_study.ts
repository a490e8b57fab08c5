/**
 * Claims of W.A.L.T's paper, repeated at our size: small models trained with three seeds. Of those of pictures
 * that move is measured how many of the clips they draw move as their classes say, of those of animations how
 * far the clips are from real ones.
 *
 *     deno run -A tools/walt_study.ts --out results/walt-study
 *     deno run -A tools/walt_study.ts --out results/walt-study --part animations
 *     deno run -A tools/walt_study.ts --out results/walt-study --docs docs/walt.md
 *
 * It takes about an hour and a half of one core (`--threads 1`), can be stopped with Ctrl-C at any moment, and
 * goes on with the same command. With `--docs` it trains nothing, and writes what there is into a document, between the
 * lines `<!-- study -->` and `<!-- end of study -->`, with charts beside it.
 *
 * @module
 */
import { dirname, join } from "@std/path";
import { parseArgs } from "node:util";
import { writeBytesAtomically, writeTextAtomically } from "../formats/files/atomic_file.ts";
import { svgToPng } from "../formats/pictures/bitmap.ts";
import { renderChart } from "../formats/plots/render.ts";
import { type Part, parts } from "./walt_study/parts.ts";
import { partChart, partReport, withReport } from "./walt_study/report.ts";
import { type Results, runVariant, withSpeeds } from "./walt_study/runs.ts";
import { variantsOf } from "./walt_study/studies.ts";
import { Stopped } from "./walt_study/tool.ts";

/** The file of the results in a part's folder. */
const resultsFile = "results.json";

/** What the runs of a part have in common, and what was measured so far. */
interface PartFile {
  readonly path: string;
  readonly steps: number;
  readonly results: Results;
}

const { values } = parseArgs({
  options: {
    out: { type: "string", default: "results/walt-study" },
    part: { type: "string" },
    steps: { type: "string" },
    seeds: { type: "string", default: "3" },
    only: { type: "string" },
    threads: { type: "string" },
    docs: { type: "string" },
  },
});

const folderOf = ({ folder }: Part): string => join(values.out, folder);

async function readPart(part: Part): Promise<PartFile> {
  const path = join(folderOf(part), resultsFile);
  const steps = Number(values.steps ?? part.steps);
  const text = await Deno.readTextFile(path).catch(() => undefined);
  if (text === undefined) return { path, steps, results: {} };
  const found = JSON.parse(text);
  const results = await withSpeeds(folderOf(part), found.results);
  if (values.docs === undefined && found.steps !== steps) {
    throw new Error(`${path}: was begun with --steps ${found.steps}`);
  }
  return { path, steps: found.steps, results };
}

/** Makes what is missing of a part; all variants with the first seed come first. */
async function runPart(part: Part, signal: AbortSignal): Promise<void> {
  const { path, steps, results: before } = await readPart(part);
  const device = values.threads === undefined ? [] : ["--threads", values.threads];
  const settings = { folder: folderOf(part), steps, device, signal };
  await Deno.mkdir(settings.folder, { recursive: true });
  const results: Record<string, Results[string]> = { ...before };
  const write = () => writeTextAtomically(path, JSON.stringify({ steps, results }, null, 1));
  await write();
  for (let seed = 0; seed < Number(values.seeds); seed++) {
    for (const variant of variantsOf(part.studies)) {
      const { name } = variant;
      if (values.only !== undefined && !name.includes(values.only)) continue;
      if (results[name]?.[seed] !== undefined) continue;
      console.error(`${part.name}: ${name}, seed ${seed} ...`);
      const result = await runVariant(settings, part, variant, seed);
      results[name] = { ...results[name], [seed]: result };
      await write();
    }
  }
}

/** Writes what there is of the parts. */
async function writeDocs(path: string, chosen: readonly Part[]): Promise<void> {
  const reports: string[] = [];
  for (const part of chosen) {
    const { results, steps } = await readPart(part);
    if (Object.keys(results).length === 0) continue;
    const chart = await renderChart(partChart(part, results, steps));
    await writeBytesAtomically(join(dirname(path), part.chart.file), await svgToPng(chart));
    reports.push(partReport(part, results, steps));
  }
  const report = withReport(await Deno.readTextFile(path), reports.join("\n"));
  await writeTextAtomically(path, report);
}

const chosen = parts.filter(({ name }) => values.part === undefined || name === values.part);
if (chosen.length === 0) {
  throw new Error(`--part ${values.part}: one of ${parts.map(({ name }) => name).join(", ")}`);
}
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => stop.abort(signal));
}
try {
  if (values.docs !== undefined) await writeDocs(values.docs, parts);
  else for (const part of chosen) await runPart(part, stop.signal);
} catch (error) {
  if (!(error instanceof Stopped)) throw error;
  console.error("stopped; the same command goes on");
  Deno.exit(130);
}
