/**
 * The AdamW update with the moving average of the weights: an effect on states, not a value.
 *
 * @module
 */
import type { Step } from "../../program.ts";
import { elementCount, sameShape } from "../../shape.ts";
import { type Arithmetic, InputNode, Node, requireFloats, type Tensor } from "../../tensor.ts";
import { isContiguous, type View } from "../../view.ts";
import { adamwSchedule } from "./step.ts";

/** One tensor under optimisation, with the states that go with it. All of one shape. */
export interface AdamWOperands {
  /** A state, decayed and updated. */
  readonly parameter: Tensor;
  /** Gradient of the loss, before `gradientScale`. */
  readonly gradient: Tensor;
  /** A state: moving average of the gradient. */
  readonly firstMoment: Tensor;
  /** A state: moving average of the squared gradient. */
  readonly secondMoment: Tensor;
  /** A state: moving average of the weights. Absent: none is kept. */
  readonly average?: Tensor;
  /** f32 (8), see `adamwSchedule` in `step.ts`. */
  readonly schedule: Tensor;
  /** f32 scalar; negative or NaN skips the update. */
  readonly gradientScale: Tensor;
}

/** Updates parameter, moments and average in place; has no value. */
class AdamWNode extends Node {
  readonly signature = undefined;

  constructor(inputs: readonly Tensor[], readonly decay: boolean) {
    super("adamw", inputs, []);
  }

  override withInputs(inputs: readonly Tensor[]): Node {
    return new AdamWNode(inputs, this.decay);
  }

  override gradient(): [] {
    return [];
  }

  protected override arithmetic(): Arithmetic {
    return { multiplyAdds: 0, flops: 17 * elementCount(this.inputs[0].shape) };
  }

  override takesHalves(): boolean {
    return false;
  }

  override accepts(_index: number, view: View): boolean {
    return isContiguous(view);
  }

  override lower(views: readonly View[]): Step[] {
    const [parameter, gradient, firstMoment, secondMoment, schedule, gradientScale, average] =
      views;
    return [{
      kind: "adamw",
      parameter,
      gradient,
      firstMoment,
      secondMoment,
      average,
      schedule,
      gradientScale,
      decay: this.decay,
    }];
  }
}

/**
 * Makes the update of one parameter, to be put among the effects of a graph.
 *
 * @param options `decay`: whether weight decay applies, true by default
 * @throws RangeError when gradient, moments or average do not have the parameter's shape
 */
export function adamw(
  operands: AdamWOperands,
  { decay = true }: { readonly decay?: boolean } = {},
): Node {
  const { parameter, gradient, firstMoment, secondMoment, average, schedule, gradientScale } =
    operands;
  const states = [parameter, firstMoment, secondMoment, ...(average ? [average] : [])];
  const areStates = states.every(({ node }) => node instanceof InputNode && node.role === "state");
  if (!areStates) throw new RangeError("adamw: parameter, moments and average must be states");
  if (states.some(({ dtype }) => dtype !== "f32")) {
    throw new RangeError("adamw: states must be f32");
  }
  requireFloats("adamw", [...states, gradient, schedule, gradientScale]);
  if (!sameShape(schedule.shape, [adamwSchedule.length])) {
    throw new RangeError(`adamw: the schedule must be (${adamwSchedule.length})`);
  }
  for (const tensor of [gradient, firstMoment, secondMoment, average]) {
    if (tensor && !sameShape(tensor.shape, parameter.shape)) {
      throw new RangeError(
        `adamw: (${tensor.shape}) is not the parameter's shape (${parameter.shape})`,
      );
    }
  }
  const inputs = [parameter, gradient, firstMoment, secondMoment, schedule, gradientScale];
  return new AdamWNode(average ? [...inputs, average] : inputs, decay);
}
