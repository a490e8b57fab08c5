/**
 * Convolutions in one, two and three dimensions.
 *
 * Activations have their channels last, (N, ...sizes, C), so that what a window reads of a line of
 * the input is one run of memory; weights have the shape that PyTorch publishes, (O, C, ...kernel).
 *
 * The three operations are the partial derivatives of one trilinear form,
 * `sum of input[n, p strides + k - before, c] weight[o, c, k] output[n, p, o]`: the convolution with
 * respect to the output, its gradients with respect to the input and to the weight. So the derivative
 * of each is another of the three, and they can be differentiated any number of times.
 *
 * @module
 */
import { constant, type Expression, load, substitute } from "../../expression.ts";
import type { Step } from "../../program.ts";
import { elementCount, formatShape, type Shape } from "../../shape.ts";
import {
  type ActivationStorage,
  type Arithmetic,
  type ElementWork,
  Node,
  requireFloats,
  type Tensor,
} from "../../tensor.ts";
import { broadcastView, hasUnitInnerStride, isContiguous, type View } from "../../view.ts";
import { add, countOperations, elementwiseStep } from "../elementwise/op.ts";
import { epilogueValues, extendEpilogue } from "../epilogue.ts";
import type { Triple } from "./step.ts";

/** WebGPU guarantees 8 storage buffers a kernel: one is the output, two are the factors. */
const maximumEpilogueOperands = 5;

/** How a kernel walks over its input, one number for each axis in space and time, slowest first. */
export interface ConvolutionOptions {
  /** Positions from one window to the next; 1 by default. */
  readonly strides?: readonly number[];
  /** Zeros before and after the input: `[before, after]` for each axis; none by default. */
  readonly padding?: readonly (readonly [number, number])[];
}

/** Sizes of a convolution without its batch: all that its gradients need besides their operands. */
interface Geometry {
  /** Sizes of the input along the axes. */
  readonly input: Shape;
  /** Sizes of the output. */
  readonly output: Shape;
  /** Sizes of the kernel. */
  readonly kernel: Shape;
  readonly strides: readonly number[];
  /** Zeros before the input. */
  readonly before: readonly number[];
  /** Channels of the input and of the output. */
  readonly channels: { readonly input: number; readonly output: number };
}

/** The factors of the trilinear form; an operation has two of them and gives the third. */
type Factor = "input" | "weight" | "output";

/** One of the three operations. */
abstract class TrilinearNode extends Node {
  readonly signature: string;

  constructor(
    readonly geometry: Geometry,
    readonly result: Factor,
    inputs: readonly Tensor[],
    readonly epilogue?: Expression,
  ) {
    const batch = inputs[result === "input" ? 1 : 0].shape[0];
    super(`convolution ${result}`, inputs, [{
      shape: factorShape(geometry, result, batch),
      dtype: "f32",
    }]);
    this.signature = `convolution ${result} ${JSON.stringify(geometry)} ${epilogue?.id}`;
  }

  /** Multiply-adds with positions that are zeros around the input count, as in published tables. */
  protected override arithmetic(): Arithmetic {
    const { output, kernel, channels } = this.geometry;
    const batch = this.inputs[this.result === "input" ? 1 : 0].shape[0];
    const multiplyAdds = batch * elementCount(output) * elementCount(kernel) *
      channels.input * channels.output;
    const results = elementCount(this.outputs[0].shape);
    const extra = this.epilogue ? countOperations(this.epilogue) * results : 0;
    return { multiplyAdds, flops: 2 * multiplyAdds + extra };
  }
}

function factorShape(geometry: Geometry, factor: Factor, batch: number): Shape {
  const { input, output, kernel, channels } = geometry;
  if (factor === "weight") return [channels.output, channels.input, ...kernel];
  return factor === "input"
    ? [batch, ...input, channels.input]
    : [batch, ...output, channels.output];
}

