/**
 * The transformer of NaViT (NaViT, section 2.1): a pre-norm encoder with query-key normalisation and without
 * biases, and masked attention pooling. Image and text towers are both made of it.
 *
 * Several images (or captions) lie one after the other in a sequence; `segments` numbers them, and a
 * token sees those of its own segment only. Everything else is a function of single tokens.
 *
 * @module
 */
import { attention } from "../kernels/ops/attention/op.ts";
import { add } from "../kernels/ops/elementwise/op.ts";
import { affineLayerNorm } from "../kernels/ops/layer_norm/op.ts";
import { broadcastTo, reshape, split } from "../kernels/ops/movement/op.ts";
import { constantTensor, type Tensor } from "../kernels/tensor.ts";
import {
  linear,
  linearParameters,
  mlp,
  projection,
  projectionParameters,
  xavierUniform,
} from "./layers.ts";
import { type Parameters, type ParameterSpecification, within } from "./parameters.ts";

/** Size and shape of a tower. */
export interface TransformerConfig {
  /** Width d. A multiple of `heads`. */
  readonly hidden: number;
  /** Number of blocks N. */
  readonly depth: number;
  /** Attention heads of each block; the width of one is d / heads. */
  readonly heads: number;
  /** Width of the hidden layer of each MLP, usually 4 d. */
  readonly mlp: number;
  /** Whether the layers of the MLPs have biases; nothing else has any. */
  readonly mlpBias: boolean;
}

/** Epsilon of all layer norms. */
const epsilon = 1e-6;

/**
 * Blocks and final norm: tokens (B, L, d) to (B, L, d).
 *
 * @param segments i32 (B, L); absent: each row is one segment
 */
export function encoder(
  config: TransformerConfig,
  parameters: Parameters,
  tokens: Tensor,
  segments?: Tensor,
): Tensor {
  let x = tokens;
  for (let index = 0; index < config.depth; index++) {
    x = block(config, within(parameters, `blocks.${index}`), x, segments);
  }
  return norm(parameters, "norm", x);
}

/** `x += attention(norm(x))`, `x += mlp(norm(x))`. */
function block(
  config: TransformerConfig,
  parameters: Parameters,
  x: Tensor,
  segments?: Tensor,
): Tensor {
  const attended = selfAttention(
    config,
    within(parameters, "attn"),
    norm(parameters, "norm1", x),
    segments,
  );
  const middle = add(x, attended);
  return add(middle, feedForward(config, parameters, norm(parameters, "norm2", middle)));
}

/** Self-attention whose queries and keys are normalised head by head (ViT-22B). */
function selfAttention(
  { heads }: TransformerConfig,
  parameters: Parameters,
  x: Tensor,
  segments?: Tensor,
): Tensor {
  const [batch, length, width] = x.shape;
  const packed = reshape(projection(parameters, "qkv", x), [batch, length, 3, heads, -1]);
  const [query, key, value] = split(packed, 3, 2).map((part) =>
    reshape(part, [batch, length, heads, width / heads])
  );
  const mixed = attention(
    norm(parameters, "q_norm", query),
    norm(parameters, "k_norm", key),
    value,
    { segments: segments && { query: segments, key: segments } },
  );
  return projection(parameters, "proj", reshape(mixed, [batch, length, width]));
}

function feedForward({ mlpBias }: TransformerConfig, parameters: Parameters, x: Tensor): Tensor {
  return mlp(within(parameters, "mlp"), x, mlpBias ? linear : projection);
}

/** Layer norm with a learned scale and no bias. */
function norm(parameters: Parameters, name: string, x: Tensor): Tensor {
  return affineLayerNorm(x, epsilon, parameters(`${name}.weight`));
}

/**
 * Masked attention pooling (NaViT, section 2.1): for each of `slots` slots of a sequence, one learned probe
 * attends to the tokens of that segment: tokens (B, L, d) to (B, slots, d). What a slot without
 * tokens holds means nothing.
 *
 * @param segments i32 (B, L), slot numbers; absent: there is one slot, which sees the whole row
 */
export function attentionPooling(
  config: TransformerConfig,
  parameters: Parameters,
  tokens: Tensor,
  slots: number,
  segments?: Tensor,
): Tensor {
  const [batch, length, width] = tokens.shape;
  const { heads } = config;
  const probe = projection(parameters, "q", parameters("latent"));
  const query = broadcastTo(reshape(probe, [1, 1, heads, width / heads]), [
    batch,
    slots,
    heads,
    width / heads,
  ]);
  const packed = reshape(projection(parameters, "kv", tokens), [batch, length, 2, heads, -1]);
  const [key, value] = split(packed, 2, 2).map((part) =>
    reshape(part, [batch, length, heads, width / heads])
  );
  const mixed = attention(query, key, value, {
    segments: segments && { query: slotNumbers(batch, slots), key: segments },
  });
  const pooled = projection(parameters, "proj", reshape(mixed, [batch, slots, width]));
  return add(pooled, feedForward(config, parameters, norm(parameters, "norm", pooled)));
}

/** i32 (B, slots): 0, 1, ... in every row. */
function slotNumbers(batch: number, slots: number): Tensor {
  const numbers = Int32Array.from({ length: batch * slots }, (_, index) => index % slots);
  return constantTensor(numbers, [batch, slots]);
}

/** Parameters of {@link encoder}, under the names of timm's vision transformers. */
export function encoderParameters(config: TransformerConfig): ParameterSpecification[] {
  const { hidden, depth } = config;
  return [
    ...Array.from({ length: depth }, (_, index) => blockParameters(config, `blocks.${index}`))
      .flat(),
    normParameter("norm", hidden),
  ];
}

function blockParameters(config: TransformerConfig, name: string): ParameterSpecification[] {
  const { hidden, heads } = config;
  return [
    normParameter(`${name}.norm1`, hidden),
    // Queries, keys and values are three maps of d to d, and start as such.
    ...projectionParameters(`${name}.attn.qkv`, hidden, 3 * hidden, xavierUniform(hidden, hidden)),
    normParameter(`${name}.attn.q_norm`, hidden / heads),
    normParameter(`${name}.attn.k_norm`, hidden / heads),
    ...projectionParameters(`${name}.attn.proj`, hidden, hidden),
    normParameter(`${name}.norm2`, hidden),
    ...mlpParameters(config, `${name}.mlp`),
  ];
}

/** Parameters of {@link attentionPooling}. */
export function attentionPoolingParameters(config: TransformerConfig): ParameterSpecification[] {
  const { hidden } = config;
  return [
    { name: "latent", shape: [1, hidden], initial: xavierUniform(1, hidden), trainable: true },
    ...projectionParameters("q", hidden, hidden),
    ...projectionParameters("kv", hidden, 2 * hidden, xavierUniform(hidden, hidden)),
    ...projectionParameters("proj", hidden, hidden),
    normParameter("norm", hidden),
    ...mlpParameters(config, "mlp"),
  ];
}

function mlpParameters(
  { hidden, mlp, mlpBias }: TransformerConfig,
  name: string,
): ParameterSpecification[] {
  const declare = mlpBias ? linearParameters : projectionParameters;
  return [...declare(`${name}.fc1`, hidden, mlp), ...declare(`${name}.fc2`, mlp, hidden)];
}

function normParameter(name: string, width: number): ParameterSpecification {
  const initial = { kind: "constant", value: 1 } as const;
  return { name: `${name}.weight`, shape: [width], initial, trainable: true };
}
