/**
 * How the losses of tokenizers are weighted.
 *
 * @module
 */
import { type AdversarialWeights, paperAdversarialWeights } from "../adversarial/weights.ts";

/** Weights of the losses. */
export interface LossWeights extends AdversarialWeights {
  /** Of the squared error of pixels. */
  readonly l2: number;
  /** Of the difference of a classifier's logits in what the tokenizer minimises. */
  readonly perceptual: number;
}

/** Those of the paper (appendix A.2); L2 is that of pixels in [0, 1]. */
export const paperWeights: LossWeights = { l2: 5, perceptual: 0.1, ...paperAdversarialWeights };
