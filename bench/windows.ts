/**
 * Windows against full attention: what W.A.L.T's denoiser costs as clips grow longer.
 *
 * @module
 */
import { summarize } from "../base/statistics.ts";
import type { WindowCosts } from "../evaluation/charts/window_cost.ts";
import type { Column } from "../formats/text/table.ts";
import type { Device } from "../kernels/device.ts";
import { graphCost, makeGraph } from "../kernels/graph/graph.ts";
import { overrideWaltConfig } from "../models/walt/config.ts";
import { waltTokens } from "../models/walt/graph.ts";
import { gridOf, type WaltConfig } from "../models/walt/model.ts";
import { usualWindows } from "../models/walt/run.ts";
import { traceClips } from "../models/walt/workload.ts";
import { describePlace, isMeasured, measureAt, type Outcome, type Place } from "./runner/places.ts";
import { measureInTurns, type Timing } from "./runner/timing.ts";
import type { ModelOperation } from "./subjects.ts";
import { loadModelJob } from "./workloads/model.ts";

/** What attends to what. */
export type WindowKind = "windows" | "full";

/** One thing to measure. */
export interface WindowTask {
  readonly operation: ModelOperation;
  /** Name of the model. */
  readonly model: string;
  /** The model, whatever its frames and windows. */
  readonly config: WaltConfig;
  /** Latent frames of the clips. */
  readonly frames: number;
  /** Clips at a time. */
  readonly batch: number;
  /** Where it is measured. */
  readonly place: Place;
}

/** What was measured of one kind; times in ms an execution. */
export interface MeasuredWindows extends Timing {
  readonly median: number;
  readonly best: number;
}

/** A row of the report. */
export type WindowRow =
  & Pick<WindowTask, "operation" | "model" | "frames">
  & {
    /** Tokens of a clip. */
    readonly tokens: number;
    /** Multiply-adds of a forward pass of a clip. */
    readonly macs: Readonly<Record<WindowKind, number>>;
  }
  & Outcome<Readonly<Record<WindowKind, MeasuredWindows>>>;

/** What the numbers mean; goes below every table. */
export const windowNotes: readonly string[] = [
  "Windows: whole latent frames in even layers, all frames of a quarter of their area in odd ones; of one " +
  "frame, all layers have the first. Full: every token sees every other in all layers. Timed in turns, " +
  "medians. MACs: of a forward pass of one clip, summed over the graph. Ratios: full over windows.",
];

/**
 * The same model for clips of so many latent frames.
 *
 * @throws InputError where windows do not divide them
 */
export function windowConfig(base: WaltConfig, frames: number, kind: WindowKind): WaltConfig {
  const long = { ...base, latentFrames: frames };
  const windows = kind === "windows"
    ? usualWindows(long)
    : { spatialWindow: null, spatioTemporalWindow: gridOf(long) };
  return overrideWaltConfig(long, windows, `${frames} latent frames`);
}

/** Measures one task; never throws because of it. */
export async function measureWindows(task: WindowTask, repetitions: number): Promise<WindowRow> {
  const { operation, model, frames, place } = task;
  const configs = {
    windows: windowConfig(task.config, frames, "windows"),
    full: windowConfig(task.config, frames, "full"),
  };
  const outcome = await measureAt(place, (device) => measureOn(device, task, configs, repetitions));
  return {
    ...{ operation, model, frames },
    tokens: waltTokens(configs.full),
    macs: { windows: multiplyAdds(configs.windows), full: multiplyAdds(configs.full) },
    ...outcome,
  };
}

function multiplyAdds(config: WaltConfig): number {
  const { out } = traceClips(config, { batch: 1, tokens: waltTokens(config) });
  return graphCost(makeGraph("forward", { outputs: { out } })).multiplyAdds;
}

async function measureOn(
  device: Device,
  { operation, model: name, batch }: WindowTask,
  configs: Readonly<Record<WindowKind, WaltConfig>>,
  repetitions: number,
): Promise<Readonly<Record<WindowKind, MeasuredWindows>>> {
  const load = (config: WaltConfig) =>
    loadModelJob(device, operation, { name, config, tokens: waltTokens(config) }, batch);
  const jobs = [await load(configs.windows), await load(configs.full)];
  const [windows, full] = (await measureInTurns(device, jobs, repetitions)).map((timing) => {
    const { median } = summarize(timing.samples);
    return { ...timing, median, best: Math.min(...timing.samples) };
  });
  return { windows, full };
}

/** The costs of the rows of an operation on a device, beside those of the shortest clips with windows. */
export function windowCosts(rows: readonly WindowRow[]): WindowCosts[] {
  const measured = rows.filter(isMeasured);
  const [first] = measured;
  if (!first) return [];
  return (["windows", "full"] as const).map((kind) => ({
    name: kind === "windows" ? "windows" : "full attention",
    costs: measured.map((row) => ({
      frames: row.frames,
      measured: row[kind].median / first.windows.median,
      counted: row.macs[kind] / first.macs.windows,
    })),
  }));
}

/** Times, where there are some. */
const median = (kind: WindowKind) => (row: WindowRow) =>
  isMeasured(row) ? row[kind].median : undefined;

/** Columns of the table. */
export const windowColumns: readonly Column<WindowRow>[] = [
  { title: "op", value: ({ operation }) => operation },
  { title: "model", value: ({ model }) => model },
  { title: "device", value: describePlace },
  { title: "latent frames", value: ({ frames }) => frames },
  { title: "tokens", value: ({ tokens }) => tokens },
  { title: "windows MMACs", value: ({ macs }) => macs.windows / 1e6, digits: 1 },
  { title: "full MMACs", value: ({ macs }) => macs.full / 1e6, digits: 1 },
  { title: "ratio counted", value: ({ macs }) => macs.full / macs.windows, digits: 2 },
  { title: "windows ms", value: median("windows"), digits: 2 },
  { title: "full ms", value: median("full"), digits: 2 },
  {
    title: "ratio measured",
    value: (row) => isMeasured(row) ? row.full.median / row.windows.median : undefined,
    digits: 2,
  },
  { title: "status", value: ({ status }) => status },
];
