/** `tessera bench samplers`: a diffusion beside a flow, in little. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { assertFails, onWasm, run, succeed, tinyModel, withFolder } from "../runs.ts";

Deno.test("bench samplers measures what is for the models, by evaluations, and plots", async () => {
  await withFolder(async (folder) => {
    const train = async (...flags: string[]) => {
      const results = ["--results-dir", folder, "--steps", "1", "--quiet", ...onWasm];
      return (await succeed("train", "dit", ...tinyModel, ...results, ...flags)).trim();
    };
    const [noise, flow] = [await train(), await train("--objective", "flow")];
    const plot = join(folder, "samplers.svg");
    const bench = ["bench", "samplers", "--ckpt", `${noise},${flow}`, "--quiet", ...onWasm];
    const features = ["--features", "tests/fixtures/inception.safetensors"];
    const sizes = ["--count", "4", "--reference-count", "4", "--evaluations", "1,2"];
    const chosen = ["--samplers", "dpm++,heun", "--plot", plot, "--json"];
    const { rows } = JSON.parse(await succeed(...bench, ...features, ...sizes, ...chosen));
    const told = rows.map(
      ({ objective, sampler, evaluations }: Record<string, unknown>) =>
        `${objective} ${sampler} ${evaluations}`,
    );
    assert.deepEqual(told, [
      ...["noise dpm++ 1", "noise dpm++ 2", "flow heun 2"],
    ]);
    for (const { distance, pictures } of rows) assert(distance > 0 && pictures === 4);
    const svg = await Deno.readTextFile(plot);
    assert(["dpm++, noise", "heun, flow", "FID"].every((text) => svg.includes(text)));
    const none = await run(...bench, ...features, "--samplers", "heun", "--evaluations", "3");
    assertFails(none, 2, /nothing to measure/);
    assertFails(await run(...bench), 2, /--features is needed/);
  });
});
