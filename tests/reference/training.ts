/**
 * Reference table look-ups, random numbers and the optimizer.
 *
 * @module
 */
import type { GatherStep, ScatterAddStep } from "../../kernels/ops/embedding/step.ts";
import { adamwSchedule, type AdamWStep } from "../../kernels/ops/optimizer/step.ts";
import type { RandomStep } from "../../kernels/ops/random/step.ts";
import { randomElement } from "../../base/philox.ts";
import { contiguousStrides } from "../../kernels/shape.ts";
import { indices, type Memory, range, read, sum, write } from "./memory.ts";

/** Copies the row of the table that each index names; row 0 for an index outside the table. */
export function gather(step: GatherStep, memory: Memory): void {
  const [rows] = step.table.shape;
  for (const [i, d] of indices(step.output.shape)) {
    const index = read(memory, step.indices, i);
    const row = index >= 0 && index < rows ? index : 0;
    write(memory, step.output, [i, d], read(memory, step.table, row, d));
  }
}

/** Sums the rows of the source that name the same row of the output. */
export function scatterAdd(step: ScatterAddStep, memory: Memory): void {
  const [count] = step.source.shape;
  for (const [row, d] of indices(step.output.shape)) {
    const value = sum(
      count,
      (i) => read(memory, step.indices, i) === row ? read(memory, step.source, i, d) : 0,
    );
    write(memory, step.output, [row, d], value);
  }
}

/** Fills every row from its own stream. */
export function random(step: RandomStep, memory: Memory): void {
  const seed = [read(memory, step.seed, 0), read(memory, step.seed, 1)] as const;
  const draw = read(memory, step.draw);
  const rowStrides = contiguousStrides(step.output.shape.slice(1));
  for (const [r, ...rest] of indices(step.output.shape)) {
    const row = read(memory, step.rows, r);
    const element = sum(rest.length, (axis) => rest[axis] * rowStrides[axis]);
    const value = randomElement(step.distribution, seed, row, draw, step.stream, element);
    write(memory, step.output, [r, ...rest], value);
  }
}

/** One AdamW update in place. */
export function adamw(step: AdamWStep, memory: Memory): void {
  const gradientScale = read(memory, step.gradientScale);
  if (!(gradientScale >= 0)) return;
  const [learningRate, beta1, beta2, epsilon, weightDecay, correction1, correction2, averageDecay] =
    range(adamwSchedule.length).map((i) => read(memory, step.schedule, i));
  for (const index of indices(step.parameter.shape)) {
    const g = gradientScale * read(memory, step.gradient, ...index);
    const m = beta1 * read(memory, step.firstMoment, ...index) + (1 - beta1) * g;
    const v = beta2 * read(memory, step.secondMoment, ...index) + (1 - beta2) * g * g;
    const kept = step.decay ? 1 - learningRate * weightDecay : 1;
    const p = kept * read(memory, step.parameter, ...index) -
      learningRate * (m * correction1) / (Math.sqrt(v) * correction2 + epsilon);
    write(memory, step.firstMoment, index, m);
    write(memory, step.secondMoment, index, v);
    write(memory, step.parameter, index, p);
    if (step.average) {
      const average = averageDecay * read(memory, step.average, ...index) + (1 - averageDecay) * p;
      write(memory, step.average, index, average);
    }
  }
}
