/**
 * The causal tokenizer of W.A.L.T: the 3-D convolutional autoencoder of MAGVIT-v2 without its quantiser
 * (Gupta et al., "Photorealistic Video Generation with Diffusion Models", arXiv:2312.06662, 3.1; Yu et
 * al., "Language Model Beats Diffusion", arXiv:2310.05737, 3.2 and appendix A).
 *
 * Read from top to bottom: configuration, encoder, decoder, the layers of both, parameters with their
 * initial values, the table of named sizes. No frame depends on later ones, so a picture is a clip of one
 * frame. Clips and latents have their channels first, as in PyTorch; in between channels come last.
 *
 * @module
 */
import { convolution } from "../../kernels/ops/convolution/op.ts";
import { add, square, squareRoot, subtract } from "../../kernels/ops/elementwise/op.ts";
import { groupNorm } from "../../kernels/ops/group_norm/op.ts";
import {
  broadcastTo,
  concatenate,
  permute,
  reshape,
  slice,
} from "../../kernels/ops/movement/op.ts";
import { mean } from "../../kernels/ops/reduce/op.ts";
import { depthToSpace } from "../../kernels/ops/resample/op.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import {
  convolutionParameters,
  kernelParameter,
  normParameters,
  normSilu,
} from "../../nn/convolution.ts";
import { linear } from "../../nn/layers.ts";
import { noPast, type Past } from "../codec.ts";
import {
  type Initializer,
  type Parameters,
  type ParameterSpecification,
  under,
  vectorParameter,
  within,
} from "../../nn/parameters.ts";

/** Size and shape of a causal tokenizer. */
export interface CausalTokenizerConfig {
  /** Tells the model families apart. */
  readonly family: "causal-tokenizer";
  /** Channels that the multipliers multiply. */
  readonly baseChannels: number;
  /** Width of each level as a multiple of `baseChannels`, finest level first. */
  readonly multipliers: readonly number[];
  /** Residual blocks of a level, and of the middle of encoder and decoder. */
  readonly blocksPerLevel: number;
  /** Channels c of the latent. */
  readonly latentChannels: number;
  /** Whether time is halved too, for each down-sampling between two levels, finest first. */
  readonly temporalDownsampling: readonly boolean[];
  /** Frames kt that a kernel sees: 3, or 1 in a network for pictures. */
  readonly temporalKernel: 1 | 3;
  /** Groups of all group norms. Divides every width. */
  readonly groups: number;
}

/** Under the roots of all norms and of the deviation in the adaptive ones. */
const epsilon = 1e-6;
/** Colours of a pixel. */
export const colours = 3;

/** Channels of the levels, finest first. */
const widths = ({ baseChannels, multipliers }: CausalTokenizerConfig): number[] =>
  multipliers.map((multiplier) => baseChannels * multiplier);

/** By how much the down-sampling behind each level divides time, finest first; none behind the last. */
const timeSteps = ({ temporalDownsampling }: CausalTokenizerConfig): number[] =>
  temporalDownsampling.map((halved) => halved ? 2 : 1);

/** Frames s that become one latent frame, all but the first. */
export const temporalFactor = (config: CausalTokenizerConfig): number =>
  timeSteps(config).reduce((product, step) => product * step, 1);

/** Pixels along a side that become one position of the latent. */
export const spatialFactor = ({ multipliers }: CausalTokenizerConfig): number =>
  2 ** (multipliers.length - 1);

/**
 * The encoder: clips (N, 3, 1 + m s, H, W) in [-1, 1] to latents (N, c, 1 + m, H / f, W / f) with s the
 * temporal factor and f the spatial one; of a chunk behind others, m s frames to m latent ones.
 */
export function encoder(
  config: CausalTokenizerConfig,
  parameters: Parameters,
  video: Tensor,
  past: Past = noPast,
): Tensor {
  const steps = timeSteps(config);
  let x = causalConvolution(parameters, "conv_in", channelsLast(video), past, { biased: false });
  config.multipliers.forEach((_, index) => {
    const level = within(parameters, `levels.${index}`);
    x = residualBlocks(config, level, "blocks", x, past);
    if (index < steps.length) {
      x = causalConvolution(level, "down", x, past, { strides: [steps[index], 2, 2] });
    }
  });
  const middle = residualBlocks(config, parameters, "mid", x, past);
  const last = normSwish(config, parameters, "norm_out", middle);
  return channelsFirst(causalConvolution(parameters, "conv_out", last, past));
}

/**
 * The decoder: latents (N, c, 1 + m, h, w) to clips (N, 3, 1 + m s, f h, f w), not clamped; of a chunk
 * behind others, m latent frames to m s.
 */
export function decoder(
  config: CausalTokenizerConfig,
  parameters: Parameters,
  latent: Tensor,
  past: Past = noPast,
): Tensor {
  const steps = timeSteps(config).toReversed();
  const control = channelsLast(latent);
  let x = causalConvolution(parameters, "conv_in", control, past);
  x = residualBlocks(config, parameters, "mid", x, past);
  let factor = 1;
  config.multipliers.forEach((_, index) => {
    const level = within(parameters, `levels.${index}`);
    x = adaptiveNorm(config, within(level, "norm"), x, control, past.isFirst, factor);
    x = residualBlocks(config, level, "blocks", x, past);
    if (index < steps.length) {
      x = upsample(within(level, "up"), x, past, steps[index]);
      factor *= steps[index];
    }
  });
  const last = normSwish(config, parameters, "norm_out", x);
  return channelsFirst(causalConvolution(parameters, "conv_out", last, past));
}

