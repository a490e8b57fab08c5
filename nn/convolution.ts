/**
 * Layers that convolutional models share, as pairs: the parameters they declare and the function they
 * are. Activations have their channels last, weights are as PyTorch stores them.
 *
 * @module
 */
import { silu } from "../kernels/ops/elementwise/op.ts";
import { groupNorm } from "../kernels/ops/group_norm/op.ts";
import { elementCount } from "../kernels/shape.ts";
import type { Tensor } from "../kernels/tensor.ts";
import {
  type Initializer,
  type Parameters,
  type ParameterSpecification,
  vectorParameter,
} from "./parameters.ts";

/** The weight (O, C, ...kernel) of a convolution; its first values are within 1 / sqrt(C kernel). */
export function kernelParameter(
  name: string,
  inputs: number,
  outputs: number,
  kernel: readonly number[],
): ParameterSpecification {
  const initial = fanInUniform(inputs * elementCount(kernel));
  return {
    name: `${name}.weight`,
    shape: [outputs, inputs, ...kernel],
    initial,
    trainable: true,
  };
}

/** Weight and bias of a convolution, with the first values of PyTorch's layers. */
export function convolutionParameters(
  name: string,
  inputs: number,
  outputs: number,
  kernel: readonly number[],
): ParameterSpecification[] {
  const weight = kernelParameter(name, inputs, outputs, kernel);
  return [weight, vectorParameter(`${name}.bias`, outputs, weight.initial)];
}

/** The first values that PyTorch gives weights and biases: uniform within 1 / sqrt(inputs). */
export function fanInUniform(inputs: number): Initializer {
  return { kind: "uniform", bound: 1 / Math.sqrt(inputs) };
}

/** Weight 1 and bias 0 of a norm. */
export function normParameters(name: string, channels: number): ParameterSpecification[] {
  return [
    vectorParameter(`${name}.weight`, channels, { kind: "constant", value: 1 }),
    vectorParameter(`${name}.bias`, channels, { kind: "zeros" }),
  ];
}

/** How a model normalises. */
export interface GroupNormSettings {
  /** Groups that channels are divided into. */
  readonly groups: number;
  /** Added to variances. */
  readonly epsilon: number;
}

/** Group norm of single frames with the parameters `name.weight` and `name.bias`. */
export function norm(
  parameters: Parameters,
  name: string,
  x: Tensor,
  { groups, epsilon }: GroupNormSettings,
): Tensor {
  const weight = parameters(`${name}.weight`);
  return groupNorm(x, groups, epsilon, { weight, bias: parameters(`${name}.bias`) });
}

/** Group norm, and SiLU after it. */
export function normSilu(
  parameters: Parameters,
  name: string,
  x: Tensor,
  settings: GroupNormSettings,
): Tensor {
  return silu(norm(parameters, name, x, settings));
}
