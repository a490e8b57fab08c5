/**
 * Verifying a model: weights and a case from another framework, run here, compared tensor by tensor.
 *
 * @module
 */
import { describeNonFinite } from "../../base/finite.ts";
import { InputError } from "../../base/errors.ts";
import type { TensorReader } from "../../formats/tensors/safetensors.ts";
import { openWeights } from "../../formats/weights.ts";
import type { Device, Executable } from "../../kernels/device.ts";
import type { HostArray } from "../../kernels/shape.ts";
import { compile } from "../../kernels/graph/compile.ts";
import { gradients } from "../../kernels/graph/gradients.ts";
import { type Graph, graphInputs, makeGraph } from "../../kernels/graph/graph.ts";
import { add, multiply } from "../../kernels/ops/elementwise/op.ts";
import { reduceSum } from "../../kernels/ops/reduce/op.ts";
import { input, type Tensor } from "../../kernels/tensor.ts";
import type { ParameterSpecification, WeightType } from "../../nn/parameters.ts";
import { type MatchOptions, matchWeights } from "../../nn/weights_file.ts";
import type { CaseAnswers, Expected } from "./case_file.ts";
import { compareTensor, type Comparison } from "./compare.ts";

/** A case that fits a model. */
export interface VerificationCase {
  /** The model; its outputs have the names of the expected tensors. */
  readonly graph: Graph;
  /** What goes into it, by name. */
  readonly inputs: ReadonlyMap<string, HostArray>;
  /** The outputs first, then the gradients. */
  readonly expected: readonly Expected[];
  /** Gradients that are in the file and not compared, because the weights are stored in half precision. */
  readonly leftOut: number;
}

/** A model's weights and a case that fits it. Close it after use. */
export interface Verification extends Disposable {
  /** Inputs and expected results. */
  readonly case: VerificationCase;
  /** Parameters by their published names. */
  readonly weights: TensorReader;
}

/** The outcome. */
export interface VerificationReport {
  /** The device's own words. */
  readonly device: string;
  /** Largest relative error allowed. */
  readonly tolerance: number;
  /** Whether every tensor is within the tolerance. */
  readonly passed: boolean;
  /** Gradients that were not compared, because the weights are stored in half precision. */
  readonly gradientsLeftOut: number;
  /** The outputs first, then the gradients. */
  readonly tensors: readonly Comparison[];
}

/** A case as its family reads it, and the model traced for it. */
export interface CaseParts extends CaseAnswers {
  /** Everything that the case puts into the model, by name; what the model does not read is left out. */
  readonly inputs: Readonly<Record<string, HostArray>>;
  /** Inputs and parameters whose gradients may be asked for, by name. */
  readonly sources: ReadonlyMap<string, Tensor>;
  /** How the weights are stored; in half precision they are only run, so outputs alone are compared. */
  readonly weights: WeightType;
}

/** Makes a case: forward pass, and the gradients that are asked for. */
export function makeCase(parts: CaseParts): VerificationCase {
  const outputs = [...parts.outputs.values()];
  const wanted = parts.weights === "f32" ? [...parts.gradients] : [];
  const named = outputs.map(({ expected, tensor }) => [expected.name, tensor] as const);
  const weights = [...parts.outputs].flatMap(([name, { cotangent }]): [string, HostArray][] =>
    cotangent ? [[cotangentOf(name), cotangent]] : []
  );
  const from = wanted.map(([source]) => parts.sources.get(source)!);
  const found = wanted.length > 0 ? gradients(weightedSum(parts.outputs), from) : [];
  const gradientsByName = wanted.map(([, { name }], index) => [name, found[index]] as const);
  const graph = makeGraph("case", { outputs: Object.fromEntries([...named, ...gradientsByName]) });
  const reads = graphInputs(graph);
  const given = [...Object.entries(parts.inputs), ...weights];
  return {
    graph,
    inputs: new Map(given.filter(([name]) => reads.has(name))),
    expected: [...outputs.map(({ expected }) => expected), ...wanted.map(([, answer]) => answer)],
    leftOut: parts.gradients.size - wanted.length,
  };
}

const cotangentOf = (output: string): string => `cotangent.${output}`;

/** The sum over all outputs, weighted by their cotangents: its gradients are the case's. */
function weightedSum(outputs: CaseAnswers["outputs"]): Tensor {
  return [...outputs]
    .filter(([, { cotangent }]) => cotangent)
    .map(([name, { tensor }]) =>
      reduceSum(multiply(tensor, input(cotangentOf(name), tensor.shape)))
    )
    .reduce((a, b) => add(a, b));
}

/**
 * Opens the weights for a case and checks that they are exactly the parameters of its model.
 *
 * @param path file with the published parameter names: safetensors, a sharded one's index, PyTorch's
 * @throws InputError naming the file, the tensor and what does not fit
 */
export async function openVerification(
  specifications: readonly ParameterSpecification[],
  path: string,
  loaded: VerificationCase,
  explain?: MatchOptions["explain"],
): Promise<Verification> {
  const file = await openWeights(path);
  const close = () => file.close();
  try {
    const { tensors } = matchWeights(file, specifications, { explain });
    return { case: loaded, weights: tensors, [Symbol.dispose]: close };
  } catch (error) {
    close();
    throw error;
  }
}

/**
 * Runs the model on the case and compares every tensor.
 *
 * @param tolerance largest difference allowed, as a part of a tensor's largest expected magnitude
 * @throws InputError when a weight is not finite
 */
export async function verify(
  device: Device,
  { case: { graph, inputs, expected, leftOut }, weights }: Verification,
  tolerance: number,
): Promise<VerificationReport> {
  const executable = await device.load(compile(graph, device));
  try {
    writeWeights(executable, weights);
    for (const [name, data] of inputs) executable.buffer(name).write(data);
    executable.run();
    const tensors: Comparison[] = [];
    for (const tensor of expected) {
      tensors.push(compareTensor(tensor, await executable.buffer(tensor.name).read(), tolerance));
    }
    const passed = tensors.every((tensor) => tensor.passed);
    return {
      device: device.description,
      tolerance,
      passed,
      gradientsLeftOut: leftOut,
      tensors,
    };
  } finally {
    executable.destroy();
  }
}

function writeWeights(executable: Executable, weights: TensorReader): void {
  for (const name of weights.tensors.keys()) {
    const values = weights.readFloat32(name);
    const problem = describeNonFinite(name, values);
    if (problem !== undefined) throw new InputError(`${weights.path}: ${problem}`);
    executable.buffer(name).write(values);
  }
}
