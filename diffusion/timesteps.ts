/**
 * Time steps as networks see them: sinusoids, then two layers (DiT, appendix A).
 *
 * @module
 */
import { gather } from "../kernels/ops/embedding/op.ts";
import { constantTensor, type Tensor } from "../kernels/tensor.ts";
import { linearParameters, siluMlp } from "../nn/layers.ts";
import type { Parameters, ParameterSpecification } from "../nn/parameters.ts";
import { timestepFeatureTable } from "../nn/positions.ts";
import { trainingSteps } from "./schedule.ts";

/** Number of sinusoidal features. */
const features = 256;

/** Time steps, i32 (N), each 0 .. 999, to (N, d) by the layers `mlp.0` and `mlp.2`. */
export function timestepEmbedding(parameters: Parameters, t: Tensor): Tensor {
  const table = timestepFeatureTable(trainingSteps, features);
  return siluMlp(parameters, gather(constantTensor(table, [trainingSteps, features]), t));
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
