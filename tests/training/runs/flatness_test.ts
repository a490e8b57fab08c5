/** Long runs hold no more device memory, resident memory or open files than short ones. */
import assert from "node:assert/strict";
import { deviceChoices } from "../../devices.ts";
import { scale } from "../../scale.ts";
import type { Holdings } from "./long_run.ts";

/** Steps of a run by family; a step of packed pictures takes longer. */
const stepsOf = { dit: scale(2000, 20_000), navit: scale(1000, 20_000) };

/**
 * Bytes by which the resident memory may grow from the second quarter of a run to the last, by the least of
 * each, which what a busy machine has not collected yet does not change. The worker that
 * prepares packed pictures has a heap of its own, which nothing here can have collected: it grows for
 * about 2,000 steps, by 35 MiB in runs of 8,000, and then stays.
 */
const mostGrowth = { dit: 6 * 2 ** 20, navit: 48 * 2 ** 20 };

type Family = keyof typeof stepsOf;

/** Trains in a process of its own, because only all permissions allow to count open files. */
async function longRun(family: string, device: string, steps: number): Promise<Holdings[]> {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "--allow-all", "--v8-flags=--expose-gc"],
      ...["tests/training/runs/long_run.ts", family, device, String(steps)],
    ],
    stderr: "inherit",
  }).output();
  assert.equal(code, 0);
  return JSON.parse(new TextDecoder().decode(stdout));
}

async function assertFlat(family: Family, device: string, steps: number): Promise<void> {
  const seen = await longRun(family, device, steps);
  assert.equal(seen.at(-1)!.step, steps);
  const column = (key: keyof Holdings) => seen.map((holdings) => holdings[key]);
  const [bytes, resident, files] = [
    column("deviceBytes"),
    column("resident"),
    column("openFiles"),
  ];
  const megabytes = resident.map((bytes) => (bytes / 2 ** 20).toFixed(1));
  console.log(
    `device bytes ${[...new Set(bytes)]}; MiB ${megabytes}; open files ${[...new Set(files)]}`,
  );
  assert(bytes.every((count) => count === bytes[0]), "device bytes change");
  assert.equal(seen.at(-1)!.peakBytes, bytes[0]);
  // Deno itself opens a pair of sockets a second after its start.
  assert(files.every((count) => count - files[0] <= 2), "files stay open");
  const quarter = Math.floor(seen.length / 4);
  const [before, after] = [resident.slice(quarter, 2 * quarter), resident.slice(-quarter)];
  const growth = Math.min(...after) - Math.min(...before);
  assert(growth < mostGrowth[family], `resident memory grew by ${growth} bytes`);
}

for (const family of ["dit", "navit"] as const) {
  const steps = stepsOf[family];
  for (const { name, available } of deviceChoices.filter(({ strict }) => !strict)) {
    Deno.test({
      name: `${family}: ${steps} steps and ${
        steps / 100
      } checkpoints hold no more than a few [${name}]`,
      ignore: Deno.build.os !== "linux" || !available,
      fn: () => assertFlat(family, name, steps),
    });
  }
}
