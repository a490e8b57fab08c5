/**
 * Time steps as networks see them: sinusoids, then two layers (DiT, appendix A).
 *
 * @module
 */
import { binary, constant, type Expression } from "../kernels/expression.ts";
import { map, multiply } from "../kernels/ops/elementwise/op.ts";
import { gather } from "../kernels/ops/embedding/op.ts";
import { concatenate, reshape } from "../kernels/ops/movement/op.ts";
import { constantTensor, type Tensor } from "../kernels/tensor.ts";
import { linearParameters, siluMlp } from "../nn/layers.ts";
import type { Parameters, ParameterSpecification } from "../nn/parameters.ts";
import { timestepFeatureTable, timestepFrequencies } from "../nn/positions.ts";
import { trainingSteps } from "./schedule.ts";

/** Number of sinusoidal features. */
const features = 256;

/**
 * Time steps to (N, d) by the layers `mlp.0` and `mlp.2`.
 *
 * @param t of a diffusion i32 (N), each 0 .. 999; of a flow f32 (N), each from 0 to 1
 */
export function timestepEmbedding(parameters: Parameters, t: Tensor): Tensor {
  return siluMlp(parameters, t.dtype === "i32" ? stepFeatures(t) : timeFeatures(t));
}

function stepFeatures(t: Tensor): Tensor {
  const table = timestepFeatureTable(trainingSteps, features);
  return gather(constantTensor(table, [trainingSteps, features]), t);
}

/** `[cos(t f); sin(t f)]` with the frequencies of the table, for times from 0 to 1. */
function timeFeatures(t: Tensor): Tensor {
  const frequencies = timestepFrequencies(features / 2);
  const angles = multiply(reshape(t, [-1, 1]), constantTensor(frequencies, [1, features / 2]));
  return concatenate([map(cosineBelowOne, angles), map(sineBelowOne, angles)], 1);
}

/**
 * The series of the cosine, exact to single precision for angles up to 1. GPUs may be 5e-4 off in their
 * own, which are for angles of any size.
 */
const cosineBelowOne = (angle: Expression): Expression => series(angle, constant(1), 1);

/** That of the sine. */
const sineBelowOne = (angle: Expression): Expression => series(angle, angle, 2);

/** `first (1 - x^2 / (k (k + 1)) (1 - x^2 / ((k + 2) (k + 3)) ...))`, six terms of it. */
function series(angle: Expression, first: Expression, k: number): Expression {
  const squared = binary("multiply", angle, angle);
  const one = constant(1);
  let sum: Expression = one;
  for (let term = 5; term >= 0; term--) {
    const at = k + 2 * term;
    const step = binary("multiply", squared, constant(1 / (at * (at + 1))));
    sum = binary("subtract", one, binary("multiply", step, sum));
  }
  return binary("multiply", first, sum);
}

/** The parameters of {@link timestepEmbedding}. */
export function timestepEmbeddingParameters(
  name: string,
  hidden: number,
): ParameterSpecification[] {
  const normal = { kind: "normal", deviation: 0.02 } as const;
  return [
    ...linearParameters(`${name}.mlp.0`, features, hidden, normal),
    ...linearParameters(`${name}.mlp.2`, hidden, hidden, normal),
  ];
}
