/**
 * Running step cases on a WebGPU device of the test's choice, and registering tests that need an
 * adapter.
 *
 * @module
 */
import type { Device } from "../../../kernels/device.ts";
import type { HostArray } from "../../../kernels/shape.ts";
import { createWebGPUDevice, type WebGPUDevice } from "../../../kernels/webgpu/device.ts";
import type { WebGPUOptions } from "../../../kernels/webgpu/device.ts";
import { deviceChoices } from "../../devices.ts";
import { interpret } from "../../reference/interpreter.ts";
import type { StepCase } from "../ops/builder.ts";

/** False when the machine has no adapter and none is required (see `tests/devices.ts`). */
export const available = deviceChoices.some(({ name, available }) =>
  name === "webgpu" && available
);

/** Registers a test on a device of its own, closed after it. */
export function gpuTest(
  name: string,
  options: WebGPUOptions,
  body: (device: WebGPUDevice) => Promise<void>,
): void {
  Deno.test({
    name,
    ignore: !available,
    async fn() {
      const device = await createWebGPUDevice(options);
      try {
        await body(device);
      } finally {
        device.close();
      }
    },
  });
}

/** Loads a case, runs it once and reads its results. */
export async function runCase(
  device: Device,
  { program, inputs, states }: StepCase,
): Promise<Map<string, HostArray>> {
  const executable = await device.load(program);
  for (const [name, data] of [...inputs, ...states]) executable.buffer(name).write(data);
  executable.run();
  const results = new Map<string, HostArray>();
  for (const name of states.keys()) {
    results.set(name, await executable.buffer(name).read());
  }
  executable.destroy();
  return results;
}

/** Largest error of a case as a part of what it allows; infinite for a wrong NaN. */
export async function errorOf(device: Device, test: StepCase): Promise<number> {
  const expected = interpret(test.program, test.inputs, test.states);
  let worst = 0;
  for (const [name, actual] of await runCase(device, test)) {
    const reference = expected.get(name)!;
    const magnitude = reference.reduce((m, x) => Math.max(m, Math.abs(x)), 0) || 1;
    reference.forEach((x, i) => {
      // Covers results that must be exact (tolerance 0) and equal infinities.
      if (actual[i] === x) return;
      const error = Math.abs(actual[i] - x) / magnitude / test.tolerance;
      worst = Math.max(worst, Number.isNaN(error) ? Infinity : error);
    });
  }
  return worst;
}

/** Runs cases and gives those that exceed their tolerance, with a line for the log. */
export async function failuresOf(
  title: string,
  device: Device,
  cases: readonly StepCase[],
): Promise<string[]> {
  const failures: string[] = [];
  let worst = 0;
  for (const test of cases) {
    const error = await errorOf(device, test);
    worst = Math.max(worst, error);
    if (!(error <= 1)) failures.push(`${test.name}: ${error.toFixed(2)} times the allowed error`);
  }
  console.log(
    `${title}: ${cases.length} cases, ${failures.length} failed, worst ${
      (100 * worst).toFixed(0)
    } % of the allowed error`,
  );
  return failures;
}
