/**
 * Symbolic tensors. Calling a model on tensors *traces* a graph: every operation makes a `Node` that
 * remembers its inputs, and hands out `Tensor`s that stand for its results. Nothing is computed.
 *
 * A node knows everything there is to know about its operation: its gradient, its cost and the
 * program steps that carry it out. Gradients, fusion, memory planning and the FLOP tables are
 * functions of the graph (see `graph/`).
 *
 * @module
 */
import type { Cost } from "./cost.ts";
import type { Expression } from "./expression.ts";
import type { Step } from "./program.ts";
import type { View } from "./view.ts";
import {
  arithmeticType,
  checkShape,
  type DType,
  elementBytes,
  elementCount,
  type Shape,
  type StoredArray,
} from "./shape.ts";

/** A value that a graph will compute: static shape, element type, and the node that makes it. */
export interface Tensor {
  /** The node that makes it. */
  readonly node: Node;
  /** Which of the node's outputs this is. */
  readonly output: number;
  /** Sizes of the axes, slowest first. */
  readonly shape: Shape;
  /** Element type. */
  readonly dtype: DType;
}

/** Shape and element type of one output of a node. */
export interface ValueType {
  /** Sizes of the axes, slowest first. */
  readonly shape: Shape;
  /** Element type. */
  readonly dtype: DType;
}

/** A cost without its memory traffic. */
export type Arithmetic = Omit<Cost, "bytes">;

/**
 * How a result is stored where activations are kept in half precision: `single` is for statistics and
 * what is summed up over many elements, `half` for activations, and `operands` for what only passes
 * elements on or works on each by itself: as the operands are.
 */
export type ActivationStorage = "single" | "half" | "operands";

let nextId = 0;

/** Arithmetic on single elements: `load(k)` is an element of `operands[k]`, which are broadcast to
 * one shape. */
export interface ElementWork {
  /** What is computed of them. */
  readonly expression: Expression;
  /** Each broadcasts to `shape`. */
  readonly operands: readonly Tensor[];
  /** How many elements are computed. */
  readonly shape: Shape;
}

/** One operation of a graph. Subclasses live in `ops/`, one room a family. */
export abstract class Node {
  /** Creation order; inputs always have smaller ids than their users. */
  readonly id: number = nextId++;
  /** The results; empty for a node that is an effect. */
  readonly outputs: readonly Tensor[];

  /** Checks the output shapes and makes the output tensors. */
  constructor(
    readonly kind: string,
    readonly inputs: readonly Tensor[],
    types: readonly ValueType[],
  ) {
    for (const type of types) checkShape(type.shape, kind);
    this.outputs = types.map(({ shape, dtype }, output) => ({ node: this, output, shape, dtype }));
  }

  /** Everything but the inputs that determines the result: equal signatures and inputs mean equal
   * values. Undefined for nodes that must not be merged. */
  abstract readonly signature: string | undefined;

  /** The same operation on other inputs of the same shapes. */
  abstract withInputs(inputs: readonly Tensor[]): Node;

  /**
   * Vector-Jacobian products: for each input, the gradient given the cotangents of the outputs
   * (undefined: no gradient flows). A gradient may have the broadcast shape of the operation; it is
   * then summed back to the input's shape by the caller.
   */
  abstract gradient(cotangents: readonly (Tensor | undefined)[]): (Tensor | undefined)[];

  /** Arithmetic of one execution, without memory traffic. */
  protected abstract arithmetic(): Arithmetic;

  /** Arithmetic and memory traffic of one execution. */
  cost(): Cost {
    let bytes = 0;
    for (const { shape, dtype } of [...this.inputs, ...this.outputs]) {
      bytes += elementBytes[dtype] * elementCount(shape);
    }
    return { ...this.arithmetic(), bytes };
  }

  /** Whether the operation can read input `index` through `view`; otherwise a contiguous copy is
   * made first. */
  accepts(_index: number, _view: View): boolean {
    return true;
  }

  /** Whether the operation reads input `index` as it is stored where that is in half precision;
   * otherwise it is widened first. */
  readsHalves(_index: number): boolean {
    return false;
  }

  /** Whether input `index` may be an activation in half precision, on a device that keeps such. */
  takesHalves(_index: number): boolean {
    return true;
  }

  /** How output `index` is stored on a device that keeps activations in half precision. */
  activation(_index: number): ActivationStorage {
    return "single";
  }

  /**
   * The inputs that are combined with the result element by element, before it is stored; those that are
   * only compared, as random numbers are for a mask, are not among them.
   */
  elementOperands(): readonly Tensor[] {
    return [];
  }

  /** Whether output `index` may be written through any view with innermost stride 1. */
  writesStrided(_index: number): boolean {
    return false;
  }

  /** What the operation first does on single elements of its inputs, if anything: fusion moves the
   * work of element-wise producers into it. */
  get work(): ElementWork | undefined {
    return undefined;
  }

  /** The same operation after other work on single elements. Called where there is `work`. */
  withWork(_work: ElementWork): Node {
    return this;
  }

