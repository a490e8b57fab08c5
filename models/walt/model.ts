/**
 * The denoiser of W.A.L.T: a transformer over the latents of clips and pictures whose layers attend within
 * spatial and spatio-temporal windows in turn (Gupta et al., "Photorealistic Video Generation with
 * Diffusion Models", arXiv:2312.06662).
 *
 * Read from top to bottom: configuration, the model in the order of the paper, its parameters with their
 * initial values, the table of named sizes. Latents are (N, c, F, h, w). An element of the batch is one
 * clip, or a stack of F unrelated pictures, which the same network treats alike whatever stands beside
 * them in the stack. What the paper leaves open is said where it is decided.
 *
 * @module
 */
import { timestepEmbedding, timestepEmbeddingParameters } from "../../diffusion/timesteps.ts";
import { attention } from "../../kernels/ops/attention/op.ts";
import { convolution } from "../../kernels/ops/convolution/op.ts";
import { add, multiply, silu, subtract, toFloat, where } from "../../kernels/ops/elementwise/op.ts";
import { gather } from "../../kernels/ops/embedding/op.ts";
import { affineLayerNorm, layerNorm } from "../../kernels/ops/layer_norm/op.ts";
import { linear as linearOp } from "../../kernels/ops/matmul/op.ts";
import {
  broadcastTo,
  concatenate,
  permute,
  reshape,
  slice,
  split,
} from "../../kernels/ops/movement/op.ts";
import { depthToSpace } from "../../kernels/ops/resample/op.ts";
import { elementCount, formatShape } from "../../kernels/shape.ts";
import { constantTensor, type Tensor } from "../../kernels/tensor.ts";
import {
  linear,
  linearParameters,
  mlp,
  projection,
  projectionParameters,
  xavierUniform,
} from "../../nn/layers.ts";
import {
  type Initializer,
  type Parameters,
  type ParameterSpecification,
  under,
  vectorParameter,
  within,
} from "../../nn/parameters.ts";
import { asOneWindow, type Box, framesInWindows, inWindows, type Windowed } from "./windows.ts";

/** Size and shape of a denoiser. */
export interface WaltConfig {
  /** Tells the model families apart. */
  readonly family: "walt";
  /** Latent frames F: 1 + a quarter of the later frames of a clip. */
  readonly latentFrames: number;
  /** Height and width of a latent frame, multiples of `patch`. */
  readonly latentSize: readonly [height: number, width: number];
  /** Channels c of the latent. */
  readonly latentChannels: number;
  /** Side of a patch p. */
  readonly patch: number;
  /** Width d. A multiple of `heads`. */
  readonly hidden: number;
  /** Layers, each of attention, cross-attention if there is text, and MLP. */
  readonly depth: number;
  /** Attention heads of each layer; the width of one is d / heads. */
  readonly heads: number;
  /** Number of classes K; null without labels. */
  readonly classes: number | null;
  /** Whether the label K stands for "no class", which guidance needs. */
  readonly nullClass: boolean;
  /** Rank r of what layers add to the modulation that they share; null: each has a full one. */
  readonly adaLNRank: number | null;
  /**
   * Patches of the windows of layers 0, 2, 4, ...: rows and columns. Divides the grid. Null: all layers are
   * spatio-temporal, as in full attention, and there are no stacks of pictures.
   */
  readonly spatialWindow: readonly [rows: number, columns: number] | null;
  /** Patches of the windows of layers 1, 3, 5, ...; null: all layers are spatial. Divides the grid. */
  readonly spatioTemporalWindow: Box | null;
  /** Whether queries and keys are normalised. */
  readonly queryKeyNorm: boolean;
  /** Whether the input has channels for an estimate of the clean latent. */
  readonly selfConditioning: boolean;
  /** Whether the input has channels for given frames and their mask. */
  readonly framePrediction: boolean;
  /** Whether the input has channels for a latent of half the height and width. */
  readonly lowResolution: boolean;
  /** Width of text features; null without cross-attention. */
  readonly textWidth: number | null;
  /** Windows of cross-attention: spatial ones, which pictures need, or those of the layer. */
  readonly crossAttentionWindow: "spatial" | "layer";
}

/**
 * What goes into the network; an absent tensor stands for zeros, or for clips. Labels and captions come
 * in G groups: G = 1, one for the whole element, or G = F, one for each latent frame, as stacks of
 * pictures have them.
 */
