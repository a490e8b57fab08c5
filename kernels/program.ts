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
import type { StoredArray } from "./device.ts";
import type { Expression } from "./expression.ts";
import type { DType, FloatType, Shape } from "./shape.ts";

/** A strided window of a buffer. Strides and offset are in elements; a broadcast axis has stride 0. */
export interface View {
  /** Index into `Program.buffers`. */
  readonly buffer: number;
  /** First element, counted from the start of the buffer. */
  readonly offset: number;
  /** Sizes of the axes, slowest first. */
  readonly shape: Shape;
  /** Elements between neighbours along each axis, at least 0. */
  readonly strides: readonly number[];
  /** Element type, that of the buffer. */
  readonly dtype: DType;
}

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
  /** Element type; `f16` only for inputs, states and constants. */
  readonly dtype: DType;
  /** Size in elements. */
  readonly elements: number;
  /** Contents of a constant. */
  readonly data?: StoredArray;
  /** Temporaries: first byte in the arena of one contiguous memory (WebAssembly). */
  readonly arenaOffset?: number;
  /** Temporaries: index into `Program.slots`, whole buffers used in turn (WebGPU). */
  readonly slot?: number;
}

/** `output[i] = expression(inputs[0][i], inputs[1][i], ...)`. */
export interface ElementwiseStep {
  /** Discriminates {@link Step}. */
  readonly kind: "elementwise";
  /** All of the output's shape (broadcast axes have stride 0). One of them may be exactly the
   * output's view: the operation is then in place. */
  readonly inputs: readonly View[];
  /** `load(k)` is the element of `inputs[k]`. */
  readonly expression: Expression;
  /** Any strides with innermost stride 1, of the expression's type. */
  readonly output: View;
}

/** `output[i] = input[i]`: half precision to single precision, every number exactly. */
export interface WidenStep {
  /** Discriminates {@link Step}. */
  readonly kind: "widen";
  /** f16, a whole buffer. */
  readonly input: View;
  /** f32, a whole buffer. */
  readonly output: View;
}

/** `output[i] = finish(operator over j of expression(inputs[0][i, j], ...))`. */
export interface ReduceStep {
  /** Discriminates {@link Step}. */
  readonly kind: "reduce";
  /** How the values of `expression` are combined. */
  readonly operator: "sum" | "maximum";
  /** Shapes are `output.shape` followed by the reduced axes. */
  readonly inputs: readonly View[];
  /** `load(k)` is the element of `inputs[k]`. */
  readonly expression: Expression;
  /** Applied to the reduced value, `load(0)`. */
  readonly finish: Expression;
  /** The kept axes only; a scalar when every axis is reduced. */
  readonly output: View;
}

/** One operand of a product: `batch` matrices, any strides, one of row and column stride is 1. */
export interface MatrixView {
  /** Index into `Program.buffers`. */
  readonly buffer: number;
  /** First element, counted from the start of the buffer. */
  readonly offset: number;
  /** 0 when one matrix serves all batches. */
  readonly batchStride: number;
  /** Elements from one row to the next. */
  readonly rowStride: number;
  /** Elements from one column to the next. */
  readonly columnStride: number;
  /** Element type: `f32`, or `f16` for a right factor. */
  readonly dtype: FloatType;
}

/**
 * `output = epilogue(a b)`, for each of `batch` products of (m x k) by (k x n).
 *
 * The output is contiguous: its row-major elements are `batch * m` rows of `n`.
 */
export interface MatmulStep {
  /** Discriminates {@link Step}. */
  readonly kind: "matmul";
  /** Number of products, at least 1. */
  readonly batch: number;
  /** Rows of `a` and of the output. */
  readonly m: number;
  /** Columns of `b` and of the output. */
  readonly n: number;
  /** Columns of `a`, rows of `b`: the axis that is summed over. */
  readonly k: number;
  /** Left factor, (batch, m, k). */
  readonly a: MatrixView;
  /** Right factor, (batch, k, n). */
  readonly b: MatrixView;
  /** Contiguous, any rank; the last axis is `n`. */
  readonly output: View;
  /** `load(0)` is the product, `load(i + 1)` is `epilogueInputs[i]`, all of the output's shape. */
  readonly epilogue?: Expression;
  /** Operands of the epilogue besides the product; empty without one. */
  readonly epilogueInputs: readonly View[];
}

