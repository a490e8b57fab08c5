/**
 * A NaViT traced on inputs of its own: for counting, timing, evaluating and comparing.
 *
 * @module
 */
import { type Graph, graphCost, makeGraph } from "../../kernels/graph/graph.ts";
import { reshape } from "../../kernels/ops/movement/op.ts";
import { input, type Tensor } from "../../kernels/tensor.ts";
import {
  imageVectors,
  navit,
  type NaViTConfig,
  navitParameters,
  type PackedImages,
  patchWidth,
} from "./model.ts";
import type { TracedModel } from "../family.ts";
import { captionVectors, type PackedCaptions, sharedSpace } from "./text.ts";
import { countParameters, lookup, parameterStates, type WeightType } from "../../nn/parameters.ts";

/** Sizes of a packed batch. */
export interface PackShape {
  /** Sequences B. */
  readonly sequences: number;
  /** Tokens L of a sequence. */
  readonly length: number;
  /** Slots E of a sequence: the most images it may hold. */
  readonly slots: number;
}

/** The images of a batch as inputs, under the names of their fields. */
export function imageInputs(
  config: NaViTConfig,
  { sequences, length, slots }: PackShape,
): PackedImages & { readonly segments: Tensor } {
  const tokens = (name: string): Tensor => input(name, [sequences, length], "i32");
  return {
    patches: input("patches", [sequences, length, patchWidth(config)]),
    segments: tokens("segments"),
    rows: tokens("rows"),
    columns: tokens("columns"),
    gridRows: tokens("gridRows"),
    gridColumns: tokens("gridColumns"),
    slots,
  };
}

/**
 * What the forward pass of a batch puts out: `logits` (B, E, K) of a classifier, `vectors` (B, E, d), or
 * `embeddings` (B, E, e), the unit vectors of a contrastive model.
 */
export type NaViTOutput = "logits" | "vectors" | "embeddings";

/** Traces the forward pass of a batch; its inputs are those of {@link imageInputs}. */
export function traceNaViT(
  config: NaViTConfig,
  shape: PackShape,
  output: NaViTOutput = "logits",
  weights: WeightType = "f32",
): TracedModel {
  const parameters = parameterStates(navitParameters(config), weights);
  const of = lookup(parameters);
  const images = imageInputs(config, shape);
  const forward = (): Tensor => {
    if (output === "logits") return navit(config, of, images);
    const vectors = imageVectors(config, of, images);
    if (output === "vectors") return vectors;
    return slots(sharedSpace(of, "image_projection", vectors), shape);
  };
  return { out: forward(), parameters };
}

/** The forward pass of a batch as a graph; its inputs are those of {@link imageInputs}. */
export function navitForwardGraph(
  config: NaViTConfig,
  shape: PackShape,
  output: NaViTOutput = "logits",
  weights: WeightType = "f32",
): Graph {
  const { out } = traceNaViT(config, shape, output, weights);
  return makeGraph("forward", { outputs: { [output]: out } });
}

/** Rows (B E, e) by sequence and slot: (B, E, e). */
const slots = (rows: Tensor, { sequences, slots }: PackShape): Tensor =>
  reshape(rows, [sequences, slots, rows.shape[1]]);

/** The captions of a batch as inputs. */
export function captionInputs({ sequences, length, slots }: PackShape): PackedCaptions {
  const tokens = (name: string): Tensor => input(name, [sequences, length], "i32");
  return {
    tokens: tokens("textTokens"),
    segments: tokens("textSegments"),
    positions: tokens("textPositions"),
    slots,
  };
}

/**
 * The text tower over a batch of captions as a graph: `embeddings` (B, E, e), unit vectors. Its inputs
 * are those of {@link captionInputs}.
 *
 * @throws RangeError when the model has no text tower
 */
export function captionGraph(config: NaViTConfig, shape: PackShape): Graph {
  const { text, mlpBias } = config;
  if (!text) throw new RangeError("captions: the model has no text tower");
  const parameters = lookup(parameterStates(navitParameters(config)));
  const vectors = captionVectors(text, mlpBias, parameters, captionInputs(shape));
  const embeddings = slots(sharedSpace(parameters, "text_projection", vectors), shape);
  return makeGraph("captions", { outputs: { embeddings } });
}

/** Counts of a model. */
export interface NaViTCounts {
  /** Elements of all parameters. */
  readonly parameters: number;
  /** Elements of the trained parameters. */
  readonly trainableParameters: number;
  /** Patches of the image that was counted. */
  readonly tokens: number;
  /** Of one forward pass of one image by itself; one multiply-add as 1. */
  readonly multiplyAdds: number;
}

/**
 * Counts a model, from the graph of the forward pass of one image of `tokens` patches: embedding,
 * blocks, pooling and head. A contrastive model has no
 * head; its text tower is not counted.
 */
export function describeNaViT(config: NaViTConfig, tokens: number): NaViTCounts {
  const { multiplyAdds } = graphCost(singleImageGraph(config, tokens));
  return { ...countParameters(navitParameters(config)), tokens, multiplyAdds };
}

/** The forward pass of one image of `tokens` patches by itself; without the head on request. */
export function singleImageGraph(
  config: NaViTConfig,
  tokens: number,
  output: NaViTOutput = config.text ? "embeddings" : "logits",
): Graph {
  return navitForwardGraph(config, { sequences: 1, length: tokens, slots: 1 }, output);
}
