/**
 * The autoencoder of latent diffusion: a convolutional network whose latent is the sample of a normal
 * distribution held near the standard one (Rombach et al., "High-Resolution Image Synthesis with Latent
 * Diffusion Models", arXiv:2112.10752, section 3.1 and appendix G). With the size of the table it is that
 * of Stable Diffusion, which DiT's latents come from.
 *
 * Read from top to bottom: configuration, encoder, decoder, the layers of both, parameters with their
 * initial values, the table of named sizes. Pictures and latents have their channels first, as
 * in PyTorch; in between channels come last. Parameters have the names of diffusers' `AutoencoderKL`.
 *
 * @module
 */
import { attention } from "../../kernels/ops/attention/op.ts";
import { convolution } from "../../kernels/ops/convolution/op.ts";
import { add } from "../../kernels/ops/elementwise/op.ts";
import { permute, reshape } from "../../kernels/ops/movement/op.ts";
import { upsampleNearest } from "../../kernels/ops/resample/op.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { convolutionParameters, norm, normParameters, normSilu } from "../../nn/convolution.ts";
import { linear } from "../../nn/layers.ts";
import {
  type Parameters,
  type ParameterSpecification,
  under,
  within,
} from "../../nn/parameters.ts";

/** Size and shape of an autoencoder. */
export interface AutoencoderKLConfig {
  /** Tells the model families apart. */
  readonly family: "autoencoder-kl";
  /** Channels of a picture: 3 for colours, 1 for grey. */
  readonly channels: number;
  /** Channels c of the latent. */
  readonly latentChannels: number;
  /** Channels of each level, finest first; between two levels sides are halved. */
  readonly blockOutChannels: readonly number[];
  /** Residual blocks of a level of the encoder; the decoder has one more. */
  readonly layersPerBlock: number;
  /** Groups of all group norms. Divides all channels of levels. */
  readonly normGroups: number;
  /** What latents are multiplied by for a diffusion model; absent: so that their deviation is 1. */
  readonly scalingFactor?: number;
}

/** Added to the variances of all norms. */
const epsilon = 1e-6;

/** Pixels f along a side that become one position of the latent. */
export const spatialFactor = ({ blockOutChannels }: AutoencoderKLConfig): number =>
  2 ** (blockOutChannels.length - 1);

/**
 * The encoder: pictures (N, C, f h, f w) in [-1, 1] to the moments (N, 2 c, h, w) of the posterior, the
 * means first and then the logarithms of the variances.
 */
export function encode(
  config: AutoencoderKLConfig,
  parameters: Parameters,
  image: Tensor,
): Tensor {
  const encoder = within(parameters, "encoder");
  const levels = config.blockOutChannels.length;
  let x = around(encoder, "conv_in", channelsLast(image));
  for (let index = 0; index < levels; index++) {
    const level = within(encoder, `down_blocks.${index}`);
    x = residualBlocks(config, level, config.layersPerBlock, x);
    if (index < levels - 1) x = downsample(within(level, "downsamplers.0"), x);
  }
  x = middle(config, within(encoder, "mid_block"), x);
  x = around(encoder, "conv_out", normSilu(encoder, "conv_norm_out", x, normsOf(config)));
  return channelsFirst(around(parameters, "quant_conv", x));
}

/** The decoder: latents (N, c, h, w) to pictures (N, C, f h, f w), not clamped. */
export function decode(
  config: AutoencoderKLConfig,
  parameters: Parameters,
  latent: Tensor,
): Tensor {
  const decoder = within(parameters, "decoder");
  const levels = config.blockOutChannels.length;
  let x = around(decoder, "conv_in", around(parameters, "post_quant_conv", channelsLast(latent)));
  x = middle(config, within(decoder, "mid_block"), x);
  for (let index = 0; index < levels; index++) {
    const level = within(decoder, `up_blocks.${index}`);
    x = residualBlocks(config, level, config.layersPerBlock + 1, x);
    if (index < levels - 1) x = upsample(within(level, "upsamplers.0"), x);
  }
  return channelsFirst(
    around(decoder, "conv_out", normSilu(decoder, "conv_norm_out", x, normsOf(config))),
  );
}

