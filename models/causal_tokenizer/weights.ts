/**
 * How the losses of tokenizers are weighted.
 *
 * @module
 */

/** Weights of the losses. */
export interface LossWeights {
  /** Of the squared error of pixels. */
  readonly l2: number;
  /** Of the discriminator's judgement in what the tokenizer minimises. */
  readonly adversarial: number;
  /** Of R1 in what the discriminator minimises. */
  readonly r1: number;
  /** Of LeCAM in what the discriminator minimises. */
  readonly lecam: number;
}

/** Those of the paper (appendix A.2); L2 is that of pixels in [0, 1]. */
export const paperWeights: LossWeights = { l2: 5, adversarial: 0.1, r1: 10, lecam: 0.001 };
