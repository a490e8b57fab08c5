/**
 * A perceptual loss: reconstructions are to look alike to a classifier of pictures (as MAGVIT's, which
 * compares the logits of a ResNet; Yu et al., arXiv:2212.05199, appendix A.1). Here it is a vision
 * transformer that `train navit` has trained, on whatever the user finds that matters. It stays as it is.
 *
 * @module
 */
import { z } from "zod";
import { InputError } from "../../base/errors.ts";
import { square, subtract } from "../../kernels/ops/elementwise/op.ts";
import { detach, permute, reshape } from "../../kernels/ops/movement/op.ts";
import { mean } from "../../kernels/ops/reduce/op.ts";
import { constantTensor, type Tensor } from "../../kernels/tensor.ts";
import { requireMultiple } from "../../nn/config.ts";
import {
  type Parameters,
  type ParameterSpecification,
  under,
  within,
} from "../../nn/parameters.ts";
import { matchWeights } from "../../nn/weights_file.ts";
import { openCheckpointFile } from "../../training/checkpoints/checkpoint.ts";
import type { Start } from "../../training/runs/run.ts";
import type { ClipSize } from "../codec.ts";
import { checkNaViTConfig } from "../navit/config.ts";
import { navit, type NaViTConfig, navitParameters } from "../navit/model.ts";

/** The classifier that looks at frames. */
export interface PerceptualNetwork {
  /** Its file of weights, read when a run starts; a run keeps them from then on. */
  readonly path: string;
  /** Size and shape. */
  readonly config: NaViTConfig;
}

/** Its JSON form. */
export const perceptualNetworkSchema: z.ZodType<PerceptualNetwork> = z.strictObject({
  path: z.string(),
  config: z.unknown().transform((value) => checkNaViTConfig(value, "perceptual")),
});

/** Prefix of its parameters. */
const prefix = "perceptual";

/** Its weights by name. */
export type PerceptualWeights = ReadonlyMap<string, Float32Array>;

/**
 * The weights that a run starts with; none of a run that goes on and has them, or has no classifier.
 *
 * @throws InputError when the file is not there any more, or does not fit
 */
export async function startingWeights(
  network: PerceptualNetwork | undefined,
  { from }: Start,
): Promise<PerceptualWeights | undefined> {
  if (!network || from === "resume" || from === "fork") return undefined;
  const { path, config } = network;
  using file = await openCheckpointFile(path);
  const { tensors } = matchWeights(file, navitParameters(config));
  return new Map([...tensors.tensors.keys()].map((name) => [name, tensors.readFloat32(name)]));
}

/**
 * Its parameters, which no step changes.
 *
 * @param weights their values; zeros when absent, for a run that goes on and has them
 */
export function perceptualParameters(
  config: NaViTConfig,
  weights?: PerceptualWeights,
): ParameterSpecification[] {
  const frozen = navitParameters(config).map((parameter): ParameterSpecification => ({
    ...parameter,
    trainable: false,
    initial: weights
      ? { kind: "values", values: () => weights.get(parameter.name)! }
      : { kind: "zeros" },
  }));
  return under(prefix, frozen);
}

/**
 * Checks that a classifier takes the frames of clips.
 *
 * @param wanted frames, sides and channels of the clips; a picture is a clip of one frame
 * @throws InputError with the nearest valid values, or for a network without logits of such frames
 */
export function checkPerceptual(
  { path, config }: PerceptualNetwork,
  { height, width, channels: wanted }: ClipSize & { readonly channels: number },
): void {
  const { patch, channels, text, positions, coordinates, positionLength } = config;
  if (text) throw new InputError(`${path}: a contrastive model has no logits to compare`);
  if (channels !== wanted) {
    throw new InputError(`${path}: sees ${channels} channels, the autoencoder has ${wanted}`);
  }
  for (const [what, side] of [["height", height], ["width", width]] as const) {
    requireMultiple(path, [what, side], [`divisible by its patch ${patch}`, patch], `${what}s`);
  }
  const isTable = positions !== "sinusoidal" && positions !== "fourier";
  const longest = Math.max(height, width) / patch;
  if (isTable && coordinates === "absolute" && longest > positionLength) {
    throw new InputError(
      `${path}: has positions for ${positionLength} patches a side, frames have ${longest}`,
    );
  }
}

/** The logits of single frames (N F, K) of clips (N, C, F, H, W). */
export function frameLogits(config: NaViTConfig, parameters: Parameters, video: Tensor): Tensor {
  const [batch, channels, frames, height, width] = video.shape;
  const { patch } = config;
  const [rows, columns] = [height / patch, width / patch];
  const [sequences, length] = [batch * frames, rows * columns];
  const single = reshape(
    permute(video, [0, 2, 1, 3, 4]),
    [sequences, channels, rows, patch, columns, patch],
  );
  const patches = reshape(permute(single, [0, 2, 4, 1, 3, 5]), [sequences, length, -1]);
  const tokens = (of: (token: number) => number): Tensor =>
    constantTensor(
      Int32Array.from({ length: sequences * length }, (_, place) => of(place % length)),
      [sequences, length],
    );
  const logits = navit(config, within(parameters, prefix), {
    patches,
    rows: tokens((token) => Math.floor(token / columns)),
    columns: tokens((token) => token % columns),
    gridRows: tokens(() => rows),
    gridColumns: tokens(() => columns),
    slots: 1,
  });
  return reshape(logits, [sequences, config.classes]);
}

/** Mean squared difference of the logits of frames; no gradient reaches the real ones. */
export function perceptualLoss(
  config: NaViTConfig,
  parameters: Parameters,
  { real, fake }: { readonly real: Tensor; readonly fake: Tensor },
): Tensor {
  const wanted = detach(frameLogits(config, parameters, real));
  return mean(square(subtract(frameLogits(config, parameters, fake), wanted)));
}
