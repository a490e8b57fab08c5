/**
 * Attention: `softmax(scale Q K^T + bias, masked by segments) V` for all heads, never storing the scores.
 *
 * Segment ids make full attention, windows, the identity mask and packed sequences one operation: a
 * query sees the keys that carry its own id. A relative bias is a small table that the scores of all
 * windows share, as in Swin (Liu et al., arXiv:2103.14030, 3.2), in any number of dimensions.
 *
 * @module
 */
import type { Step } from "../../program.ts";
import { elementCount, formatShape, sameShape } from "../../shape.ts";
import {
  type ActivationStorage,
  type Arithmetic,
  Node,
  requireFloats,
  type Tensor,
} from "../../tensor.ts";
import { hasUnitInnerStride, isContiguous, type View } from "../../view.ts";
import { reduceSum } from "../reduce/op.ts";
import { biasTable } from "./relative_bias.ts";

/** Segment ids of the queries (N, Tq) and keys (N, Tk), both i32. */
export interface Segments {
  /** i32 (N, Tq) */
  readonly query: Tensor;
  /** i32 (N, Tk) */
  readonly key: Tensor;
}

/**
 * Checks that query (N, Tq, H, D), key and value (N, Tk, H, D), and segments fit each other.
 *
 * @param what name of the operation
 * @throws RangeError naming the shapes or types that do not fit
 */
export function checkOperands(
  what: string,
  [query, ...others]: readonly Tensor[],
  segments?: Segments,
): void {
  requireFloats(what, [query, ...others]);
  const [batch, queries, heads, width] = query.shape;
  const keys = others[0].shape[1];
  const fits = query.shape.length === 4 &&
    others.every(({ shape }) => sameShape(shape, [batch, keys, heads, width]));
  if (!fits) {
    const names = ["query", "key", "value"].slice(0, 1 + others.length);
    const shapes = [query, ...others].map(({ shape }) => formatShape(shape)).join(", ");
    throw new RangeError(
      `${what}: ${names.slice(0, -1).join(", ")} and ${names.at(-1)} ${shapes} do not fit`,
    );
  }
  if (!segments) return;
  const { query: q, key: k } = segments;
  const agree = sameShape(q.shape, [batch, queries]) && sameShape(k.shape, [batch, keys]) &&
    q.dtype === "i32" && k.dtype === "i32";
  if (!agree) {
    throw new RangeError(
      `${what}: segments ${formatShape(q.shape)} ${q.dtype} and ${formatShape(k.shape)} ` +
        `${k.dtype} must be i32 (${batch}, ${queries}) and (${batch}, ${keys})`,
    );
  }
}

/** Scores, and weighted values: two products of every query with every key, visible or not. */
export function forwardArithmetic(
  query: Tensor,
  key: Tensor,
  { biased }: { readonly biased?: boolean } = {},
): Arithmetic {
  const [batch, queries, heads, width] = query.shape;
  const scores = batch * heads * queries * key.shape[1];
  const multiplyAdds = 2 * scores * width;
  // Scale, bias, maximum, subtraction, exponential and sum of every score.
  return { multiplyAdds, flops: 2 * multiplyAdds + (biased ? 6 : 5) * scores };
}

/** What attention computes with besides its operands. */
export interface AttentionOptions {
  readonly scale: number;
  /** Whether the last operand is a table of relative biases. */
  readonly biased?: boolean;
}

/** Segments (query ids, key ids) and bias, those that there are, from what follows other operands. */
function optionalOperands<T>(rest: readonly T[], { biased }: AttentionOptions) {
  const [querySegments, keySegments] = biased ? rest.slice(0, -1) : rest;
  return { querySegments, keySegments, bias: biased ? rest.at(-1) : undefined };
}

/** The forward step over (query, key, value), with segments (query ids, key ids) and bias after them. */
export function attentionStep(
  [query, key, value, ...rest]: readonly View[],
  options: AttentionOptions,
  output: View,
  logSumExp: View,
): Step {
  const { scale } = options;
  const optional = optionalOperands(rest, options);
  return { kind: "attention", query, key, value, ...optional, scale, output, logSumExp };
}

class AttentionNode extends Node {
  readonly signature: string;

  constructor(inputs: readonly Tensor[], readonly options: AttentionOptions) {
    const [query] = inputs;
    const [batch, queries, heads] = query.shape;
    super("attention", inputs, [
      { shape: query.shape, dtype: "f32" },
      { shape: [batch, heads, queries], dtype: "f32" },
    ]);
    this.signature = `attention ${options.scale}${options.biased ? " biased" : ""}`;
  }

  override withInputs(inputs: readonly Tensor[]): Node {
    return new AttentionNode(inputs, this.options);
  }

  override gradient([cotangent]: readonly (Tensor | undefined)[]): (Tensor | undefined)[] {
    if (!cotangent) return [];
    const [query, key, value, ...rest] = this.inputs;
    const [output, logSumExp] = this.outputs;
    const operands = [query, key, value, output, logSumExp, cotangent, ...rest];
    const { outputs } = new AttentionGradientNode(operands, this.options);
    const ofBias = this.options.biased ? [reduceSum(outputs[4], [0])] : [];
    const ofSegments = new Array<undefined>(rest.length - ofBias.length).fill(undefined);
    return [...outputs.slice(0, 3), ...ofSegments, ...ofBias];
  }

