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
import { indices, type Memory, range, read, sum, write } from "./memory.ts";

/** The element of the input at place `k` of the window at position `p`; zero outside the input. */
function windowElement(
  memory: Memory,
  input: View,
  { strides, before }: Windows,
  [n, ...p]: readonly number[],
  k: readonly number[],
  c: number,
): number {
  const place = k.map((offset, axis) => p[axis] * strides[axis] + offset - before[axis]);
  const inside = place.every((x, axis) => x >= 0 && x < input.shape[axis + 1]);
  return inside ? read(memory, input, n, ...place, c) : 0;
}

/** Sums every window with the kernel and applies the epilogue. */
export function convolution(step: ConvolutionStep, memory: Memory): void {
  const { input, weight, flipped, output, epilogue, epilogueInputs } = step;
  const kernel = weight.shape.slice(0, 3);
  const places = [...indices(kernel)];
  for (const index of indices(output.shape)) {
    const o = index[4];
    const value = sum(places.length, (i) => {
      const taken = flipped ? places[i].map((k, axis) => kernel[axis] - 1 - k) : places[i];
      return sum(
        input.shape[4],
        (c) =>
          windowElement(memory, input, step, index.slice(0, 4), places[i], c) *
          read(memory, weight, ...taken, c, o),
      );
    });
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
  const positions = [...indices(outputGradient.shape.slice(0, 4))];
  for (const [o, c, ...k] of indices(output.shape)) {
    const value = range(positions.length).reduce((total, i) => {
      const gradient = read(memory, outputGradient, ...positions[i], o);
      return total + gradient * windowElement(memory, input, step, positions[i], k, c);
    }, 0);
    write(memory, output, [o, c, ...k], value);
  }
}
