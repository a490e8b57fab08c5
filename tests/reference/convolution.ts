/**
 * Reference convolution and its gradient with respect to the weight.
 *
 * @module
 */
import { evaluate } from "../../kernels/expression.ts";
import type {
  ConvolutionStep,
  ConvolutionWeightGradientStep,
  Windows,
} from "../../kernels/ops/convolution/step.ts";
import type { View } from "../../kernels/view.ts";
import { indices, type Memory, position, read, sum, write } from "./memory.ts";

/** Where the first channel of the input lies at place `k` of the window at position `p`; undefined
 * outside the input, where it is zero. */
function windowStart(
  input: View,
  { strides, before }: Windows,
  [n, ...p]: readonly number[],
  k: readonly number[],
): number | undefined {
  const place = k.map((offset, axis) => p[axis] * strides[axis] + offset - before[axis]);
  const inside = place.every((x, axis) => x >= 0 && x < input.shape[axis + 1]);
  return inside ? position(input, [n, ...place, 0]) : undefined;
}

/** Sums every window with the kernel and applies the epilogue. */
export function convolution(step: ConvolutionStep, memory: Memory): void {
  const { input, weight, flipped, output, epilogue, epilogueInputs } = step;
  const kernel = weight.shape.slice(0, 3);
  const numbers = memory[input.buffer];
  const weights = memory[weight.buffer];
  for (const index of indices(output.shape)) {
    let value = 0;
    for (const k of indices(kernel)) {
      const start = windowStart(input, step, index.slice(0, 4), k);
      if (start === undefined) continue;
      const taken = flipped ? k.map((offset, axis) => kernel[axis] - 1 - offset) : k;
      const first = position(weight, [...taken, 0, index[4]]);
      value += sum(
        input.shape[4],
        (c) => numbers[start + c * input.strides[4]] * weights[first + c * weight.strides[3]],
      );
    }
    const operands = epilogueInputs.map((view) => read(memory, view, ...index));
    write(memory, output, index, epilogue ? evaluate(epilogue, [value, ...operands]) : value);
  }
}

/** Sums, for every place of the kernel, what the windows hold there times the gradient. */
export function convolutionWeightGradient(
  step: ConvolutionWeightGradientStep,
  memory: Memory,
): void {
  const { input, outputGradient, output } = step;
  const numbers = memory[input.buffer];
  const positions = [...indices(outputGradient.shape.slice(0, 4))];
  for (const k of indices(output.shape.slice(2))) {
    const starts = positions.map((p) => windowStart(input, step, p, k));
    for (const [o, c] of indices(output.shape.slice(0, 2))) {
      const value = sum(positions.length, (i) => {
        const start = starts[i];
        if (start === undefined) return 0;
        const gradient = read(memory, outputGradient, ...positions[i], o);
        return gradient * numbers[start + c * input.strides[4]];
      });
      write(memory, output, [o, c, ...k], value);
    }
  }
}
