/**
 * The steps of convolutions and of their gradients.
 *
 * There are always three axes in space and time, slowest first; those that a convolution does not
 * have are of size 1. Channels come last.
 *
 * @module
 */
import type { Expression } from "../../expression.ts";
import type { View } from "../../view.ts";

/** A number for each of the three axes. */
export type Triple = readonly [number, number, number];

/** How positions of the output and of the input belong together, along each axis. */
export interface Windows {
  /** Positions of the input from one window to the next, at least 1. */
  readonly strides: Triple;
  /** Zeros before the first position of the input; negative where the first windows begin later. */
  readonly before: Triple;
}

/**
 * `output[n, p, o] = epilogue(sum over k, c of input[n, p strides + k - before, c] weight[k, c, o])`,
 * where the input is zero outside its bounds.
 */
export interface ConvolutionStep extends Windows {
  /** Discriminates `Step`. */
  readonly kind: "convolution";
  /** (N, T, H, W, C), last axis stride 1. */
  readonly input: View;
  /** (kt, kh, kw, C, O), any strides. */
  readonly weight: View;
  /** Whether the kernel is taken back to front along all its axes. */
  readonly flipped: boolean;
  /** (N, T', H', W', O), last axis stride 1; its own memory. */
  readonly output: View;
  /** `load(0)` is the convolution, `load(i + 1)` is `epilogueInputs[i]`, all of the output's shape. */
  readonly epilogue?: Expression;
  /** Operands of the epilogue besides the convolution; empty without one. */
  readonly epilogueInputs: readonly View[];
}

/** `output[o, c, k] = sum over n, p of outputGradient[n, p, o] input[n, p strides + k - before, c]`. */
export interface ConvolutionWeightGradientStep extends Windows {
  /** Discriminates `Step`. */
  readonly kind: "convolutionWeightGradient";
  /** (N, T, H, W, C), last axis stride 1. */
  readonly input: View;
  /** (N, T', H', W', O), last axis stride 1. */
  readonly outputGradient: View;
  /** (O, C, kt, kh, kw), contiguous. */
  readonly output: View;
}
