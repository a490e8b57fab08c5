/**
 * The runs of the study: each is trained by the tool, draws clips, and is measured once. What there is of it
 * lies in its folder, so that a study which was stopped at any moment goes on.
 *
 * @module
 */
import { join } from "@std/path";
import { motionLabel } from "../../data/clips/moving_pictures.ts";
import { writeTextAtomically } from "../../formats/files/atomic_file.ts";
import { NpzFile } from "../../formats/tensors/npz.ts";
import { graphCost, makeGraph } from "../../kernels/graph/graph.ts";
import { checkWaltConfig } from "../../models/walt/config.ts";
import { waltTokens } from "../../models/walt/graph.ts";
import { waltConfigs, waltParameters } from "../../models/walt/model.ts";
import { traceClips } from "../../models/walt/workload.ts";
import { countParameters } from "../../nn/parameters.ts";
import { readMetrics } from "../../training/runs/metrics.ts";
import { latestCheckpoint } from "../../training/runs/run_folder.ts";
import { clipsDrawn, commonFlags, type Variant } from "./studies.ts";

/** How a study is made. */
export interface StudySettings {
  /** Folder of its runs and results. */
  readonly folder: string;
  /** Steps of every run. */
  readonly steps: number;
  /** Flags of the device. */
  readonly device: readonly string[];
  /** Asks to stop; the reason is the name of the system's signal. */
  readonly signal: AbortSignal;
}

/** What was measured of a run; shares of clips from 0 to 1. */
export interface RunResult {
  readonly parameters: number;
  /** Multiply-adds of a forward pass of a clip. */
  readonly multiplyAdds: number;
  /** Mean of the last tenth of the steps. */
  readonly loss: number;
  /** Clips in the right direction. */
  readonly direction: number;
  /** Clips as slow or fast as they should be. */
  readonly speed: number;
  /** Both. */
  readonly motion: number;
}

/** The study was asked to stop. */
export class Stopped extends Error {}

/** Runs the tool, and returns its last line. */
async function tool({ device, signal }: StudySettings, ...args: string[]): Promise<string> {
  if (signal.aborted) throw new Stopped();
  const child = new Deno.Command("deno", {
    args: ["task", "--quiet", "tessera", ...args, ...device, "--quiet"],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  // A terminal sends its Ctrl-C to the tool as well.
  const stop = () => signal.reason === "SIGTERM" && child.kill("SIGTERM");
  signal.addEventListener("abort", stop);
  try {
    const { success, stdout } = await child.output();
    if (signal.aborted) throw new Stopped();
    if (!success) throw new Error(`tessera ${args.join(" ")} failed`);
    return new TextDecoder().decode(stdout).trim().split("\n").at(-1)!;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** The run folder in a folder that has a checkpoint, if there is one. */
async function begunRun(folder: string): Promise<string | undefined> {
  const entries = await Array.fromAsync(Deno.readDir(folder)).catch(() => []);
  for (const { name } of entries.filter(({ name }) => /^\d{3}-/.test(name))) {
    const run = join(folder, name);
    if (await latestCheckpoint(run) !== undefined) return run;
  }
  return undefined;
}

/** Trains a run to its end, or the rest of it; returns its folder. */
async function train(
  settings: StudySettings,
  folder: string,
  flags: readonly string[],
): Promise<string> {
  const begun = await begunRun(folder);
  const kept = ["--steps", `${settings.steps}`, "--ckpt-every", "250", "--keep", "1"];
  return begun === undefined
    ? await tool(settings, "train", "walt", ...flags, ...kept, "--results-dir", folder)
    : await tool(settings, "train", "walt", "--resume", begun, ...kept);
}

/** Trains a variant with a seed, and measures it. */
export async function runVariant(
  settings: StudySettings,
  { name, flags, model }: Variant,
  seed: number,
): Promise<RunResult> {
  const folder = join(settings.folder, `${name}, seed ${seed}`);
  await Deno.mkdir(folder, { recursive: true });
  const own = [...flags, "--seed", `${seed}`, "--log-every", "50"];
  if (model) {
    const path = join(folder, "model.json");
    await writeTextAtomically(path, JSON.stringify({ ...waltConfigs.get("WALT-XS"), ...model }));
    own.push("--config", path);
  }
  const run = await train(settings, folder, [...commonFlags, ...own]);
  const clips = join(folder, "clips.npz");
  await tool(
    settings,
    ...["sample", "walt", "--ckpt", run, "--count", `${clipsDrawn}`, "--npz", clips],
    ...["--num-sampling-steps", "25", "--cfg-scale", "1", "--batch-size", "32"],
    ...["--seed", `${seed}`],
  );
  return { ...await costOf(run), loss: await lossOf(run), ...await motionOf(clips) };
}

async function costOf(run: string): Promise<Pick<RunResult, "parameters" | "multiplyAdds">> {
  const path = join(run, "config.json");
  const config = checkWaltConfig(
    JSON.parse(await Deno.readTextFile(path)).description.config,
    path,
  );
  const { out } = traceClips(config, { batch: 1, tokens: waltTokens(config) });
  return {
    parameters: countParameters(waltParameters(config)).parameters,
    multiplyAdds: graphCost(makeGraph("forward", { outputs: { out } })).multiplyAdds,
  };
}

async function lossOf(run: string): Promise<number> {
  const losses = (await readMetrics(run)).map(({ loss }) => loss);
  const last = losses.slice(-Math.ceil(losses.length / 10));
  return last.reduce((sum, loss) => sum + loss, 0) / last.length;
}

/** Which part of the clips of an archive moves as their classes say. */
async function motionOf(path: string): Promise<Pick<RunResult, "direction" | "speed" | "motion">> {
  using file = await NpzFile.open(path);
  const { shape: [count, frames, height, width, channels], data } = await file.read("arr_0");
  const bytes = Uint8Array.from(data, Number);
  const labels = Array.from((await file.read("arr_1")).data, Number);
  const size = bytes.length / count;
  const found = labels.map((_, index) =>
    motionLabel({
      ...{ frames, height, width, channels, fps: 1 },
      data: bytes.subarray(index * size, (index + 1) * size),
    })
  );
  const share = (part: (label: number) => number): number =>
    labels.filter((label, index) => part(label) === part(found[index])).length / count;
  return {
    direction: share((label) => label >> 1),
    speed: share((label) => label & 1),
    motion: share((label) => label),
  };
}
