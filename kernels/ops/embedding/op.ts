/**
 * Embedding lookup and its gradient, a deterministic scatter-add.
 *
 * @module
 */
import type { Step } from "../../program.ts";
import { elementCount, formatShape } from "../../shape.ts";
import {
  type ActivationStorage,
  type Arithmetic,
  Node,
  requireFloats,
  type Tensor,
} from "../../tensor.ts";
import { isContiguous, type View } from "../../view.ts";

class GatherNode extends Node {
  readonly signature = "gather";

  constructor(inputs: readonly Tensor[]) {
    const [table, indices] = inputs;
    super("gather", inputs, [{ shape: [indices.shape[0], table.shape[1]], dtype: "f32" }]);
  }

  override withInputs(inputs: readonly Tensor[]): Node {
    return new GatherNode(inputs);
  }

  override gradient([cotangent]: readonly (Tensor | undefined)[]): (Tensor | undefined)[] {
    const [table, indices] = this.inputs;
    return [cotangent && new ScatterAddNode([indices, cotangent], table.shape[0]).outputs[0]];
  }

  protected override arithmetic(): Arithmetic {
    return { multiplyAdds: 0, flops: 0 };
  }

  override accepts(_index: number, view: View): boolean {
    return isContiguous(view);
  }

  override activation(): ActivationStorage {
    return "half";
  }

  override lower([table, indices]: readonly View[], [output]: readonly View[]): Step[] {
    return [{ kind: "gather", table, indices, output }];
  }
}

class ScatterAddNode extends Node {
  readonly signature: string;

  constructor(inputs: readonly Tensor[], readonly rows: number) {
    super("scatterAdd", inputs, [{ shape: [rows, inputs[1].shape[1]], dtype: "f32" }]);
    this.signature = `scatterAdd ${rows}`;
  }

  override withInputs(inputs: readonly Tensor[]): Node {
    return new ScatterAddNode(inputs, this.rows);
  }

  override gradient([cotangent]: readonly (Tensor | undefined)[]): (Tensor | undefined)[] {
    return [undefined, cotangent && gather(cotangent, this.inputs[0])];
  }

  protected override arithmetic(): Arithmetic {
    return { multiplyAdds: 0, flops: elementCount(this.inputs[1].shape) };
  }

  override accepts(_index: number, view: View): boolean {
    return isContiguous(view);
  }

  override lower([indices, source]: readonly View[], [output]: readonly View[]): Step[] {
    return [{ kind: "scatterAdd", indices, source, output }];
  }
}

/**
 * Rows of `table` (rows, D) chosen by i32 `indices` (count): (count, D).
 *
 * The device does not check indices; whoever writes them does.
 *
 * @throws RangeError when the ranks or the type of the indices are others
 */
export function gather(table: Tensor, indices: Tensor): Tensor {
  requireFloats("gather", [table]);
  if (table.shape.length !== 2 || indices.shape.length !== 1 || indices.dtype !== "i32") {
    throw new RangeError(
      `gather: table ${formatShape(table.shape)} must have two axes and indices ` +
        `${formatShape(indices.shape)} ${indices.dtype} must be i32 with one`,
    );
  }
  return new GatherNode([table, indices]).outputs[0];
}
