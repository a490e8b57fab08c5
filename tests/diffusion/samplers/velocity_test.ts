/** Zero terminal signal-to-noise ratio, its steps, and samplers on a problem with a known solution. */
import assert from "node:assert/strict";
import { constantGuidance, powerCosineGuidance } from "../../../diffusion/guidance.ts";
import { noiseLevels, spacedTimesteps, zeroTerminalLevels } from "../../../diffusion/schedule.ts";
import { velocitySteps } from "../../../diffusion/samplers/velocity.ts";

const near = (actual: number, expected: number, tolerance: number) =>
  assert(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected}`);

Deno.test("the rescaled schedule ends in noise alone and starts as it did", () => {
  const { signal, noise } = zeroTerminalLevels();
  assert.equal(signal.length, 1000);
  assert.equal(signal[999], 0);
  assert.equal(noise[999], 1);
  assert.equal(signal[0], Math.sqrt(1 - 1e-4));
  const expected = [[250, 0.720320], [500, 0.274310], [750, 0.0514209], [900, 0.0101508]];
  for (const [step, value] of expected) near(signal[step], value, 1e-6);
  near(signal[998], 6.49096e-5, 1e-10);
});

Deno.test("the linear schedule keeps some signal to the end, where its samplers begin", () => {
  const { signal } = noiseLevels("linear");
  for (const [step, value] of [[250, 0.722096], [500, 0.278921], [999, 6.35282e-3]]) {
    near(signal[step], value, 1e-6);
  }
  const [first] = velocitySteps({ sampler: "ddim", steps: 4, schedule: "linear" });
  near(first.coefficients[0], 6.35282e-3, 1e-7);
  const [usual] = velocitySteps({ sampler: "ddim", steps: 4 });
  assert.equal(usual.coefficients[0], 0);
});

Deno.test("trailing steps begin at the last time step; halves go up", () => {
  const fifty = spacedTimesteps(50, "trailing");
  assert.deepEqual([...fifty.subarray(0, 2), ...fifty.subarray(48)], [19, 39, 979, 999]);
  assert.deepEqual([...spacedTimesteps(1, "trailing")], [999]);
  assert.deepEqual([...spacedTimesteps(3, "trailing")], [332, 666, 999]);
  // 1000 / 16 is 62.5.
  assert.equal(spacedTimesteps(16, "trailing")[0], 62);
  assert.equal(spacedTimesteps(1000, "trailing")[0], 0);
});

Deno.test("power-cosine guidance goes from 1 at the noisy end to its scale at the clean one", () => {
  const weight = powerCosineGuidance(3.8);
  near(weight(999), 1, 1e-9);
  near(weight(0), 3.8, 1e-9);
  near(weight(500), 1 + 2.8 * (1 - Math.cos(Math.PI / 16)) / 2, 1e-12);
  assert.equal(constantGuidance(2.5)(7), 2.5);
});

/**
 * The end of a sampler's path from x = 1 when samples are normal with a deviation, so that the best
 * prediction of x0 is `alpha deviation^2 x / (alpha^2 deviation^2 + sigma^2)`: exactly the deviation.
 */
function end(sampler: "ddim" | "dpm++", steps: number, deviation: number): number {
  let [x, estimate] = [1, 0];
  for (const { coefficients } of velocitySteps({ sampler, steps })) {
    const [signal, noise, , keep, move, current, before] = coefficients;
    const variance = deviation ** 2;
    const clean = signal * variance * x / (signal ** 2 * variance + noise ** 2);
    x = keep * x + move * (current * clean + before * estimate);
    estimate = clean;
  }
  return x;
}

Deno.test("both samplers come to the known end, DPM-Solver++ with fewer steps", () => {
  for (const deviation of [0.5, 1.5]) {
    const error = (sampler: "ddim" | "dpm++", steps: number) =>
      Math.abs(end(sampler, steps, deviation) / deviation - 1);
    assert(error("ddim", 1000) < 5e-3);
    assert(error("ddim", 50) > 2 * error("dpm++", 50));
    assert(error("dpm++", 1000) < 5e-3);
  }
});

Deno.test("every number of steps has finite coefficients", () => {
  for (const sampler of ["ddim", "dpm++"] as const) {
    for (const steps of [1, 2, 3, 7, 999, 1000]) {
      const all = velocitySteps({ sampler, steps });
      assert.equal(all.length, steps);
      assert(all.every(({ coefficients }) => coefficients.every(Number.isFinite)));
    }
  }
  assert.throws(() => velocitySteps({ sampler: "ddim", steps: 0 }), /0 is not between 1 and 1000/);
});
