/** Learning rates against numbers worked out by hand. */
import assert from "node:assert/strict";
import { adamwSchedule } from "../../../kernels/ops/optimizer/step.ts";
import {
  learningRateAt,
  type RateSchedule,
  stepOfZeroRate,
} from "../../../training/step/learning_rate.ts";
import { scheduleAtStep } from "../../../training/step/optimizer.ts";

/** Rates of some steps, 15 digits at least alike. */
function assertRates(
  peak: number,
  schedule: RateSchedule | undefined,
  rates: Readonly<Record<number, number>>,
): void {
  for (const [step, expected] of Object.entries(rates)) {
    const rate = learningRateAt(Number(step), peak, schedule);
    assert(Math.abs(rate - expected) <= 1e-15, `step ${step}: ${rate}, not ${expected}`);
  }
}

Deno.test("a constant rate, with and without warm-up", () => {
  assertRates(1e-3, undefined, { 1: 1e-3, 1000000: 1e-3 });
  assertRates(1e-3, { kind: "constant", warmup: 0 }, { 1: 1e-3, 7: 1e-3 });
  assertRates(1e-3, { kind: "constant", warmup: 4 }, {
    1: 2.5e-4,
    2: 5e-4,
    3: 7.5e-4,
    4: 1e-3,
    5: 1e-3,
    900: 1e-3,
  });
});

Deno.test("a cosine falls from the peak to the minimum and stays there", () => {
  const half = Math.SQRT1_2;
  assertRates(1, { kind: "cosine", warmup: 0, steps: 8, minimum: 0 }, {
    2: (1 + half) / 2,
    4: 0.5,
    6: (1 - half) / 2,
    8: 0,
    9: 0,
  });
  assertRates(1e-3, { kind: "cosine", warmup: 10, steps: 110, minimum: 1e-4 }, {
    1: 1e-4,
    5: 5e-4,
    10: 1e-3,
    35: 1e-4 + 9e-4 * (1 + half) / 2,
    60: 5.5e-4,
    85: 1e-4 + 9e-4 * (1 - half) / 2,
    110: 1e-4,
    5000: 1e-4,
  });
});

Deno.test("a warm-up as long as the cosine ends at the minimum", () => {
  assertRates(1, { kind: "cosine", warmup: 5, steps: 5, minimum: 0.5 }, { 4: 0.8, 5: 0.5, 6: 0.5 });
});

Deno.test("the optimizer's numbers hold the rate of their step", () => {
  const settings = { learningRate: 0.5, weightDecay: 0, clipNorm: 0, averageDecay: 0 };
  const rateSchedule: RateSchedule = { kind: "constant", warmup: 2 };
  const rate = (step: number, given = {}) =>
    scheduleAtStep(step, { ...settings, ...given })[adamwSchedule.learningRate];
  assert.equal(rate(1), 0.5);
  assert.equal(rate(1, { rateSchedule }), 0.25);
  assert.equal(rate(2, { rateSchedule }), 0.5);
});

Deno.test("the optimizer's numbers hold the betas of the run, and correct for them", () => {
  const settings = { learningRate: 1, weightDecay: 0, clipNorm: 0, averageDecay: 0 };
  const { beta1, beta2, correction1, correction2 } = adamwSchedule;
  const numbers = (given: object) => {
    const values = scheduleAtStep(2, { ...settings, ...given });
    return [beta1, beta2, correction1, correction2].map((place) => values[place]);
  };
  const expected = (a: number, b: number) =>
    [a, b, 1 / (1 - a ** 2), 1 / Math.sqrt(1 - b ** 2)].map(Math.fround);
  assert.deepEqual(numbers({}), expected(0.9, 0.999));
  assert.deepEqual(numbers({ betas: [0, 0.99] }), expected(0, 0.99));
});

Deno.test("schedules that end at 0 tell when", () => {
  const rsqrt = { kind: "rsqrt", warmup: 1, timescale: 3, steps: 20 } as const;
  const cosine = { kind: "cosine", warmup: 1, steps: 20 } as const;
  assert.equal(stepOfZeroRate(1e-3, { ...rsqrt, cooldown: 4 }), 20);
  assert.equal(stepOfZeroRate(1e-3, { ...rsqrt, cooldown: 0 }), undefined);
  assert.equal(stepOfZeroRate(1e-3, { ...cosine, minimum: 0 }), 20);
  assert.equal(stepOfZeroRate(1e-3, { ...cosine, minimum: 1e-6 }), undefined);
  assert.equal(stepOfZeroRate(1e-3, { kind: "constant", warmup: 9 }), undefined);
});