export interface WaltInputs {
  /** Noisy latents (N, c, F, h, w). */
  readonly x: Tensor;
  /** Time steps, i32 (N), each 0 .. 999. */
  readonly t: Tensor;
  /** i32 (N): 1 for a stack of pictures, 0 for a clip. */
  readonly isImage?: Tensor;
  /** Labels, i32 (N, G), each 0 .. K - 1, or K for "no class". */
  readonly y?: Tensor;
  /** An estimate of the clean latents (N, c, F, h, w). */
  readonly selfCondition?: Tensor;
  /** Clean latents (N, c, F, h, w) of which the mask gives some frames. */
  readonly frameCondition?: Tensor;
  /** i32 (N, F): 1 for frames that are given. */
  readonly frameMask?: Tensor;
  /** Latents (N, c, F, h / 2, w / 2), with noise of `noiseLevel` in them. */
  readonly lowResolution?: Tensor;
  /** Level of the noise in `lowResolution`, i32 (N), each 0 .. 999. */
  readonly noiseLevel?: Tensor;
  /** Text features (N, G, M, textWidth). */
  readonly text?: Tensor;
  /** i32 (N, G, M): 1 for words; all 0: no text. */
  readonly textMask?: Tensor;
}

/** Epsilon of all layer norms. */
const epsilon = 1e-6;

/** Tokens along time, rows and columns. */
export const gridOf = ({ latentFrames, latentSize: [height, width], patch }: WaltConfig): Box => [
  latentFrames,
  height / patch,
  width / patch,
];

/** Whether a layer attends within frames: layers are spatial and spatio-temporal in turn. */
const isSpatial = ({ spatialWindow, spatioTemporalWindow }: WaltConfig, layer: number): boolean =>
  spatioTemporalWindow === null || (spatialWindow !== null && layer % 2 === 0);

/** Windows of the self-attention of a layer. */
export const windowOf = (config: WaltConfig, layer: number): Box =>
  isSpatial(config, layer) ? [1, ...config.spatialWindow!] : config.spatioTemporalWindow!;

/** Steps of a layer that are modulated: attention, cross-attention if there is text, MLP. */
const branchesOf = ({ textWidth }: WaltConfig): number => textWidth === null ? 2 : 3;

/** Channels of the input: noisy latent, estimate, given frames with their mask, low resolution. */
export function inputChannels(config: WaltConfig): number {
  const { latentChannels, selfConditioning, framePrediction, lowResolution } = config;
  return latentChannels * (1 + Number(selfConditioning) + Number(lowResolution)) +
    (latentChannels + 1) * Number(framePrediction);
}

/** The network: noisy latents to the velocity v (N, c, F, h, w) of diffusion/velocity.ts. */
export function walt(config: WaltConfig, parameters: Parameters, inputs: WaltInputs): Tensor {
  checkInputs(config, inputs);
  return denoise(config, parameters, inputs, conditionOf(config, parameters, inputs));
}

/** Time step, class, and level of the noise in the low resolution, of which nothing else is known. */
type ConditionInputs = Pick<WaltInputs, "t" | "y" | "noiseLevel">;

/** What is known of the clips themselves. */
export type ClipInputs = Omit<WaltInputs, keyof ConditionInputs>;

/** What time step, class and level of the noise are to the network, whatever the clip is. */
export interface WaltCondition {
  /** Modulation of each layer (N, G, 3 b d), for its b modulated steps. */
  readonly layers: readonly Tensor[];
  /** That of the final layer norm (N, G, 2 d). */
  readonly final: Tensor;
}

/**
 * AdaLN-LoRA: one map of the condition for all layers, to which each adds one of low rank; or a
 * full map in each. The first layer adds its own map too.
 */
export function conditionOf(
  config: WaltConfig,
  parameters: Parameters,
  inputs: ConditionInputs,
): WaltCondition {
  const condition = embedCondition(config, parameters, inputs);
  const full = (own: Parameters): Tensor => linear(own, "adaLN_modulation.1", silu(condition));
  const shared = config.adaLNRank === null ? undefined : full(parameters);
  const ofLayer = (own: Parameters): Tensor =>
    shared ? add(shared, lowRank(own, condition)) : full(own);
  return {
    layers: Array.from(
      { length: config.depth },
      (_, index) => ofLayer(within(parameters, `layers.${index}`)),
    ),
    final: full(within(parameters, "final_layer")),
  };
}

