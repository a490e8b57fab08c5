/**
 * Lowering: from a graph to a program of steps over numbered buffers.
 *
 * Views are resolved here: a reshape, transpose, slice or broadcast becomes another window of the
 * same buffer, and a copy is made only for a consumer that cannot read through the window. Results
 * are written where they are wanted in the end: parts of a concatenation into their window, updates
 * into their state, outputs into the output's buffer.
 *
 * @module
 */
import type { BufferSpecification, Program, Step, View } from "../program.ts";
import { type DType, elementCount, type Shape } from "../shape.ts";
import { ConstantNode, InputNode, type Node, type Tensor } from "../tensor.ts";
import { ElementwiseNode } from "../ops/elementwise/op.ts";
import { ConcatenateNode, copyStep, ViewNode } from "../ops/movement/op.ts";
import { contiguousView, hasUnitInnerStride } from "../view.ts";
import { type Graph, graphNodes, type Update } from "./graph.ts";
import { planMemory } from "./memory.ts";

/** Turns a graph into steps and plans the memory of its temporaries. */
export function lower(graph: Graph): Program {
  const lowering = new Lowering(graph);
  const { buffers, steps } = lowering.run();
  return { name: graph.name, ...planMemory(buffers, steps) };
}

class Lowering {
  private readonly buffers: BufferSpecification[] = [];
  private readonly steps: Step[] = [];
  /** Where each tensor that has been computed can be read. */
  private readonly views = new Map<Tensor, View>();
  /** Contiguous copies of tensors whose view some consumer could not read. */
  private readonly copies = new Map<Tensor, View>();
  /** Where a tensor that is still to be computed shall be written. */
  private readonly destinations = new Map<Tensor, View>();
  private readonly uses = new Map<Tensor, number>();
  private readonly nodes: Node[];

  constructor(private readonly graph: Graph) {
    this.nodes = graphNodes(graph);
    this.countUses();
  }

  run(): { buffers: BufferSpecification[]; steps: Step[] } {
    this.bindSources();
    const late = this.placeUpdates();
    this.placeOutputs();
    this.placeConcatenations();
    const effects = new Set(this.graph.effects);
    for (const node of this.nodes) {
      if (!late.has(node) && !effects.has(node)) this.lowerNode(node);
    }
    this.finishOutputs();
    this.finishUpdates(late);
    for (const node of this.graph.effects) this.lowerNode(node);
    return { buffers: this.buffers, steps: this.steps };
  }

  private countUses(): void {
    const count = (tensor: Tensor): void => {
      this.uses.set(tensor, (this.uses.get(tensor) ?? 0) + 1);
    };
    for (const node of this.nodes) new Set(node.inputs).forEach(count);
    this.graph.outputs.forEach(count);
    this.graph.updates.forEach(({ value }) => count(value));
  }

  private addBuffer(specification: BufferSpecification): number {
    return this.buffers.push(specification) - 1;
  }

  private allocate(name: string, shape: Shape, dtype: DType): View {
    const elements = elementCount(shape);
    const buffer = this.addBuffer({ name, kind: "temporary", dtype, elements });
    return contiguousView(buffer, shape, dtype);
  }

  private bindSources(): void {
    for (const node of this.nodes) {
      if (!(node instanceof InputNode) && !(node instanceof ConstantNode)) continue;
      const [tensor] = node.outputs;
      const { shape, dtype } = tensor;
      const elements = elementCount(shape);
      const buffer = this.addBuffer(
        node instanceof InputNode
          ? { name: node.name, kind: node.role, dtype, elements }
          : { name: `constant ${node.id}`, kind: "constant", dtype, elements, data: node.data },
      );
      this.views.set(tensor, contiguousView(buffer, shape, dtype));
    }
  }

  /**
   * Lets the producer of an update write into the state, where that is safe, and says which
   * producers must therefore run after everything that reads the old contents.
   */
  private placeUpdates(): Set<Node> {
    const updated = new Set(this.graph.updates.map(({ state }) => state));
    const late = new Set<Node>();
    for (const update of this.graph.updates) {
      const { node } = update.value;
      const movable = !(node instanceof ViewNode) && node.outputs.length === 1 &&
        !(node instanceof InputNode) && !(node instanceof ConstantNode) &&
        this.uses.get(update.value) === 1 && readsOnlyOwn(node, update, updated);
      if (!movable) continue;
      late.add(node);
      this.destinations.set(update.value, this.views.get(update.state)!);
    }
    return late;
  }

