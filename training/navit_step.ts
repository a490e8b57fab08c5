/**
 * What a NaViT is trained on: the losses of a packed batch (papers 3.10). `step_graphs.ts` makes a step of
 * it.
 *
 * Every loss is a weighted sum over slots: `weights` is 1 / (images in the batch) for a slot with an
 * image and 0 for an empty one, so that images count alike however they were packed.
 *
 * @module
 */
import { binary, constant, type Expression, select, unary } from "../kernels/expression.ts";
import { add, exponential, map, multiply, subtract } from "../kernels/ops/elementwise/op.ts";
import { scoreLogSumExp } from "../kernels/ops/attention/log_sum_exp.ts";
import { reshape } from "../kernels/ops/movement/op.ts";
import { reduceMaximum, reduceSum } from "../kernels/ops/reduce/op.ts";
import { detach } from "../kernels/ops/movement/op.ts";
import { logarithm } from "../kernels/ops/elementwise/op.ts";
import { constantTensor, input, type Tensor } from "../kernels/tensor.ts";
import {
  imageVectors,
  isHeadParameter,
  navit,
  type NaViTConfig,
  navitParameters,
  type PackedImages,
} from "../models/navit.ts";
import { imageInputs, type PackShape } from "../models/navit_graph.ts";
import { captionVectors, type PackedCaptions, sharedSpace } from "../models/navit_text.ts";
import { lookup, type Parameters, parameterStates } from "../models/parameters.ts";
import { type StepGraphs, stepInParts, type StepLosses, wholeStep } from "./step_graphs.ts";

/** What is minimised. */
export type NaViTLoss = "softmax" | "sigmoid" | "contrastive";

/** Settings that shape the graph. */
export interface NaViTStepSettings extends PackShape {
  /** What is minimised; `contrastive` needs a model with a text tower. */
  readonly loss: NaViTLoss;
  /** Tokens Lt of a sequence of captions; contrastive only. */
  readonly textLength?: number;
  /** Largest gradient norm; 0 means no limit. */
  readonly clipNorm: number;
  /** Equal parts the sequences are divided into, which saves memory; 1 when absent. */
  readonly accumulate?: number;
}

/** What the images of a batch are. */
export interface SlotTargets {
  /** i32 (B, E): class of each image. */
  readonly labels: Tensor;
  /** (B, E): share of each image in the loss, 0 for empty slots. */
  readonly weights: Tensor;
}

/**
 * The graphs of a step, whole or in parts.
 *
 * Inputs: those of `imageInputs`, `weights` (B, E), `labels` i32 (B, E) or, contrastive,
 * `textTokens`, `textSegments` and `textPositions` i32 (B, Lt). In parts, the weights of a part are
 * those of the whole batch times the number of parts.
 */
export function navitTrainingGraphs(config: NaViTConfig, settings: NaViTStepSettings): StepGraphs {
  const { sequences, accumulate = 1, clipNorm } = settings;
  if (accumulate === 1) return wholeStep(navitLosses(config, settings), clipNorm);
  if (settings.loss === "contrastive") {
    throw new RangeError("a contrastive batch cannot be divided: all its images are negatives");
  }
  if (sequences % accumulate !== 0) {
    throw new RangeError(`${sequences} sequences cannot be divided into ${accumulate} parts`);
  }
  const part = { ...settings, sequences: sequences / accumulate };
  return stepInParts(navitLosses(config, part), clipNorm, accumulate);
}

/** The losses of a batch that is an input. */
export function navitLosses(config: NaViTConfig, settings: NaViTStepSettings): StepLosses {
  const { sequences, slots, loss } = settings;
  const specifications = navitParameters(config);
  const states = parameterStates(specifications);
  const parameters = lookup(states);
  const images = imageInputs(config, settings);
  const weights = input("weights", [sequences, slots]);
  const measured = loss === "contrastive"
    ? contrast(config, parameters, images, captionInputs(settings), weights)
    : classify(
      navit(config, parameters, images),
      { labels: input("labels", [sequences, slots], "i32"), weights },
      loss,
    );
  return { specifications, states, isHead: isHeadParameter, ...measured };
}

/** A loss and what is measured beside it. */
type Measured = Pick<StepLosses, "loss" | "terms">;

function captionInputs({ sequences, slots, textLength }: NaViTStepSettings): PackedCaptions {
  if (textLength === undefined) throw new RangeError("contrastive: textLength is missing");
  const tokens = (name: string): Tensor => input(name, [sequences, textLength], "i32");
  return {
    tokens: tokens("textTokens"),
    segments: tokens("textSegments"),
    positions: tokens("textPositions"),
    slots,
  };
}

/**
 * Cross-entropy of logits (B, E, K), and the share of images whose class has the largest logit.
 *
 * @param loss `softmax`: -log p of the class; `sigmoid`: the sum over all classes of the binary
 * cross-entropies
 */
