/**
 * Rectified flow: samples move from noise at t = 0 to data at t = 1 on straight lines,
 * `x = t clean + (1 - t) noise`, and the network predicts how fast, `v = clean - noise` (Liu et al., "Flow
 * Straight and Fast", arXiv:2209.03003). It is the linear path of SiT (Ma et al., arXiv:2401.08740), with the
 * direction of time and the time steps of its code.
 *
 * @module
 */
import { add, multiply, square, subtract } from "../kernels/ops/elementwise/op.ts";
import { reshape, slice } from "../kernels/ops/movement/op.ts";
import { mean } from "../kernels/ops/reduce/op.ts";
import type { Tensor } from "../kernels/tensor.ts";

/** What a training step is made of. Pictures are (N, C, H, W). */
export interface FlowOperands {
  /** x at t = 1 */
  readonly clean: Tensor;
  /** x at t = 0, standard normal */
  readonly noise: Tensor;
  /** (N), each from 0 to 1 */
  readonly t: Tensor;
}

/** `x = t clean + (1 - t) noise` (N, C, H, W) */
export function flowAt({ clean, noise, t }: FlowOperands): Tensor {
  const time = reshape(t, [-1, 1, 1, 1]);
  return add(multiply(time, clean), multiply(subtract(1, time), noise));
}

/**
 * Mean squared error of the predicted velocity of each sample (N).
 *
 * @param prediction (N, C, H, W), or (N, 2 C, H, W), of which the first half is meant
 */
export function flowLoss({ clean, noise }: FlowOperands, prediction: Tensor): Tensor {
  const velocity = slice(prediction, 1, 0, clean.shape[1]);
  return mean(square(subtract(velocity, subtract(clean, noise))), [1, 2, 3]);
}
