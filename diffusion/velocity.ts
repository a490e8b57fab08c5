/**
 * Diffusion by velocity: `x = alpha x0 + sigma noise` is told apart by `v = alpha noise - sigma x0`
 * (Salimans and Ho, "Progressive Distillation", arXiv:2202.00512, appendix D), which says as much of x0
 * where there is no signal as of the noise where there is no noise.
 *
 * Networks are self-conditioned (Chen et al., "Analog Bits", arXiv:2208.04202, 3.2): they are shown an
 * estimate of x0, zeros where there is none.
 *
 * @module
 */
import { add, multiply, square, subtract, where } from "../kernels/ops/elementwise/op.ts";
import { gather } from "../kernels/ops/embedding/op.ts";
import { broadcastTo, detach, reshape, slice } from "../kernels/ops/movement/op.ts";
import { mean } from "../kernels/ops/reduce/op.ts";
import { constantTensor, type Tensor } from "../kernels/tensor.ts";
import type { NoiseLevels } from "./schedule.ts";

/** A network: noisy samples (N, ...), time steps i32 (N), an estimate of x0 to the velocity (N, ...). */
export type VelocityNetwork = (x: Tensor, t: Tensor, estimate: Tensor) => Tensor;

/** Factors of x0 and of the noise, which broadcast against samples. */
export interface LevelAt {
  /** alpha */
  readonly signal: Tensor;
  /** sigma */
  readonly noise: Tensor;
}

/** The levels at time steps t (N, i32), each (N, 1, ...) with `rank` axes. */
export function levelsAt({ signal, noise }: NoiseLevels, t: Tensor, rank: number): LevelAt {
  const steps = signal.length;
  const table = Float32Array.from(
    { length: 2 * steps },
    (_, index) => (index % 2 === 0 ? signal : noise)[index >> 1],
  );
  const rows = gather(constantTensor(table, [steps, 2]), t);
  const column = (index: number): Tensor =>
    reshape(slice(rows, 1, index, 1), [-1, ...new Array<number>(rank - 1).fill(1)]);
  return { signal: column(0), noise: column(1) };
}

/** `alpha x0 + sigma noise` */
export const noisedBy = (clean: Tensor, noise: Tensor, at: LevelAt): Tensor =>
  add(multiply(at.signal, clean), multiply(at.noise, noise));

/** `v = alpha noise - sigma x0` */
export const velocityOf = (clean: Tensor, noise: Tensor, at: LevelAt): Tensor =>
  subtract(multiply(at.signal, noise), multiply(at.noise, clean));

/** `x0 = alpha x - sigma v` */
export const cleanBy = (x: Tensor, velocity: Tensor, at: LevelAt): Tensor =>
  subtract(multiply(at.signal, x), multiply(at.noise, velocity));

/** `noise = sigma x + alpha v` */
export const noiseBy = (x: Tensor, velocity: Tensor, at: LevelAt): Tensor =>
  add(multiply(at.noise, x), multiply(at.signal, velocity));

/** What a training step is made of. */
export interface VelocityOperands {
  /** x0 (N, ...) */
  readonly clean: Tensor;
  /** Standard normal (N, ...) */
  readonly noise: Tensor;
  /** i32 (N), each 0 .. 999 */
  readonly t: Tensor;
  /** i32 (N): 1 where the network is shown an estimate; absent: nowhere. */
  readonly usesEstimate?: Tensor;
}

/** A training step. */
export interface VelocityLosses {
  /** x (N, ...) */
  readonly noised: Tensor;
  /** v (N, ...) */
  readonly target: Tensor;
  /** The estimate that the network was shown (N, ...). */
  readonly estimate: Tensor;
  /** Mean squared error of v (N). */
  readonly loss: Tensor;
}

/**
 * The loss of each sample. Where the network is shown an estimate, that is what it predicts without
 * one, in a first pass that no gradient goes through.
 */
export function velocityLosses(
  network: VelocityNetwork,
  levels: NoiseLevels,
  { clean, noise, t, usesEstimate }: VelocityOperands,
): VelocityLosses {
  const { shape } = clean;
  const at = levelsAt(levels, t, shape.length);
  const noised = noisedBy(clean, noise, at);
  const target = velocityOf(clean, noise, at);
  const none = broadcastTo(constantTensor(Float32Array.of(0), []), shape);
  const estimate = usesEstimate
    ? where(
      reshape(usesEstimate, [-1, ...new Array<number>(shape.length - 1).fill(1)]),
      detach(cleanBy(noised, network(noised, t, none), at)),
      none,
    )
    : none;
  const error = square(subtract(network(noised, t, estimate), target));
  return { noised, target, estimate, loss: mean(error, shape.map((_, axis) => axis).slice(1)) };
}