const lowRank = (parameters: Parameters, condition: Tensor): Tensor =>
  projection(parameters, "adaLN_lora.up", projection(parameters, "adaLN_lora.down", condition));

/** Patches, layers, and patches back in place. */
export function denoise(
  config: WaltConfig,
  parameters: Parameters,
  inputs: ClipInputs,
  condition: WaltCondition,
): Tensor {
  const text = textOf(config, parameters, inputs);
  let tokens = asOneWindow(embed(config, parameters, inputs));
  for (let index = 0; index < config.depth; index++) {
    const own = within(parameters, `layers.${index}`);
    const modulation = modulationOf(config, condition.layers[index]);
    tokens = layer(config, own, index, tokens, { modulation, text, isImage: inputs.isImage });
  }
  return finalLayer(config, within(parameters, "final_layer"), tokens, condition.final);
}

/**
 * Patches of all input channels through one linear map, and learned positions in space and time. All
 * pictures of a stack have the first position in time.
 */
function embed(config: WaltConfig, parameters: Parameters, inputs: ClipInputs): Tensor {
  const [frames, rows, columns] = gridOf(config);
  const { hidden, patch } = config;
  const channels = concatenate(channelsOf(config, parameters, inputs), 1);
  const [batch, depth] = channels.shape;
  const apart = reshape(channels, [batch, depth, frames, rows, patch, columns, patch]);
  const patches = reshape(permute(apart, [0, 2, 3, 5, 1, 4, 6]), [
    batch,
    frames,
    rows,
    columns,
    depth * patch * patch,
  ]);
  const weight = reshape(parameters("x_embedder.proj.weight"), [hidden, -1]);
  const tokens = linearOp(patches, weight, parameters("x_embedder.proj.bias"));
  return add(add(tokens, parameters("pos_embed.space")), timePositions(config, parameters, inputs));
}

/** Positions in time (N or 1, F, 1, 1, d). */
function timePositions(
  { latentFrames, hidden }: WaltConfig,
  parameters: Parameters,
  { isImage }: ClipInputs,
): Tensor {
  const table = parameters("pos_embed.time");
  const ofClips = reshape(table, [1, latentFrames, 1, 1, hidden]);
  if (!isImage) return ofClips;
  const first = reshape(slice(table, 0, 0, 1), [1, 1, 1, 1, hidden]);
  return where(reshape(isImage, [-1, 1, 1, 1, 1]), first, ofClips);
}

/** The input, then the conditions that are given as channels, each (N, channels, F, h, w). */
function channelsOf(config: WaltConfig, parameters: Parameters, inputs: ClipInputs): Tensor[] {
  const { selfConditioning, framePrediction, lowResolution, latentFrames } = config;
  const { x, frameCondition, frameMask } = inputs;
  const parts = [x];
  if (selfConditioning) parts.push(inputs.selfCondition ?? zeros(x.shape));
  if (framePrediction) {
    const [batch, , ...sizes] = x.shape;
    if (frameCondition && frameMask) {
      const mask = toFloat(reshape(frameMask, [batch, 1, latentFrames, 1, 1]));
      parts.push(multiply(mask, frameCondition), broadcastTo(mask, [batch, 1, ...sizes]));
    } else {
      parts.push(zeros([batch, config.latentChannels + 1, ...sizes]));
    }
  }
  if (lowResolution) parts.push(enlarge(within(parameters, "low_resolution"), inputs));
  return parts;
}

const zeros = (shape: readonly number[]): Tensor =>
  broadcastTo(constantTensor(Float32Array.of(0), []), shape);

/** The low resolution at twice the height and width: a convolution of frames, and depth to space. */
function enlarge(parameters: Parameters, { lowResolution, x }: ClipInputs): Tensor {
  const [batch, channels, frames, height, width] = lowResolution!.shape;
  const pictures = reshape(permute(lowResolution!, [0, 2, 3, 4, 1]), [
    batch * frames,
    height,
    width,
    channels,
  ]);
  const [weight, bias] = [parameters("conv.weight"), parameters("conv.bias")];
  const wide = convolution(pictures, weight, bias, { padding: [[1, 1], [1, 1]] });
  const [, , , ...sizes] = x.shape;
  const enlarged = reshape(depthToSpace(wide, [2, 2]), [batch, frames, ...sizes, channels]);
  return permute(enlarged, [0, 4, 1, 2, 3]);
}

