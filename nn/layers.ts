/**
 * Layers that several models share, as pairs: the parameters they declare and the function they are.
 *
 * @module
 */
import { attention as attentionOp } from "../kernels/ops/attention/op.ts";
import { geluTanh, silu } from "../kernels/ops/elementwise/op.ts";
import { linear as linearOp } from "../kernels/ops/matmul/op.ts";
import { permute, reshape, split } from "../kernels/ops/movement/op.ts";
import type { Tensor } from "../kernels/tensor.ts";
import type { Initializer, Parameters, ParameterSpecification } from "./parameters.ts";

/** Xavier (Glorot) uniform: bound sqrt(6 / (inputs + outputs)). */
export function xavierUniform(inputs: number, outputs: number): Initializer {
  return { kind: "uniform", bound: Math.sqrt(6 / (inputs + outputs)) };
}

/** Parameters of a fully connected layer: weight (outputs, inputs) and bias (outputs). */
export function linearParameters(
  name: string,
  inputs: number,
  outputs: number,
  initial: Initializer = xavierUniform(inputs, outputs),
): ParameterSpecification[] {
  return [
    { name: `${name}.weight`, shape: [outputs, inputs], initial, trainable: true },
    { name: `${name}.bias`, shape: [outputs], initial: { kind: "zeros" }, trainable: true },
  ];
}

/** `x W^T + b` with the parameters `name.weight` and `name.bias`; x is (..., inputs). */
export function linear(parameters: Parameters, name: string, x: Tensor): Tensor {
  return linearOp(x, parameters(`${name}.weight`), parameters(`${name}.bias`));
}

/** The weight (outputs, inputs) of a linear map without bias. */
export function projectionParameters(
  name: string,
  inputs: number,
  outputs: number,
  initial: Initializer = xavierUniform(inputs, outputs),
): ParameterSpecification[] {
  return [{ name: `${name}.weight`, shape: [outputs, inputs], initial, trainable: true }];
}

/** `x W^T` with the parameter `name.weight`; x is (..., inputs). */
export function projection(parameters: Parameters, name: string, x: Tensor): Tensor {
  return linearOp(x, parameters(`${name}.weight`));
}

/** Two layers with the tanh form of GELU between them: `fc1`, `fc2`. x is (..., d). */
export function mlp(parameters: Parameters, x: Tensor, layer = linear): Tensor {
  return layer(parameters, "fc2", geluTanh(layer(parameters, "fc1", x)));
}

/** Two layers with SiLU between them: `mlp.0`, `mlp.2`. x is (N, inputs). */
export function siluMlp(parameters: Parameters, x: Tensor): Tensor {
  return linear(parameters, "mlp.2", silu(linear(parameters, "mlp.0", x)));
}

/**
 * Multi-head self-attention over tokens x (N, T, d) with one `qkv` projection and `proj`.
 *
 * @param heads divides d
 */
export function selfAttention(parameters: Parameters, x: Tensor, heads: number): Tensor {
  const [batch, tokens, width] = x.shape;
  const packed = reshape(linear(parameters, "qkv", x), [batch, tokens, 3, heads, width / heads]);
  const [query, key, value] = split(packed, 3, 2).map((part) =>
    reshape(part, [batch, tokens, heads, width / heads])
  );
  const mixed = attentionOp(query, key, value);
  return linear(parameters, "proj", reshape(mixed, [batch, tokens, width]));
}

/**
 * Square patches of pictures as rows: (N, C, H, W) to (N, H/p * W/p, C * p * p), tokens row-major, the
 * channel slowest within a patch (the order of a strided convolution's weights).
 */
export function patchify(x: Tensor, patch: number): Tensor {
  const [batch, channels, height, width] = x.shape;
  const [rows, columns] = [height / patch, width / patch];
  const grid = reshape(x, [batch, channels, rows, patch, columns, patch]);
  const ordered = permute(grid, [0, 2, 4, 1, 3, 5]);
  return reshape(ordered, [batch, rows * columns, channels * patch * patch]);
}

/**
 * Tokens back to pictures: (N, rows * columns, p * p * C) to (N, C, rows p, columns p), the channel
 * fastest within a patch.
 */
export function unpatchify(x: Tensor, patch: number, rows: number, columns: number): Tensor {
  const batch = x.shape[0];
  const channels = x.shape[2] / (patch * patch);
  const grid = reshape(x, [batch, rows, columns, patch, patch, channels]);
  const ordered = permute(grid, [0, 5, 1, 3, 2, 4]);
  return reshape(ordered, [batch, channels, rows * patch, columns * patch]);
}
