/**
 * Attention: `softmax(scale Q K^T, masked by segments) V` for all heads, never storing the scores.
 *
 * Segment ids make full attention, windows, the identity mask and packed sequences one operation: a
 * query sees the keys that carry its own id.
 *
 * @module
 */
import type { Step } from "../../program.ts";
import { formatShape, sameShape } from "../../shape.ts";
import { type Arithmetic, Node, requireFloats, type Tensor } from "../../tensor.ts";
import { hasUnitInnerStride, isContiguous, type View } from "../../view.ts";

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
export function forwardArithmetic(query: Tensor, key: Tensor): Arithmetic {
  const [batch, queries, heads, width] = query.shape;
  const scores = batch * heads * queries * key.shape[1];
  const multiplyAdds = 2 * scores * width;
  // Scale, maximum, subtraction, exponential and sum of every score.
  return { multiplyAdds, flops: 2 * multiplyAdds + 5 * scores };
}

/** The forward step over (query, key, value), with segments (query ids, key ids) after them. */
export function attentionStep(
  [query, key, value, querySegments, keySegments]: readonly View[],
  scale: number,
  output: View,
  logSumExp: View,
): Step {
  return {
    kind: "attention",
    query,
    key,
    value,
    querySegments,
    keySegments,
    scale,
    output,
    logSumExp,
  };
}

class AttentionNode extends Node {
  readonly signature: string;

  constructor(inputs: readonly Tensor[], readonly scale: number) {
    const [query] = inputs;
    const [batch, queries, heads] = query.shape;
    super("attention", inputs, [
      { shape: query.shape, dtype: "f32" },
      { shape: [batch, heads, queries], dtype: "f32" },
    ]);
    this.signature = `attention ${scale}`;
  }

  override withInputs(inputs: readonly Tensor[]): Node {
    return new AttentionNode(inputs, this.scale);
  }

  override gradient([cotangent]: readonly (Tensor | undefined)[]): (Tensor | undefined)[] {
    if (!cotangent) return [];
    const [query, key, value, ...segments] = this.inputs;
    const [output, logSumExp] = this.outputs;
    const operands = [query, key, value, output, logSumExp, cotangent, ...segments];
    return new AttentionGradientNode(operands, this.scale).outputs.slice(0, 3);
  }

  protected override arithmetic(): Arithmetic {
    return forwardArithmetic(this.inputs[0], this.inputs[1]);
  }

  override accepts(index: number, view: View): boolean {
    return index < 3 ? hasUnitInnerStride(view) : isContiguous(view);
  }

  override writesStrided(index: number): boolean {
    return index === 0;
  }

  override lower(inputs: readonly View[], [output, logSumExp]: readonly View[]): Step[] {
    return [attentionStep(inputs, this.scale, output, logSumExp)];
  }
}

/**
 * Gradients of query, key and value from (query, key, value, output, logSumExp, cotangent of the
 * output), with segments (query ids, key ids) after them.
 */
export class AttentionGradientNode extends Node {
  readonly signature: string;

  constructor(inputs: readonly Tensor[], readonly scale: number) {
    const [query, key, value, , logSumExp] = inputs;
    super("attentionGradient", inputs, [query, key, value, logSumExp]);
    this.signature = `attentionGradient ${scale}`;
  }

  override withInputs(inputs: readonly Tensor[]): Node {
    return new AttentionGradientNode(inputs, this.scale);
  }

  override gradient(): never {
    throw new Error("attention: second derivatives are not provided");
  }

  protected override arithmetic(): Arithmetic {
    // Five products against two of the forward pass: scores, dV, dP, dQ, dK.
    const multiplyAdds = 2.5 * forwardArithmetic(this.inputs[0], this.inputs[1]).multiplyAdds;
    const scores = multiplyAdds / (5 * this.inputs[0].shape[3]);
    return { multiplyAdds, flops: 2 * multiplyAdds + 6 * scores };
  }

  override accepts(index: number, view: View): boolean {
    return index === 4 || index > 5 ? isContiguous(view) : hasUnitInnerStride(view);
  }

  override writesStrided(index: number): boolean {
    return index < 3;
  }

  override lower(inputs: readonly View[], outputs: readonly View[]): Step[] {
    const [query, key, value, output, logSumExp, outputGradient] = inputs;
    const [querySegments, keySegments] = inputs.slice(6);
    const [queryGradient, keyGradient, valueGradient, rowDot] = outputs;
    return [{
      kind: "attentionGradient",
      query,
      key,
      value,
      querySegments,
      keySegments,
      scale: this.scale,
      output,
      logSumExp,
      outputGradient,
      queryGradient,
      keyGradient,
      valueGradient,
      rowDot,
    }];
  }
}

/**
 * Multi-head attention of query (N, Tq, H, D) over key and value (N, Tk, H, D), giving (N, Tq, H, D).
 *
 * @param scale factor on the scores; 1 / sqrt(D) by default
 * @param segments a query sees only keys of its own segment; one that sees none gives zeros
 * @throws RangeError naming the shapes that do not fit
 */
export function attention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  { scale, segments }: { scale?: number; segments?: Segments } = {},
): Tensor {
  checkOperands("attention", [query, key, value], segments);
  const inputs = [query, key, value, ...(segments ? [segments.query, segments.key] : [])];
  return new AttentionNode(inputs, scale ?? 1 / Math.sqrt(query.shape[3])).outputs[0];
}
