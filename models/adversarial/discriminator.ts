/**
 * The discriminator that autoencoders are trained against: the 3-D residual network of MAGVIT (Yu et al.,
 * arXiv:2212.05199, appendix A.1), with blur pooling between its blocks (Yu et al., arXiv:2310.05737,
 * appendix A.1).
 *
 * It has a fully connected layer over all places, so the size of its clips is part of its configuration.
 *
 * @module
 */
import { convolution } from "../../kernels/ops/convolution/op.ts";
import { add, leakyRelu, multiply } from "../../kernels/ops/elementwise/op.ts";
import { permute, reshape } from "../../kernels/ops/movement/op.ts";
import { blurPool } from "../../kernels/ops/resample/op.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { convolutionParameters, kernelParameter } from "../../nn/convolution.ts";
import { linear } from "../../nn/layers.ts";
import {
  type Parameters,
  type ParameterSpecification,
  under,
  within,
} from "../../nn/parameters.ts";
import type { ClipSize } from "../codec.ts";

/** Size and shape of a discriminator, without the size of its clips. */
export interface DiscriminatorConfig {
  /** Channels of the first layer. */
  readonly baseChannels: number;
  /** Channels of each block's output as a multiple of `baseChannels`; a block halves all sides. */
  readonly multipliers: readonly number[];
}

/** The discriminator of the paper. */
export const paperDiscriminator: DiscriminatorConfig = {
  baseChannels: 64,
  multipliers: [2, 4, 4, 4, 4],
};

/** Slope of all activations below zero. */
const slope = 0.2;

/** Channels of the first layer and of the blocks. */
const widths = ({ baseChannels, multipliers }: DiscriminatorConfig): number[] => [
  baseChannels,
  ...multipliers.map((multiplier) => baseChannels * multiplier),
];

/** Clips (N, C, frames, H, W) in [-1, 1] to logits (N, 1), positive for real ones. */
export function discriminator(
  { multipliers }: DiscriminatorConfig,
  parameters: Parameters,
  video: Tensor,
): Tensor {
  let x = activated(layer(parameters, "conv_in", permute(video, [0, 2, 3, 4, 1])));
  multipliers.forEach((_, index) => {
    x = block(within(parameters, `blocks.${index}`), x);
  });
  const last = activated(layer(parameters, "conv_out", x));
  const places = reshape(permute(last, [0, 4, 1, 2, 3]), [last.shape[0], -1]);
  return linear(parameters, "fc2", activated(linear(parameters, "fc1", places)));
}

/** Two convolutions and a shortcut; all sides are halved between them. */
function block(parameters: Parameters, x: Tensor): Tensor {
  const pooled = blurPool(activated(layer(parameters, "conv1", x)));
  const branch = activated(layer(parameters, "conv2", pooled));
  const shortcut = convolution(blurPool(x), parameters("shortcut.weight"));
  return multiply(add(branch, shortcut), Math.SQRT1_2);
}

const activated = (x: Tensor): Tensor => leakyRelu(x, slope);

/** A 3 x 3 x 3 convolution that keeps all sizes. */
function layer(parameters: Parameters, name: string, x: Tensor): Tensor {
  const padding = [[1, 1], [1, 1], [1, 1]] as const;
  return convolution(x, parameters(`${name}.weight`), parameters(`${name}.bias`), { padding });
}

/**
 * All parameters with the initial values that PyTorch's layers have.
 *
 * @param channels of the clips
 */
export function discriminatorParameters(
  config: DiscriminatorConfig,
  clip: ClipSize,
  channels: number,
): ParameterSpecification[] {
  const levels = widths(config);
  const last = levels.at(-1)!;
  const cube = [3, 3, 3];
  const sides = [clip.frames, clip.height, clip.width];
  const places = sides.reduce(
    (product, side) => product * Math.ceil(side / 2 ** config.multipliers.length),
    1,
  );
  return [
    ...convolutionParameters("conv_in", channels, levels[0], cube),
    ...config.multipliers.flatMap((_, index) => {
      const [inputs, outputs] = levels.slice(index, index + 2);
      return under(`blocks.${index}`, [
        ...convolutionParameters("conv1", inputs, inputs, cube),
        ...convolutionParameters("conv2", inputs, outputs, cube),
        kernelParameter("shortcut", inputs, outputs, [1, 1, 1]),
      ]);
    }),
    ...convolutionParameters("conv_out", last, last, cube),
    ...convolutionParameters("fc1", last * places, last, []),
    ...convolutionParameters("fc2", last, 1, []),
  ];
}
