/**
 * DiT: the diffusion transformer (Peebles and Xie, "Scalable Diffusion Models with Transformers",
 * arXiv:2212.09748).
 *
 * Read from top to bottom: configuration, the model in the order of the paper's figure 3, its
 * parameters with their initial values, the table of published sizes; the designs of its block are in
 * `blocks.ts`. Parameter names are those of the published PyTorch checkpoints.
 *
 * @module
 */
import { timestepEmbedding, timestepEmbeddingParameters } from "../../diffusion/timesteps.ts";
import { add } from "../../kernels/ops/elementwise/op.ts";
import { gather } from "../../kernels/ops/embedding/op.ts";
import { layerNorm } from "../../kernels/ops/layer_norm/op.ts";
import { concatenate, reshape, slice } from "../../kernels/ops/movement/op.ts";
import { linear as linearOp } from "../../kernels/ops/matmul/op.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { linear, linearParameters, patchify, unpatchify, xavierUniform } from "../../nn/layers.ts";
import {
  type Parameters,
  type ParameterSpecification,
  under,
  within,
} from "../../nn/parameters.ts";
import { sineCosinePositions } from "../../nn/positions.ts";
import {
  asTokens,
  blockDesigns,
  type Conditioning,
  epsilon,
  modulation,
  modulationParameters,
  vectors,
} from "./blocks.ts";
import { withDiffusersPlaces } from "./diffusers.ts";

/** Size and shape of a DiT. */
export interface DiTConfig {
  /** Tells the model families apart. */
  readonly family: "dit";
  /** Side of the (square) picture or latent, in pixels. A multiple of `patch`. */
  readonly inputSize: number;
  /** Side of a patch p. */
  readonly patch: number;
  /** Channels C of the picture or latent: 1 or 3 for pixels, 4 for latents. */
  readonly channels: number;
  /** Width d. A multiple of `heads` and of 4. */
  readonly hidden: number;
  /** Number of blocks N. */
  readonly depth: number;
  /** Attention heads of each block; the width of one is d / heads. */
  readonly heads: number;
  /** Number of classes K; the label K stands for "no class". */
  readonly classes: number;
  /** Whether the model also predicts the variance, doubling its output channels. */
  readonly learnSigma: boolean;
  /** How time step and class reach the blocks (paper 3.2). */
  readonly conditioning: Conditioning;
}

/** Number of channels the model puts out: C, or 2 C when it learns the variance. */
export const outputChannels = (config: DiTConfig): number =>
  config.learnSigma ? 2 * config.channels : config.channels;

/**
 * The network: noised pictures x (N, C, I, I), time steps t (N, i32, 0 .. 999) and labels y (N, i32, K for "no
 * class") to (N, C or 2 C, I, I): the noise, then (if learned) the interpolation of the variance.
 */
export function dit(
  config: DiTConfig,
  parameters: Parameters,
  x: Tensor,
  t: Tensor,
  y: Tensor,
): Tensor {
  return denoise(config, parameters, x, conditionOf(config, parameters, t, y));
}

/** What time step and class are to the network, whatever the picture is. */
export interface DiTCondition {
  /** Two more tokens of the sequence (N, 2, d), in context. */
  readonly tokens?: Tensor;
  /** Of each block (N, W): modulation, or keys and values; empty in context. */
  readonly blocks: readonly Tensor[];
  /** Shift and scale of the final layer norm (N, 2 d), where it is adaptive. */
  readonly final?: Tensor;
}

/** Embeds time steps and labels, and works out what they are to all layers. */
export function conditionOf(
  config: DiTConfig,
  parameters: Parameters,
  t: Tensor,
  y: Tensor,
): DiTCondition {
  const { addsTokens, adaptsFinalNorm, condition } = blockDesigns[config.conditioning];
  const embeddings = {
    time: timestepEmbedding(within(parameters, "t_embedder"), t),
    label: gather(parameters("y_embedder.embedding_table.weight"), y),
  };
  const ofBlock = (_: unknown, index: number): Tensor =>
    condition!(within(parameters, `blocks.${index}`), embeddings);
  return {
    tokens: addsTokens ? asTokens(embeddings) : undefined,
    blocks: condition ? Array.from({ length: config.depth }, ofBlock) : [],
    final: adaptsFinalNorm ? modulation(within(parameters, "final_layer"), embeddings) : undefined,
  };
}

/** Patches, blocks, and patches back in place. */
export function denoise(
  config: DiTConfig,
  parameters: Parameters,
  x: Tensor,
  { tokens, blocks, final }: DiTCondition,
): Tensor {
  const { block } = blockDesigns[config.conditioning];
  const patches = add(embedPatches(config, parameters, x), parameters("pos_embed"));
  let hidden = tokens ? concatenate([patches, tokens], 1) : patches;
  for (let index = 0; index < config.depth; index++) {
    hidden = block(within(parameters, `blocks.${index}`), hidden, config.heads, blocks[index]);
  }
  const drawn = tokens ? slice(hidden, 1, 0, patches.shape[1]) : hidden;
  const side = config.inputSize / config.patch;
  const out = finalLayer(within(parameters, "final_layer"), drawn, final);
  return unpatchify(out, config.patch, side, side);
}

