/**
 * `tessera bench windows`: windows against full attention as clips grow longer.
 *
 * @module
 */
import type { Command } from "commander";
import type { WindowRow, WindowTask } from "../../bench/windows.ts";
import { define, flag, group, optional, type Values } from "../flags/flags.ts";
import { transformerFlags } from "../flags/options.ts";
import { choice, integer, list, text } from "../flags/parsers.ts";
import { asUsage, UsageError } from "../terminal/errors.ts";
import type { Io } from "../terminal/io.ts";
import { count, placesOf, reportFlags, runSweep, timingFlags } from "./sweep.ts";

const windowFlags = {
  ...group("Model:", {
    model: flag("--model <name>", "a W.A.L.T by its name", text, "WALT-XS"),
  }),
  ...transformerFlags,
  ...group("Work:", {
    frames: flag(
      "--frames <list>",
      "latent frames of the clips",
      list(integer({ min: 1, max: 4096 })),
      [1, 2, 5, 10, 20, 40] as readonly number[],
    ),
    ops: flag(
      "--ops <list>",
      "forward, train (as tessera train), train-plain (squared error and AdamW only)",
      list(choice("forward", "train", "train-plain")),
      ["forward"] as readonly WindowTask["operation"][],
    ),
    batchSize: flag("--batch-size <n>", "clips at a time", count, 1),
  }),
  ...timingFlags,
  ...reportFlags,
  ...group("Output:", {
    plot: optional("--plot <file>", "draw cost against length: .svg or .png", text),
  }),
};

type WindowValues = Values<typeof windowFlags>;

/** Builds `tessera bench windows`. */
export function windowsCommand(io: Io): Command {
  return define({
    name: "windows",
    summary: "time windows against full attention as clips grow longer",
    flags: windowFlags,
    examples: [
      ["tessera bench windows --plot windows.svg", "1 to 40 latent frames, with a chart"],
      ["tessera bench windows --model WALT-S --frames 5,10 --ops train", "training steps"],
    ],
    run: async ({ values }) => {
      requireChart(values);
      const { measureWindows, windowColumns, windowNotes } = await import(
        "../../bench/windows.ts"
      );
      const tasks = await tasksOf(values);
      const rows: WindowRow[] = [];
      await runSweep(io, {
        total: tasks.length,
        tasks,
        describe: ({ operation, frames, place }) =>
          `${operation}, ${frames} latent frames, ${place.device}`,
        measure: async (task, repetitions) => {
          const row = await measureWindows(task, repetitions);
          rows.push(row);
          return row;
        },
        report: () => ({ columns: windowColumns, notes: windowNotes }),
      }, values);
      if (values.plot !== undefined) await draw(values.plot, values.model, rows);
    },
  });
}

/** A chart is of one operation on one device. */
function requireChart({ plot, ops, device, threads }: WindowValues): void {
  if (plot === undefined) return;
  if (!/.\.(svg|png)$/i.test(plot)) {
    throw new UsageError(`--plot ${JSON.stringify(plot)}: the ending must be .svg or .png`);
  }
  if (ops.length * device.length * (threads?.length ?? 1) === 1) return;
  throw new UsageError("--plot is of one operation on one device");
}

/** Every combination, for windows that divide the latent. */
async function tasksOf(values: WindowValues): Promise<WindowTask[]> {
  const { model, hidden, depth, heads, frames, ops, batchSize: batch } = values;
  const { configFromFlags } = await import("../families/subjects.ts");
  const { ofFamily } = await import("../../models/registry.ts");
  const { waltFamily } = await import("../../models/walt/family.ts");
  const { windowConfig } = await import("../../bench/windows.ts");
  const named = configFromFlags(model, { hidden, depth, heads });
  const config = asUsage(() => ofFamily(waltFamily, named.config, named.name));
  for (const count of frames) asUsage(() => windowConfig(config, count, "windows"));
  const places = await placesOf(values);
  const lengths = frames.toSorted((a, b) => a - b);
  return ops.flatMap((operation) =>
    places.flatMap((place) =>
      lengths.map((frames) => ({ operation, model: named.name, config, frames, batch, place }))
    )
  );
}

async function draw(path: string, model: string, rows: readonly WindowRow[]): Promise<void> {
  const { windowCosts } = await import("../../bench/windows.ts");
  const { windowCostChart } = await import("../../evaluation/charts/window_cost.ts");
  const { writeChart } = await import("../terminal/charts.ts");
  const subtitle = `${model}, ${rows[0].operation}`;
  await writeChart(path, windowCostChart(windowCosts(rows), subtitle));
}
