/**
 * AdamW with gradient clipping and a moving average of the weights, as effects on a graph.
 *
 * @module
 */
import { adamw } from "../../kernels/ops/optimizer/op.ts";
import {
  add,
  divide,
  map,
  multiply,
  square,
  squareRoot,
} from "../../kernels/ops/elementwise/op.ts";
import { concatenate, reshape, slice } from "../../kernels/ops/movement/op.ts";
import { reduceSum } from "../../kernels/ops/reduce/op.ts";
import { binary, constant, select } from "../../kernels/expression.ts";
import { adamwSchedule } from "../../kernels/ops/optimizer/step.ts";
import { input, type Node, state, type Tensor } from "../../kernels/tensor.ts";
import { learningRateAt, type RateSchedule } from "./learning_rate.ts";

/** What stays the same during a run. */
export interface OptimizerSettings {
  /** Highest learning rate. */
  readonly learningRate: number;
  /** How the rate changes over the steps; absent: not at all. */
  readonly rateSchedule?: RateSchedule;
  /** Decoupled weight decay; 0 turns it off. */
  readonly weightDecay: number;
  /** Weight decay of the head, where the model has one; absent: that of everything else. */
  readonly headWeightDecay?: number;
  /** Largest norm of all gradients together; 0 means no limit. */
  readonly clipNorm: number;
  /** Largest decay of the moving average of the weights, between 0 and 1. */
  readonly averageDecay: number;
  /** Decays of the moments of AdamW; absent: 0.9 and 0.999. */
  readonly betas?: readonly [beta1: number, beta2: number];
}

/** beta1 and beta2 of AdamW where a run has none of its own, and epsilon, as in the papers. */
const [usualBetas, epsilon] = [[0.9, 0.999], 1e-8] as const;

/**
 * Decay of the moving average at a step, warmed up so that short runs are not dominated by the
 * untrained weights: min(decay, (1 + step) / (10 + step)).
 */
function averageDecayAt(step: number, decay: number): number {
  return Math.min(decay, (1 + step) / (10 + step));
}

/** Inputs of a step that hold the numbers of its update, by the parameters they are for. */
export const scheduleInputs = { body: "schedule", head: "schedule of the head" } as const;

/**
 * The numbers of update number `step` (counted from 1), for an input of {@link scheduleInputs}.
 *
 * @param weightDecay that of the body unless told
 */
export function scheduleAtStep(
  step: number,
  settings: OptimizerSettings,
  weightDecay: number = settings.weightDecay,
): Float32Array {
  const values = new Float32Array(adamwSchedule.length);
  const { learningRate, rateSchedule, betas: [beta1, beta2] = usualBetas } = settings;
  values[adamwSchedule.learningRate] = learningRateAt(step, learningRate, rateSchedule);
  values[adamwSchedule.beta1] = beta1;
  values[adamwSchedule.beta2] = beta2;
  values[adamwSchedule.epsilon] = epsilon;
  values[adamwSchedule.weightDecay] = weightDecay;
  values[adamwSchedule.correction1] = 1 / (1 - beta1 ** step);
  values[adamwSchedule.correction2] = 1 / Math.sqrt(1 - beta2 ** step);
  values[adamwSchedule.averageDecay] = averageDecayAt(step, settings.averageDecay);
  return values;
}

/** Names of the states that belong to a parameter. */
export const stateNames = {
  firstMoment: (parameter: string): string => `first moment of ${parameter}`,
  secondMoment: (parameter: string): string => `second moment of ${parameter}`,
  average: (parameter: string): string => `average of ${parameter}`,
  gradient: (parameter: string): string => `gradient of ${parameter}`,
};

/** Effects that update parameters, and the gradient norm (a scalar) they are clipped by. */
export interface OptimizerGraph {
  /** One update a parameter. */
  readonly effects: readonly Node[];
  /** Euclidean norm of all gradients together, before clipping; a scalar. */
  readonly gradientNorm: Tensor;
  /** 1 when the update is skipped because a gradient is not finite, otherwise 0. */
  readonly skipped: Tensor;
}

