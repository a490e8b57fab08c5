/**
 * Running the tool for a study: commands that stop with it, and trainings that go on where they were.
 *
 * @module
 */
import { join } from "@std/path";
import { latestCheckpoint } from "../../training/runs/run_folder.ts";

/** How a part of a study is made. */
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

/** The study was asked to stop. */
export class Stopped extends Error {}

/** Runs the tool, and returns its last line. */
export async function tool({ device, signal }: StudySettings, ...args: string[]): Promise<string> {
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
export async function begunRun(folder: string): Promise<string | undefined> {
  const entries = await Array.fromAsync(Deno.readDir(folder)).catch(() => []);
  for (const { name } of entries.filter(({ name }) => /^\d{3}-/.test(name))) {
    const run = join(folder, name);
    if (await latestCheckpoint(run) !== undefined) return run;
  }
  return undefined;
}

/** Trains a run to its end, or the rest of it; returns its folder. */
export async function train(
  settings: StudySettings,
  folder: string,
  family: string,
  steps: number,
  flags: readonly string[],
): Promise<string> {
  const begun = await begunRun(folder);
  const kept = ["--steps", `${steps}`, "--ckpt-every", "250", "--keep", "1"];
  return begun === undefined
    ? await tool(settings, "train", family, ...flags, ...kept, "--results-dir", folder)
    : await tool(settings, "train", family, "--resume", begun, ...kept);
}
