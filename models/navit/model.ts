/**
 * NaViT: a vision transformer for images of any resolution and aspect ratio (Dehghani et al.,
 * "Patch n' Pack", arXiv:2307.06304).
 *
 * Read from top to bottom: configuration, the model in the order of the paper's figure 2, its
 * parameters with their initial values, the table of sizes. Patches of several images lie one after
 * the other in sequences of one length; no image sees another.
 *
 * @module
 */
import { add } from "../../kernels/ops/elementwise/op.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { linear, projection, projectionParameters } from "../../nn/layers.ts";
import {
  embedPositions,
  type PatchPlaces,
  type PositionConfig,
  positionParameters,
} from "./positions.ts";
import { type TextConfig, textParameters } from "./text.ts";
import {
  type Parameters,
  type ParameterSpecification,
  under,
  within,
} from "../../nn/parameters.ts";
import {
  attentionPooling,
  attentionPoolingParameters,
  encoder,
  encoderParameters,
  type TransformerConfig,
} from "../../nn/transformer.ts";

/** Size and shape of a NaViT. */
export interface NaViTConfig extends TransformerConfig, PositionConfig {
  /** Tells the model families apart. */
  readonly family: "navit";
  /** Side of a patch p, in pixels. */
  readonly patch: number;
  /** Colour channels C of the images. */
  readonly channels: number;
  /** Number of classes K; a contrastive model has none and ignores it. */
  readonly classes: number;
  /** The text tower that makes the model contrastive; absent: it classifies. */
  readonly text?: TextConfig;
}

/** A packed batch: B sequences of L tokens. */
export interface PackedImages extends PatchPlaces {
  /** Pixels of patches (B, L, C p p), the channel slowest, in [-1, 1]. */
  readonly patches: Tensor;
  /** i32 (B, L): the slot of a token's image in its sequence, -1 for padding. */
  readonly segments?: Tensor;
  /** Slots E of a sequence: the most images it may hold. */
  readonly slots: number;
}

/** Patch embedding, encoder and pooling: one vector an image, (B, E, d). */
export function imageVectors(
  config: NaViTConfig,
  parameters: Parameters,
  images: PackedImages,
): Tensor {
  const tokens = add(
    projection(parameters, "patch_embed", images.patches),
    embedPositions(config, config.hidden, within(parameters, "pos_embed"), images),
  );
  const encoded = encoder(config, parameters, tokens, images.segments);
  const pool = within(parameters, "attn_pool");
  return attentionPooling(config, pool, encoded, images.slots, images.segments);
}

/** The classifier: logits (B, E, K). Those of empty slots mean nothing. */
export function navit(config: NaViTConfig, parameters: Parameters, images: PackedImages): Tensor {
  return linear(parameters, "head", imageVectors(config, parameters, images));
}

/** Numbers in a patch: C p p. */
export const patchWidth = ({ channels, patch }: NaViTConfig): number => channels * patch ** 2;

/** All parameters with their initial values. */
export function navitParameters(config: NaViTConfig): ParameterSpecification[] {
  const { hidden, text } = config;
  return [
    ...projectionParameters("patch_embed", patchWidth(config), hidden),
    ...under("pos_embed", positionParameters(config, hidden)),
    ...encoderParameters(config),
    ...under("attn_pool", attentionPoolingParameters(config)),
    ...(text ? textParameters(text, config) : headParameters(config)),
  ];
}

/**
 * The head starts at zero, with a bias of -log K: the sigmoid loss then starts as if each class had
 * the probability 1 / K (-10.3 for the 29,593 classes of JFT).
 */
function headParameters({ hidden, classes }: NaViTConfig): ParameterSpecification[] {
  const head: ParameterSpecification[] = [
    ...projectionParameters("head", hidden, classes, { kind: "zeros" }),
    {
      name: "head.bias",
      shape: [classes],
      initial: { kind: "constant", value: -Math.log(classes) },
      trainable: true,
    },
  ];
  return head.map((parameter) => ({ ...parameter, perClass: { others: 0 } }));
}

/** Whether a parameter belongs to the head, which has a weight decay of its own (NaViT, appendix A). */
export const isHeadParameter = (name: string): boolean => name.startsWith("head.");

/** Depth, width and heads of the sizes; XS is our own, for machines without a GPU. */
const sizes = {
  XS: { depth: 6, hidden: 128, heads: 4 },
  Ti: { depth: 12, hidden: 192, heads: 3 },
  S: { depth: 12, hidden: 384, heads: 6 },
  B: { depth: 12, hidden: 768, heads: 12 },
  L: { depth: 24, hidden: 1024, heads: 16 },
} as const;

/** Patch sizes of each size. */
const patches: Readonly<Record<keyof typeof sizes, readonly number[]>> = {
  XS: [16, 8, 4],
  Ti: [32, 16, 8],
  S: [32, 16, 8],
  B: [32, 16],
  L: [16, 14],
};

/** Longest side of an image, in pixels, that the tables of positions cover by default. */
const longestSide = 512;

function sized(size: keyof typeof sizes, patch: number): NaViTConfig {
  return {
    family: "navit",
    patch,
    channels: 3,
    ...sizes[size],
    mlp: 4 * sizes[size].hidden,
    mlpBias: false,
    classes: 1000,
    positions: "factorized",
    combination: "sum",
    coordinates: "absolute",
    positionLength: Math.ceil(longestSide / patch),
  };
}

/** All models that have a name, such as `NaViT-B/16`. */
export const navitConfigs: ReadonlyMap<string, NaViTConfig> = new Map(
  (Object.keys(sizes) as (keyof typeof sizes)[]).flatMap((size) =>
    patches[size].map((patch) => [`NaViT-${size}/${patch}`, sized(size, patch)] as const)
  ),
);
