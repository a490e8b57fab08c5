/**
 * Lowering: from a graph to a program of steps over numbered buffers.
 *
 * Views are resolved here: a reshape, transpose, slice or broadcast becomes another window of the
 * same buffer, and a copy is made only for a consumer that cannot read through the window. What is
 * stored in half precision is widened, once a program, for consumers that cannot read it so; on a
 * device that keeps activations in half precision nearly all can. Results
 * are written where they are wanted in the end: parts of a concatenation into their window, updates
 * into their state, outputs into the output's buffer.
 *
 * @module
 */
import type { Cost } from "../cost.ts";
import type { BufferSpecification, Program, Step } from "../program.ts";
import { arithmeticType, type DType, elementCount, type Shape } from "../shape.ts";
import {
  ConstantNode,
  InputNode,
  JoinNode,
  type Node,
  type Tensor,
  ViewNode,
  viewSource,
} from "../tensor.ts";
import { copyStep } from "../ops/movement/op.ts";
import { widenStep } from "../ops/widen/op.ts";
import { contiguousView, hasUnitInnerStride, type View } from "../view.ts";
import { countUses, type Graph, graphNodes, type Update } from "./graph.ts";
import { planMemory } from "./memory.ts";

/**
 * Turns a graph into steps and plans the memory of its temporaries.
 *
 * @param halves results that are stored in half precision; absent where the device only reads such
 */
export function lower(graph: Graph, halves?: ReadonlySet<Tensor>): Program {
  const lowering = new Lowering(graph, halves);
  const { buffers, steps, costs } = lowering.run();
  return { name: graph.name, ...planMemory(buffers, steps), costs };
}

class Lowering {
  readonly #buffers: BufferSpecification[] = [];
  readonly #steps: Step[] = [];
  readonly #costs: Cost[] = [];
  /** Where each tensor that has been computed can be read. */
  readonly #views = new Map<Tensor, View>();
  /** Contiguous copies of tensors whose view some consumer could not read. */
  readonly #copies = new Map<Tensor, View>();
  /** Buffers that hold what buffers in half precision hold, by the numbers of those. */
  readonly #widenings = new Map<number, number>();
  /** Where a tensor that is still to be computed shall be written. */
  readonly #destinations = new Map<Tensor, View>();
  /** Buffers of the graph's outputs by name. */
  readonly #outputViews = new Map<string, View>();
  readonly #uses: ReadonlyMap<Tensor, number>;
  readonly #nodes: Node[];
  /** Updates that happen as soon as their value is known, by the node that makes the value. */
  readonly #running: ReadonlyMap<Node, Update>;
  /** Updates by the node behind which nothing reads the old contents any more and the new are known. */
  readonly #early: ReadonlyMap<Node, readonly Update[]>;
  readonly #graph: Graph;
  readonly #halves: ReadonlySet<Tensor> | undefined;

  constructor(graph: Graph, halves: ReadonlySet<Tensor> | undefined) {
    this.#graph = graph;
    this.#halves = halves;
    this.#uses = countUses(graph);
    this.#running = runningUpdates(graph, this.#uses);
    this.#nodes = moveForward(graphNodes(graph), new Set(this.#running.keys()));
    this.#early = earlyUpdates(graph, this.#nodes);
  }

  run(): { buffers: BufferSpecification[]; steps: Step[]; costs: Cost[] } {
    this.#bindSources();
    const late = this.#placeUpdates();
    this.#placeOutputs();
    this.#placeJoinedInputs();
    const effects = new Set(this.#graph.effects);
    for (const node of this.#nodes) {
      if (late.has(node) || effects.has(node)) continue;
      this.#lowerNode(node);
      for (const { state, value } of this.#early.get(node) ?? []) {
        this.#addStep(copyStep(this.#views.get(value)!, this.#views.get(state)!));
      }
    }
    this.#finishOutputs();
    const made = new Set([...this.#running.values(), ...[...this.#early.values()].flat()]);
    const left = this.#graph.updates.filter((update) => !made.has(update));
    const sources = this.#saveUpdateSources(late, left);
    for (const node of this.#graph.effects) this.#lowerNode(node);
    this.#finishUpdates(left, sources);
    return { buffers: this.#buffers, steps: this.#steps, costs: this.#costs };
  }

  #addBuffer(specification: BufferSpecification): number {
    return this.#buffers.push(specification) - 1;
  }

  #allocate(name: string, shape: Shape, dtype: DType): View {
    const elements = elementCount(shape);
    const buffer = this.#addBuffer({ name, kind: "temporary", dtype, elements });
    return contiguousView(buffer, shape, dtype);
  }

  #bindSources(): void {
    for (const node of this.#nodes) {
      if (!(node instanceof InputNode) && !(node instanceof ConstantNode)) continue;
      const [tensor] = node.outputs;
      const { shape, dtype } = tensor;
      const elements = elementCount(shape);
      const buffer = this.#addBuffer(
        node instanceof InputNode
          ? { name: node.name, kind: node.role, dtype, elements }
          : { name: `constant ${node.id}`, kind: "constant", dtype, elements, data: node.data },
      );
      this.#views.set(tensor, contiguousView(buffer, shape, dtype));
    }
  }

  /**
   * Lets the producer of an update write into the state, where that is safe, and says which
   * producers must therefore run after everything that reads the old contents.
   */
  #placeUpdates(): Set<Node> {
    const { updates, effects } = this.#graph;
    // Effects run before updates and change states of their own.
    const changing = effects.length > 0
      ? this.#nodes.filter((node) => node instanceof InputNode).map(({ outputs }) => outputs[0])
      : updates.map(({ state }) => state);
    const late = new Set<Node>();
    for (const update of updates) {
      const { node } = update.value;
      if (this.#running.has(node)) {
        this.#destinations.set(update.value, this.#views.get(update.state)!);
        continue;
      }
      const movable = !isPassive(node) && !(node instanceof JoinNode) &&
        node.outputs.length === 1 && this.#uses.get(update.value) === 1 &&
        readsOnlyOwn(node, update, new Set(changing));
      if (!movable) continue;
      late.add(node);
      this.#destinations.set(update.value, this.#views.get(update.state)!);
    }
    return late;
  }

