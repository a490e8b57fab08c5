/** How guidance goes along the steps of a sampler. */
import assert from "node:assert/strict";
import { type GuidanceSchedule, guidanceWeight } from "../../diffusion/guidance.ts";
import type { Device } from "../../kernels/device.ts";
import { elementCount } from "../../kernels/shape.ts";
import { createWasmDevice } from "../../kernels/wasm/device.ts";
import { type DiTConfig, ditParameters } from "../../models/dit/model.ts";
import { createDiTSampler } from "../../models/dit/sampling.ts";
import { assertClose } from "../golden.ts";

Deno.test("guidance in an interval is off outside of it, both ends included", () => {
  const weight = guidanceWeight(3, { kind: "interval", from: 0.2, to: 0.5 });
  const found = [0, 199, 200, 350, 500, 501, 999].map(weight);
  assert.deepEqual(found, [1, 1, 3, 3, 3, 1, 1]);
});

const config: DiTConfig = {
  ...{ family: "dit", conditioning: "adaLN-Zero", classes: 3, learnSigma: false },
  ...{ inputSize: 4, patch: 2, channels: 1, hidden: 8, heads: 1, depth: 1 },
};

/** Two pictures after four steps by a model whose classes differ. */
async function draw(
  device: Device,
  objective: "noise" | "flow",
  guidance: { readonly scale: number; readonly schedule?: GuidanceSchedule },
): Promise<Float32Array> {
  const parameters = new Map(
    ditParameters(config).map(({ name, shape }, table) => {
      const buffer = device.createBuffer(name, "f32", elementCount(shape));
      const value = (_: unknown, i: number) => 0.5 * Math.sin(12.9898 * (table + 1) + 78.233 * i);
      buffer.write(Float32Array.from({ length: buffer.elements }, value));
      return [name, buffer];
    }),
  );
  const sampler = objective === "flow" ? "euler" : "ddim";
  const settings = { sampler, objective, steps: 4, batchSize: 2, guidance } as const;
  const program = await createDiTSampler(device, config, parameters, settings);
  const pictures = await program.sample({ seed: 1, labels: [0, 2] });
  program.destroy();
  for (const buffer of parameters.values()) buffer.destroy();
  return pictures;
}

Deno.test("an interval guides its steps and no others", async () => {
  const device = await createWasmDevice({ threads: 1 });
  for (const objective of ["noise", "flow"] as const) {
    const interval = (from: number, to: number) =>
      draw(device, objective, { scale: 3, schedule: { kind: "interval", from, to } });
    const [always, off] = [
      await draw(device, objective, { scale: 3 }),
      await draw(device, objective, { scale: 1 }),
    ];
    assert.deepEqual(await interval(0, 1), always);
    assertClose("between two steps", await interval(0.26, 0.4), off, 1e-5);
    // DDIM steps are 750, 500, 250 and 0; those of the flow 1000, 750, 500 and 250.
    const half = await interval(0.5, 1);
    const far = (other: Float32Array) => half.some((x, i) => Math.abs(x - other[i]) > 1e-2);
    assert(far(always) && far(off), objective);
  }
  device.close();
});
