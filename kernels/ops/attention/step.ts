/**
 * The steps of attention and of its gradients.
 *
 * @module
 */
import type { View } from "../../view.ts";

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
  /** Contiguous (H, 2 s1 - 1, ..., 2 sn - 1), added to the scaled scores: queries and keys are the
   * tokens of a window of s1 x ... x sn, row-major, and a pair has the entry at the difference of its
   * coordinates, query minus key, plus s - 1. With it `scale` is not 0. */
  readonly bias?: View;
}

/** `output = softmax(scale Q K^T + bias, masked by segments) V`, scores never stored. */
export interface AttentionStep extends AttentionOperands {
  /** Discriminates `Step`. */
  readonly kind: "attention";
  /** (N, Tq, H, D) */
  readonly output: View;
  /** Natural logarithm of the softmax denominators, contiguous (N, H, Tq). */
  readonly logSumExp: View;
}

/** Gradients of attention, recomputing the scores from `logSumExp`. */
export interface AttentionGradientStep extends AttentionOperands {
  /** Discriminates `Step`. */
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
  /** What each of the batch adds to the gradient of the bias, contiguous (N, H, 2 s1 - 1, ...); absent
   * where nobody asks for it. */
  readonly biasGradient?: View;
}
