/**
 * How the losses of adversarial training are weighted.
 *
 * @module
 */

/** Weights of the losses. */
export interface AdversarialWeights {
  /** Of the discriminator's judgement in what the autoencoder minimises. */
  readonly adversarial: number;
  /** Of R1 in what the discriminator minimises. */
  readonly r1: number;
  /** Of LeCAM in what the discriminator minimises. */
  readonly lecam: number;
}

/** Those of MAGVIT-v2 (Yu et al., arXiv:2310.05737, appendix A.2). */
export const paperAdversarialWeights: AdversarialWeights = {
  adversarial: 0.1,
  r1: 10,
  lecam: 0.001,
};
