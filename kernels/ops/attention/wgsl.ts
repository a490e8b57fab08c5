/**
 * Attention and its gradient on WebGPU.
 *
 * Each of the three passes over scores (see `wgsl_pass.ts`) has two kernels: `workgroup` for GPUs, with tiles
 * in workgroup memory (`wgsl_tiles.ts`), and `registers` for software adapters
 * (`wgsl_registers.ts`). With segments a table of them comes first (`wgsl_segments.ts`).
 *
 * @module
 */
import { formatShape } from "../../shape.ts";
import type { Dispatch, WebGPUContext, WebGPULowering } from "../../webgpu/lowering.ts";
import type { LinearKernel } from "../../webgpu/emit/wgsl.ts";
import { biasTable } from "./relative_bias.ts";
import type { AttentionGradientStep, AttentionOperands, AttentionStep } from "./step.ts";
import {
  type AttentionPass,
  biasGradientKernel,
  forwardPass,
  type GradientResources,
  keyValueGradientPass,
  queryGradientPass,
  statisticsElements,
  statisticsKernel,
  type StoredSegments,
} from "./wgsl_pass.ts";
import { registerKernel } from "./wgsl_registers.ts";
import { segmentKernels, segmentTable } from "./wgsl_segments.ts";
import { tileKernel } from "./wgsl_tiles.ts";

/** Emitters of a pass's kernel, by the names that `WebGPUContext.variant("attention")` may give. */
const kernels: ReadonlyMap<string, (pass: AttentionPass) => LinearKernel> = new Map([
  ["workgroup", tileKernel],
  ["registers", registerKernel],
]);

/** Softmax(scale Q K^T) V and its log-sum-exp. */
export const lowerAttention: WebGPULowering<AttentionStep> = (step, context) => {
  const { segments, dispatches } = storeSegments(step, context);
  const pass = forwardPass(step, { halves: context.halves, segments });
  return [...dispatches, dispatchPass("attention", step, pass, context)];
};

/** Gradients of attention: statistics of the queries, then dQ, then dK and dV, then the biases'. */
export const lowerAttentionGradient: WebGPULowering<AttentionGradientStep> = (step, context) => {
  const statistics = context.scratch(8 * statisticsElements(step));
  const { segments, dispatches } = storeSegments(step, context);
  const resources: GradientResources = { halves: context.halves, statistics, segments };
  const passes: [string, AttentionPass][] = [
    ["attention gradient (query)", queryGradientPass(step, resources)],
    ["attention gradient (key, value)", keyValueGradientPass(step, resources)],
  ];
  return [
    ...dispatches,
    {
      label: label("attention gradient (statistics)", step),
      ...statisticsKernel(step, resources),
    },
    ...passes.map(([name, pass]) => dispatchPass(name, step, pass, context)),
    ...biasDispatches(step, resources),
  ];
};

/** The pass that only biases have whose gradient is asked for. */
function biasDispatches(
  step: AttentionGradientStep,
  resources: GradientResources,
): Dispatch[] {
  const { bias, biasGradient } = step;
  if (!bias || !biasGradient) return [];
  const kernel = biasGradientKernel(step, resources, { bias: biasTable(bias), biasGradient });
  return [{ label: label("attention gradient (bias)", step), ...kernel }];
}

/** The table of segments and the dispatches that fill it, if there are segments. */
function storeSegments(
  step: AttentionOperands,
  context: WebGPUContext,
): { segments?: StoredSegments; dispatches: Dispatch[] } {
  const table = segmentTable(step);
  if (!table) return { dispatches: [] };
  const buffer = context.scratch(4 * table.elements);
  const dispatches = segmentKernels(table, buffer)
    .map((kernel) => ({ label: label("attention (segments)", step), ...kernel }));
  return { segments: { table, buffer }, dispatches };
}

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
