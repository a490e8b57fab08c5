/**
 * The log-sum-exp of attention scores, `log sum over keys j of exp(scale q_i k_j)`, never storing the
 * scores: a contrastive loss over any batch in memory that does not grow with its square.
 *
 * It is attention whose values are the keys. The softmax-weighted mean key `A = softmax(scale Q K^T) K`
 * that comes with it is the derivative of the log-sum-exp with respect to `scale q`, and
 * `dK = P^T (scale g Q)` has the form of attention's gradient of the values.
 *
 * @module
 */
import type { Step } from "../../program.ts";
import { type ActivationStorage, type Arithmetic, Node, type Tensor } from "../../tensor.ts";
import { hasUnitInnerStride, isContiguous, type View } from "../../view.ts";
import { multiply } from "../elementwise/op.ts";
import { permute, reshape } from "../movement/op.ts";
import {
  AttentionGradientNode,
  attentionStep,
  checkOperands,
  forwardArithmetic,
  type Segments,
} from "./op.ts";

class ScoreLogSumExpNode extends Node {
  readonly signature: string;

  constructor(inputs: readonly Tensor[], readonly scale: number) {
    const [query] = inputs;
    const [batch, queries, heads] = query.shape;
    super("scoreLogSumExp", inputs, [
      { shape: [batch, heads, queries], dtype: "f32" },
      { shape: query.shape, dtype: "f32" },
    ]);
    this.signature = `scoreLogSumExp ${scale}`;
  }

  override withInputs(inputs: readonly Tensor[]): Node {
    return new ScoreLogSumExpNode(inputs, this.scale);
  }

  override gradient([cotangent]: readonly (Tensor | undefined)[]): (Tensor | undefined)[] {
    if (!cotangent) return [];
    const [query, key, ...segments] = this.inputs;
    const [logSumExp, meanKey] = this.outputs;
    const [batch, heads, queries] = logSumExp.shape;
    const rows = reshape(permute(cotangent, [0, 2, 1]), [batch, queries, heads, 1]);
    const factors = multiply(rows, this.scale);
    const operands = [query, key, key, meanKey, logSumExp, multiply(factors, query), ...segments];
    const [, , keyGradient] = new AttentionGradientNode(operands, { scale: this.scale }).outputs;
    return [multiply(factors, meanKey), keyGradient];
  }

  protected override arithmetic(): Arithmetic {
    return forwardArithmetic(this.inputs[0], this.inputs[1]);
  }

  override accepts(index: number, view: View): boolean {
    return index < 2 ? hasUnitInnerStride(view) : isContiguous(view);
  }

  override takesHalves(index: number): boolean {
    return index < 2;
  }

  override activation(index: number): ActivationStorage {
    return index === 1 ? "half" : "single";
  }

  override writesStrided(index: number): boolean {
    return index === 1;
  }

  override lower(inputs: readonly View[], [logSumExp, output]: readonly View[]): Step[] {
    const [query, key, ...segments] = inputs;
    return [
      attentionStep([query, key, key, ...segments], { scale: this.scale }, output, logSumExp),
    ];
  }
}

/**
 * Natural logarithm of the sum over keys of `exp(scale q k)`: query (N, Tq, H, D) and key
 * (N, Tk, H, D) give (N, H, Tq), differentiable in both.
 *
 * A query that sees no key gives -infinity and gets no gradient. Arithmetic on -infinity makes NaN,
 * so replace it at once by `where`, which also passes it the cotangent 0; multiplying by a weight of
 * 0 is not enough.
 *
 * @param scale factor on the dot products; 1 by default
 * @param segments a query sees only keys of its own segment; without, all keys
 * @throws RangeError naming the shapes that do not fit
 */
export function scoreLogSumExp(
  query: Tensor,
  key: Tensor,
  { scale = 1, segments }: { scale?: number; segments?: Segments } = {},
): Tensor {
  checkOperands("scoreLogSumExp", [query, key], segments);
  const inputs = [query, key, ...(segments ? [segments.query, segments.key] : [])];
  return new ScoreLogSumExpNode(inputs, scale).outputs[0];
}
