/**
 * A family that the product does not know goes through every command with no file of the product edited.
 */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { writeSafetensors } from "../../formats/tensors/safetensors.ts";
import { readManifestOf } from "../../training/checkpoints/manifest.ts";
import { listCheckpoints } from "../../training/runs/run_folder.ts";
import {
  assertSameTensors,
  checkpointOf,
  devices,
  onWasm,
  run,
  start,
  succeed,
  withFolder,
} from "../cli/runs.ts";
import { linearFamily } from "./linear_family.ts";
import "./linear_main.ts";

const small = ["train", "linear", "--batch-size", "4", "--ckpt-every", "2", "--quiet"];

for (const { name, flags, available } of devices) {
  Deno.test({
    name: `a new family trains on pictures and is resumed bit for bit [${name}]`,
    ignore: !available,
    fn: () =>
      withFolder(async (results) => {
        const train = (...args: string[]) =>
          succeed(...small, ...flags, "--results-dir", results, ...args);
        const whole = await train("--steps", "6");
        const parts = await train("--steps", "4");
        await succeed("train", "linear", "--resume", parts, "--steps", "6", "--quiet", ...flags);
        await assertSameTensors(checkpointOf(parts, 6), checkpointOf(whole, 6));
        const { config, run } = await readManifestOf(linearFamily, checkpointOf(whole, 6));
        assert.deepEqual([config.hidden, run.batchSize], [8, 4]);
      }),
  });
}

Deno.test({
  name: "a new family that is killed goes on with the same bits",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withFolder(async (results) => {
      const flags = [
        ...small.slice(0, -1),
        ...onWasm,
        "--results-dir",
        results,
        "--log-every",
        "1",
      ];
      const whole = await succeed(...flags, "--steps", "40");
      const killed = start([...flags, "--steps", "40"], {}, "tests/models/linear_main.ts");
      await killed.until(/^saved .*0000004/m);
      killed.kill("SIGKILL");
      await killed.finished();
      const folder = join(results, "001-Linear-8");
      assert((await listCheckpoints(folder)).length > 0);
      await succeed("train", "linear", "--resume", folder, "--quiet", ...onWasm);
      await assertSameTensors(checkpointOf(folder, 40), checkpointOf(whole, 40));
    }),
});

Deno.test("a new family is described, counted and timed", async () => {
  const plan = await succeed("train", "linear", "--dry-run", ...onWasm);
  assert.match(plan, /^parameters +12,544 /m);
  const report = JSON.parse(await succeed("info", "model", "Linear-8", "--hidden", "4", "--json"));
  assert.deepEqual([report.parameters, report.macs], [2 * 784 * 4, 2 * 784 * 4]);
  const flops = JSON.parse(
    await succeed("bench", "flops", "--model", "Linear-8", "--train", "--format", "json"),
  );
  assert.equal(flops.rows[0].macs, 2 * 784 * 8);
  // The gradients of two products are four more, without that of the first one's input.
  assert.equal(flops.rows[0].trainMacs, 5 * 784 * 8);
  const bench = ["bench", "throughput", "--model", "Linear-8", "--batch-size", "2", "-r", "1"];
  const { rows } = JSON.parse(
    await succeed(...bench, "--ops", "forward,train,train-plain", ...onWasm, "--format", "json"),
  );
  const statuses = rows.map(({ status }: { readonly status: string }) => status);
  assert.deepEqual(statuses, ["ok", "ok", "ok"]);
});

Deno.test("a new family is verified", async () => {
  await withFolder(async (folder) => {
    const config = { family: "linear", inputSize: 1, channels: 2, hidden: 1 };
    const path = (name: string) => join(folder, name);
    await Deno.writeTextFile(path("config.json"), JSON.stringify(config));
    const tensor = (name: string, shape: number[], ...values: number[]) =>
      ({ name, type: "F32", shape, data: Float32Array.from(values) }) as const;
    await writeSafetensors(path("weights.safetensors"), [
      tensor("encoder.weight", [1, 2], 2, 3),
      tensor("decoder.weight", [2, 1], 5, 7),
    ]);
    // A code of 2 * 1 + 3 * 1 = 5; its decoder's gradient is the code times the cotangent.
    const tensors = [
      tensor("input.images", [1, 2, 1, 1], 1, 1),
      tensor("output.out", [1, 2, 1, 1], 25, 35),
      tensor("cotangent.out", [1, 2, 1, 1], 1, 2),
      tensor("grad.decoder.weight", [2, 1], 5, 10),
    ];
    await writeSafetensors(path("case.safetensors"), tensors);
    const command = [
      ...["verify", "linear", "--config", path("config.json")],
      ...["--weights", path("weights.safetensors"), "--case", path("case.safetensors"), ...onWasm],
    ];
    assert.match(await succeed(...command), /^passed: 2 tensors/m);
    tensors[3] = tensor("grad.decoder.weight", [2, 1], 5, 11);
    await writeSafetensors(path("case.safetensors"), tensors);
    assert.equal((await run(...command)).code, 1);
  });
});
