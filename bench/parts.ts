/**
 * What each part of a model costs, from the graph that really runs.
 *
 * A matrix product belongs to the weight it reads, so that parts carry the names of the model's
 * parameters and no table of layers has to be kept beside the model.
 *
 * @module
 */
import { type Graph, graphNodes } from "../kernels/graph/graph.ts";
import { MatmulNode } from "../kernels/ops/matmul/op.ts";
import { InputNode, type Node, type Tensor, ViewNode } from "../kernels/tensor.ts";

/** The cost of all operations of one part. */
export interface PartCost {
  /** Name of the weight with `*` for numbers of blocks, or kind of the operation. */
  readonly part: string;
  /** Operations. */
  readonly operations: number;
  /** Of products and attention, a multiply-add as 1. */
  readonly multiplyAdds: number;
  /** All arithmetic, a multiply-add as 2. */
  readonly flops: number;
  /** Reading each operand and writing each result once. */
  readonly bytes: number;
}

/** Costs by part, in the order in which the parts first run; operations without cost are left out. */
export function costByPart(graph: Graph): PartCost[] {
  const parts = new Map<string, PartCost>();
  for (const node of graphNodes(graph)) {
    const { multiplyAdds, flops, bytes } = node.cost();
    if (flops === 0 && bytes === 0) continue;
    const part = partOf(node);
    const sum = parts.get(part);
    parts.set(part, {
      part,
      operations: (sum?.operations ?? 0) + 1,
      multiplyAdds: (sum?.multiplyAdds ?? 0) + multiplyAdds,
      flops: (sum?.flops ?? 0) + flops,
      bytes: (sum?.bytes ?? 0) + bytes,
    });
  }
  return [...parts.values()];
}

function partOf(node: Node): string {
  if (!(node instanceof MatmulNode)) return node.kind;
  const weight = node.inputs.slice(0, 2).map(stateName).find((name) => name !== undefined);
  if (weight === undefined) return "gradients of weights";
  return weight.replace(/\.weight$/, "").replaceAll(/\.\d+\./g, ".*.");
}

/** The name of the state that a tensor is a view of. */
function stateName(tensor: Tensor): string | undefined {
  let { node } = tensor;
  while (node instanceof ViewNode) node = node.inputs[0].node;
  return node instanceof InputNode && node.role === "state" ? node.name : undefined;
}