const channelsLast = (x: Tensor): Tensor => permute(x, [0, 2, 3, 4, 1]);
const channelsFirst = (x: Tensor): Tensor => permute(x, [0, 4, 1, 2, 3]);

/** What may be said of a convolution besides its parameters. */
interface CausalConvolution {
  /** Positions from one window to the next in time, height and width; 1 by default. */
  readonly strides?: readonly number[];
  /** Whether it has a bias; true by default. */
  readonly biased?: boolean;
}

/**
 * Zeros around a frame keep its size; in time there are kt - 1 frames of them before and none after. A
 * chunk behind others has the last frames of the one before in their place: all that its first window
 * needs, which begins a stride behind the last window of that chunk.
 */
function causalConvolution(
  parameters: Parameters,
  name: string,
  x: Tensor,
  past: Past,
  { strides = [1, 1, 1], biased = true }: CausalConvolution = {},
): Tensor {
  const weight = parameters(`${name}.weight`);
  const [time, height, width] = weight.shape.slice(2);
  const around = (size: number) => [(size - 1) / 2, (size - 1) / 2] as const;
  const before = past.isFirst ? time - 1 : 0;
  const padding = [[before, 0] as const, around(height), around(width)];
  const bias = biased ? parameters(`${name}.bias`) : undefined;
  return convolution(past.behind(x, time - strides[0]), weight, bias, { strides, padding });
}

/** Group norm with the statistics of single frames, which keeps it causal, and swish. */
function normSwish(
  { groups }: CausalTokenizerConfig,
  parameters: Parameters,
  name: string,
  x: Tensor,
): Tensor {
  return normSilu(parameters, name, x, { groups, epsilon });
}

/** The residual blocks `name.0`, `name.1`, ...; the first may change the width. */
function residualBlocks(
  config: CausalTokenizerConfig,
  parameters: Parameters,
  name: string,
  x: Tensor,
  past: Past,
): Tensor {
  for (let index = 0; index < config.blocksPerLevel; index++) {
    x = residualBlock(config, within(parameters, `${name}.${index}`), x, past);
  }
  return x;
}

/** Norm, swish and convolution, twice; a 1 x 1 x 1 shortcut where the width changes; no biases. */
function residualBlock(
  config: CausalTokenizerConfig,
  parameters: Parameters,
  x: Tensor,
  past: Past,
): Tensor {
  const biased = false;
  const once = normSwish(config, parameters, "norm1", x);
  const middle = causalConvolution(parameters, "conv1", once, past, { biased });
  const twice = normSwish(config, parameters, "norm2", middle);
  const branch = causalConvolution(parameters, "conv2", twice, past, { biased });
  const sameWidth = x.shape.at(-1) === branch.shape.at(-1);
  return add(
    branch,
    sameWidth ? x : causalConvolution(parameters, "shortcut", x, past, { biased }),
  );
}

/**
 * Group norm whose scale and bias come from the latent frame that a frame belongs to: from the deviation
 * and the mean of its channels over the frame.
 *
 * @param x (N, 1 + m factor, H, W, C); (N, m factor, H, W, C) behind the first chunk
 * @param latent (N, 1 + m, h, w, c); (N, m, h, w, c)
 */
function adaptiveNorm(
  { groups }: CausalTokenizerConfig,
  parameters: Parameters,
  x: Tensor,
  latent: Tensor,
  isFirst: boolean,
  factor: number,
): Tensor {
  const [batch, frames, , , channels] = latent.shape;
  const average = mean(latent, [2, 3]);
  const centered = subtract(latent, reshape(average, [batch, frames, 1, 1, channels]));
  const deviation = squareRoot(add(mean(square(centered), [2, 3]), epsilon));
  return groupNorm(x, groups, epsilon, {
    weight: spread(linear(parameters, "scale", deviation), isFirst, factor),
    bias: spread(linear(parameters, "bias", average), isFirst, factor),
  });
}

/**
 * Rows of latent frames (N, 1 + m, C) for their frames (N, 1 + m factor, C): one of the first frame of a
 * clip, `factor` of each later one.
 */
function spread(rows: Tensor, isFirst: boolean, factor: number): Tensor {
  const [batch, frames, channels] = rows.shape;
  const alone = isFirst ? 1 : 0;
  if (factor === 1 || frames === alone) return rows;
  const later = reshape(
    slice(rows, 1, alone, frames - alone),
    [batch, frames - alone, 1, channels],
  );
  const repeated = reshape(
    broadcastTo(later, [batch, frames - alone, factor, channels]),
    [batch, -1, channels],
  );
  return isFirst ? concatenate([slice(rows, 1, 0, 1), repeated], 1) : repeated;
}

