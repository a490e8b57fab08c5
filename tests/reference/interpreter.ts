/**
 * The reference interpreter: executes any lowered `Program` on the host with plain float64 loops.
 *
 * This is what both devices are held to, so it is written for obviousness: one short function a
 * step kind, every element computed by the formula of its `step.ts`, no blocking, no rounding to
 * single precision. Integers are exact. Every buffer has memory of its own (the arena
 * and the slots of the plan are ignored), so a plan that overlaps two living buffers shows up as a
 * difference.
 *
 * @module
 */
import type { Program, Step, StepKind } from "../../kernels/program.ts";
import { attention, attentionGradient } from "./attention.ts";
import { convolution, convolutionWeightGradient } from "./convolution.ts";
import { layerNorm, layerNormGradient } from "./layer_norm.ts";
import type { Memory } from "./memory.ts";
import { elementwise, matmul, reduce, widen } from "./tensor.ts";
import { adamw, gather, random, scatterAdd } from "./training.ts";

/** Contents of buffers by name; numbers of any array type. */
export type NamedValues = ReadonlyMap<string, ArrayLike<number>>;

type Interpreters = {
  readonly [Kind in StepKind]: (
    step: Extract<Step, { readonly kind: Kind }>,
    memory: Memory,
  ) => void;
};

const interpreters: Interpreters = {
  elementwise,
  widen,
  reduce,
  matmul,
  convolution,
  convolutionWeightGradient,
  attention,
  attentionGradient,
  layerNorm,
  layerNormGradient,
  gather,
  scatterAdd,
  random,
  adamw,
};

/** Executes one step on the memory. */
export function interpretStep(step: Step, memory: Memory): void {
  // The table ties each kind to the interpreter of its own step type.
  (interpreters[step.kind] as (step: Step, memory: Memory) => void)(step, memory);
}

/**
 * Runs a program once.
 *
 * @param inputs contents of the input buffers by name; an absent input is all zeros
 * @param states contents of the state buffers before the run; an absent state is all zeros
 * @returns the contents after the run of every output and state by name; nothing passed in changes
 * @throws RangeError when a name is unknown or a length differs from the buffer's
 */
export function interpret(
  program: Program,
  inputs: NamedValues = new Map(),
  states: NamedValues = new Map(),
): Map<string, Float64Array> {
  const memory = program.buffers.map((buffer) => new Float64Array(buffer.elements));
  const fill = (name: string, values: ArrayLike<number>, kind: "input" | "state"): void => {
    const index = program.buffers.findIndex((b) => b.name === name && b.kind === kind);
    if (index < 0) throw new RangeError(`${program.name} has no ${kind} named ${name}`);
    if (values.length !== memory[index].length) {
      throw new RangeError(
        `${kind} ${name}: ${values.length} values for ${memory[index].length} elements`,
      );
    }
    const { dtype } = program.buffers[index];
    memory[index].set(dtype === "f16" ? Float64Array.from(values, Math.f16round) : values);
  };
  program.buffers.forEach((buffer, index) => buffer.data && memory[index].set(buffer.data));
  for (const [name, values] of inputs) fill(name, values, "input");
  for (const [name, values] of states) fill(name, values, "state");

  for (const step of program.steps) interpretStep(step, memory);

  const results = new Map<string, Float64Array>();
  program.buffers.forEach((buffer, index) => {
    if (buffer.kind === "output" || buffer.kind === "state") {
      results.set(buffer.name, memory[index]);
    }
  });
  return results;
}
