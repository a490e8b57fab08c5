/**
 * The step of matrix products.
 *
 * @module
 */
import type { Expression } from "../../expression.ts";
import type { FloatType } from "../../shape.ts";
import type { View } from "../../view.ts";

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
  /** Element type: `f32`, or `f16` for a right factor, on GPUs for any. */
  readonly dtype: FloatType;
}

/**
 * `output = epilogue(a b)`, for each of `batch` products of (m x k) by (k x n).
 *
 * The output is contiguous: its row-major elements are `batch * m` rows of `n`.
 */
export interface MatmulStep {
  /** Discriminates `Step`. */
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