  #placeOutputs(): void {
    for (const [name, tensor] of this.#graph.outputs) {
      const { shape, node } = tensor;
      const dtype = arithmeticType(tensor.dtype);
      const elements = elementCount(shape);
      const view = contiguousView(
        this.#addBuffer({ name, kind: "output", dtype, elements }),
        shape,
        dtype,
      );
      this.#outputViews.set(name, view);
      const direct = !(node instanceof ViewNode) && !this.#views.has(tensor) &&
        !this.#destinations.has(tensor);
      if (direct) this.#destinations.set(tensor, view);
    }
  }

  #placeJoinedInputs(): void {
    for (const node of [...this.#nodes].reverse()) {
      if (!(node instanceof JoinNode)) continue;
      const [tensor] = node.outputs;
      const whole = this.#destinations.get(tensor) ??
        this.#allocate(node.kind, tensor.shape, this.#storedType(tensor));
      this.#destinations.set(tensor, whole);
      node.windows(whole).forEach((window, index) => this.#place(node.inputs[index], window));
    }
  }

  /** Makes the producer of a tensor write into `view`, if only one consumer reads the tensor. */
  #place(tensor: Tensor, view: View): void {
    const { node, output } = tensor;
    if (this.#uses.get(tensor) !== 1 || this.#destinations.has(tensor)) return;
    if (node instanceof ViewNode) {
      const source = node.backward(view);
      if (source) this.#place(node.inputs[0], source);
    } else if (
      node.writesStrided(output) && hasUnitInnerStride(view) &&
      (view.dtype !== "f16" || this.#halves?.has(tensor))
    ) {
      this.#destinations.set(tensor, view);
    }
  }

  #lowerNode(node: Node): void {
    if (node instanceof InputNode || node instanceof ConstantNode) return;
    if (node instanceof ViewNode) {
      const [source] = node.inputs;
      const direct = node.forward(this.#views.get(source)!);
      this.#views.set(node.outputs[0], direct ?? node.forward(this.#contiguous(source))!);
      return;
    }
    const inputs = node.inputs.map((tensor, index) => {
      const stored = this.#views.get(tensor)!;
      const readsHalves = this.#halves ? node.takesHalves(index) : node.readsHalves(index);
      const view = readsHalves ? stored : this.#widened(stored);
      return node.accepts(index, view) ? view : this.#contiguous(tensor);
    });
    const outputs = node.outputs.map((tensor) =>
      this.#destinations.get(tensor) ??
        this.#allocate(node.kind, tensor.shape, this.#storedType(tensor))
    );
    node.outputs.forEach((tensor, index) => this.#views.set(tensor, outputs[index]));
    const used = node.outputs.map((tensor) => this.#uses.has(tensor));
    const steps = node.lower(inputs, outputs, used);
    steps.forEach((step, index) => this.#addStep(step, index === 0 ? node.cost() : undefined));
  }

  /** The element type in which a result is kept between two steps. */
  #storedType(tensor: Tensor): DType {
    return this.#halves?.has(tensor) ? "f16" : tensor.dtype;
  }

  /** Adds a step; the first one of a node has all of its cost, copies have none. */
  #addStep(step: Step, cost: Cost = { multiplyAdds: 0, flops: 0, bytes: 0 }): void {
    this.#steps.push(step);
    this.#costs.push(cost);
  }

  /** A contiguous copy of a tensor, made once. */
  #contiguous(tensor: Tensor): View {
    let copy = this.#copies.get(tensor);
    if (!copy) {
      const view = this.#copied(this.#views.get(tensor)!);
      copy = this.#allocate("copy", tensor.shape, view.dtype);
      this.#addStep(copyStep(view, copy));
      this.#copies.set(tensor, copy);
    }
    return copy;
  }

  /** A window as a copy step reads it, which converts where the device writes halves too. */
  #copied(view: View): View {
    return this.#halves ? view : this.#widened(view);
  }

  /** The same window of single-precision numbers: its whole buffer is widened on first use. */
  #widened(view: View): View {
    if (view.dtype !== "f16") return view;
    let buffer = this.#widenings.get(view.buffer);
    if (buffer === undefined) {
      const output = this.#allocate("widened", [this.#buffers[view.buffer].elements], "f32");
      this.#addStep(widenStep(view.buffer, output));
      buffer = output.buffer;
      this.#widenings.set(view.buffer, buffer);
    }
    return { ...view, buffer, dtype: "f32" };
  }

  #finishOutputs(): void {
    for (const [name, tensor] of this.#graph.outputs) {
      const wanted = this.#outputViews.get(name)!;
      const actual = this.#copied(this.#views.get(tensor)!);
      if (actual.buffer !== wanted.buffer) this.#addStep(copyStep(actual, wanted));
    }
  }

  /** Where the values of updates that are not computed late can be read when states change. */
  #saveUpdateSources(late: ReadonlySet<Node>, updates: readonly Update[]): (View | undefined)[] {
    return updates.map(({ value }) => {
      if (late.has(value.node)) return undefined;
      // What lies in a state must be saved before another update changes that state.
      return isState(viewSource(value))
        ? this.#contiguous(value)
        : this.#copied(this.#views.get(value)!);
    });
  }

  #finishUpdates(updates: readonly Update[], sources: readonly (View | undefined)[]): void {
    updates.forEach(({ state, value }, index) => {
      const from = sources[index];
      if (from) this.#addStep(copyStep(from, this.#views.get(state)!));
      else this.#lowerNode(value.node);
    });
  }
}

