/**
 * Matrix products, batched, with fused epilogues (bias, activation, gate, residual).
 *
 * @module
 */
import { type Expression, load } from "../../expression.ts";
import type { Step } from "../../program.ts";
import { elementCount, formatShape, type Shape } from "../../shape.ts";
import {
  type ActivationStorage,
  type Arithmetic,
  type ElementWork,
  Node,
  requireFloats,
  type Tensor,
} from "../../tensor.ts";
import { broadcastView, reshapeView, type View } from "../../view.ts";
import { add, countOperations } from "../elementwise/op.ts";
import { epilogueValues, extendEpilogue } from "../epilogue.ts";
import { reshape, transpose } from "../movement/op.ts";
import type { MatrixView } from "./step.ts";

/** WebGPU guarantees 8 storage buffers a kernel: one is the output, two are the factors. */
const maximumEpilogueOperands = 5;

/**
 * `output = epilogue(a b, ...)` with a (..., m, k) and b (k, n) or (..., k, n).
 *
 * With a two-dimensional b, the leading axes of a count as rows of one large product.
 */
export class MatmulNode extends Node {
  readonly signature: string;

  /** In the epilogue, `load(0)` is the product and `load(i + 1)` is `epilogueInputs[i]`. */
  constructor(
    a: Tensor,
    b: Tensor,
    readonly epilogue: Expression | undefined = undefined,
    epilogueInputs: readonly Tensor[] = [],
  ) {
    const shape = [...a.shape.slice(0, -1), b.shape[b.shape.length - 1]];
    super("matmul", [a, b, ...epilogueInputs], [{ shape, dtype: "f32" }]);
    this.signature = `matmul ${epilogue?.id}`;
  }

  override withInputs([a, b, ...rest]: readonly Tensor[]): Node {
    return new MatmulNode(a, b, this.epilogue, rest);
  }

  /** Defined on traced graphs, where no epilogue is fused yet. */
  override gradient([cotangent]: readonly (Tensor | undefined)[]): (Tensor | undefined)[] {
    if (!cotangent) return [];
    const [a, b] = this.inputs;
    const gradientA = matmul(cotangent, transpose(b));
    if (b.shape.length > 2) return [gradientA, matmul(transpose(a), cotangent)];
    const rows = (x: Tensor): Tensor => reshape(x, [-1, x.shape[x.shape.length - 1]]);
    // (g^T a)^T rather than a^T g: the gradient of a weight that was used transposed is then stored
    // as the weight is, and needs no copy.
    return [gradientA, transpose(matmul(transpose(rows(cotangent)), rows(a)))];
  }

  override withEpilogue(work: ElementWork): Node | undefined {
    const [a, b, ...operands] = this.inputs;
    const before = { expression: this.epilogue ?? load(0), operands };
    const epilogue = extendEpilogue(before, work, this.outputs[0], maximumEpilogueOperands);
    return epilogue && new MatmulNode(a, b, epilogue.expression, epilogue.operands);
  }

  /** Sizes of the product that is carried out. */
  dimensions(): { batch: number; m: number; n: number; k: number } {
    const [a, b] = this.inputs;
    const rank = a.shape.length;
    const k = a.shape[rank - 1];
    const n = b.shape[b.shape.length - 1];
    if (b.shape.length === 2) return { batch: 1, m: elementCount(a.shape) / k, n, k };
    return { batch: elementCount(a.shape.slice(0, -2)), m: a.shape[rank - 2], n, k };
  }

  protected override arithmetic(): Arithmetic {
    const { batch, m, n, k } = this.dimensions();
    const multiplyAdds = batch * m * n * k;
    const extra = this.epilogue ? countOperations(this.epilogue) * batch * m * n : 0;
    return { multiplyAdds, flops: 2 * multiplyAdds + extra };
  }

  override accepts(index: number, view: View): boolean {
    return index > 1 || matrixView(view, this.#matrixShape(index)) !== undefined;
  }

  /** Of the right factor, which is where weights are. */
  override readsHalves(index: number): boolean {
    return index === 1;
  }

  override activation(): ActivationStorage {
    return "half";
  }

  override elementOperands(): readonly Tensor[] {
    return epilogueValues(this.epilogue, this.inputs.slice(2));
  }

  #matrixShape(index: number): Shape {
    const { batch, m, n, k } = this.dimensions();
    if (index === 0) return [batch, m, k];
    return [this.inputs[1].shape.length === 2 ? 1 : batch, k, n];
  }

  override lower([a, b, ...rest]: readonly View[], [output]: readonly View[]): Step[] {
    return [{
      kind: "matmul",
      ...this.dimensions(),
      a: matrixView(a, this.#matrixShape(0))!,
      b: matrixView(b, this.#matrixShape(1))!,
      output,
      epilogue: this.epilogue,
      epilogueInputs: rest.map((view) => broadcastView(view, output.shape)),
    }];
  }
}

/** A view as a batch of matrices with one unit stride, or undefined when it is not one. */
function matrixView(view: View, shape: Shape): MatrixView | undefined {
  const matrices = reshapeView(view, shape);
  if (!matrices) return undefined;
  const [batch, rows, columns] = shape;
  let [batchStride, rowStride, columnStride] = matrices.strides;
  // The stride of an axis with one element is free: make it the unit stride if the other is not.
  if (columns === 1 && rowStride !== 1) columnStride = 1;
  if (rows === 1 && columnStride !== 1) rowStride = 1;
  const repeats = rowStride === 0 || columnStride === 0;
  if (repeats || (rowStride !== 1 && columnStride !== 1)) return undefined;
  if (batch === 1) batchStride = 0;
  return {
    buffer: view.buffer,
    offset: view.offset,
    batchStride,
    rowStride,
    columnStride,
    dtype: view.dtype === "f16" ? "f16" : "f32",
  };
}

/**
 * Matrix product of a (..., m, k) with b, which is (k, n) for all matrices of a, or has the same
 * leading axes as a.
 *
 * @throws RangeError when the inner sizes or the leading axes differ.
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
  requireFloats("matmul", [a, b]);
  const fits = a.shape.length >= 2 && b.shape.length >= 2 &&
    a.shape[a.shape.length - 1] === b.shape[b.shape.length - 2] &&
    (b.shape.length === 2 ||
      a.shape.length === b.shape.length &&
        a.shape.slice(0, -2).every((size, axis) => size === b.shape[axis]));
  if (!fits) {
    throw new RangeError(
      `matmul: ${formatShape(a.shape)} and ${formatShape(b.shape)} do not fit`,
    );
  }
  return new MatmulNode(a, b).outputs[0];
}

/**
 * `x W^T + bias` with x (..., k), W (n, k) and bias (n), to (..., n): a fully connected layer as
 * PyTorch stores it.
 *
 * @throws RangeError when the widths k or n differ
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const product = matmul(x, transpose(weight));
  return bias ? add(product, bias) : product;
}
