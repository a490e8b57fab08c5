/**
 * A DiT as samplers see it: what time step and class are to all layers, in one vector, and the rest.
 *
 * @module
 */
import type { Network } from "../../diffusion/step_conditions.ts";
import { concatenate, reshape, slice, split } from "../../kernels/ops/movement/op.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import type { Parameters } from "../../nn/parameters.ts";
import { blockDesigns } from "./blocks.ts";
import { conditionOf, denoise, type DiTCondition, type DiTConfig } from "./model.ts";

/** The two parts of a DiT. */
export function ditNetwork(config: DiTConfig, parameters: Parameters): Network {
  return {
    condition: (t, y) => packed(conditionOf(config, parameters, t, y)),
    denoise: (x, condition) => denoise(config, parameters, x, unpacked(config, condition)),
  };
}

/** All that there is, (R, W). */
function packed({ tokens, blocks, final }: DiTCondition): Tensor {
  if (tokens) return reshape(tokens, [tokens.shape[0], -1]);
  return concatenate(final ? [...blocks, final] : blocks, 1);
}

/** The counterpart of {@link packed}. */
function unpacked({ conditioning, depth, hidden }: DiTConfig, condition: Tensor): DiTCondition {
  const { addsTokens, adaptsFinalNorm } = blockDesigns[conditioning];
  const [rows, width] = condition.shape;
  if (addsTokens) return { tokens: reshape(condition, [rows, 2, hidden]), blocks: [] };
  const last = adaptsFinalNorm ? 2 * hidden : 0;
  return {
    blocks: split(slice(condition, 1, 0, width - last), depth, 1),
    final: adaptsFinalNorm ? slice(condition, 1, width - last, last) : undefined,
  };
}
