/**
 * The lowered form of a graph: a fixed list of steps over numbered buffers.
 *
 * A graph is traced once and turned into a `Program` (see `graph/lower.ts`); a device turns the
 * program into dispatches (WebGPU) or calls of generated functions (WebAssembly) and replays it any
 * number of times. A step reads and writes its operands through `View`s, so that reshapes,
 * transposes, slices and broadcasts cost nothing.
 *
 * Conventions that every device may rely on:
 * - sizes are at least 1, dtypes are `f32` unless said otherwise;
 * - an output view never overlaps itself, and its innermost stride is 1 unless its size is 1;
 * - a step's output overlaps one of its inputs only where the step says so (in-place operation);
 * - steps run in order, each seeing everything written before it.
 *
 * @module
 */
import type { Cost } from "./cost.ts";
import type { AttentionGradientStep, AttentionStep } from "./ops/attention/step.ts";
import type { ConvolutionStep, ConvolutionWeightGradientStep } from "./ops/convolution/step.ts";
import type { ElementwiseStep } from "./ops/elementwise/step.ts";
import type { GatherStep, ScatterAddStep } from "./ops/embedding/step.ts";
import type { LayerNormGradientStep, LayerNormStep } from "./ops/layer_norm/step.ts";
import type { MatmulStep } from "./ops/matmul/step.ts";
import type { AdamWStep } from "./ops/optimizer/step.ts";
import type { RandomStep } from "./ops/random/step.ts";
import type { ReduceStep } from "./ops/reduce/step.ts";
import type { WidenStep } from "./ops/widen/step.ts";
import type { DType, StoredArray } from "./shape.ts";

/** Who fills a buffer and how long it lives. */
export type BufferKind =
  /** Written by the host before a run. */
  | "input"
  /** Persistent on the device: parameters, moments, counters. Shared between programs. */
  | "state"
  /** Written once when the program is loaded. */
  | "constant"
  /** Lives between two steps of one run; has a place in the arena. */
  | "temporary"
  /** Written by the program, read by the host after a run. */
  | "output";

/** One buffer of a program. */
export interface BufferSpecification {
  /** For messages and for binding: unique among inputs, states and outputs. */
  readonly name: string;
  /** Who fills it and how long it lives. */
  readonly kind: BufferKind;
  /** Element type; `f16` for inputs, states and constants, and for temporaries where a program is made
   * for a device that keeps activations so. */
  readonly dtype: DType;
  /** Size in elements. */
  readonly elements: number;
  /** Contents of a constant. */
  readonly data?: StoredArray;
  /** Temporaries: first byte in one arena, for devices with one contiguous memory. */
  readonly arenaOffset?: number;
  /** Temporaries: index into `Program.slots`, for devices that bind whole buffers. */
  readonly slot?: number;
}

/** One dispatch or call. */
export type Step =
  | ElementwiseStep
  | WidenStep
  | ReduceStep
  | MatmulStep
  | ConvolutionStep
  | ConvolutionWeightGradientStep
  | AttentionStep
  | AttentionGradientStep
  | LayerNormStep
  | LayerNormGradientStep
  | GatherStep
  | ScatterAddStep
  | RandomStep
  | AdamWStep;

/** Names of the steps, for tables of kernels. */
export type StepKind = Step["kind"];

/** A graph made ready for a device. */
export interface Program {
  /** For messages. */
  readonly name: string;
  /** Everything the steps read or write; views refer to them by index. */
  readonly buffers: readonly BufferSpecification[];
  /** In the order they run. */
  readonly steps: readonly Step[];
  /** What each step costs; absent in programs that no graph was lowered to. */
  readonly costs?: readonly Cost[];
  /** Bytes of the arena that holds all temporaries. */
  readonly arenaBytes: number;
  /** Sizes in bytes of the buffers that temporaries share in turn. */
  readonly slots: readonly number[];
}