const channelsLast = (x: Tensor): Tensor => permute(x, [0, 2, 3, 1]);
const channelsFirst = (x: Tensor): Tensor => permute(x, [0, 3, 1, 2]);
const normsOf = ({ normGroups: groups }: AutoencoderKLConfig) => ({ groups, epsilon });

/** A convolution with zeros on all sides, which keep the size. */
function around(parameters: Parameters, name: string, x: Tensor): Tensor {
  const weight = parameters(`${name}.weight`);
  const sides = (weight.shape[2] - 1) / 2;
  const padding = [[sides, sides], [sides, sides]] as const;
  return convolution(x, weight, parameters(`${name}.bias`), { padding });
}

/** Halves the sides; zeros only below and on the right. */
function downsample(parameters: Parameters, x: Tensor): Tensor {
  const options = { strides: [2, 2], padding: [[0, 1], [0, 1]] } as const;
  return convolution(x, parameters("conv.weight"), parameters("conv.bias"), options);
}

/** Doubles the sides by repeating positions. */
function upsample(parameters: Parameters, x: Tensor): Tensor {
  return around(parameters, "conv", upsampleNearest(x, [2, 2]));
}

/** The residual blocks `resnets.0`, `resnets.1`, ...; the first may change the width. */
function residualBlocks(
  config: AutoencoderKLConfig,
  parameters: Parameters,
  count: number,
  x: Tensor,
): Tensor {
  for (let index = 0; index < count; index++) {
    x = residualBlock(config, within(parameters, `resnets.${index}`), x);
  }
  return x;
}

/** Norm, SiLU and convolution, twice; a 1 x 1 shortcut where the width changes. */
function residualBlock(config: AutoencoderKLConfig, parameters: Parameters, x: Tensor): Tensor {
  const norms = normsOf(config);
  const once = around(parameters, "conv1", normSilu(parameters, "norm1", x, norms));
  const branch = around(parameters, "conv2", normSilu(parameters, "norm2", once, norms));
  const sameWidth = x.shape[3] === branch.shape[3];
  return add(branch, sameWidth ? x : around(parameters, "conv_shortcut", x));
}

/** The coarsest part: attention among all positions between two residual blocks. */
function middle(config: AutoencoderKLConfig, parameters: Parameters, x: Tensor): Tensor {
  const first = residualBlock(config, within(parameters, "resnets.0"), x);
  const mixed = positionAttention(config, within(parameters, "attentions.0"), first);
  return residualBlock(config, within(parameters, "resnets.1"), mixed);
}

/** Single-head self-attention of positions, added to them. */
function positionAttention(
  config: AutoencoderKLConfig,
  parameters: Parameters,
  x: Tensor,
): Tensor {
  const [batch, height, width, channels] = x.shape;
  const normed = norm(parameters, "group_norm", x, normsOf(config));
  const tokens = reshape(normed, [batch, height * width, channels]);
  const [query, key, value] = ["to_q", "to_k", "to_v"].map((name) =>
    reshape(linear(parameters, name, tokens), [batch, height * width, 1, channels])
  );
  const mixed = reshape(attention(query, key, value), tokens.shape);
  return add(x, reshape(linear(parameters, "to_out.0", mixed), x.shape));
}

/** All parameters with their initial values, those that PyTorch's layers have. */
export function autoencoderKLParameters(
  config: AutoencoderKLConfig,
): ParameterSpecification[] {
  const { latentChannels } = config;
  const point = [1, 1];
  return [
    ...under("encoder", encoderParameters(config)),
    ...under("decoder", decoderParameters(config)),
    ...convolutionParameters("quant_conv", 2 * latentChannels, 2 * latentChannels, point),
    ...convolutionParameters("post_quant_conv", latentChannels, latentChannels, point),
  ];
}

/** Sides of almost all kernels. */
const kernel = [3, 3];