  protected override arithmetic(): Arithmetic {
    return forwardArithmetic(this.inputs[0], this.inputs[1], this.options);
  }

  override accepts(index: number, view: View): boolean {
    return index < 3 ? hasUnitInnerStride(view) : isContiguous(view);
  }

  override takesHalves(index: number): boolean {
    return index < 3;
  }

  override activation(index: number): ActivationStorage {
    return index === 0 ? "half" : "single";
  }

  override writesStrided(index: number): boolean {
    return index === 0;
  }

  override lower(inputs: readonly View[], [output, logSumExp]: readonly View[]): Step[] {
    return [attentionStep(inputs, this.options, output, logSumExp)];
  }
}

/**
 * Gradients of query, key and value from (query, key, value, output, logSumExp, cotangent of the
 * output), with segments (query ids, key ids) and bias after them. Outputs: the three, a scratch
 * tensor, and with a bias what each of the batch adds to its gradient.
 */
export class AttentionGradientNode extends Node {
  readonly signature: string;

  constructor(inputs: readonly Tensor[], readonly options: AttentionOptions) {
    const [query, key, value, , logSumExp] = inputs;
    const { bias } = optionalOperands(inputs.slice(6), options);
    const shapes = [query, key, value, logSumExp].map(({ shape }) => shape);
    if (bias) shapes.push([query.shape[0], ...bias.shape]);
    super("attentionGradient", inputs, shapes.map((shape) => ({ shape, dtype: "f32" })));
    this.signature = `attentionGradient ${options.scale}${options.biased ? " biased" : ""}`;
  }

  override withInputs(inputs: readonly Tensor[]): Node {
    return new AttentionGradientNode(inputs, this.options);
  }

  override gradient(): never {
    throw new Error("attention: second derivatives are not provided");
  }

  protected override arithmetic(): Arithmetic {
    // Five products against two of the forward pass: scores, dV, dP, dQ, dK.
    const [query, key] = this.inputs;
    const multiplyAdds = 2.5 * forwardArithmetic(query, key, this.options).multiplyAdds;
    const scores = multiplyAdds / (5 * query.shape[3]);
    // The bias is added to every score, and every score's gradient to that of the bias.
    const perScore = this.options.biased ? 8 : 6;
    return { multiplyAdds, flops: 2 * multiplyAdds + perScore * scores };
  }

  override accepts(index: number, view: View): boolean {
    return index === 4 || index > 5 ? isContiguous(view) : hasUnitInnerStride(view);
  }

  override takesHalves(index: number): boolean {
    return index !== 4 && index <= 5;
  }

  override activation(index: number): ActivationStorage {
    return index < 3 ? "half" : "single";
  }

  override writesStrided(index: number): boolean {
    return index < 3;
  }

  override lower(
    inputs: readonly View[],
    outputs: readonly View[],
    used: readonly boolean[],
  ): Step[] {
    const [query, key, value, output, logSumExp, outputGradient, ...rest] = inputs;
    const [queryGradient, keyGradient, valueGradient, rowDot, biasGradient] = outputs;
    return [{
      kind: "attentionGradient",
      query,
      key,
      value,
      ...optionalOperands(rest, this.options),
      scale: this.options.scale,
      output,
      logSumExp,
      outputGradient,
      queryGradient,
      keyGradient,
      valueGradient,
      rowDot,
      biasGradient: used[4] ? biasGradient : undefined,
    }];
  }
}

/** Checks that a bias is a table for the windows that queries and keys are. */
function checkBias(query: Tensor, key: Tensor, bias: Tensor, scale: number): void {
  requireFloats("attention", [bias]);
  const [, queries, heads] = query.shape;
  const { window } = biasTable(bias);
  const fits = bias.shape[0] === heads && window.length > 0 && window.every(Number.isInteger) &&
    elementCount(window) === queries && queries === key.shape[1];
  if (!fits) {
    throw new RangeError(
      `attention: bias ${formatShape(bias.shape)} is no table (${heads}, 2 s - 1, ...) of ` +
        `windows s x ... of ${queries} queries and ${key.shape[1]} keys`,
    );
  }
  if (scale === 0) throw new RangeError("attention: with a bias, scale must not be 0");
}

/**
 * Multi-head attention of query (N, Tq, H, D) over key and value (N, Tk, H, D), giving (N, Tq, H, D).
 *
 * @param scale factor on the scores; 1 / sqrt(D) by default
 * @param segments a query sees only keys of its own segment; one that sees none gives zeros
 * @param bias (H, 2 s1 - 1, ..., 2 sn - 1), added to the scaled scores: queries and keys are the tokens
 * of a window of s1 x ... x sn, row-major, and a pair has the entry at the difference of its
 * coordinates, query minus key, plus s - 1
 * @throws RangeError naming the shapes that do not fit
 */
export function attention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  { scale = 1 / Math.sqrt(query.shape[3]), segments, bias }: {
    scale?: number;
    segments?: Segments;
    bias?: Tensor;
  } = {},
): Tensor {
  checkOperands("attention", [query, key, value], segments);
  if (bias) checkBias(query, key, bias, scale);
  const optional = [...(segments ? [segments.query, segments.key] : []), ...(bias ? [bias] : [])];
  const inputs = [query, key, value, ...optional];
  return new AttentionNode(inputs, { scale, biased: bias !== undefined }).outputs[0];
}
