/** SIGKILL at any moment: no checkpoint is broken, and the run goes on as if nothing had happened. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { basename, join } from "@std/path";
import { readManifest } from "../../training/checkpoints/manifest.ts";
import { metricsPath, readMetrics } from "../../training/runs/metrics.ts";
import { listCheckpoints, newestRun } from "../../training/runs/run_folder.ts";
import {
  assertSameTensors,
  checkpointFiles,
  checkpointOf,
  namesIn,
  onWasm,
  type Running,
  start,
  tinyModel,
  train,
  withFolder,
  writeTinyData,
} from "../cli/runs.ts";
import { scale } from "../scale.ts";

const kills = scale(25, 200);
const flags = ["--ckpt-every", "3", "--log-every", "1", ...onWasm];

const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** The newest run that has a checkpoint. */
const resumable = (results: string) => newestRun(results).catch(() => undefined);

const isLeftover = (name: string) => /\.(?:partial|tmp)(?:$|[/\\])/.test(name);

/** Returns once something new that matches is being written below `folder`. */
async function untilWriting(folder: string, pattern: RegExp): Promise<void> {
  const deadline = performance.now() + 5000;
  const before = new Set(await namesIn(folder));
  // A folder may be renamed while it is being listed.
  const names = () => namesIn(folder).catch(() => []);
  while (!(await names()).some((name) => pattern.test(name) && !before.has(name))) {
    assert(performance.now() < deadline, "nothing was written");
  }
}

/** When to kill: while the process starts, while it trains, inside of a checkpoint. */
const moments: readonly ((running: Running, results: string) => Promise<unknown>)[] = [
  () => sleep(Math.random() * 600),
  async (running) => {
    await running.until(/^saved/m);
    await sleep(Math.random() * 60);
  },
  async (running, results) => {
    await running.until(/^compiled/m);
    await untilWriting(results, /\.partial$/);
    await sleep(Math.random() * 15);
  },
  async (running, results) => {
    await running.until(/^saved/m);
    await untilWriting(results, /\.partial[/\\].*optim\.safetensors/);
    await sleep(Math.random() * 8);
  },
];

/** A hash over the tensors of a checkpoint, which must be whole. */
async function hashOf(checkpoint: string): Promise<string> {
  assert.equal((await readManifest(checkpoint)).step, Number(basename(checkpoint)));
  const hash = createHash("sha256");
  for (const name of checkpointFiles.filter((name) => name.endsWith(".safetensors"))) {
    hash.update(await Deno.readFile(join(checkpoint, name)));
  }
  return hash.digest("hex");
}

Deno.test({
  name: `killed ${kills} times, a run ends with the same bits`,
  ignore: Deno.build.os === "windows",
  fn: () =>
    withFolder(async (folder) => {
      const results = join(folder, "killed");
      await Deno.mkdir(results);
      const data = await writeTinyData(join(folder, "data.npz"));
      const model = [...tinyModel, "--patch", "4", "--data-path", data];
      const fresh = ["train", "dit", ...model, ...flags, "--results-dir", results];
      const resume = ["train", "dit", "--resume", "auto", ...onWasm, "--results-dir", results];
      const seen = new Map<string, string>();
      let inCheckpoint = 0;
      for (let kill = 0; kill < kills; kill++) {
        const run = await resumable(results);
        const running = start([...run ? resume : fresh, "--steps", "1000000"]);
        const before = new Set(await namesIn(results));
        await moments[kill % moments.length](running, results);
        running.kill("SIGKILL");
        const { code, err } = await running.finished();
        assert.equal(code, 137, err);
        const left = (await namesIn(results)).filter(isLeftover);
        if (left.some((name) => !before.has(name))) inCheckpoint++;
        const killed = await resumable(results);
        if (killed === undefined) continue;
        for (const name of await listCheckpoints(killed)) {
          const hash = await hashOf(join(killed, "checkpoints", name));
          assert.equal(seen.get(name) ?? hash, hash, `${name} changed`);
          seen.set(name, hash);
        }
      }
      const run = await newestRun(results);
      const last = Number((await listCheckpoints(run)).at(-1)) + 2;
      const { code, err } = await start([...resume, "--steps", `${last}`]).finished();
      assert.equal(code, 0, err);
      assert.deepEqual((await namesIn(run)).filter(isLeftover), []);

      const whole = await train(
        join(folder, "whole"),
        ...model.slice(tinyModel.length),
        ...flags,
        ...["--steps", `${last}`, "--keep", "1000000"],
      );
      await assertSameTensors(checkpointOf(run, last), checkpointOf(whole, last));
      for (const [name, hash] of seen) {
        assert.equal(await hashOf(join(whole, "checkpoints", name)), hash, name);
      }
      const lines = (await Deno.readTextFile(metricsPath(run))).trimEnd().split("\n");
      const steps = lines.map((line) => JSON.parse(line).step);
      assert.deepEqual(steps, Array.from({ length: last }, (_, index) => index + 1));
      const losses = async (path: string) => (await readMetrics(path)).map(({ loss }) => loss);
      assert.deepEqual(await losses(run), await losses(whole));
      console.log(
        `${kills} kills, ${inCheckpoint} while a file was being written; ` +
          `${last} steps of ${basename(run)}; ${seen.size} checkpoints compared`,
      );
      assert(inCheckpoint >= kills / 8, "too few kills hit the writing of a checkpoint");
    }),
});