/** How gradients become updates. */
export interface UpdateRules {
  /** Largest norm of all gradients together; 0 means no limit. */
  readonly clipNorm: number;
  /** Whether a parameter has the schedule of the head; none has when absent. */
  readonly isHead?: (name: string) => boolean;
  /** Whether there is a moving average of a parameter; of all when absent. */
  readonly isAveraged?: (name: string) => boolean;
  /** What the gradients are multiples of, a power of two (a scalar); 1 when absent. */
  readonly lossScale?: Tensor;
}

/**
 * Adds one AdamW update of every parameter to a graph. The schedule's numbers are the input
 * `schedule` (8), and for the parameters of a head `schedule of the head` (8).
 *
 * @param parameters name to parameter state @param gradients in the same order
 */
export function optimizerGraph(
  parameters: ReadonlyMap<string, Tensor>,
  gradients: readonly Tensor[],
  { clipNorm, isHead = () => false, isAveraged = () => true, lossScale }: UpdateRules,
): OptimizerGraph {
  const body = input(scheduleInputs.body, [adamwSchedule.length]);
  const head = input(scheduleInputs.head, [adamwSchedule.length]);
  const norm = globalNorm(gradients);
  const gradientNorm = lossScale ? divide(norm, lossScale) : norm;
  const clipping = scaleFor(gradientNorm, clipNorm);
  // A negative number, which skips the step, stays negative.
  const gradientScale = lossScale ? divide(clipping, lossScale) : clipping;
  const effects = [...parameters].map(([name, parameter], index) =>
    adamw({
      parameter,
      gradient: gradients[index],
      firstMoment: state(stateNames.firstMoment(name), parameter.shape),
      secondMoment: state(stateNames.secondMoment(name), parameter.shape),
      average: isAveraged(name) ? state(stateNames.average(name), parameter.shape) : undefined,
      schedule: isHead(name) ? head : body,
      gradientScale,
    })
  );
  const skipped = map(
    (scale) => select(binary("less", scale, constant(0)), constant(1), constant(0)),
    gradientScale,
  );
  return { effects, gradientNorm, skipped };
}

/** Euclidean norm of all elements of all tensors, a scalar. */
export function globalNorm(tensors: readonly Tensor[]): Tensor {
  const squares = tensors.map((tensor) => reshape(reduceSum(square(tensor)), [1]));
  return squareRoot(reduceSum(concatenate(squares, 0)));
}

/** min(1, clipNorm / (norm + 1e-6)), or -1 (skip the step) when the norm is not finite. */
function scaleFor(norm: Tensor, clipNorm: number): Tensor {
  const largest = 3.4e38;
  return map((value) => {
    const clipped = clipNorm > 0
      ? binary(
        "minimum",
        constant(1),
        binary("divide", constant(clipNorm), binary("add", value, constant(1e-6))),
      )
      : constant(1);
    // Comparisons with NaN are false, so NaN takes the second branch, as infinity does.
    return select(binary("lessEqual", value, constant(largest)), clipped, constant(-1));
  }, norm);
}

/**
 * Running sums on the device, read and reset by the host when it logs: `sums + values`, then the
 * number of steps skipped in a row up to now, which is not reset.
 *
 * @param sums (values.length + 1) @param values scalars @param skipped 1 when this step is skipped
 */
export function accumulate(sums: Tensor, values: readonly Tensor[], skipped: Tensor): Tensor {
  const summed = slice(sums, 0, 0, values.length);
  const inARow = slice(sums, 0, values.length, 1);
  return concatenate([
    add(summed, concatenate(values.map((value) => reshape(value, [1])), 0)),
    multiply(add(inARow, 1), reshape(skipped, [1])),
  ], 0);
}

/** Product of a flag (0 or 1) with 0 where the flag is set: keeps NaN out of running sums. */
export function unlessSkipped(value: Tensor, skipped: Tensor): Tensor {
  return map(
    (x, flag) => select(binary("equal", flag, constant(0)), x, constant(0)),
    value,
    skipped,
  );
}

/** One value where a flag (0 or 1) is set, another where it is not; neither is multiplied. */
export function whereSkipped(skipped: Tensor, whenSet: Tensor, otherwise: Tensor): Tensor {
  return map(
    (flag, a, b) => select(binary("equal", flag, constant(0)), b, a),
    skipped,
    whenSet,
    otherwise,
  );
}