/** The convolution itself, or its gradient with respect to the input, which is one too. */
abstract class EpilogueNode extends TrilinearNode {
  /** The same operation with another epilogue on other operands. */
  protected abstract with(inputs: readonly Tensor[], epilogue?: Expression): Node;

  override withInputs(inputs: readonly Tensor[]): Node {
    return this.with(inputs, this.epilogue);
  }

  override withEpilogue(work: ElementWork): Node | undefined {
    const factors = this.inputs.slice(0, 2);
    const before = { expression: this.epilogue ?? load(0), operands: this.inputs.slice(2) };
    const epilogue = extendEpilogue(before, work, this.outputs[0], maximumEpilogueOperands);
    return epilogue && this.with([...factors, ...epilogue.operands], epilogue.expression);
  }

  override writesStrided(): boolean {
    return true;
  }

  override activation(): ActivationStorage {
    return "half";
  }

  override elementOperands(): readonly Tensor[] {
    return epilogueValues(this.epilogue, this.inputs.slice(2));
  }
}

/** Inputs: the input, the weight, operands of the epilogue. */
class ConvolutionNode extends EpilogueNode {
  constructor(geometry: Geometry, inputs: readonly Tensor[], epilogue?: Expression) {
    super(geometry, "output", inputs, epilogue);
  }

  protected override with(inputs: readonly Tensor[], epilogue?: Expression): Node {
    return new ConvolutionNode(this.geometry, inputs, epilogue);
  }

  /** Defined on traced graphs, where no epilogue is fused yet. */
  override gradient([cotangent]: readonly (Tensor | undefined)[]): (Tensor | undefined)[] {
    if (!cotangent) return [];
    const [input, weight] = this.inputs;
    return [
      inputGradient(this.geometry, weight, cotangent),
      weightGradient(this.geometry, input, cotangent),
    ];
  }

  override accepts(index: number, view: View): boolean {
    return index === 0 ? hasUnitInnerStride(view) : index > 1 || isContiguous(view);
  }

  override lower(
    [input, weight, ...rest]: readonly View[],
    [output]: readonly View[],
  ): Step[] {
    const { strides, before } = this.geometry;
    return [{
      kind: "convolution",
      input: activation(input),
      weight: kernelView(weight, "input"),
      flipped: false,
      strides: triple(strides, 1),
      before: triple(before, 0),
      output: activation(output),
      epilogue: this.epilogue,
      epilogueInputs: rest.map((view) => activation(broadcastView(view, output.shape))),
    }];
  }
}

/** Inputs: the weight, the gradient of the output, operands of the epilogue. */
class InputGradientNode extends EpilogueNode {
  constructor(geometry: Geometry, inputs: readonly Tensor[], epilogue?: Expression) {
    super(geometry, "input", inputs, epilogue);
  }

  protected override with(inputs: readonly Tensor[], epilogue?: Expression): Node {
    return new InputGradientNode(this.geometry, inputs, epilogue);
  }

  override gradient([cotangent]: readonly (Tensor | undefined)[]): (Tensor | undefined)[] {
    if (!cotangent) return [];
    const [weight, outputGradient] = this.inputs;
    return [
      weightGradient(this.geometry, cotangent, outputGradient),
      new ConvolutionNode(this.geometry, [cotangent, weight]).outputs[0],
    ];
  }

  override accepts(index: number, view: View): boolean {
    return index === 1 ? hasUnitInnerStride(view) : index > 1 || isContiguous(view);
  }

