/**
 * Random tensors from a counter-based generator: a value depends on (seed, stream, draw, row, place)
 * only, never on the batch size, the order of work or the device. See `../../../base/philox.ts`.
 *
 * @module
 */
import type { Step } from "../../program.ts";
import { elementCount, formatShape, type Shape } from "../../shape.ts";
import { type Arithmetic, Node, type Tensor } from "../../tensor.ts";
import { isContiguous, type View } from "../../view.ts";

/** What determines random numbers besides their place. */
export interface RandomSource {
  /** i32 (2): the key. */
  readonly seed: Tensor;
  /** i32 (R): one independent stream of numbers for each row, for instance the sample's number. */
  readonly rows: Tensor;
  /** i32 scalar: which draw, for instance the step's number. */
  readonly draw: Tensor;
  /** Tells different uses of randomness in one program apart. */
  readonly stream: number;
}

class RandomNode extends Node {
  readonly signature: string;

  constructor(
    readonly distribution: "normal" | "uniform",
    inputs: readonly Tensor[],
    readonly stream: number,
    readonly shape: Shape,
  ) {
    super("random", inputs, [{ shape, dtype: "f32" }]);
    this.signature = `random ${distribution} ${stream} ${shape}`;
  }

  override withInputs(inputs: readonly Tensor[]): Node {
    return new RandomNode(this.distribution, inputs, this.stream, this.shape);
  }

  override gradient(): [] {
    return [];
  }

  protected override arithmetic(): Arithmetic {
    // About 60 integer operations a block of four, plus logarithm, root, sine and cosine.
    const perElement = this.distribution === "normal" ? 25 : 16;
    return { multiplyAdds: 0, flops: perElement * elementCount(this.shape) };
  }

  override accepts(_index: number, view: View): boolean {
    return isContiguous(view);
  }

  override lower([seed, rows, draw]: readonly View[], [output]: readonly View[]): Step[] {
    const { distribution, stream } = this;
    return [{ kind: "random", distribution, seed, rows, draw, stream, output }];
  }
}

function random(
  distribution: "normal" | "uniform",
  { seed, rows, draw, stream }: RandomSource,
  shape: Shape,
): Tensor {
  const integers = [seed, rows, draw].every(({ dtype }) => dtype === "i32");
  if (!integers) throw new RangeError("random: seed, rows and draw must be i32");
  if (rows.shape.length !== 1 || rows.shape[0] !== shape[0] || elementCount(seed.shape) !== 2) {
    throw new RangeError(
      `random: rows ${formatShape(rows.shape)} must be the first axis of ${formatShape(shape)} ` +
        `and the seed must hold two words`,
    );
  }
  return new RandomNode(distribution, [seed, rows, draw], stream, shape).outputs[0];
}

/**
 * Standard normal deviates of a shape whose first axis is `source.rows`.
 *
 * @throws RangeError when it is not, or when the seed does not hold two words
 */
export const randomNormal = (source: RandomSource, shape: Shape): Tensor =>
  random("normal", source, shape);

/**
 * Uniform deviates in [0, 1), multiples of 2^-24, of a shape whose first axis is `source.rows`.
 *
 * @throws RangeError when it is not, or when the seed does not hold two words
 */
export const randomUniform = (source: RandomSource, shape: Shape): Tensor =>
  random("uniform", source, shape);
