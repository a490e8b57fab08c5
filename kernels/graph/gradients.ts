/**
 * Reverse-mode differentiation, graph to graph: the backward pass is more nodes of the same
 * operations, so that everything that holds for a forward graph (fusion, cost, memory plan) holds for
 * it too.
 *
 * @module
 */
import { constantTensor, type Node, reachableNodes, type Tensor } from "../tensor.ts";
import { elementCount, formatShape, sameShape } from "../shape.ts";
import { add } from "../ops/elementwise/op.ts";
import { broadcastTo, concatenate, PadNode } from "../ops/movement/op.ts";
import { sumToShape } from "../ops/reduce/op.ts";

/** Contributions to the cotangent of each tensor, in the order they were found. */
class Cotangents {
  readonly #contributions = new Map<Tensor, Tensor[]>();

  push(tensor: Tensor, contribution: Tensor): void {
    const list = this.#contributions.get(tensor);
    if (list) list.push(contribution);
    else this.#contributions.set(tensor, [contribution]);
  }

  total(tensor: Tensor): Tensor | undefined {
    const list = this.#contributions.get(tensor);
    if (!list) return undefined;
    const sum = sumOf(list);
    this.#contributions.set(tensor, [sum]);
    return sum;
  }
}

/** The sum of contributions; gradients of slices that tile an axis are put side by side instead. */
function sumOf(contributions: readonly Tensor[]): Tensor {
  return tiled(contributions) ?? contributions.reduce((a, b) => add(a, b));
}

function tiled(contributions: readonly Tensor[]): Tensor | undefined {
  const parts = contributions.map(({ node }) => node);
  if (parts.length < 2 || !parts.every((node): node is PadNode => node instanceof PadNode)) {
    return undefined;
  }
  const { axis, size } = parts[0];
  const sorted = [...parts].sort((a, b) => a.start - b.start);
  let covered = 0;
  for (const part of sorted) {
    if (part.axis !== axis || part.start !== covered) return undefined;
    covered += part.inputs[0].shape[axis];
  }
  return covered === size ? concatenate(sorted.map((part) => part.inputs[0]), axis) : undefined;
}

/**
 * Gradients of a scalar, or vector-Jacobian products of any tensor.
 *
 * @param output what is differentiated; a single element unless `cotangent` is given
 * @param withRespectTo tensors whose gradients are wanted
 * @param cotangent weight of each element of `output`, of its shape; 1 by default
 * @returns one tensor for each of `withRespectTo`, of its shape; zeros where nothing depends on it
 * @throws RangeError when `output` has several elements and no cotangent is given
 */
export function gradients(
  output: Tensor,
  withRespectTo: readonly Tensor[],
  cotangent?: Tensor,
): Tensor[] {
  if (!cotangent && elementCount(output.shape) !== 1) {
    throw new RangeError(
      `gradients: ${formatShape(output.shape)} has several elements; give a cotangent`,
    );
  }
  if (cotangent && !sameShape(cotangent.shape, output.shape)) {
    throw new RangeError(
      `gradients: the cotangent ${formatShape(cotangent.shape)} has not the shape of the output ` +
        formatShape(output.shape),
    );
  }
  const nodes = reachableNodes([output.node]);
  const needed = nodesLeadingTo(nodes, withRespectTo);
  const cotangents = new Cotangents();
  cotangents.push(output, cotangent ?? filled(1, output.shape));
  for (const node of nodes.reverse()) {
    if (needed.has(node)) propagate(node, needed, cotangents);
  }
  return withRespectTo.map((tensor) => cotangents.total(tensor) ?? filled(0, tensor.shape));
}

/** A tensor that is the same number everywhere. */
export function filled(value: number, shape: readonly number[]): Tensor {
  return broadcastTo(constantTensor(Float32Array.of(value), []), shape);
}

/** Nodes through which a gradient can reach one of the targets. */
function nodesLeadingTo(order: readonly Node[], targets: readonly Tensor[]): Set<Node> {
  const leading = new Set<Node>(targets.map(({ node }) => node));
  for (const node of order) {
    if (node.inputs.some(({ node: source }) => leading.has(source))) leading.add(node);
  }
  return leading;
}

function propagate(node: Node, needed: ReadonlySet<Node>, cotangents: Cotangents): void {
  const incoming = node.outputs.map((tensor) => cotangents.total(tensor));
  if (incoming.every((cotangent) => cotangent === undefined)) return;
  node.gradient(incoming).forEach((contribution, index) => {
    const source = node.inputs[index];
    if (!contribution || !needed.has(source.node)) return;
    cotangents.push(source, sumToShape(contribution, source.shape));
  });
}