/** Operands common to the attention steps; N = batch, H = heads, D = head width, innermost stride 1. */
export interface AttentionOperands {
  /** (N, Tq, H, D) */
  readonly query: View;
  /** (N, Tk, H, D) */
  readonly key: View;
  /** (N, Tk, H, D) */
  readonly value: View;
  /** i32 (N, Tq) and (N, Tk): a query sees the keys of its own segment. Absent: it sees all. A query
   * that sees no key gives zeros (log-sum-exp = -infinity) and passes no gradient. */
  readonly querySegments?: View;
  /** Ids of the keys, i32 (N, Tk); present when `querySegments` is. */
  readonly keySegments?: View;
  /** Factor on the scores, usually 1 / sqrt(D). */
  readonly scale: number;
}

/** `output = softmax(scale Q K^T, masked by segments) V`, scores never stored. */
export interface AttentionStep extends AttentionOperands {
  /** Discriminates {@link Step}. */
  readonly kind: "attention";
  /** (N, Tq, H, D) */
  readonly output: View;
  /** Natural logarithm of the softmax denominators, contiguous (N, H, Tq). */
  readonly logSumExp: View;
}

/** Gradients of attention, recomputing the scores from `logSumExp`. */
export interface AttentionGradientStep extends AttentionOperands {
  /** Discriminates {@link Step}. */
  readonly kind: "attentionGradient";
  /** Result of the forward step, (N, Tq, H, D). */
  readonly output: View;
  /** From the forward step, contiguous (N, H, Tq). */
  readonly logSumExp: View;
  /** (N, Tq, H, D) */
  readonly outputGradient: View;
  /** (N, Tq, H, D) */
  readonly queryGradient: View;
  /** (N, Tk, H, D) */
  readonly keyGradient: View;
  /** (N, Tk, H, D) */
  readonly valueGradient: View;
  /** Scratch, contiguous (N, H, Tq): sum over D of output * outputGradient. */
  readonly rowDot: View;
}

/** `output = (x - mean) / sqrt(variance + epsilon) * (1 + scale) + shift` over the last axis. */
export interface LayerNormStep {
  /** Discriminates {@link Step}. */
  readonly kind: "layerNorm";
  /** (..., D), innermost stride 1 */
  readonly input: View;
  /** Shape of the input (broadcast); both or neither. Last axis stride 1. */
  readonly scale?: View;
  /** Shape of the input (broadcast), last axis stride 1; present when `scale` is. */
  readonly shift?: View;
  /** Added to the (biased) variance under the root. */
  readonly epsilon: number;
  /** Shape of the input. */
  readonly output: View;
  /** Contiguous (..., 2): mean and 1 / sqrt(variance + epsilon) of each row. Absent when unused. */
  readonly statistics?: View;
}

/**
 * Gradient of a layer norm with respect to its input (plus `addend`):
 * with x^ = (x - mean) * rstd and g = outputGradient * (1 + scale),
 * `output = addend + rstd * (g - mean(g) - x^ * mean(g * x^))`.
 */
export interface LayerNormGradientStep {
  /** Discriminates {@link Step}. */
  readonly kind: "layerNormGradient";
  /** x of the forward step, (..., D). */
  readonly input: View;
  /** From the forward step: contiguous (..., 2), mean and rstd of each row. */
  readonly statistics: View;
  /** Shape of the input (broadcast); absent when the forward step has none. */
  readonly scale?: View;
  /** (..., D) */
  readonly outputGradient: View;
  /** May be exactly the output's view (in place). */
  readonly addend?: View;
  /** Gradient with respect to x, (..., D). */
  readonly output: View;
}

