/**
 * A program: one long run with checkpoints, and what the process holds at 20 moments of it. All
 * permissions are needed to count open files.
 *
 *     deno run --allow-all --v8-flags=--expose-gc tests/training/runs/long_run.ts FAMILY DEVICE STEPS
 *
 * @module
 */
import { renderChart } from "../../../formats/plots/render.ts";
import { runCurves } from "../../../formats/plots/run_curves.ts";
import { deviceChoices } from "../../devices.ts";
import { smallRuns } from "./small_navit_run.ts";

/** What a process holds at one moment. */
export interface Holdings {
  readonly step: number;
  readonly deviceBytes: number;
  /** Most device bytes there have been so far. */
  readonly peakBytes: number;
  /** Bytes of resident memory, garbage collected before. */
  readonly resident: number;
  readonly openFiles: number;
}

/** How often is looked. */
const moments = 20;

declare function gc(): void;

if (import.meta.main) {
  const [family, name, count] = Deno.args;
  const steps = Number(count);
  const device = await deviceChoices.find((choice) => choice.name === name)!.create();
  const folder = await Deno.makeTempDir({ prefix: "tessera long run " });
  // After a minute a run draws its loss, for which much is loaded once: before the first look, then.
  await renderChart(runCurves("loss", []));
  const seen: Holdings[] = [];
  const every = steps / moments;
  const plan = { folder, steps, logEvery: 50, checkpointEvery: 100, keep: 2 };
  await smallRuns[family as keyof typeof smallRuns](device, plan, {
    step: (step) => {
      if (step % every !== 0) return;
      gc();
      seen.push({
        step,
        deviceBytes: device.allocatedBytes,
        peakBytes: device.peakBytes,
        resident: Deno.memoryUsage().rss,
        openFiles: [...Deno.readDirSync("/proc/self/fd")].length,
      });
    },
  });
  await Deno.remove(folder, { recursive: true });
  console.log(JSON.stringify(seen));
  Deno.exit();
}
