/**
 * Reference layer norm, forward and backward.
 *
 * @module
 */
import type { LayerNormGradientStep, LayerNormStep } from "../../kernels/ops/layer_norm/step.ts";
import { indices, type Memory, range, read, sum, write } from "./memory.ts";

/** Normalises every row over the last axis, modulates it, and stores its statistics. */
export function layerNorm(step: LayerNormStep, memory: Memory): void {
  const width = step.input.shape.at(-1)!;
  for (const row of indices(step.input.shape.slice(0, -1))) {
    const x = range(width).map((d) => read(memory, step.input, ...row, d));
    const mean = sum(width, (d) => x[d]) / width;
    const variance = sum(width, (d) => (x[d] - mean) ** 2) / width;
    const inverseDeviation = 1 / Math.sqrt(variance + step.epsilon);
    for (const d of range(width)) {
      const scale = step.scale ? read(memory, step.scale, ...row, d) : 0;
      const shift = step.shift ? read(memory, step.shift, ...row, d) : 0;
      const value = (x[d] - mean) * inverseDeviation * (1 + scale) + shift;
      write(memory, step.output, [...row, d], value);
    }
    if (step.statistics) {
      write(memory, step.statistics, [...row, 0], mean);
      write(memory, step.statistics, [...row, 1], inverseDeviation);
    }
  }
}

/** Gradient of a layer norm with respect to its input, plus the addend. */
export function layerNormGradient(step: LayerNormGradientStep, memory: Memory): void {
  const width = step.input.shape.at(-1)!;
  for (const row of indices(step.input.shape.slice(0, -1))) {
    const mean = read(memory, step.statistics, ...row, 0);
    const inverseDeviation = read(memory, step.statistics, ...row, 1);
    const normalized = range(width).map((d) =>
      (read(memory, step.input, ...row, d) - mean) * inverseDeviation
    );
    const gradient = range(width).map((d) => {
      const scale = step.scale ? read(memory, step.scale, ...row, d) : 0;
      return read(memory, step.outputGradient, ...row, d) * (1 + scale);
    });
    const meanGradient = sum(width, (d) => gradient[d]) / width;
    const meanProduct = sum(width, (d) => gradient[d] * normalized[d]) / width;
    for (const d of range(width)) {
      const addend = step.addend ? read(memory, step.addend, ...row, d) : 0;
      const value = addend +
        inverseDeviation * (gradient[d] - meanGradient - normalized[d] * meanProduct);
      write(memory, step.output, [...row, d], value);
    }
  }
}
