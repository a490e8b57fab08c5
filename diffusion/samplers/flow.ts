/**
 * Samplers of rectified flow: the velocity that a network predicts is followed from noise at t = 0 to data at
 * t = 1 in equal steps, by Euler's method or by Heun's, which looks at the velocity at both ends of a step.
 *
 * @module
 */
import { add, maximum, minimum, multiply, subtract } from "../../kernels/ops/elementwise/op.ts";
import { state, type Tensor } from "../../kernels/tensor.ts";
import { coefficientCount, type flowSamplers, type Sampler, scalars } from "./sampler.ts";

/** The velocity of the evaluation before, which Heun's method averages with. */
const previousVelocityState = "previous velocity";

/** One evaluation of the network at time t: `x' = x + move v + before v'`, v' that of the evaluation before. */
interface Evaluation {
  readonly t: number;
  readonly move: number;
  readonly before: number;
}

/** The evaluations of a step of length h from t on. */
const euler = (t: number, h: number): Evaluation[] => [{ t, move: h, before: 0 }];

/** The same: to the end of the step, and back by half of what led there. */
const heun = (t: number, h: number, end: number): Evaluation[] => [
  { t, move: h, before: 0 },
  { t: end, move: h / 2, before: -h / 2 },
];

/**
 * A sampler of flow.
 *
 * @param clip keeps the data that a velocity leads to in [-1, 1]; the last step is then Euler's, since no
 * time is left behind its end in which a velocity could lead anywhere
 */
export function flowSampler(
  name: (typeof flowSamplers)[number],
  steps: number,
  clip: boolean,
): Sampler {
  const evaluations = Array.from({ length: steps }, (_, step) => {
    const method = name === "euler" || (clip && step === steps - 1) ? euler : heun;
    return method(step / steps, 1 / steps, (step + 1) / steps);
  }).flat();
  const correct = clip ? clipped : unchanged;
  return {
    name,
    timeType: "f32",
    usesNoise: false,
    memory: name === "heun" ? [previousVelocityState] : [],
    steps: evaluations.map(({ t, move, before }) => {
      const coefficients = new Float32Array(coefficientCount);
      coefficients.set([move, before, 1 - t, clip ? 1 / (1 - t) : 0]);
      return { timestep: t, coefficients };
    }),
    step(x, prediction, coefficients) {
      const [move, before, left, inverse] = scalars(coefficients);
      const velocity = correct(x, prediction.value, left, inverse);
      const moved = add(x, multiply(move, velocity));
      if (name === "euler") return [{ state: x, value: moved }];
      const previous = state(previousVelocityState, x.shape);
      return [
        { state: x, value: add(moved, multiply(before, previous)) },
        { state: previous, value: velocity },
      ];
    },
  };
}

/** A velocity that leads from x to data in `left` units of time, or another that does. */
type Correction = (x: Tensor, velocity: Tensor, left: Tensor, inverse: Tensor) => Tensor;

const unchanged: Correction = (_, velocity) => velocity;

/** Leads to the nearest data in [-1, 1]. */
const clipped: Correction = (x, velocity, left, inverse) => {
  const clean = minimum(maximum(add(x, multiply(left, velocity)), -1), 1);
  return multiply(inverse, subtract(clean, x));
};
