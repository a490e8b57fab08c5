/**
 * Layer norm over the last axis, with optional modulation `* (1 + scale) + shift` in the same pass.
 *
 * @module
 */
import type { Step } from "../../program.ts";
import { broadcastShapes, elementCount, formatShape, sameShape } from "../../shape.ts";
import {
  type ActivationStorage,
  type Arithmetic,
  constantTensor,
  Node,
  requireFloats,
  type Tensor,
} from "../../tensor.ts";
import { broadcastView, hasUnitInnerStride, isContiguous, type View } from "../../view.ts";
import { multiply, subtract } from "../elementwise/op.ts";
import { slice } from "../movement/op.ts";

class LayerNormNode extends Node {
  readonly signature: string;

  constructor(inputs: readonly Tensor[], readonly epsilon: number) {
    const { shape } = inputs[0];
    super("layerNorm", inputs, [
      { shape, dtype: "f32" },
      { shape: [...shape.slice(0, -1), 2], dtype: "f32" },
    ]);
    this.signature = `layerNorm ${epsilon}`;
  }

  override withInputs(inputs: readonly Tensor[]): Node {
    return new LayerNormNode(inputs, this.epsilon);
  }

  override gradient(
    [cotangent, ofStatistics]: readonly (Tensor | undefined)[],
  ): (Tensor | undefined)[] {
    if (ofStatistics) throw new Error("layerNorm: second derivatives are not provided");
    if (!cotangent) return [];
    const [x, scale] = this.inputs;
    const [, statistics] = this.outputs;
    const operands = [x, statistics, cotangent, ...(scale ? [scale] : [])];
    const gradientX = new LayerNormGradientNode(operands).outputs[0];
    if (!scale) return [gradientX];
    const row = (index: number): Tensor => slice(statistics, -1, index, 1);
    const normalized = multiply(subtract(x, row(0)), row(1));
    return [gradientX, multiply(cotangent, normalized), cotangent];
  }

  protected override arithmetic(): Arithmetic {
    // Mean 1, variance 3, normalisation 2, modulation 3 operations an element.
    const perElement = this.inputs.length > 1 ? 9 : 6;
    return { multiplyAdds: 0, flops: perElement * elementCount(this.inputs[0].shape) };
  }

  override accepts(_index: number, view: View): boolean {
    return hasUnitInnerStride(view);
  }

  override activation(index: number): ActivationStorage {
    return index === 0 ? "half" : "single";
  }

  override lower(
    [input, scale, shift]: readonly View[],
    [output, statistics]: readonly View[],
    [, statisticsUsed]: readonly boolean[],
  ): Step[] {
    const full = (view: View | undefined) => view && broadcastView(view, input.shape);
    return [{
      kind: "layerNorm",
      input,
      scale: full(scale),
      shift: full(shift),
      epsilon: this.epsilon,
      output,
      statistics: statisticsUsed ? statistics : undefined,
    }];
  }
}

/** Inputs: x, statistics, cotangent, then scale (if modulated), then an addend (if fused). */
class LayerNormGradientNode extends Node {
  readonly signature: string;

  /** With `addend`, the last of the inputs is added to the gradient. */
  constructor(inputs: readonly Tensor[], readonly addend = false) {
    super("layerNormGradient", inputs, [{ shape: inputs[0].shape, dtype: "f32" }]);
    this.signature = `layerNormGradient ${addend}`;
  }

  override withAddend(addend: Tensor): Node | undefined {
    return this.addend ? undefined : new LayerNormGradientNode([...this.inputs, addend], true);
  }

  override withInputs(inputs: readonly Tensor[]): Node {
    return new LayerNormGradientNode(inputs, this.addend);
  }

  override gradient(): never {
    throw new Error("layerNorm: second derivatives are not provided");
  }

  protected override arithmetic(): Arithmetic {
    return { multiplyAdds: 0, flops: 12 * elementCount(this.inputs[0].shape) };
  }

  override accepts(index: number, view: View): boolean {
    return index === 1 ? isContiguous(view) : hasUnitInnerStride(view);
  }

  override takesHalves(index: number): boolean {
    return index !== 1;
  }

  override activation(): ActivationStorage {
    return "half";
  }

  override elementOperands(): readonly Tensor[] {
    return this.addend ? this.inputs.slice(-1) : [];
  }

  override lower(inputs: readonly View[], [output]: readonly View[]): Step[] {
    const [input, statistics, outputGradient, ...rest] = inputs;
    const addend = this.addend ? rest[rest.length - 1] : undefined;
    const scale = rest.length > (this.addend ? 1 : 0) ? rest[0] : undefined;
    return [{
      kind: "layerNormGradient",
      input,
      statistics,
      scale: scale && broadcastView(scale, input.shape),
      outputGradient,
      addend,
      inPlace: addend && [addend],
      output,
    }];
  }
}

/**
 * Normalises the last axis of x (..., D) to mean 0 and variance 1 (the biased variance plus
 * `epsilon` under the root). With `modulation`, whose tensors broadcast against x, the result is
 * multiplied by `1 + scale` and `shift` is added.
 *
 * @throws RangeError when scale and shift do not broadcast to x or do not end in D
 */
export function layerNorm(
  x: Tensor,
  epsilon: number,
  modulation?: { readonly scale: Tensor; readonly shift: Tensor },
): Tensor {
  requireFloats("layerNorm", [x, ...(modulation ? [modulation.scale, modulation.shift] : [])]);
  if (!modulation) return new LayerNormNode([x], epsilon).outputs[0];
  const { scale, shift } = modulation;
  const fits = scale.shape.length > 0 && sameShape(scale.shape, shift.shape) &&
    scale.shape[scale.shape.length - 1] === x.shape[x.shape.length - 1];
  if (!fits || !sameShape(broadcastShapes(scale.shape, x.shape, "layerNorm"), x.shape)) {
    throw new RangeError(
      `layerNorm: scale ${formatShape(scale.shape)} and shift ${formatShape(shift.shape)} must ` +
        `broadcast to ${formatShape(x.shape)} and end in its width`,
    );
  }
  return new LayerNormNode([x, scale, shift], epsilon).outputs[0];
}

/**
 * A learned affine layer norm in one pass: `normalised * weight + bias`, both (D).
 *
 * @throws RangeError when weight or bias do not have the width of x
 */
export function affineLayerNorm(
  x: Tensor,
  epsilon: number,
  weight: Tensor,
  bias?: Tensor,
): Tensor {
  const shift = bias ?? constantTensor(new Float32Array(elementCount(weight.shape)), weight.shape);
  return layerNorm(x, epsilon, { scale: subtract(weight, 1), shift });
}
