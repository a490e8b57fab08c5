/**
 * The table from step kind to its lowering for WebAssembly.
 *
 * @module
 */
import { lowerAttention, lowerAttentionGradient } from "../ops/attention/wasm.ts";
import { lowerConvolution, lowerConvolutionWeightGradient } from "../ops/convolution/wasm.ts";
import { lowerElementwise } from "../ops/elementwise/wasm.ts";
import { lowerGather, lowerScatterAdd } from "../ops/embedding/wasm.ts";
import { lowerLayerNorm, lowerLayerNormGradient } from "../ops/layer_norm/wasm.ts";
import { lowerMatmul } from "../ops/matmul/wasm.ts";
import { lowerAdamW } from "../ops/optimizer/wasm.ts";
import { lowerRandom } from "../ops/random/wasm.ts";
import { lowerReduce } from "../ops/reduce/wasm.ts";
import { lowerWiden } from "../ops/widen/wasm.ts";
import type { Step, StepKind } from "../program.ts";
import type { Phase, WasmContext, WasmLowering } from "./lowering.ts";

/** One lowering for every kind of step, each with the step's own type. */
type LoweringTable = {
  readonly [Kind in StepKind]: WasmLowering<Extract<Step, { readonly kind: Kind }>>;
};

const lowerings: LoweringTable = {
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

/** Lowers any step. */
export function lowerStep(step: Step, context: WasmContext): Phase[] {
  // The table ties each kind to the lowering of its own step type.
  return (lowerings[step.kind] as WasmLowering)(step, context);
}
