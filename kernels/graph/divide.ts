/**
 * Dividing a graph that is run again and again: what stays the same is computed once.
 *
 * @module
 */
import { InputNode, type Node, state, type Tensor, ViewNode } from "../tensor.ts";
import { type Graph, graphNodes, makeGraph } from "./graph.ts";

/** A graph in two parts. */
export interface DividedGraph {
  /** Computes what stays the same, into states; absent where that is not worth a program. */
  readonly once?: Graph;
  /** The rest, which reads those states. */
  readonly each: Graph;
}

/**
 * Takes the products, convolutions and random numbers out of a graph that stay the same while some of its
 * inputs change; its own states always do. Everything else that stays the same is cheap and is left.
 *
 * @param changes whether an input or a state that the graph only reads changes from run to run
 */
export function divideGraph(graph: Graph, changes: (name: string) => boolean): DividedGraph {
  const taken = [...frontier(graph, changes)];
  if (taken.length === 0) return { each: graph };
  const states = new Map(
    taken.map((tensor, index) => [tensor, state(`prepared ${index}`, tensor.shape)]),
  );
  const updates = taken.map((tensor) => ({ state: states.get(tensor)!, value: tensor }));
  return {
    once: makeGraph(`what a ${graph.name} needs`, { updates }),
    each: withStates(graph, states),
  };
}

/** The largest parts of a graph that stay the same and are worth it: tensors that the rest reads. */
function frontier(graph: Graph, changes: (name: string) => boolean): Set<Tensor> {
  const own = new Set(graph.updates.map(({ state }) => state.node));
  const effects = new Set(graph.effects);
  const [same, worth] = [new Set<Node>(), new Set<Node>()];
  const found = new Set<Tensor>();
  const take = (tensor: Tensor): void => {
    if (!worth.has(tensor.node)) return;
    // A view costs nothing, and what it looks at may be smaller.
    if (tensor.node instanceof ViewNode) take(tensor.node.inputs[0]);
    else if (tensor.dtype === "f32") found.add(tensor);
  };
  for (const node of graphNodes(graph)) {
    const isSame = node instanceof InputNode
      ? !own.has(node) && !changes(node.name)
      : !effects.has(node) && node.inputs.every((input) => same.has(input.node));
    if (!isSame) {
      node.inputs.forEach(take);
      continue;
    }
    same.add(node);
    const isDear = node.cost().multiplyAdds > 0 || node.kind === "random";
    if (isDear || node.inputs.some((input) => worth.has(input.node))) worth.add(node);
  }
  graph.outputs.forEach(take);
  graph.updates.forEach(({ value }) => take(value));
  return found;
}

/** A graph with states in place of some tensors. */
function withStates(graph: Graph, states: ReadonlyMap<Tensor, Tensor>): Graph {
  const rebuilt = new Map<Node, Node>();
  const current = (tensor: Tensor): Tensor =>
    states.get(tensor) ?? rebuilt.get(tensor.node)!.outputs[tensor.output];
  for (const node of graphNodes(graph)) {
    const inputs = node.inputs.map(current);
    const changed = inputs.some((tensor, index) => tensor !== node.inputs[index]);
    rebuilt.set(node, changed ? node.withInputs(inputs) : node);
  }
  return {
    name: graph.name,
    outputs: new Map([...graph.outputs].map(([name, tensor]) => [name, current(tensor)])),
    updates: graph.updates.map(({ state, value }) => ({ state, value: current(value) })),
    effects: graph.effects.map((node) => rebuilt.get(node)!),
  };
}