/**
 * Updates such as `sum + x` of a state that nothing else reads: they need not wait for the end, so
 * that what is added does not have to be kept until then.
 */
function runningUpdates(
  { updates }: Graph,
  uses: ReadonlyMap<Tensor, number>,
): Map<Node, Update> {
  const running = updates.filter(({ state, value }) =>
    value.node.isElementwise() && value.node.inputs.includes(state) &&
    uses.get(state) === 1 && uses.get(value) === 1
  );
  return new Map(running.map((update) => [update.value.node, update]));
}

/**
 * Updates by parts of what has been computed, such as the last frames of an activation: as soon as
 * nothing reads the old contents any more, so that the whole need not be kept until the end. Each
 * stands with the last node that it waits for.
 */
function earlyUpdates(
  { outputs, updates, effects }: Graph,
  nodes: readonly Node[],
): Map<Node, Update[]> {
  const positions = new Map(nodes.map((node, position) => [node, position]));
  const waits = new Set(effects);
  const readAtTheEnd = new Set(
    [...outputs.values(), ...updates.map(({ value }) => value)].map(viewSource),
  );
  const early = new Map<Node, Update[]>();
  for (const update of updates) {
    const { state, value } = update;
    const isPart = value.node instanceof ViewNode || value.node instanceof JoinNode;
    if (!isPart || isState(viewSource(value)) || readAtTheEnd.has(state)) continue;
    const before = [value.node, ...nodes.filter((node) => node.inputs.some(isOf(state)))];
    if (before.some((node) => waits.has(node))) continue;
    const last = before.reduce((a, b) => positions.get(a)! > positions.get(b)! ? a : b);
    early.set(last, [...early.get(last) ?? [], update]);
  }
  return early;
}

/** Whether a tensor is another one, or looks at its memory. */
const isOf = (source: Tensor) => (tensor: Tensor): boolean => viewSource(tensor) === source;

/** The same nodes; those of `moved`, whose results no node reads, right behind their last input. */
function moveForward(nodes: readonly Node[], moved: ReadonlySet<Node>): Node[] {
  const positions = new Map(nodes.map((node, position) => [node, position]));
  const place = (node: Node): number =>
    moved.has(node)
      ? Math.max(...node.inputs.map((tensor) => positions.get(tensor.node)!)) + 0.5
      : positions.get(node)!;
  return [...nodes].sort((a, b) => place(a) - place(b));
}

/** Whether a tensor is the contents of a state. */
const isState = ({ node }: Tensor): boolean => node instanceof InputNode && node.role === "state";

/** Whether a node computes nothing of its own: a source or a view. */
function isPassive(node: Node): boolean {
  return node instanceof ViewNode || node instanceof InputNode || node instanceof ConstantNode;
}

/**
 * Whether a node can run after all other readers of the changing states: of those it reads at most
 * the one it replaces, element by element in place.
 */
function readsOnlyOwn(node: Node, update: Update, changing: ReadonlySet<Tensor>): boolean {
  return node.inputs.every((tensor) => {
    const source = viewSource(tensor);
    if (!changing.has(source)) return true;
    return tensor === update.state && node.isElementwise();
  });
}
