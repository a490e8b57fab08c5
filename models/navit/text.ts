/**
 * The text tower of a contrastive NaViT (NaViT, section 3): the same transformer on the bytes of captions,
 * packed as the images are, and the projections into the space that both towers share.
 *
 * @module
 */
import { gather } from "../../kernels/ops/embedding/op.ts";
import { add, divide, square, squareRoot } from "../../kernels/ops/elementwise/op.ts";
import { reshape } from "../../kernels/ops/movement/op.ts";
import { reduceSum } from "../../kernels/ops/reduce/op.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { projection, projectionParameters } from "../../nn/layers.ts";
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

/** Size and shape of a text tower. */
export interface TextConfig {
  /** Different tokens: 256 bytes and the end of a caption. */
  readonly vocabulary: number;
  /** Tokens of the longest caption, its end included; longer ones are cut. */
  readonly length: number;
  /** Width of the tower. A multiple of `heads`. */
  readonly hidden: number;
  /** Number of blocks. */
  readonly depth: number;
  /** Attention heads of each block. */
  readonly heads: number;
  /** Width e of the space in which images and captions are compared. */
  readonly projection: number;
}

/** A packed batch of captions: B sequences of Lt tokens, i32 (B, Lt) each. */
export interface PackedCaptions {
  /** Bytes, or 256 for the end of a caption. */
  readonly tokens: Tensor;
  /** Slot of the caption, that of its image; -1 for padding. */
  readonly segments: Tensor;
  /** Place of a token in its caption. */
  readonly positions: Tensor;
  /** Slots E of a sequence. */
  readonly slots: number;
}

/** The transformer of the tower: MLPs of four times the width. */
function transformerOf(text: TextConfig, mlpBias: boolean): TransformerConfig {
  const { hidden, depth, heads } = text;
  return { hidden, depth, heads, mlp: 4 * hidden, mlpBias };
}

/** One vector of the tower's width a caption: (B, E, dt). */
export function captionVectors(
  text: TextConfig,
  mlpBias: boolean,
  parameters: Parameters,
  { tokens, segments, positions, slots }: PackedCaptions,
): Tensor {
  const tower = within(parameters, "text");
  const config = transformerOf(text, mlpBias);
  const look = (table: string, indices: Tensor): Tensor =>
    gather(tower(table), reshape(indices, [-1]));
  const embedded = add(look("embed.weight", tokens), look("pos_embed", positions));
  const encoded = encoder(
    config,
    tower,
    reshape(embedded, [...tokens.shape, text.hidden]),
    segments,
  );
  return attentionPooling(config, within(tower, "attn_pool"), encoded, slots, segments);
}

/**
 * Unit vectors in the shared space: vectors (B, E, d) to (B E, e).
 *
 * @param name `image_projection` or `text_projection`
 */
export function sharedSpace(parameters: Parameters, name: string, vectors: Tensor): Tensor {
  const width = vectors.shape[2];
  const projected = projection(parameters, name, reshape(vectors, [-1, width]));
  const length = squareRoot(add(reduceSum(square(projected), [1]), smallestSquare));
  return divide(projected, reshape(length, [-1, 1]));
}

/** Added to squared lengths: empty slots may hold zeros, whose direction is undefined. */
const smallestSquare = 1e-12;

/** The scale of similarities starts at 1 / 0.07, as in CLIP. */
const firstLogarithmicScale = Math.log(1 / 0.07);

/** What a contrastive model has in place of a head. */
export function textParameters(
  text: TextConfig,
  image: Pick<TransformerConfig, "hidden" | "mlpBias">,
): ParameterSpecification[] {
  const config = transformerOf(text, image.mlpBias);
  const table = (name: string, rows: number): ParameterSpecification => ({
    name,
    shape: [rows, text.hidden],
    initial: { kind: "normal", deviation: 0.02 },
    trainable: true,
  });
  return [
    ...under("text", [
      table("embed.weight", text.vocabulary),
      table("pos_embed", text.length),
      ...encoderParameters(config),
      ...under("attn_pool", attentionPoolingParameters(config)),
    ]),
    ...projectionParameters("image_projection", image.hidden, text.projection),
    ...projectionParameters("text_projection", text.hidden, text.projection),
    {
      name: "logit_scale",
      shape: [1],
      initial: { kind: "constant", value: firstLogarithmicScale },
      trainable: true,
    },
  ];
}
