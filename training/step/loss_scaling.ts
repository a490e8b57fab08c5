/**
 * Dynamic loss scaling (Micikevicius et al. 2018, sections 3.2 and 4): a loss is multiplied by a power
 * of two before gradients are taken, and these are divided by it where they are used, so that small
 * ones do not vanish on their way where activations are in half precision. A step whose gradient is
 * not finite is skipped and halves the scale; many good ones in a row double it.
 *
 * Dividing by a power of two is exact: in single precision scaling changes no bit of a run.
 *
 * @module
 */
import {
  binary,
  type BinaryOp,
  constant,
  type Expression,
  select,
  unary,
} from "../../kernels/expression.ts";
import type { Update } from "../../kernels/graph/graph.ts";
import { map } from "../../kernels/ops/elementwise/op.ts";
import { concatenate, reshape, slice } from "../../kernels/ops/movement/op.ts";
import { state, type Tensor } from "../../kernels/tensor.ts";

/** Name of the state of the scaling; see {@link lossScaleEntries}. */
export const lossScaleState = "loss scale";

/** Positions in the state. */
export const lossScaleEntries = {
  /** What the next loss is multiplied by, a power of two. */
  scale: 0,
  /** Steps since the scale last changed, none of them skipped. */
  goodSteps: 1,
  /** Whether the last loss itself was not finite: 0 or 1. */
  lossIsLost: 2,
  /** Number of entries. */
  length: 3,
} as const;

/** Good steps in a row after which the scale is doubled. */
export const lossScaleInterval = 2000;

/** The state of a new run. */
export const firstLossScale: Float32Array = Float32Array.of(2 ** 16, 0, 0);

/** Where the scale stops growing: what is still lost then is below 2^-48. */
const largestLossScale = 2 ** 24;

/** Loss scaling in the graphs of a step. */
export interface LossScaling {
  /** The scale of this step, a scalar. */
  readonly scale: Tensor;
  /**
   * What becomes of the scale after a step.
   *
   * @param loss without the scale, a scalar
   * @param skipped 1 when the update was skipped, otherwise 0
   */
  update(loss: Tensor, skipped: Tensor): Update;
}

/** The scaling of a graph: its state, and what is made of it. */
export function lossScaling(): LossScaling {
  const scaling = state(lossScaleState, [lossScaleEntries.length]);
  const entry = (index: number): Tensor => reshape(slice(scaling, 0, index, 1), []);
  const [scale, goodSteps] = [lossScaleEntries.scale, lossScaleEntries.goodSteps].map(entry);
  return {
    scale,
    update: (loss, skipped) => {
      const entries = [
        map(nextScale, scale, goodSteps, skipped),
        map(nextGoodSteps, goodSteps, skipped),
        map(isLost, loss),
      ];
      return {
        state: scaling,
        value: concatenate(entries.map((value) => reshape(value, [1])), 0),
      };
    },
  };
}

const apply = (op: BinaryOp) => (a: Expression, b: number): Expression =>
  binary(op, a, constant(b));
const [multiply, minimum, add] = (["multiply", "minimum", "add"] as const).map(apply);

/** Whether so many good steps and one more are enough for a larger scale. */
const isDue = (goodSteps: Expression): Expression =>
  binary("lessEqual", constant(lossScaleInterval), add(goodSteps, 1));

const isSet = (flag: Expression): Expression => binary("less", constant(0), flag);

function nextScale(scale: Expression, goodSteps: Expression, skipped: Expression): Expression {
  const grown = minimum(multiply(scale, 2), largestLossScale);
  return select(isSet(skipped), multiply(scale, 0.5), select(isDue(goodSteps), grown, scale));
}

function nextGoodSteps(goodSteps: Expression, skipped: Expression): Expression {
  const counted = select(isDue(goodSteps), constant(0), add(goodSteps, 1));
  return select(isSet(skipped), constant(0), counted);
}

/** 1 for what is not finite: comparisons with NaN are false. */
function isLost(loss: Expression): Expression {
  const isFinite = binary("lessEqual", unary("absolute", loss), constant(3.4e38));
  return select(isFinite, constant(0), constant(1));
}