export function classify(
  logits: Tensor,
  { labels, weights }: SlotTargets,
  loss: "softmax" | "sigmoid",
): Measured {
  const [sequences, slots, classes] = logits.shape;
  const numbers = constantTensor(Int32Array.from({ length: classes }, (_, k) => k), [classes]);
  const isLabel = map(
    (label, k) => select(binary("equal", label, k), constant(1), constant(0)),
    reshape(labels, [sequences, slots, 1]),
    numbers,
  );
  const ofLabel = reduceSum(multiply(logits, isLabel), [2]);
  const largest = detach(reduceMaximum(logits, [2]));
  const normalizer = loss === "softmax"
    ? logSumExp(logits, largest)
    : reduceSum(map(softplus, logits), [2]);
  const isCorrect = map(
    (own, best) => select(binary("lessEqual", best, own), constant(1), constant(0)),
    detach(ofLabel),
    largest,
  );
  return {
    loss: reduceSum(multiply(weights, subtract(normalizer, ofLabel))),
    terms: { accuracy: reduceSum(multiply(weights, isCorrect)) },
  };
}

/** log sum_k exp x_k of (B, E, K), given the largest x of each row. */
function logSumExp(x: Tensor, largest: Tensor): Tensor {
  const below = exponential(subtract(x, reshape(largest, [...largest.shape, 1])));
  return add(logarithm(reduceSum(below, [2])), largest);
}

/** log(1 + e^x), without overflow: max(x, 0) + log(1 + e^-|x|). */
function softplus(x: Expression): Expression {
  const decay = unary("exponential", unary("negate", unary("absolute", x)));
  const rest = unary("logarithm", binary("add", constant(1), decay));
  return binary("add", binary("maximum", x, constant(0)), rest);
}

/** Similarities of images and captions are logits; each image's own caption is its class. */
function contrast(
  { text, mlpBias, ...config }: NaViTConfig,
  parameters: Parameters,
  images: PackedImages,
  captions: PackedCaptions,
  weights: Tensor,
): Measured {
  if (!text) throw new RangeError("contrastive: the model has no text tower");
  const pairs = {
    image: sharedSpace(
      parameters,
      "image_projection",
      imageVectors({ ...config, mlpBias }, parameters, images),
    ),
    text: sharedSpace(
      parameters,
      "text_projection",
      captionVectors(text, mlpBias, parameters, captions),
    ),
  };
  return contrastPairs(pairs.image, pairs.text, parameters("logit_scale"), weights);
}

/**
 * The contrastive loss of n pairs (papers 3.10), in chunks: the n x n logits are never stored, because
 * their log-sum-exps are those of an attention whose queries are one tower's vectors and whose keys
 * are the other's.
 *
 * @param image unit vectors (n, e) @param text unit vectors (n, e)
 * @param logarithmicScale (1): logits are e^it times the similarities
 * @param weights n in all: share of each pair; a pair of weight 0 is no negative either
 */
export function contrastPairs(
  image: Tensor,
  text: Tensor,
  logarithmicScale: Tensor,
  weights: Tensor,
): Measured {
  const [pairs, width] = image.shape;
  const scaled = multiply(image, exponential(logarithmicScale));
  const heads = (x: Tensor): Tensor => reshape(x, [1, pairs, 1, width]);
  const share = reshape(weights, [pairs]);
  // Pairs that do not count see nothing and are seen by none.
  const segment = (empty: number): Tensor =>
    reshape(
      map(
        (w) => select(binary("less", constant(0), w), constant(0, "i32"), constant(empty, "i32")),
        share,
      ),
      [1, pairs],
    );
  const segments = { query: segment(-1), key: segment(-2) };
  const rows = (query: Tensor, key: Tensor): Tensor =>
    ofPairs(
      reshape(scoreLogSumExp(heads(query), heads(key), { scale: 1, segments }), [pairs]),
      share,
    );
  const [byImage, byText] = [rows(scaled, text), rows(text, scaled)];
  const positive = ofPairs(reduceSum(multiply(scaled, text), [1]), share);
  const surprise = (normalizer: Tensor): Tensor => subtract(normalizer, positive);
  const halves = add(surprise(byImage), surprise(byText));
  const probability = exponential(subtract(positive, byImage));
  return {
    loss: multiply(reduceSum(multiply(share, halves)), 0.5),
    terms: { matchProbability: reduceSum(multiply(share, probability)) },
  };
}

/** Values of pairs that count; 0, not infinities, for the others. */
function ofPairs(values: Tensor, share: Tensor): Tensor {
  return map(
    (value, w) => select(binary("less", constant(0), w), value, constant(0)),
    values,
    share,
  );
}