  /** Whether the work on single elements is all there is, so that it may move into a neighbour. */
  isElementwise(): boolean {
    return false;
  }

  /** The same operation with element-wise work on its only result (one of the operands) done before
   * that is stored; undefined where it cannot. */
  withEpilogue(_work: ElementWork): Node | undefined {
    return undefined;
  }

  /** The same operation plus another tensor of the result's shape, in one pass; undefined where it
   * cannot. */
  withAddend(_addend: Tensor): Node | undefined {
    return undefined;
  }

  /** The steps that carry the operation out. `used[i]` tells whether anything reads output i. */
  abstract lower(
    inputs: readonly View[],
    outputs: readonly View[],
    used: readonly boolean[],
  ): Step[];
}

/** A node that needs no step of its own. */
abstract class StepFreeNode extends Node {
  protected override arithmetic(): Arithmetic {
    return { multiplyAdds: 0, flops: 0 };
  }
  override cost(): Cost {
    return { multiplyAdds: 0, flops: 0, bytes: 0 };
  }
  override lower(): Step[] {
    return [];
  }
}

/** A node whose value comes from outside the graph: no inputs, no cost. */
abstract class SourceNode extends StepFreeNode {
  readonly signature: undefined = undefined;
  constructor(kind: string, type: ValueType) {
    super(kind, [], [type]);
  }
  override withInputs(): Node {
    return this;
  }
  override gradient(): [] {
    return [];
  }
}

/** An operation that only looks at its input in another way; resolved while lowering. */
export abstract class ViewNode extends StepFreeNode {
  /** The input's view as the output's, or undefined when a copy is needed. */
  abstract forward(view: View): View | undefined;

  /** Where the input must be written so that the output lies in `view`; undefined if impossible. */
  abstract backward(view: View): View | undefined;
}

/** The tensor whose memory a chain of views looks at. */
export function viewSource(tensor: Tensor): Tensor {
  let source = tensor;
  while (source.node instanceof ViewNode) source = source.node.inputs[0];
  return source;
}

/** An operation that only puts its inputs together: the producer of an input may write into the
 * input's window of the result. */
export abstract class JoinNode extends Node {
  /** The windows of the result that the inputs fill. */
  abstract windows(output: View): View[];

  override activation(): ActivationStorage {
    return "operands";
  }

  override elementOperands(): readonly Tensor[] {
    return this.inputs;
  }

  protected override arithmetic(): Arithmetic {
    return { multiplyAdds: 0, flops: 0 };
  }
}

/** A tensor written by the host before each run (`input`) or kept on the device (`state`). */
export class InputNode extends SourceNode {
  /** A source called `name`, unique within a program. */
  constructor(readonly name: string, readonly role: "input" | "state", type: ValueType) {
    super(role, type);
  }
}

/** A tensor whose contents are part of the program. */
export class ConstantNode extends SourceNode {
  /** Contents `data`, row-major, as many elements as the type's shape has. */
  constructor(readonly data: StoredArray, type: ValueType) {
    super("constant", type);
  }
}

/** A tensor that the host writes before each run. Names are unique within a program. */
export function input(name: string, shape: Shape, dtype: DType = "f32"): Tensor {
  return new InputNode(name, "input", { shape, dtype }).outputs[0];
}

/** A tensor that stays on the device between runs: a parameter, a moment, a sample in progress. */
export function state(name: string, shape: Shape, dtype: DType = "f32"): Tensor {
  return new InputNode(name, "state", { shape, dtype }).outputs[0];
}

/**
 * A tensor with fixed contents, `Int32Array` giving `i32` and `Float16Array` giving `f16`.
 *
 * @throws RangeError when the data does not fill the shape exactly.
 */
export function constantTensor(data: StoredArray, shape: Shape): Tensor {
  if (data.length !== elementCount(shape)) {
    throw new RangeError(`constant: ${data.length} elements do not fill (${shape.join(", ")})`);
  }
  const dtype: DType = data instanceof Int32Array
    ? "i32"
    : data instanceof Float16Array
    ? "f16"
    : "f32";
  return new ConstantNode(data, { shape, dtype }).outputs[0];
}

/**
 * Checks that tensors hold floating-point numbers.
 *
 * @throws RangeError naming the operation
 */
export function requireFloats(what: string, tensors: readonly Tensor[]): void {
  const other = tensors.find(({ dtype }) => arithmeticType(dtype) !== "f32");
  if (other) throw new RangeError(`${what}: needs f32 operands, one is ${other.dtype}`);
}

/** The given nodes and every node they depend on, inputs before their users. */
export function reachableNodes(roots: readonly Node[]): Node[] {
  const found = new Set<Node>();
  const pending = [...roots];
  for (let node = pending.pop(); node; node = pending.pop()) {
    if (found.has(node)) continue;
    found.add(node);
    for (const { node: source } of node.inputs) pending.push(source);
  }
  return topologicalOrder(found);
}

/** Nodes ordered so that inputs come first; among ready nodes, in order of creation. */
function topologicalOrder(nodes: ReadonlySet<Node>): Node[] {
  return [...nodes].sort((a, b) => a.id - b.id);
}
