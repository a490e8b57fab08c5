/**
 * Verifying a DiT: weights and a case from another framework, run here, compared tensor by tensor.
 *
 * @module
 */
import { InputError } from "../formats/errors.ts";
import { openSafetensors, type TensorReader } from "../formats/safetensors.ts";
import type { Device, Executable } from "../kernels/device.ts";
import { compile } from "../kernels/graph/compile.ts";
import { gradients } from "../kernels/graph/gradients.ts";
import { type Graph, makeGraph } from "../kernels/graph/graph.ts";
import { input } from "../kernels/tensor.ts";
import { type DiTConfig, ditParameters } from "../models/dit.ts";
import { traceDiT } from "../models/dit_graph.ts";
import { mismatch } from "../models/parameters.ts";
import { compareTensor, type Comparison } from "./compare.ts";
import { type DiTCase, readDiTCase } from "./dit_case.ts";

/** What is compared: a model, its weights and a case that fits it. Close it after use. */
export interface DiTVerification extends Disposable {
  /** The model. */
  readonly config: DiTConfig;
  /** Inputs and expected results. */
  readonly case: DiTCase;
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
  /** The output first, then the gradients. */
  readonly tensors: readonly Comparison[];
}

/**
 * Opens weights and a case and checks that they fit the configuration and each other, before
 * anything is computed.
 *
 * @param weightsPath safetensors file with the published parameter names, or a sharded one's index
 * @throws InputError naming the file, the tensor and what does not fit
 */
export async function openDiTVerification(
  config: DiTConfig,
  weightsPath: string,
  casePath: string,
): Promise<DiTVerification> {
  const loaded = await readDiTCase(casePath, config);
  const weights = await openSafetensors(weightsPath);
  const close = () => weights.close();
  try {
    const shapes = new Map([...weights.tensors].map(([name, { shape }]) => [name, shape]));
    const problem = mismatch(ditParameters(config), shapes);
    if (problem) throw new InputError(`${weightsPath}: ${problem}`);
  } catch (error) {
    close();
    throw error;
  }
  return { config, case: loaded, weights, [Symbol.dispose]: close };
}

/**
 * Runs the model on the case and compares every tensor.
 *
 * @param tolerance largest difference allowed, as a part of a tensor's largest expected magnitude
 * @throws InputError when a weight is not finite
 */
export async function verifyDiT(
  device: Device,
  verification: DiTVerification,
  tolerance: number,
): Promise<VerificationReport> {
  const { config, weights } = verification;
  const { x, t, y, out, cotangent, gradients } = verification.case;
  const executable = await device.load(compile(caseGraph(config, verification.case)));
  try {
    writeWeights(executable, weights);
    executable.buffer("x").write(x);
    executable.buffer("t").write(t);
    executable.buffer("y").write(y);
    if (cotangent && gradients.size > 0) executable.buffer("cotangent.out").write(cotangent);
    executable.run();
    const tensors: Comparison[] = [];
    const expected = [
      ["output.out", out] as const,
      ...[...gradients].map(([name, gradient]) => [`grad.${name}`, gradient] as const),
    ];
    for (const [name, { shape, values }] of expected) {
      const actual = await executable.buffer(name).read();
      tensors.push(compareTensor(name, shape, actual, values, tolerance));
    }
    const passed = tensors.every((tensor) => tensor.passed);
    return { device: device.description, tolerance, passed, tensors };
  } finally {
    executable.destroy();
  }
}

/** Forward pass, and the gradients that the case asks for. */
function caseGraph(config: DiTConfig, { batch, gradients: wanted }: DiTCase): Graph {
  const { x, parameters, out } = traceDiT(config, batch);
  if (wanted.size === 0) return makeGraph("case", { outputs: { "output.out": out } });
  const sources = [...wanted.keys()].map((name) => name === "x" ? x : parameters.get(name)!);
  const results = gradients(out, sources, input("cotangent.out", out.shape));
  const named = [...wanted.keys()].map((name, index) => [`grad.${name}`, results[index]] as const);
  return makeGraph("case", { outputs: { "output.out": out, ...Object.fromEntries(named) } });
}

function writeWeights(executable: Executable, weights: TensorReader): void {
  for (const name of weights.tensors.keys()) {
    const values = weights.readFloat32(name);
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) {
      throw new InputError(`${weights.path}: ${name} holds ${values[bad]} at element ${bad}`);
    }
    executable.buffer(name).write(values);
  }
}