  /** Positions of the input that lie alike between two windows see the same part of the kernel: for
   * each such phase it is an ordinary convolution of the gradient of the output. */
  override lower(
    [weight, outputGradient, ...rest]: readonly View[],
    [output]: readonly View[],
  ): Step[] {
    const epilogueInputs = rest.map((view) => activation(broadcastView(view, output.shape)));
    const strides = triple(this.geometry.strides, 1);
    const before = triple(this.geometry.before, 0);
    const kernel = kernelView(weight, "output");
    return phases(strides, activation(output).shape.slice(1, 4)).map((phase): Step => {
      const part = (view: View): View => everyNth(view, 1, phase, strides);
      const first = phase.map((r, axis) => (r + before[axis]) % strides[axis]);
      const sizes = first.map((k, axis) => Math.ceil((kernel.shape[axis] - k) / strides[axis]));
      const target = part(activation(output));
      if (sizes.some((size) => size <= 0)) {
        return constantPart(0, this.epilogue, epilogueInputs.map(part), target);
      }
      return {
        kind: "convolution",
        input: activation(outputGradient),
        weight: everyNth(kernel, 0, first, strides),
        flipped: true,
        strides: [1, 1, 1],
        before: mapTriple((axis) =>
          sizes[axis] - 1 - Math.floor((phase[axis] + before[axis]) / strides[axis])
        ),
        output: target,
        epilogue: this.epilogue,
        epilogueInputs: epilogueInputs.map(part),
      };
    });
  }
}

/** Inputs: the input, the gradient of the output. */
class WeightGradientNode extends TrilinearNode {
  constructor(geometry: Geometry, inputs: readonly Tensor[]) {
    super(geometry, "weight", inputs);
  }

  override withInputs(inputs: readonly Tensor[]): Node {
    return new WeightGradientNode(this.geometry, inputs);
  }

  override gradient([cotangent]: readonly (Tensor | undefined)[]): (Tensor | undefined)[] {
    if (!cotangent) return [];
    const [input, outputGradient] = this.inputs;
    return [
      inputGradient(this.geometry, cotangent, outputGradient),
      new ConvolutionNode(this.geometry, [input, cotangent]).outputs[0],
    ];
  }

  override accepts(_index: number, view: View): boolean {
    return hasUnitInnerStride(view);
  }

  override lower([input, outputGradient]: readonly View[], [output]: readonly View[]): Step[] {
    const { strides, before } = this.geometry;
    return [{
      kind: "convolutionWeightGradient",
      input: activation(input),
      outputGradient: activation(outputGradient),
      strides: triple(strides, 1),
      before: triple(before, 0),
      output: withThreeAxes(output, 2),
    }];
  }
}

function inputGradient(geometry: Geometry, weight: Tensor, outputGradient: Tensor): Tensor {
  return new InputGradientNode(geometry, [weight, outputGradient]).outputs[0];
}

function weightGradient(geometry: Geometry, input: Tensor, outputGradient: Tensor): Tensor {
  return new WeightGradientNode(geometry, [input, outputGradient]).outputs[0];
}

const mapTriple = (of: (axis: 0 | 1 | 2) => number): Triple => [of(0), of(1), of(2)];

/** A number for each of three axes, those that are missing in front filled up. */
function triple(numbers: readonly number[], missing: number): Triple {
  return mapTriple((axis) => numbers[axis - 3 + numbers.length] ?? missing);
}

/** A view with as many axes of one element before the axis `at` as make five axes. */
function withThreeAxes(view: View, at: number): View {
  const added = new Array<number>(5 - view.shape.length);
  return {
    ...view,
    shape: view.shape.toSpliced(at, 0, ...added.fill(1)),
    strides: view.strides.toSpliced(at, 0, ...added.fill(0)),
  };
}

/** (N, ...sizes, C) with three axes in between. */
const activation = (view: View): View => withThreeAxes(view, 1);

/** A contiguous weight (O, C, ...kernel) as (kt, kh, kw, summed channels, others). */
function kernelView(weight: View, summed: "input" | "output"): View {
  const { shape, strides, ...rest } = withThreeAxes(weight, 2);
  const order = summed === "input" ? [2, 3, 4, 1, 0] : [2, 3, 4, 0, 1];
  return {
    ...rest,
    shape: order.map((axis) => shape[axis]),
    strides: order.map((axis) => strides[axis]),
  };
}