/** The sum of what time step, class and level of the noise are as vectors, (N, G, d). */
function embedCondition(
  config: WaltConfig,
  parameters: Parameters,
  inputs: ConditionInputs,
): Tensor {
  const { t, y, noiseLevel } = inputs;
  const [batch] = t.shape;
  const wide = (rows: Tensor): Tensor => reshape(rows, [batch, -1, config.hidden]);
  const parts = [wide(timestepEmbedding(within(parameters, "t_embedder"), t))];
  if (config.classes !== null) {
    const table = parameters("y_embedder.embedding_table.weight");
    parts.push(wide(gather(table, reshape(y!, [-1]))));
  }
  if (config.lowResolution) {
    parts.push(wide(timestepEmbedding(within(parameters, "noise_embedder"), noiseLevel!)));
  }
  return parts.reduce((sum, part) => add(sum, part));
}

/** Scales, shifts and gates (N, G, d) of the steps of a layer. */
type Modulation = readonly (readonly [scale: Tensor, shift: Tensor, gate: Tensor])[];

/** Modulation of a layer, of which all scales come first, then all shifts, then all gates. */
function modulationOf(config: WaltConfig, vectors: Tensor): Modulation {
  const branches = branchesOf(config);
  const parts = split(vectors, 3 * branches, 2);
  return Array.from(
    { length: branches },
    (_, branch) => [parts[branch], parts[branches + branch], parts[2 * branches + branch]],
  );
}

/** What a layer is told besides its tokens. */
interface LayerContext {
  readonly modulation: Modulation;
  readonly text: Text | undefined;
  readonly isImage: Tensor | undefined;
}

/**
 * Attention in the windows of the layer, cross-attention to text, MLP. Cross-attention has spatial
 * windows in spatio-temporal layers too, unless told otherwise: others would mix unrelated pictures.
 */
function layer(
  config: WaltConfig,
  parameters: Parameters,
  index: number,
  tokens: Windowed,
  { modulation, text, isImage }: LayerContext,
): Windowed {
  const window = windowOf(config, index);
  const [attend, ...later] = modulation;
  const images = isSpatial(config, index) ? undefined : isImage;
  let hidden = residual(
    inWindows(tokens, window),
    attend,
    (x) => windowAttention(config, within(parameters, "attn"), x, window, images),
  );
  if (text) {
    const around = config.crossAttentionWindow === "layer" ? window : windowOf(config, 0);
    hidden = residual(
      inWindows(hidden, around),
      later.shift()!,
      (x) => crossAttention(config, within(parameters, "cross_attn"), x, text),
    );
  }
  return residual(hidden, later[0], (x) => mlp(within(parameters, "mlp"), x));
}

/** `x + gate step(norm(x) (1 + scale) + shift)`. */
function residual(
  { values, window }: Windowed,
  [scale, shift, gate]: Modulation[number],
  step: (x: Tensor) => Tensor,
): Windowed {
  const modulated = layerNorm(values, epsilon, {
    scale: framesInWindows(scale, window),
    shift: framesInWindows(shift, window),
  });
  return { values: add(values, multiply(framesInWindows(gate, window), step(modulated))), window };
}

/**
 * Self-attention in windows with a relative bias for each head. Tokens of stacks of pictures see
 * themselves only where windows span time: the identity mask of joint training.
 */
function windowAttention(
  config: WaltConfig,
  parameters: Parameters,
  x: Tensor,
  window: Box,
  isImage: Tensor | undefined,
): Tensor {
  const { heads } = config;
  const tokens = asSequences(x, window);
  const [sequences, length, width] = tokens.shape;
  const packed = reshape(linear(parameters, "qkv", tokens), [sequences, length, 3, heads, -1]);
  const [query, key, value] = split(packed, 3, 2).map((part) =>
    reshape(part, [sequences, length, heads, width / heads])
  );
  const ids = isImage && identityMask(isImage, sequences, length);
  const mixed = attention(
    normalised(config, parameters, "q_norm", query),
    normalised(config, parameters, "k_norm", key),
    value,
    {
      bias: parameters("relative_bias"),
      segments: ids && { query: ids, key: ids },
    },
  );
  return linear(parameters, "proj", reshape(mixed, x.shape));
}