function encoderParameters(config: AutoencoderKLConfig): ParameterSpecification[] {
  const { channels, latentChannels, blockOutChannels: widths, layersPerBlock } = config;
  const last = widths.length - 1;
  return [
    ...convolutionParameters("conv_in", channels, widths[0], kernel),
    ...widths.flatMap((width, index) =>
      under(`down_blocks.${index}`, [
        ...residualParameters(layersPerBlock, widths[Math.max(index - 1, 0)], width),
        ...(index < last ? convolutionParameters("downsamplers.0.conv", width, width, kernel) : []),
      ])
    ),
    ...under("mid_block", middleParameters(widths[last])),
    ...normParameters("conv_norm_out", widths[last]),
    ...convolutionParameters("conv_out", widths[last], 2 * latentChannels, kernel),
  ];
}

function decoderParameters(config: AutoencoderKLConfig): ParameterSpecification[] {
  const { channels, latentChannels, layersPerBlock } = config;
  const widths = config.blockOutChannels.toReversed();
  const last = widths.length - 1;
  return [
    ...convolutionParameters("conv_in", latentChannels, widths[0], kernel),
    ...under("mid_block", middleParameters(widths[0])),
    ...widths.flatMap((width, index) =>
      under(`up_blocks.${index}`, [
        ...residualParameters(layersPerBlock + 1, widths[Math.max(index - 1, 0)], width),
        ...(index < last ? convolutionParameters("upsamplers.0.conv", width, width, kernel) : []),
      ])
    ),
    ...normParameters("conv_norm_out", widths[last]),
    ...convolutionParameters("conv_out", widths[last], channels, kernel),
  ];
}

function residualParameters(
  count: number,
  inputs: number,
  outputs: number,
): ParameterSpecification[] {
  return Array.from({ length: count }, (_, index) => {
    const entering = index === 0 ? inputs : outputs;
    return under(`resnets.${index}`, [
      ...normParameters("norm1", entering),
      ...convolutionParameters("conv1", entering, outputs, kernel),
      ...normParameters("norm2", outputs),
      ...convolutionParameters("conv2", outputs, outputs, kernel),
      ...(entering === outputs
        ? []
        : convolutionParameters("conv_shortcut", entering, outputs, [1, 1])),
    ]);
  }).flat();
}

/** Names of the maps of the attention, and those that files from before 2023 have for them. */
const attentionMaps = [["to_q", "query"], ["to_k", "key"], ["to_v", "value"], [
  "to_out.0",
  "proj_attn",
]] as const;

function middleParameters(width: number): ParameterSpecification[] {
  return [
    ...residualParameters(2, width, width),
    ...under("attentions.0", [
      ...normParameters("group_norm", width),
      // A linear map of positions has a kernel without sides.
      ...attentionMaps.flatMap(([name, formerly]) =>
        convolutionParameters(name, width, width, []).map((parameter) => ({
          ...parameter,
          formerName: parameter.name.replace(name, formerly),
        }))
      ),
    ]),
  ];
}

/** That of Stable Diffusion: sides become an eighth. */
const stableDiffusion: AutoencoderKLConfig = {
  family: "autoencoder-kl",
  channels: 3,
  latentChannels: 4,
  blockOutChannels: [128, 256, 512, 512],
  layersPerBlock: 2,
  normGroups: 32,
  scalingFactor: 0.18215,
};

/** Sizes of our own for machines without a GPU: sides become a quarter. */
const small: AutoencoderKLConfig = {
  family: "autoencoder-kl",
  channels: 3,
  latentChannels: 4,
  blockOutChannels: [16, 32, 32],
  layersPerBlock: 1,
  normGroups: 8,
};

/** All models that have a name. */
export const autoencoderKLConfigs: ReadonlyMap<string, AutoencoderKLConfig> = new Map([
  ["SD-VAE", stableDiffusion],
  ["VAE-S", { ...small, blockOutChannels: [32, 64, 64], normGroups: 16 }],
  ["VAE-XS", small],
]);
