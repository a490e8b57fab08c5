/**
 * Which results are kept in half precision, on a device that can write it.
 *
 * Half precision is a matter of memory alone: kernels widen what they read, compute and add up in
 * single precision, and round what they store. A node says how its results are stored
 * (`Node.activation`). As in PyTorch's autocast, what combines elements is in single precision as soon
 * as an operand as large as the result is; and then what is combined is wanted so too. What is only compared,
 * as the random numbers of dropout are, decides nothing. So losses and
 * the arithmetic of samplers, which begin with data in single precision, keep it, and so does the last
 * product of the network before them.
 *
 * @module
 */
import { InputNode, type Node, type Tensor, viewSource } from "../tensor.ts";
import { elementCount } from "../shape.ts";
import { type Graph, graphNodes } from "./graph.ts";

/** The tensors of a fused graph that are kept in half precision. */
export function halfActivations(graph: Graph): Set<Tensor> {
  const nodes = graphNodes(graph);
  const candidates = nodes.flatMap(({ outputs }) => outputs)
    .filter((tensor) => tensor.dtype === "f32" && storageOf(tensor) !== "single");
  const combining = candidates.filter((tensor) => {
    const { inputs } = tensor.node;
    return elementOperands(tensor).length > 0 || inputs.length > 0 && follows(tensor);
  });
  const halves = new Set(candidates);
  const keepSingle = (tensor: Tensor): void => void halves.delete(viewSource(tensor));
  wantedInSingle(graph, nodes).forEach(keepSingle);
  const data = dependingOnData(graph, nodes);
  // Each round may make further operands single, until none does.
  for (let before = Infinity; halves.size < before;) {
    before = halves.size;
    for (const tensor of combining) {
      if (halves.has(tensor) && mayBeHalf(tensor, halves, data)) continue;
      keepSingle(tensor);
      if (follows(tensor)) elementOperands(tensor).forEach(keepSingle);
    }
  }
  return halves;
}

const storageOf = ({ node, output }: Tensor) => node.activation(output);

/** Whether a result is stored as its operands are. */
const follows = (tensor: Tensor): boolean => storageOf(tensor) === "operands";

const elementOperands = ({ node }: Tensor): readonly Tensor[] => node.elementOperands();

/** What the host reads or keeps, and what operations read that take nothing else. */
function wantedInSingle({ outputs, updates }: Graph, nodes: readonly Node[]): Tensor[] {
  // A part of an activation that a state keeps is widened when it is copied.
  const kept = updates.map(({ value }) => value).filter((value) => viewSource(value) === value);
  const read = nodes.flatMap((node) => node.inputs.filter((_, index) => !node.takesHalves(index)));
  return [...outputs.values(), ...kept, ...read];
}

/** The nodes whose numbers depend on more than weights and constants; a mask chooses among constants. */
function dependingOnData({ updates }: Graph, nodes: readonly Node[]): Set<Node> {
  const changing = new Set(updates.map(({ state }) => state.node));
  const data = new Set<Node>();
  for (const node of nodes) {
    const isSource = node instanceof InputNode && (node.role === "input" || changing.has(node));
    const operands = node.isElementwise() ? node.elementOperands() : node.inputs;
    if (isSource || operands.some((input) => data.has(input.node))) data.add(node);
  }
  return data;
}

/** Whether no data as large as the result are single, and some operand is half if the result follows them. */
function mayBeHalf(
  tensor: Tensor,
  halves: ReadonlySet<Tensor>,
  data: ReadonlySet<Node>,
): boolean {
  const operands = elementOperands(tensor);
  // Weights in half precision say nothing about activations.
  const isHalf = (operand: Tensor): boolean =>
    halves.has(viewSource(operand)) || operand.dtype === "f16" && data.has(operand.node);
  const isLarge = (operand: Tensor): boolean => {
    const sizes = [operand, viewSource(operand)].map(({ shape }) => elementCount(shape));
    return Math.min(...sizes) >= elementCount(tensor.shape);
  };
  const isLargeSingle = (operand: Tensor): boolean =>
    operand.dtype === "f32" && data.has(operand.node) && !isHalf(operand) && isLarge(operand);
  return !operands.some(isLargeSingle) && (!follows(tensor) || operands.some(isHalf));
}