/** Places between two windows, one number for each axis, that exist in an input of these sizes. */
function phases(strides: Triple, sizes: readonly number[]): number[][] {
  return strides.reduce<number[][]>((found, stride, axis) => {
    const places = Array.from({ length: Math.min(stride, sizes[axis]) }, (_, r) => r);
    return found.flatMap((phase) => places.map((r) => [...phase, r]));
  }, [[]]);
}

/** Every `strides[i]`-th position of the three axes from `axis` on, beginning with `first[i]`. */
function everyNth(view: View, axis: number, first: readonly number[], strides: Triple): View {
  const shape = [...view.shape];
  const steps = [...view.strides];
  let { offset } = view;
  strides.forEach((stride, i) => {
    shape[axis + i] = Math.ceil((view.shape[axis + i] - first[i]) / stride);
    steps[axis + i] *= stride;
    offset += first[i] * view.strides[axis + i];
  });
  return { ...view, offset, shape, strides: steps };
}

/** What the epilogue makes of one number in place of the convolution. */
function constantPart(
  value: number,
  epilogue: Expression | undefined,
  inputs: readonly View[],
  output: View,
): Step {
  const loads = [constant(value), ...inputs.map((_, index) => load(index))];
  return elementwiseStep(substitute(epilogue ?? load(0), loads), inputs, output);
}

/**
 * Convolution of x (N, ...sizes, C) with weight (O, C, ...kernel), one to three sizes, to
 * (N, ...sizes', O) with `size' = floor((before + size + after - kernel) / stride) + 1`, plus bias
 * (O). Causal in time is a padding of kernel - 1 before and none after.
 *
 * @throws RangeError when the shapes do not fit each other, a stride is not a positive whole number,
 * a padding not a whole number of at least 0, or the kernel is larger than the padded input
 */
export function convolution(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  options: ConvolutionOptions = {},
): Tensor {
  requireFloats("convolution", [x, weight]);
  const geometry = geometryOf(x.shape, weight.shape, options);
  const [result] = new ConvolutionNode(geometry, [x, weight]).outputs;
  return bias ? add(result, bias) : result;
}

function geometryOf(x: Shape, weight: Shape, options: ConvolutionOptions): Geometry {
  const axes = x.length - 2;
  const { strides = new Array(axes).fill(1), padding = new Array(axes).fill([0, 0]) } = options;
  const fits = axes >= 1 && axes <= 3 && weight.length === x.length && weight[1] === x.at(-1) &&
    strides.length === axes && padding.length === axes;
  if (!fits) {
    throw new RangeError(
      `convolution: ${formatShape(x)} with a weight ${formatShape(weight)}, ` +
        `${strides.length} strides and ${padding.length} paddings; it takes (N, ...sizes, C) with ` +
        `(O, C, ...kernel) and one stride and padding for each of one to three sizes`,
    );
  }
  const whole = (value: number, least: number) => Number.isInteger(value) && value >= least;
  if (!strides.every((s) => whole(s, 1)) || !padding.flat().every((p) => whole(p, 0))) {
    throw new RangeError(
      `convolution: strides (${strides}) must be at least 1, paddings (${padding}) at least 0`,
    );
  }
  const input = x.slice(1, -1);
  const kernel = weight.slice(2);
  const output = input.map((size, axis) =>
    Math.floor((size + padding[axis][0] + padding[axis][1] - kernel[axis]) / strides[axis]) + 1
  );
  if (output.some((size) => size < 1)) {
    throw new RangeError(
      `convolution: a kernel ${formatShape(kernel)} is larger than an input ` +
        `${formatShape(input)} with padding (${padding.map((p) => `[${p}]`).join(", ")})`,
    );
  }
  const channels = { input: weight[1], output: weight[0] };
  return { input, output, kernel, strides, before: padding.map(([before]) => before), channels };
}