/** Patch embedding: each patch of C p p numbers through one linear map (paper 3.2). */
function embedPatches(config: DiTConfig, parameters: Parameters, x: Tensor): Tensor {
  const weight = reshape(parameters("x_embedder.proj.weight"), [config.hidden, -1]);
  return linearOp(patchify(x, config.patch), weight, parameters("x_embedder.proj.bias"));
}

/** Final layer norm, adaptive where the blocks' are, and linear map to p p times the output channels. */
function finalLayer(parameters: Parameters, x: Tensor, condition: Tensor | undefined): Tensor {
  if (!condition) return linear(parameters, "linear", layerNorm(x, epsilon));
  const [shift, scale] = vectors(condition, 2);
  return linear(parameters, "linear", layerNorm(x, epsilon, { shift, scale }));
}

/** All parameters with their initial values, which are those of the authors' code, in the order of the checkpoints. */
export function ditParameters(config: DiTConfig): ParameterSpecification[] {
  const { hidden, patch, channels, depth, classes, conditioning } = config;
  const design = blockDesigns[conditioning];
  const side = config.inputSize / patch;
  const pixels = channels * patch * patch;
  const normal = { kind: "normal", deviation: 0.02 } as const;
  const zeros = { kind: "zeros" } as const;
  const parameters: ParameterSpecification[] = [
    {
      name: "pos_embed",
      shape: [1, side * side, hidden],
      initial: { kind: "values", values: () => sineCosinePositions(side, side, hidden) },
      trainable: false,
    },
    {
      name: "x_embedder.proj.weight",
      shape: [hidden, channels, patch, patch],
      initial: xavierUniform(pixels, hidden),
      trainable: true,
    },
    { name: "x_embedder.proj.bias", shape: [hidden], initial: zeros, trainable: true },
    ...timestepEmbeddingParameters("t_embedder", hidden),
    {
      name: "y_embedder.embedding_table.weight",
      shape: [classes + 1, hidden],
      initial: normal,
      trainable: true,
      perClass: { others: 1 },
    },
    ...Array.from(
      { length: depth },
      (_, index) =>
        under(`blocks.${index}`, [...blockParameters(hidden), ...design.parameters(hidden)]),
    )
      .flat(),
    ...linearParameters(
      "final_layer.linear",
      hidden,
      patch * patch * outputChannels(config),
      zeros,
    ),
    ...(design.adaptsFinalNorm ? under("final_layer", modulationParameters(hidden, 2)) : []),
  ];
  return conditioning === "adaLN-Zero" ? withDiffusersPlaces(parameters, depth) : parameters;
}

/** Self-attention and MLP, which blocks of all designs have. */
function blockParameters(hidden: number): ParameterSpecification[] {
  return [
    ...linearParameters("attn.qkv", hidden, 3 * hidden),
    ...linearParameters("attn.proj", hidden, hidden),
    ...linearParameters("mlp.fc1", hidden, 4 * hidden),
    ...linearParameters("mlp.fc2", 4 * hidden, hidden),
  ];
}

/** Depth, width and heads of the four published sizes (paper, table 1). */
const publishedSizes = {
  S: { depth: 12, hidden: 384, heads: 6 },
  B: { depth: 12, hidden: 768, heads: 12 },
  L: { depth: 24, hidden: 1024, heads: 16 },
  XL: { depth: 28, hidden: 1152, heads: 16 },
} as const;

/** A size of our own for pictures of about 28 pixels and machines without a GPU. */
const smallSizes = { XS: { depth: 6, hidden: 128, heads: 4 } } as const;

/** Configurations of each size with patches of 8, 4 and 2, on latents of 256-pixel ImageNet. */
function configsOf(
  sizes: Readonly<Record<string, Pick<DiTConfig, "depth" | "hidden" | "heads">>>,
): Map<string, DiTConfig> {
  const config = (size: string, patch: number): [string, DiTConfig] => [`DiT-${size}/${patch}`, {
    family: "dit",
    inputSize: 32,
    patch,
    channels: 4,
    ...sizes[size],
    classes: 1000,
    learnSigma: true,
    conditioning: "adaLN-Zero",
  }];
  return new Map(Object.keys(sizes).flatMap((size) => [8, 4, 2].map((p) => config(size, p))));
}

/** The twelve published models, by name. */
export const publishedDiTConfigs: ReadonlyMap<string, DiTConfig> = configsOf(publishedSizes);

/** All models that have a name. */
export const ditConfigs: ReadonlyMap<string, DiTConfig> = new Map([
  ...publishedDiTConfigs,
  ...configsOf(smallSizes),
]);
