/**
 * Fusion: element-wise work moves into the kernels next to it, so that intermediate results that
 * only one consumer reads never go through memory.
 *
 * Four rules, applied from the inputs to the roots; whether one applies is asked of the node:
 * 1. element-wise work into the node that reads its result: another element-wise one or one that
 *    begins with such work, as a reduction does (`withWork`);
 * 2. and into the node whose result it reads: the epilogue of a product, the finish of a reduction
 *    (`withEpilogue`);
 * 3. a sum into the node that makes one of its terms, which adds the other in the same pass: the
 *    gradient of a layer norm and the residual gradient (`withAddend`).
 *
 * @module
 */
import { binary, load, substitute } from "../expression.ts";
import { Operands } from "../ops/epilogue.ts";
import { sameShape } from "../shape.ts";
import type { ElementWork, Node, Tensor } from "../tensor.ts";
import type { Graph } from "./graph.ts";
import { rewrite } from "./rewrite.ts";

/** Operands that fused work may read: WebGPU guarantees 8 storage buffers a kernel, one of which is
 * the output. */
const maximumOperands = 7;

/** Applies the fusion rules to a whole graph. */
export function fuse(graph: Graph): Graph {
  const inPlace = new Set(
    graph.updates.filter(({ state, value }) => value.node.inputs.includes(state))
      .map(({ value }) => value.node),
  );
  return rewrite(graph, (node, original, context) => {
    const { work } = node;
    if (!work) return node;
    const exclusive = original.inputs.map((tensor) => context.uses(tensor) === 1);
    // What works in place must stay element-wise: only that may overwrite the state it reads.
    const movable = node.isElementwise() && !inPlace.has(original);
    const sum = movable && intoAddend(work, exclusive);
    if (sum) return sum;
    const merged = inlineProducers(work, exclusive);
    const owned = work.operands.filter((_, index) => exclusive[index]);
    return movable && intoEpilogue(merged, owned) || node.withWork(merged);
  });
}

/**
 * Rule 1: inlines element-wise producers that only this consumer reads and that compute as many
 * elements.
 */
function inlineProducers(
  { expression, operands, shape }: ElementWork,
  exclusive: readonly boolean[],
): ElementWork {
  const inlined = operands.map(({ node }, index) =>
    exclusive[index] && node.isElementwise() && sameShape(node.outputs[0].shape, shape)
      ? node.work
      : undefined
  );
  // Leave out the producers with most operands until what remains fits one kernel.
  for (;;) {
    const merged = new Operands();
    const loads = operands.map((tensor, index) => {
      const producer = inlined[index];
      if (!producer) return merged.load(tensor);
      return substitute(producer.expression, producer.operands.map((t) => merged.load(t)));
    });
    const largest = indexOfLargest(inlined);
    if (merged.tensors.length <= maximumOperands || largest < 0) {
      return { expression: substitute(expression, loads), operands: merged.tensors, shape };
    }
    inlined[largest] = undefined;
  }
}

function indexOfLargest(producers: readonly (ElementWork | undefined)[]): number {
  const sizes = producers.map((producer) => producer ? producer.operands.length : -1);
  const largest = Math.max(...sizes, -1);
  return largest < 0 ? -1 : sizes.indexOf(largest);
}

/** Rule 2: into the first of the `owned` operands whose node takes the work. */
function intoEpilogue(work: ElementWork, owned: readonly Tensor[]): Node | undefined {
  if (work.expression.type !== "f32") return undefined;
  for (const tensor of work.operands) {
    if (!owned.includes(tensor) || !sameShape(tensor.shape, work.shape)) continue;
    const fused = tensor.node.withEpilogue(work);
    if (fused) return fused;
  }
  return undefined;
}

/** Rule 3: only a sum of two operands as they are. */
function intoAddend(
  { expression, operands }: ElementWork,
  exclusive: readonly boolean[],
): Node | undefined {
  if (expression !== binary("add", load(0), load(1))) return undefined;
  const [a, b] = operands;
  if (!sameShape(a.shape, b.shape)) return undefined;
  return exclusive[0] && a.node.withAddend(b) || exclusive[1] && b.node.withAddend(a) || undefined;
}