/**
 * Sides, and time by `step`, enlarged by moving channels there; the first step - 1 frames of a clip are
 * dropped, so that 1 + m frames become 1 + m step.
 */
function upsample(parameters: Parameters, x: Tensor, past: Past, step: number): Tensor {
  const enlarged = depthToSpace(causalConvolution(parameters, "conv", x, past), [step, 2, 2]);
  const dropped = past.isFirst ? step - 1 : 0;
  return slice(enlarged, 1, dropped, enlarged.shape[1] - dropped);
}

/** All parameters with their initial values, those that PyTorch's layers have, encoder first. */
export function causalTokenizerParameters(
  config: CausalTokenizerConfig,
): ParameterSpecification[] {
  return [
    ...under("encoder", encoderParameters(config)),
    ...under("decoder", decoderParameters(config)),
  ];
}

function encoderParameters(config: CausalTokenizerConfig): ParameterSpecification[] {
  const { temporalKernel, latentChannels } = config;
  const kernel = [temporalKernel, 3, 3];
  const levels = widths(config);
  const last = levels.length - 1;
  return [
    kernelParameter("conv_in", colours, levels[0], kernel),
    ...levels.flatMap((width, index) =>
      under(`levels.${index}`, [
        ...blocksParameters(config, "blocks", levels[Math.max(index - 1, 0)], width),
        ...(index < last ? convolutionParameters("down", width, width, kernel) : []),
      ])
    ),
    ...blocksParameters(config, "mid", levels[last], levels[last]),
    ...normParameters("norm_out", levels[last]),
    ...convolutionParameters("conv_out", levels[last], latentChannels, [1, 1, 1]),
  ];
}

function decoderParameters(config: CausalTokenizerConfig): ParameterSpecification[] {
  const { temporalKernel, latentChannels } = config;
  const kernel = [temporalKernel, 3, 3];
  const levels = widths(config).toReversed();
  const steps = timeSteps(config).toReversed();
  const last = levels.length - 1;
  return [
    ...convolutionParameters("conv_in", latentChannels, levels[0], kernel),
    ...blocksParameters(config, "mid", levels[0], levels[0]),
    ...levels.flatMap((width, index) => {
      const inputs = levels[Math.max(index - 1, 0)];
      return under(`levels.${index}`, [
        ...under("norm", adaptiveNormParameters(latentChannels, inputs)),
        ...blocksParameters(config, "blocks", inputs, width),
        ...(index < last
          ? convolutionParameters("up.conv", width, 4 * steps[index] * width, kernel)
          : []),
      ]);
    }),
    ...normParameters("norm_out", levels[last]),
    ...convolutionParameters("conv_out", levels[last], colours, kernel),
  ];
}

function blocksParameters(
  { blocksPerLevel, temporalKernel }: CausalTokenizerConfig,
  name: string,
  inputs: number,
  outputs: number,
): ParameterSpecification[] {
  const kernel = [temporalKernel, 3, 3];
  return Array.from({ length: blocksPerLevel }, (_, index) => {
    const entering = index === 0 ? inputs : outputs;
    return under(`${name}.${index}`, [
      ...normParameters("norm1", entering),
      kernelParameter("conv1", entering, outputs, kernel),
      ...normParameters("norm2", outputs),
      kernelParameter("conv2", outputs, outputs, kernel),
      ...(entering === outputs ? [] : [kernelParameter("shortcut", entering, outputs, [1, 1, 1])]),
    ]);
  }).flat();
}

/** An adaptive norm starts as a plain one. */
function adaptiveNormParameters(latent: number, channels: number): ParameterSpecification[] {
  const shape = [channels, latent];
  const zeros: Initializer = { kind: "zeros" };
  return [
    { name: "scale.weight", shape, initial: zeros, trainable: true },
    vectorParameter("scale.bias", channels, { kind: "constant", value: 1 }),
    { name: "bias.weight", shape, initial: zeros, trainable: true },
    vectorParameter("bias.bias", channels, zeros),
  ];
}

/** The tokenizer of clips of the paper: 17 frames become 5, sides an eighth. */
const clips: CausalTokenizerConfig = {
  family: "causal-tokenizer",
  baseChannels: 128,
  multipliers: [1, 2, 2, 4],
  blocksPerLevel: 4,
  latentChannels: 8,
  temporalDownsampling: [false, true, true],
  temporalKernel: 3,
  groups: 32,
};

/** A network for pictures has no extent in time. */
const pictures = {
  temporalDownsampling: [false, false, false],
  temporalKernel: 1,
} as const;

/** Sizes of our own for machines without a GPU. */
const small = { baseChannels: 16, blocksPerLevel: 1, latentChannels: 4, groups: 8 } as const;

/** All models that have a name. */
export const causalTokenizerConfigs: ReadonlyMap<string, CausalTokenizerConfig> = new Map([
  ["CausalTokenizer", clips],
  ["ImageTokenizer", { ...clips, ...pictures, multipliers: [1, 1, 2, 4] }],
  ["CausalTokenizer-XS", { ...clips, ...small }],
  ["ImageTokenizer-XS", { ...clips, ...pictures, ...small }],
]);