/** Segments i32 (sequences, length): one in clips, one for every token in pictures. */
function identityMask(isImage: Tensor, sequences: number, length: number): Tensor {
  const [batch] = isImage.shape;
  const own = constantTensor(Int32Array.from({ length }, (_, token) => token), [1, 1, length]);
  const shape = [batch, sequences / batch, length];
  const ids = multiply(broadcastTo(reshape(isImage, [batch, 1, 1]), shape), own);
  return reshape(ids, [sequences, length]);
}

/** Projected text features (N, G, M, d), and which of them are words, i32 (N, G, M). */
interface Text {
  readonly features: Tensor;
  readonly mask: Tensor;
}

function textOf(
  config: WaltConfig,
  parameters: Parameters,
  { text, textMask }: ClipInputs,
): Text | undefined {
  if (config.textWidth === null) return undefined;
  return { features: linear(parameters, "text_proj", text!), mask: textMask! };
}

/**
 * Attention of the tokens of a window to themselves and to the text of their frame, without a
 * relative bias. Where there is no text, tokens are left to themselves.
 */
function crossAttention(
  config: WaltConfig,
  parameters: Parameters,
  x: Tensor,
  { features, mask }: Text,
): Tensor {
  const { heads } = config;
  const [, ...sizes] = x.shape;
  const tokens = asSequences(x, [sizes[3], sizes[4], sizes[5]]);
  const [sequences, length, width] = tokens.shape;
  const [batch, groups, words] = mask.shape;
  /** What each group has, for all windows of the group: they lie next to each other. */
  const spread = (part: Tensor, ...rest: number[]): Tensor => {
    const apart = reshape(part, [batch, groups, 1, words, ...rest]);
    const repeated = [batch, groups, sequences / (batch * groups), words, ...rest];
    return reshape(broadcastTo(apart, repeated), [sequences, words, ...rest]);
  };
  const ofText = spread(linear(parameters, "kv", features), 2 * width);
  const both = concatenate([linear(parameters, "kv", tokens), ofText], 1);
  const [key, value] = split(reshape(both, [sequences, length + words, 2, heads, -1]), 2, 2)
    .map((part) => reshape(part, [sequences, length + words, heads, width / heads]));
  const query = reshape(linear(parameters, "q", tokens), [sequences, length, heads, width / heads]);
  const own = constantTensor(new Int32Array(sequences * length), [sequences, length]);
  const mixed = attention(
    normalised(config, parameters, "q_norm", query),
    normalised(config, parameters, "k_norm", key),
    value,
    { segments: { query: own, key: concatenate([own, spread(subtract(1, mask))], 1) } },
  );
  return linear(parameters, "proj", reshape(mixed, x.shape));
}

/** Windows as sequences (windows, tokens, d). */
function asSequences(x: Tensor, window: Box): Tensor {
  return reshape(x, [-1, elementCount(window), x.shape[x.shape.length - 1]]);
}

/** Query-key normalisation: layer norm with a learned scale that the heads share. */
function normalised(
  { queryKeyNorm }: WaltConfig,
  parameters: Parameters,
  name: string,
  x: Tensor,
): Tensor {
  return queryKeyNorm ? affineLayerNorm(x, epsilon, parameters(`${name}.weight`)) : x;
}

/** Final adaptive layer norm, linear map to p p c numbers a token, and patches back in place. */
function finalLayer(
  config: WaltConfig,
  parameters: Parameters,
  tokens: Windowed,
  modulation: Tensor,
): Tensor {
  const { patch, latentChannels, latentSize } = config;
  const grid = gridOf(config);
  const { values } = inWindows(tokens, grid);
  const [scale, shift] = split(modulation, 2, 2).map((part) => framesInWindows(part, grid));
  const patches = linear(parameters, "linear", layerNorm(values, epsilon, { scale, shift }));
  const [batch] = values.shape;
  const [frames, rows, columns] = grid;
  const apart = reshape(patches, [batch, frames, rows, columns, patch, patch, latentChannels]);
  const ordered = permute(apart, [0, 6, 1, 2, 4, 3, 5]);
  return reshape(ordered, [batch, latentChannels, frames, ...latentSize]);
}

