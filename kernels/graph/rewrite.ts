/**
 * Rewriting graphs from the inputs to the roots: the frame that the passes share, and the simplest
 * pass, merging equal nodes.
 *
 * @module
 */
import type { Node, Tensor } from "../tensor.ts";
import { countUses, type Graph, graphNodes } from "./graph.ts";

/** What a pass may ask about the graph it rewrites. */
export interface RewriteContext {
  /** How many nodes, outputs, updates and effects read a tensor of the original graph. */
  uses(original: Tensor): number;
}

/** Offered each node with its inputs already rewritten; returns what takes its place. */
export type Rewriter = (node: Node, original: Node, context: RewriteContext) => Node;

/**
 * Rebuilds a graph, replacing each node by what `rewriter` makes of it. A replacement must have as
 * many outputs as the node, of the same shapes.
 */
export function rewrite(graph: Graph, rewriter: Rewriter): Graph {
  const counts = countUses(graph);
  const context: RewriteContext = { uses: (tensor) => counts.get(tensor) ?? 0 };
  const replaced = new Map<Node, Node>();
  const current = (tensor: Tensor): Tensor => replaced.get(tensor.node)!.outputs[tensor.output];
  for (const node of graphNodes(graph)) {
    const inputs = node.inputs.map(current);
    const changed = inputs.some((tensor, index) => tensor !== node.inputs[index]);
    replaced.set(node, rewriter(changed ? node.withInputs(inputs) : node, node, context));
  }
  return {
    name: graph.name,
    outputs: new Map([...graph.outputs].map(([name, tensor]) => [name, current(tensor)])),
    updates: graph.updates.map(({ state, value }) => ({ state, value: current(value) })),
    effects: graph.effects.map((node) => replaced.get(node)!),
  };
}

/** Merges nodes that compute the same thing; what nothing needs disappears by itself. */
export function mergeEqualNodes(graph: Graph): Graph {
  const seen = new Map<string, Node>();
  return rewrite(graph, (node) => {
    if (node.signature === undefined) return node;
    const inputs = node.inputs.map(({ node: source, output }) => `${source.id}.${output}`);
    const key = `${node.signature} | ${inputs.join(" ")}`;
    const known = seen.get(key);
    if (!known) seen.set(key, node);
    return known ?? node;
  });
}
