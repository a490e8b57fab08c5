/**
 * W.A.L.T's denoiser as samplers see it: what time step, class and level of the noise are to all layers, in
 * one vector, and the rest.
 *
 * @module
 */
import type { ConditionNetwork, ToldInput } from "../../diffusion/step_conditions.ts";
import { concatenate, reshape, slice, split } from "../../kernels/ops/movement/op.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import type { Parameters } from "../../nn/parameters.ts";
import {
  type ClipInputs,
  conditionOf,
  denoise,
  type WaltConfig,
  type WaltInputs,
} from "./model.ts";

/** The two parts of a denoiser. */
export interface WaltNetwork extends ConditionNetwork {
  /** What goes with a time step. */
  readonly told: readonly ToldInput[];
  /** Clips with their conditions (N, W) to the velocity. */
  denoise(inputs: ClipInputs, condition: Tensor): Tensor;
}

/** The two parts of a denoiser of clips that have one class each. */
export function waltNetwork(config: WaltConfig, parameters: Parameters): WaltNetwork {
  const told: (ToldInput & { name: keyof WaltInputs })[] = [
    ...(config.classes === null ? [] : [{ name: "y", nothing: config.classes } as const]),
    ...(config.lowResolution ? [{ name: "noiseLevel" } as const] : []),
  ];
  return {
    told,
    condition(t, ...values) {
      const inputs = Object.fromEntries(told.map(({ name }, index) => [name, values[index]]));
      const { layers, final } = conditionOf(config, parameters, { t, ...inputs });
      return reshape(concatenate([...layers, final], 2), [t.shape[0], -1]);
    },
    denoise(inputs, condition) {
      const [rows, width] = condition.shape;
      const vectors = reshape(condition, [rows, 1, width]);
      const last = 2 * config.hidden;
      return denoise(config, parameters, inputs, {
        layers: split(slice(vectors, 2, 0, width - last), config.depth, 2),
        final: slice(vectors, 2, width - last, last),
      });
    },
  };
}