/** Refuses inputs that the configuration does not go with. */
function checkInputs(config: WaltConfig, inputs: WaltInputs): void {
  const needed: [keyof WaltInputs, boolean][] = [
    ["y", config.classes !== null],
    ["text", config.textWidth !== null],
    ["textMask", config.textWidth !== null],
    ["lowResolution", config.lowResolution],
    ["noiseLevel", config.lowResolution],
  ];
  for (const [name, isNeeded] of needed) {
    if (isNeeded && !inputs[name]) throw new RangeError(`walt: the input ${name} is missing`);
  }
  for (const name of ["y", "text"] as const) {
    const shape = inputs[name]?.shape;
    if (!shape || shape[1] === 1 || shape[1] === config.latentFrames) continue;
    throw new RangeError(
      `walt: ${name} ${formatShape(shape)} is neither for whole elements, (N, 1), nor for ` +
        `${config.latentFrames} latent frames`,
    );
  }
  const problem = mixingProblem(config, inputs.isImage !== undefined, inputs.text?.shape[1]);
  if (problem !== undefined) throw new RangeError(`walt: ${problem}`);
}

/** Why pictures of a stack, or frames with captions of their own, would be mixed; undefined: they are not. */
export function mixingProblem(
  { textWidth, crossAttentionWindow, spatialWindow }: WaltConfig,
  images: boolean,
  textGroups = 1,
): string | undefined {
  if (images && spatialWindow === null) {
    return "attention that spans time in all layers is for clips alone";
  }
  if (textWidth === null || crossAttentionWindow === "spatial") return undefined;
  if (!images && textGroups === 1) return undefined;
  return "cross-attention in the windows of the layer is for clips alone, with one caption each";
}

/**
 * All parameters with their initial values: every layer starts as the identity, and the output as zero,
 * as in DiT.
 */
export function waltParameters(config: WaltConfig): ParameterSpecification[] {
  const { hidden, patch, latentChannels, classes, nullClass, lowResolution, textWidth } = config;
  const { adaLNRank, depth } = config;
  const [frames, rows, columns] = gridOf(config);
  const channels = inputChannels(config);
  return [
    trained("x_embedder.proj.weight", [hidden, channels, patch, patch], xavier),
    vectorParameter("x_embedder.proj.bias", hidden, zero),
    trained("pos_embed.space", [rows, columns, hidden], position),
    trained("pos_embed.time", [frames, hidden], position),
    ...timestepEmbeddingParameters("t_embedder", hidden),
    ...(classes === null ? [] : [{
      ...trained(
        "y_embedder.embedding_table.weight",
        [classes + Number(nullClass), hidden],
        normal,
      ),
      perClass: { others: Number(nullClass) },
    }]),
    ...(lowResolution
      ? [
        trained("low_resolution.conv.weight", [4 * latentChannels, latentChannels, 3, 3], xavier),
        vectorParameter("low_resolution.conv.bias", 4 * latentChannels, zero),
        ...timestepEmbeddingParameters("noise_embedder", hidden),
      ]
      : []),
    ...(textWidth === null ? [] : linearParameters("text_proj", textWidth, hidden)),
    ...(adaLNRank === null
      ? []
      : linearParameters("adaLN_modulation.1", hidden, 3 * branchesOf(config) * hidden, zero)),
    ...Array.from({ length: depth }, (_, i) => under(`layers.${i}`, layerParameters(config, i)))
      .flat(),
    ...linearParameters("final_layer.adaLN_modulation.1", hidden, 2 * hidden, zero),
    ...linearParameters("final_layer.linear", hidden, patch * patch * latentChannels, zero),
  ];
}

function layerParameters(config: WaltConfig, index: number): ParameterSpecification[] {
  const { hidden, heads, textWidth, adaLNRank } = config;
  const table = windowOf(config, index).map((size) => 2 * size - 1);
  const vectors = 3 * branchesOf(config) * hidden;
  return [
    ...linearParameters("attn.qkv", hidden, 3 * hidden),
    ...attentionParameters(config, "attn"),
    trained("attn.relative_bias", [heads, ...table], zero),
    ...(textWidth === null ? [] : [
      ...linearParameters("cross_attn.q", hidden, hidden),
      ...linearParameters("cross_attn.kv", hidden, 2 * hidden),
      ...attentionParameters(config, "cross_attn"),
    ]),
    ...linearParameters("mlp.fc1", hidden, 4 * hidden),
    ...linearParameters("mlp.fc2", 4 * hidden, hidden),
    ...(adaLNRank === null ? linearParameters("adaLN_modulation.1", hidden, vectors, zero) : [
      ...projectionParameters("adaLN_lora.down", hidden, adaLNRank),
      ...projectionParameters("adaLN_lora.up", adaLNRank, vectors, zero),
    ]),
  ];
}

