/**
 * The four designs of a DiT block (paper 3.2, "DiT block design", and figure 3): in-context conditioning,
 * cross-attention, adaptive layer norm, and adaptive layer norm whose gates start at zero.
 *
 * @module
 */
import { attention } from "../../kernels/ops/attention/op.ts";
import { add, multiply, silu } from "../../kernels/ops/elementwise/op.ts";
import { layerNorm } from "../../kernels/ops/layer_norm/op.ts";
import { concatenate, reshape, split } from "../../kernels/ops/movement/op.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { linear, linearParameters, mlp, selfAttention } from "../../nn/layers.ts";
import {
  type Parameters,
  type ParameterSpecification,
  under,
  within,
} from "../../nn/parameters.ts";

/** How time step and class reach the blocks, in the order of the paper. */
export const conditionings = ["in-context", "cross-attention", "adaLN", "adaLN-Zero"] as const;

/** One of {@link conditionings}. */
export type Conditioning = (typeof conditionings)[number];

/** Epsilon of all layer norms. */
export const epsilon = 1e-6;

/** Time step and class of each sample. */
export interface Embeddings {
  /** (N, d) */
  readonly time: Tensor;
  /** (N, d) */
  readonly label: Tensor;
}

/** A design. */
export interface BlockDesign {
  /** Whether time step and class are two more tokens of the sequence. */
  readonly addsTokens: boolean;
  /** Whether the final layer norm is adaptive too. */
  readonly adaptsFinalNorm: boolean;
  /** What time step and class are to a block (N, W), whatever its tokens are; absent where nothing. */
  readonly condition?: (parameters: Parameters, embeddings: Embeddings) => Tensor;
  /**
   * The block.
   *
   * @param x tokens (N, T, d) @param condition as {@link BlockDesign.condition} gives
   */
  block(parameters: Parameters, x: Tensor, heads: number, condition: Tensor): Tensor;
  /** The parameters of the block besides those of self-attention and MLP. */
  parameters(hidden: number): ParameterSpecification[];
}

/** The designs by name. */
export const blockDesigns: Readonly<Record<Conditioning, BlockDesign>> = {
  "in-context": {
    addsTokens: true,
    adaptsFinalNorm: false,
    block(parameters, x, heads) {
      const middle = add(x, attend(parameters, layerNorm(x, epsilon), heads));
      return add(middle, feedForward(parameters, layerNorm(middle, epsilon)));
    },
    parameters: () => [],
  },
  "cross-attention": {
    addsTokens: false,
    adaptsFinalNorm: false,
    condition: keysAndValues,
    block(parameters, x, heads, condition) {
      const attended = add(x, attend(parameters, layerNorm(x, epsilon), heads));
      const middle = add(
        attended,
        crossAttention(
          within(parameters, "cross_attn"),
          layerNorm(attended, epsilon),
          heads,
          condition,
        ),
      );
      return add(middle, feedForward(parameters, layerNorm(middle, epsilon)));
    },
    parameters: (hidden) =>
      under("cross_attn", [
        ...linearParameters("q", hidden, hidden),
        ...linearParameters("kv", hidden, 2 * hidden),
        ...linearParameters("proj", hidden, hidden),
      ]),
  },
  "adaLN": {
    addsTokens: false,
    adaptsFinalNorm: true,
    condition: modulation,
    block(parameters, x, heads, condition) {
      const [shift1, scale1, shift2, scale2] = vectors(condition, 4);
      const attended = attend(
        parameters,
        layerNorm(x, epsilon, { shift: shift1, scale: scale1 }),
        heads,
      );
      const middle = add(x, attended);
      const modulated = layerNorm(middle, epsilon, { shift: shift2, scale: scale2 });
      return add(middle, feedForward(parameters, modulated));
    },
    parameters: (hidden) => modulationParameters(hidden, 4),
  },
  "adaLN-Zero": {
    addsTokens: false,
    adaptsFinalNorm: true,
    condition: modulation,
    block(parameters, x, heads, condition) {
      const [shift1, scale1, gate1, shift2, scale2, gate2] = vectors(condition, 6);
      const attended = attend(
        parameters,
        layerNorm(x, epsilon, { shift: shift1, scale: scale1 }),
        heads,
      );
      const middle = add(x, multiply(gate1, attended));
      const modulated = layerNorm(middle, epsilon, { shift: shift2, scale: scale2 });
      return add(middle, multiply(gate2, feedForward(parameters, modulated)));
    },
    parameters: (hidden) => modulationParameters(hidden, 6),
  },
};

const attend = (parameters: Parameters, x: Tensor, heads: number): Tensor =>
  selfAttention(within(parameters, "attn"), x, heads);

const feedForward = (parameters: Parameters, x: Tensor): Tensor =>
  mlp(within(parameters, "mlp"), x);

/** Shifts, scales and gates, regressed from the sum of time step and class. */
export function modulation(parameters: Parameters, { time, label }: Embeddings): Tensor {
  return linear(parameters, "adaLN_modulation.1", silu(add(time, label)));
}

/** A condition (N, count d) as so many vectors (N, 1, d). */
export function vectors(condition: Tensor, count: number): Tensor[] {
  const [batch, width] = condition.shape;
  return split(reshape(condition, [batch, 1, width]), count, 2);
}

/** What {@link modulation} reads; zeros, so that the norms start as plain ones, and gates closed. */
export const modulationParameters = (hidden: number, count: number): ParameterSpecification[] =>
  linearParameters("adaLN_modulation.1", hidden, count * hidden, { kind: "zeros" });

/** Time step and class as a sequence of two tokens (N, 2, d). */
export function asTokens({ time, label }: Embeddings): Tensor {
  const [batch, hidden] = time.shape;
  return reshape(concatenate([time, label], 1), [batch, 2, hidden]);
}

/** Keys and values (N, 2 2 d) of the two tokens that the patches attend to. */
function keysAndValues(parameters: Parameters, embeddings: Embeddings): Tensor {
  const both = linear(parameters, "cross_attn.kv", asTokens(embeddings));
  return reshape(both, [both.shape[0], -1]);
}

/** Multi-head attention of tokens x (N, T, d) to the two tokens whose keys and values are given. */
function crossAttention(
  parameters: Parameters,
  x: Tensor,
  heads: number,
  condition: Tensor,
): Tensor {
  const [batch, tokens, width] = x.shape;
  const query = reshape(linear(parameters, "q", x), [batch, tokens, heads, width / heads]);
  const packed = reshape(condition, [batch, 2, 2, heads, width / heads]);
  const [key, value] = split(packed, 2, 2).map((part) =>
    reshape(part, [batch, 2, heads, width / heads])
  );
  return linear(parameters, "proj", reshape(attention(query, key, value), x.shape));
}