/** `output[i] = table[indices[i]]`; an index outside the table reads row 0 (hosts check before). */
export interface GatherStep {
  /** Discriminates {@link Step}. */
  readonly kind: "gather";
  /** Contiguous (rows, D) */
  readonly table: View;
  /** i32 contiguous (count) */
  readonly indices: View;
  /** Contiguous (count, D) */
  readonly output: View;
}

/** `output[r] = sum of source[i] over all i with indices[i] = r`, in the order of i; other rows 0. */
export interface ScatterAddStep {
  /** Discriminates {@link Step}. */
  readonly kind: "scatterAdd";
  /** i32 contiguous (count) */
  readonly indices: View;
  /** Contiguous (count, D) */
  readonly source: View;
  /** Contiguous (rows, D) */
  readonly output: View;
}

/**
 * Philox 4x32-10 random numbers, one independent stream per row.
 *
 * Row r, element e of the output takes word e % 4 of the block with counter
 * `(floor(e / 4), rows[r], draw, stream)` and key `(seed[0], seed[1])`. How words become numbers:
 * see `random.ts`.
 */
export interface RandomStep {
  /** Discriminates {@link Step}. */
  readonly kind: "random";
  /** Standard normal, or uniform in [0, 1). */
  readonly distribution: "normal" | "uniform";
  /** i32 (2) */
  readonly seed: View;
  /** i32 contiguous (R) */
  readonly rows: View;
  /** i32 scalar */
  readonly draw: View;
  /** Fourth word of the counter: tells different uses of randomness apart. */
  readonly stream: number;
  /** Contiguous (R, E...) f32 */
  readonly output: View;
}

/** Positions in the `schedule` operand of an AdamW step. */
export const adamwSchedule = {
  /** Factor on the update and on the decay. */
  learningRate: 0,
  /** Decay of the first moment, in [0, 1). */
  beta1: 1,
  /** Decay of the second moment, in [0, 1). */
  beta2: 2,
  /** Added to the root of the corrected second moment. */
  epsilon: 3,
  /** Decoupled weight decay, 0 for none. */
  weightDecay: 4,
  /** 1 / (1 - beta1^t) */
  correction1: 5,
  /** 1 / sqrt(1 - beta2^t) */
  correction2: 6,
  /** Decay of the moving average of the weights, between 0 and 1. */
  averageDecay: 7,
  /** Number of entries of the operand. */
  length: 8,
} as const;

/**
 * One AdamW update with decoupled weight decay, and the moving average of the weights, in place.
 *
 * With g = gradientScale * gradient:
 * `m = beta1 m + (1 - beta1) g`, `v = beta2 v + (1 - beta2) g^2`,
 * `p = p (1 - lr wd) - lr (m c1) / (sqrt(v) c2 + epsilon)`,
 * `average = averageDecay average + (1 - averageDecay) p`.
 * Nothing is changed when `gradientScale` is negative or not a number (the step is skipped).
 */
export interface AdamWStep {
  /** Discriminates {@link Step}. */
  readonly kind: "adamw";
  /** All contiguous and of one size; everything but the gradient is updated in place. */
  readonly parameter: View;
  /** Read only. */
  readonly gradient: View;
  /** m: moving average of the gradient. */
  readonly firstMoment: View;
  /** v: moving average of the squared gradient. */
  readonly secondMoment: View;
  /** Moving average of the weights; absent when none is kept. */
  readonly average?: View;
  /** f32 (8), see `adamwSchedule`. */
  readonly schedule: View;
  /** f32 scalar */
  readonly gradientScale: View;
  /** Whether weight decay applies to this tensor. */
  readonly decay: boolean;
}

/** One dispatch or call. */
export type Step =
  | ElementwiseStep
  | WidenStep
  | ReduceStep
  | MatmulStep
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
  /** Bytes of the arena that holds all temporaries (WebAssembly). */
  readonly arenaBytes: number;
  /** Sizes in bytes of the buffers that temporaries share in turn (WebGPU). */
  readonly slots: readonly number[];
}
