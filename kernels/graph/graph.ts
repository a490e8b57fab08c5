/**
 * A graph: named outputs, updates of states and effects, over traced tensors.
 *
 * @module
 */
import { arithmeticType, formatShape, sameShape } from "../shape.ts";
import type { Cost } from "../cost.ts";
import { InputNode, type Node, reachableNodes, type Tensor } from "../tensor.ts";

/** New contents of a state, written after everything else has read the old ones. */
export interface Update {
  /** Made by `state`. */
  readonly state: Tensor;
  /** What it becomes, of the same shape. */
  readonly value: Tensor;
}

/** What a program is made from. */
export interface Graph {
  /** For messages. */
  readonly name: string;
  /** Values that the host reads after a run. */
  readonly outputs: ReadonlyMap<string, Tensor>;
  /** States and what they become at the end of a run. */
  readonly updates: readonly Update[];
  /** Nodes that change states themselves (AdamW); they run after all values are computed. */
  readonly effects: readonly Node[];
}

/** Parts of a graph that may be left out. */
export interface GraphParts {
  /** Values that the host reads after a run, by name; none by default. */
  readonly outputs?: Readonly<Record<string, Tensor>>;
  /** States and what they become; none by default. */
  readonly updates?: readonly Update[];
  /** Nodes that change states themselves, such as those of `adamw`; none by default. */
  readonly effects?: readonly Node[];
}

/**
 * Collects what a program must compute. States in half precision are only read.
 *
 * @throws RangeError when an update does not fit its state or comes twice, or when two tensors share a
 * name.
 */
export function makeGraph(name: string, parts: GraphParts): Graph {
  const graph: Graph = {
    name,
    outputs: new Map(Object.entries(parts.outputs ?? {})),
    updates: parts.updates ?? [],
    effects: parts.effects ?? [],
  };
  checkUpdates(graph);
  checkNames(graph);
  return graph;
}

function checkUpdates({ name, updates }: Graph): void {
  const updated = new Set<Tensor>();
  for (const { state, value } of updates) {
    const isState = state.node instanceof InputNode && state.node.role === "state";
    const sameType = state.dtype === arithmeticType(value.dtype);
    if (!isState || !sameShape(state.shape, value.shape) || !sameType) {
      throw new RangeError(
        `${name}: ${value.dtype} ${formatShape(value.shape)} cannot update ` +
          `${isState ? "a state" : "what is no state"} of ${state.dtype} ${
            formatShape(state.shape)
          }`,
      );
    }
    if (updated.has(state)) throw new RangeError(`${name}: a state is updated twice`);
    updated.add(state);
  }
}

function checkNames(graph: Graph): void {
  const owners = new Map<string, Node>();
  for (const node of graphNodes(graph)) {
    if (!(node instanceof InputNode)) continue;
    if (owners.has(node.name)) {
      throw new RangeError(`${graph.name}: two tensors are named ${node.name}`);
    }
    owners.set(node.name, node);
  }
  for (const name of graph.outputs.keys()) {
    if (owners.has(name)) {
      throw new RangeError(`${graph.name}: output ${name} has the name of an input`);
    }
  }
}

/** The nodes at which a graph ends. */
function rootNodes({ outputs, updates, effects }: Graph): Node[] {
  const values = [...outputs.values(), ...updates.flatMap(({ state, value }) => [value, state])];
  return [...values.map(({ node }) => node), ...effects];
}

/** Every node of a graph, inputs before their users. */
export function graphNodes(graph: Graph): Node[] {
  return reachableNodes(rootNodes(graph));
}

/** Names of the tensors that the host writes before a run. */
export function graphInputs(graph: Graph): Set<string> {
  const inputs = graphNodes(graph).filter((node) => node instanceof InputNode)
    .filter(({ role }) => role === "input");
  return new Set(inputs.map(({ name }) => name));
}

/** How many nodes, outputs and updates read each tensor of a graph. */
export function countUses(graph: Graph): Map<Tensor, number> {
  const counts = new Map<Tensor, number>();
  const count = (tensor: Tensor): void => {
    counts.set(tensor, (counts.get(tensor) ?? 0) + 1);
  };
  for (const node of graphNodes(graph)) new Set(node.inputs).forEach(count);
  graph.outputs.forEach(count);
  graph.updates.forEach(({ value }) => count(value));
  return counts;
}

/** The sum of the costs of all nodes of a graph. */
export function graphCost(graph: Graph): Cost {
  const total = { multiplyAdds: 0, flops: 0, bytes: 0 };
  for (const node of graphNodes(graph)) {
    const cost = node.cost();
    total.multiplyAdds += cost.multiplyAdds;
    total.flops += cost.flops;
    total.bytes += cost.bytes;
  }
  return total;
}
