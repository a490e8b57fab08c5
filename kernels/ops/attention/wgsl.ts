/**
 * Attention and its gradient on WebGPU.
 *
 * Each of the three passes (see `wgsl_pass.ts`) has two kernels: `workgroup` for GPUs, with tiles
 * in workgroup memory (`wgsl_tiles.ts`), and `registers` for software adapters
 * (`wgsl_registers.ts`).
 *
 * @module
 */
import type { AttentionGradientStep, AttentionOperands, AttentionStep } from "../../program.ts";
import { formatShape } from "../../shape.ts";
import type { Dispatch, WebGPUContext, WebGPULowering } from "../../webgpu/lowering.ts";
import type { LinearKernel } from "../../webgpu/wgsl.ts";
import {
  type AttentionPass,
  forwardPass,
  keyValueGradientPass,
  queryGradientPass,
  statisticsKernel,
} from "./wgsl_pass.ts";
import { registerKernel } from "./wgsl_registers.ts";
import { tileKernel } from "./wgsl_tiles.ts";

/** Emitters of a pass's kernel, by the names that `WebGPUContext.variant("attention")` may give. */
const kernels: ReadonlyMap<string, (pass: AttentionPass) => LinearKernel> = new Map([
  ["workgroup", tileKernel],
  ["registers", registerKernel],
]);

/** Softmax(scale Q K^T) V and its log-sum-exp: one dispatch. */
export const lowerAttention: WebGPULowering<AttentionStep> = (step, context) => [
  dispatchPass("attention", step, forwardPass(step), context),
];

/** Gradients of attention: statistics of the queries, then dQ, then dK and dV. */
export const lowerAttentionGradient: WebGPULowering<AttentionGradientStep> = (step, context) => {
  const [batch, queries, heads] = step.query.shape;
  const statistics = context.scratch(batch * heads * queries * 16);
  return [
    {
      label: label("attention gradient (statistics)", step),
      ...statisticsKernel(step, statistics),
    },
    dispatchPass("attention gradient (query)", step, queryGradientPass(step, statistics), context),
    dispatchPass(
      "attention gradient (key, value)",
      step,
      keyValueGradientPass(step, statistics),
      context,
    ),
  ];
};

function dispatchPass(
  name: string,
  step: AttentionOperands,
  pass: AttentionPass,
  context: WebGPUContext,
): Dispatch {
  const variant = context.variant("attention") ?? (context.software ? "registers" : "workgroup");
  const kernel = kernels.get(variant);
  if (!kernel) {
    const known = [...kernels.keys()].join(", ");
    throw new RangeError(`attention has no variant "${variant}"; there are: ${known}`);
  }
  const { code, workgroups } = kernel(pass);
  return { label: label(name, step), code, bindings: pass.bindings, workgroups };
}

function label(name: string, { query, key }: AttentionOperands): string {
  return `${name} ${formatShape(query.shape)} x ${formatShape(key.shape)}`;
}
