/**
 * The table of WebGPU kernels: which function lowers which kind of step.
 *
 * @module
 */
import type { Step, StepKind } from "../program.ts";
import type { WebGPULowering } from "./lowering.ts";

type Lowerings = { readonly [K in StepKind]?: WebGPULowering<Extract<Step, { kind: K }>> };

/** Lowerings by step kind. */
export const lowerings: Lowerings = {};

/** The lowering of a step. */
export function loweringOf<S extends Step>(step: S): WebGPULowering<S> {
  const lowering = lowerings[step.kind];
  if (!lowering) throw new Error(`no WebGPU kernel for the step kind ${step.kind}`);
  // The table ties each kind to the lowering of its own step type.
  return lowering as unknown as WebGPULowering<S>;
}