/** What both kinds of attention have. */
function attentionParameters(
  { hidden, heads, queryKeyNorm }: WaltConfig,
  name: string,
): ParameterSpecification[] {
  const one = { kind: "constant", value: 1 } as const;
  const norms = queryKeyNorm ? ["q_norm", "k_norm"] : [];
  return [
    ...linearParameters(`${name}.proj`, hidden, hidden),
    ...norms.map((norm) => vectorParameter(`${name}.${norm}.weight`, hidden / heads, one)),
  ];
}

const zero: Initializer = { kind: "zeros" };
const normal: Initializer = { kind: "normal", deviation: 0.02 };

/**
 * Positions start about as large as the tokens that they are added to, as DiT's are. What needs the class
 * and the frame together, such as the direction of a motion, is not learned from 0.02 (docs/walt.md).
 */
const position: Initializer = { kind: "normal", deviation: 0.5 };

/** Xavier uniform, of a kernel as of the matrix that its patches are multiplied with. */
const xavier = ([outputs, ...inputs]: readonly number[]): Initializer =>
  xavierUniform(elementCount(inputs), outputs);

function trained(
  name: string,
  shape: readonly number[],
  initial: Initializer | ((shape: readonly number[]) => Initializer),
): ParameterSpecification {
  const first = typeof initial === "function" ? initial(shape) : initial;
  return { name, shape, initial: first, trainable: true };
}

/** The paper's L for clips of UCF-101: sampled without guidance, so without a null class. */
const large: WaltConfig = {
  family: "walt",
  latentFrames: 5,
  latentSize: [16, 16],
  latentChannels: 8,
  patch: 1,
  hidden: 1024,
  depth: 24,
  heads: 16,
  classes: 101,
  nullClass: false,
  adaLNRank: 2,
  spatialWindow: [16, 16],
  spatioTemporalWindow: [5, 8, 8],
  queryKeyNorm: true,
  selfConditioning: true,
  framePrediction: false,
  lowResolution: false,
  textWidth: null,
  crossAttentionWindow: "spatial",
};

/** Pictures of ImageNet: one frame, one window, full adaptive layer norms. */
const pictures: WaltConfig = {
  ...large,
  latentFrames: 1,
  latentSize: [32, 32],
  classes: 1000,
  nullClass: true,
  adaLNRank: null,
  spatialWindow: [32, 32],
  spatioTemporalWindow: null,
};

/** Text in place of classes: features of T5-XL. */
const text: WaltConfig = { ...large, classes: null, textWidth: 2048 };

/** Grid and windows of the stages that enlarge, 9:16. */
const wide: WaltConfig = {
  ...text,
  lowResolution: true,
  spatialWindow: [16, 28],
  spatioTemporalWindow: [5, 8, 14],
};

/** Sizes of our own for machines without a GPU: clips of 17 x 128 x 128 and of 17 x 64 x 64. */
const small: WaltConfig = { ...large, hidden: 384, depth: 12, heads: 6, nullClass: true };
const tiny: WaltConfig = {
  ...small,
  latentSize: [8, 8],
  latentChannels: 4,
  hidden: 128,
  depth: 6,
  heads: 4,
  classes: 10,
  spatialWindow: [8, 8],
  spatioTemporalWindow: [5, 4, 4],
};

/**
 * All models that have a name. The paper's base for text has 3 billion parameters in 52 layers; the
 * width that it prints would make many times as many, 1920 comes closest with 16 heads.
 */
export const waltConfigs: ReadonlyMap<string, WaltConfig> = new Map([
  ["WALT-L", large],
  ["WALT-XL", { ...large, depth: 28, hidden: 1152 }],
  ["WALT-L-imagenet", pictures],
  ["WALT-L-text", text],
  ["WALT-3B", { ...text, depth: 52, hidden: 1920 }],
  ["WALT-SR2x", { ...wide, depth: 40, hidden: 1408, latentSize: [32, 56], patch: 2 }],
  ["WALT-SR4x", { ...wide, latentSize: [64, 112], patch: 4 }],
  ["WALT-S", small],
  ["WALT-XS", tiny],
]);
