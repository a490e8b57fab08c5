/**
 * The runs of the study: each is trained by the tool, draws clips, and is measured once. What there is of it
 * lies in its folder, so that a study which was stopped at any moment goes on.
 *
 * @module
 */
import { join } from "@std/path";
import { writeTextAtomically } from "../../formats/files/atomic_file.ts";
import { graphCost, makeGraph } from "../../kernels/graph/graph.ts";
import { checkWaltConfig } from "../../models/walt/config.ts";
import { waltTokens } from "../../models/walt/graph.ts";
import { waltConfigs, waltParameters } from "../../models/walt/model.ts";
import { traceClips } from "../../models/walt/workload.ts";
import { countParameters } from "../../nn/parameters.ts";
import { readMetrics } from "../../training/runs/metrics.ts";
import type { Part } from "./parts.ts";
import type { Variant } from "./studies.ts";
import { begunRun, type StudySettings, tool, train } from "./tool.ts";

/** What was measured of a run. */
export interface RunResult {
  readonly parameters: number;
  /** Multiply-adds of a forward pass of a clip. */
  readonly multiplyAdds: number;
  /** Mean of the last tenth of the steps. */
  readonly loss: number;
  /** Of training; absent where the folder of the run is gone. */
  readonly stepsPerSecond?: number;
  /** What is measured of the clips, as their part does it. */
  readonly [measure: string]: number | undefined;
}

/** What was measured, by variant and seed. */
export type Results = Readonly<Record<string, Readonly<Record<string, RunResult>>>>;

/** Where the run of a variant lies. */
const folderOf = (folder: string, name: string, seed: number | string): string =>
  join(folder, `${name}, seed ${seed}`);

/** Trains a variant with a seed, and measures it. */
export async function runVariant(
  settings: StudySettings,
  { flags: usual, clipsDrawn, measure }: Pick<Part, "flags" | "clipsDrawn" | "measure">,
  { name, flags, model }: Variant,
  seed: number,
): Promise<RunResult> {
  const folder = folderOf(settings.folder, name, seed);
  await Deno.mkdir(folder, { recursive: true });
  const own = [...flags, "--seed", `${seed}`, "--log-every", "50"];
  if (model) {
    const path = join(folder, "model.json");
    await writeTextAtomically(path, JSON.stringify({ ...waltConfigs.get("WALT-XS"), ...model }));
    own.push("--config", path);
  }
  const run = await train(settings, folder, "walt", settings.steps, [...usual, ...own]);
  const clips = join(folder, "clips.npz");
  await tool(
    settings,
    ...["sample", "walt", "--ckpt", run, "--count", `${clipsDrawn}`, "--npz", clips],
    ...["--num-sampling-steps", "25", "--cfg-scale", "1", "--batch-size", "32"],
    ...["--seed", `${seed}`],
  );
  return {
    ...await costOf(run),
    loss: await lossOf(run),
    stepsPerSecond: await stepsPerSecondOf(run),
    ...await measure(settings, clips),
  };
}

/** The description of a run. */
async function describedRun(run: string) {
  const path = join(run, "config.json");
  const { config, run: { batchSize } } = JSON.parse(await Deno.readTextFile(path)).description;
  return { config: checkWaltConfig(config, path), batchSize };
}

async function costOf(run: string): Promise<Pick<RunResult, "parameters" | "multiplyAdds">> {
  const { config } = await describedRun(run);
  const { out } = traceClips(config, { batch: 1, tokens: waltTokens(config) });
  return {
    parameters: countParameters(waltParameters(config)).parameters,
    multiplyAdds: graphCost(makeGraph("forward", { outputs: { out } })).multiplyAdds,
  };
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** How many of so many values are a tenth. */
const tenth = (values: readonly number[]): number => Math.ceil(values.length / 10);

async function lossOf(run: string): Promise<number> {
  const losses = (await readMetrics(run)).map(({ loss }) => loss);
  return mean(losses.slice(-tenth(losses)));
}

/** How fast a run was trained where nothing else kept the machine busy: in the fastest tenth of its time. */
async function stepsPerSecondOf(run: string): Promise<number> {
  const { batchSize } = await describedRun(run);
  const rates = (await readMetrics(run)).map(({ imagesPerSecond }) => imagesPerSecond / batchSize);
  const fastest = rates.sort((one, other) => other - one).slice(0, tenth(rates));
  return mean(fastest);
}

/** Results with how fast the runs were, of which earlier ones say nothing, by the folders of those that are there. */
export async function withSpeeds(folder: string, results: Results): Promise<Results> {
  const filled: Record<string, Record<string, RunResult>> = {};
  for (const [name, seeds] of Object.entries(results)) {
    filled[name] = {};
    for (const [seed, result] of Object.entries(seeds)) {
      const run = result.stepsPerSecond === undefined
        ? await begunRun(folderOf(folder, name, seed))
        : undefined;
      filled[name][seed] = run === undefined
        ? result
        : { ...result, stepsPerSecond: await stepsPerSecondOf(run) };
    }
  }
  return filled;
}