  private placeOutputs(): void {
    for (const [name, tensor] of this.graph.outputs) {
      const { shape, dtype, node } = tensor;
      const elements = elementCount(shape);
      const view = contiguousView(
        this.addBuffer({ name, kind: "output", dtype, elements }),
        shape,
        dtype,
      );
      this.outputViews.set(name, view);
      const direct = !(node instanceof ViewNode) && !this.views.has(tensor) &&
        !this.destinations.has(tensor);
      if (direct) this.destinations.set(tensor, view);
    }
  }

  private readonly outputViews = new Map<string, View>();

  private placeConcatenations(): void {
    for (const node of [...this.nodes].reverse()) {
      if (!(node instanceof ConcatenateNode)) continue;
      const [tensor] = node.outputs;
      const whole = this.destinations.get(tensor) ??
        this.allocate("concatenate", tensor.shape, tensor.dtype);
      this.destinations.set(tensor, whole);
      node.windows(whole).forEach((window, index) => this.place(node.inputs[index], window));
    }
  }

  /** Makes the producer of a tensor write into `view`, if only one consumer reads the tensor. */
  private place(tensor: Tensor, view: View): void {
    const { node, output } = tensor;
    if (this.uses.get(tensor) !== 1 || this.destinations.has(tensor)) return;
    if (node instanceof ViewNode) {
      const source = node.backward(view);
      if (source) this.place(node.inputs[0], source);
    } else if (node.writesStrided(output) && hasUnitInnerStride(view)) {
      this.destinations.set(tensor, view);
    }
  }

  private lowerNode(node: Node): void {
    if (node instanceof InputNode || node instanceof ConstantNode) return;
    if (node instanceof ViewNode) {
      const [source] = node.inputs;
      const direct = node.forward(this.views.get(source)!);
      this.views.set(node.outputs[0], direct ?? node.forward(this.contiguous(source))!);
      return;
    }
    const inputs = node.inputs.map((tensor, index) => {
      const view = this.views.get(tensor)!;
      return node.accepts(index, view) ? view : this.contiguous(tensor);
    });
    const outputs = node.outputs.map((tensor) =>
      this.destinations.get(tensor) ?? this.allocate(node.kind, tensor.shape, tensor.dtype)
    );
    node.outputs.forEach((tensor, index) => this.views.set(tensor, outputs[index]));
    const used = node.outputs.map((tensor) => this.uses.has(tensor));
    this.steps.push(...node.lower(inputs, outputs, used));
  }

  /** A contiguous copy of a tensor, made once. */
  private contiguous(tensor: Tensor): View {
    let copy = this.copies.get(tensor);
    if (!copy) {
      copy = this.allocate("copy", tensor.shape, tensor.dtype);
      this.steps.push(copyStep(this.views.get(tensor)!, copy));
      this.copies.set(tensor, copy);
    }
    return copy;
  }

  private finishOutputs(): void {
    for (const [name, tensor] of this.graph.outputs) {
      const wanted = this.outputViews.get(name)!;
      const actual = this.views.get(tensor)!;
      if (actual.buffer !== wanted.buffer) this.steps.push(copyStep(actual, wanted));
    }
  }

  private finishUpdates(late: ReadonlySet<Node>): void {
    // A value that lies in a state must be saved before another update changes that state.
    const sources = this.graph.updates.map(({ value }) => {
      if (late.has(value.node)) return undefined;
      const inState = value.node instanceof ViewNode || value.node instanceof InputNode;
      return inState ? this.contiguous(value) : this.views.get(value)!;
    });
    this.graph.updates.forEach(({ state, value }, index) => {
      const from = sources[index];
      if (from) this.steps.push(copyStep(from, this.views.get(state)!));
      else this.lowerNode(value.node);
    });
  }
}

/**
 * Whether a node can run after all other readers of the updated states: of those states it reads at
 * most the one it replaces, element by element in place.
 */
function readsOnlyOwn(node: Node, update: Update, updated: ReadonlySet<Tensor>): boolean {
  return node.inputs.every((tensor) => {
    const source = viewSource(tensor);
    if (!updated.has(source)) return true;
    return tensor === update.state && node instanceof ElementwiseNode;
  });
}

/** The tensor whose memory a chain of views looks at. */
function viewSource(tensor: Tensor): Tensor {
  let source = tensor;
  while (source.node instanceof ViewNode) source = source.node.inputs[0];
  return source;
}
