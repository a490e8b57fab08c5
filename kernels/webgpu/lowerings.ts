/**
 * The table of WebGPU kernels: which function lowers which kind of step.
 *
 * @module
 */
import { lowerAttention, lowerAttentionGradient } from "../ops/attention/wgsl.ts";
import { lowerConvolution, lowerConvolutionWeightGradient } from "../ops/convolution/wgsl.ts";
import { lowerElementwise } from "../ops/elementwise/wgsl.ts";
import { lowerGather, lowerScatterAdd } from "../ops/embedding/wgsl.ts";
import { lowerLayerNorm, lowerLayerNormGradient } from "../ops/layer_norm/wgsl.ts";
import { lowerMatmul } from "../ops/matmul/wgsl.ts";
import { lowerAdamW } from "../ops/optimizer/wgsl.ts";
import { lowerRandom } from "../ops/random/wgsl.ts";
import { lowerReduce } from "../ops/reduce/wgsl.ts";
import { lowerWiden } from "../ops/widen/wgsl.ts";
import type { Step, StepKind } from "../program.ts";
import type { WebGPULowering } from "./lowering.ts";

type Lowerings = { readonly [K in StepKind]: WebGPULowering<Extract<Step, { kind: K }>> };

/** Lowerings by step kind. */
export const lowerings: Lowerings = {
  elementwise: lowerElementwise,
  widen: lowerWiden,
  reduce: lowerReduce,
  matmul: lowerMatmul,
  convolution: lowerConvolution,
  convolutionWeightGradient: lowerConvolutionWeightGradient,
  attention: lowerAttention,
  attentionGradient: lowerAttentionGradient,
  layerNorm: lowerLayerNorm,
  layerNormGradient: lowerLayerNormGradient,
  gather: lowerGather,
  scatterAdd: lowerScatterAdd,
  random: lowerRandom,
  adamw: lowerAdamW,
};

/** The lowering of a step. */
export function loweringOf<S extends Step>(step: S): WebGPULowering<S> {
  // The table ties each kind to the lowering of its own step type.
  return lowerings[step.kind] as unknown as WebGPULowering<S>;
}
