/**
 * The contrastive loss of images and captions (NaViT, section 2.3), chunked: a batch has many slots, most of
 * them fake, and its matrix of similarities would be huge.
 *
 * @module
 */
import { binary, constant, select } from "../../kernels/expression.ts";
import { scoreLogSumExp } from "../../kernels/ops/attention/score_log_sum_exp.ts";
import { add, exponential, map, multiply, subtract } from "../../kernels/ops/elementwise/op.ts";
import { reshape } from "../../kernels/ops/movement/op.ts";
import { reduceSum } from "../../kernels/ops/reduce/op.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import type { Measured } from "../step/step_graphs.ts";

/**
 * The mean over pairs of both cross-entropies. The n x n logits are never stored as a whole, because
 * their log-sum-exps are those of an attention whose queries are one tower's vectors and whose keys
 * are the other's.
 *
 * @param image unit vectors (n, e) @param text unit vectors (n, e)
 * @param logarithmicScale (1): logits are e^it times the similarities
 * @param weights n in all: share of each pair; a pair of weight 0 is no negative either
 */
export function contrastiveLoss(
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
      reshape(scoreLogSumExp(heads(query), heads(key), { segments }), [pairs]),
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
