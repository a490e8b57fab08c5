/**
 * Causal tokenizers on made-up clips, to be counted and timed.
 *
 * @module
 */
import { ripple } from "../../base/ripple.ts";
import { type ClipSize, positions } from "../codec.ts";
import type { TrainingWorkload, Workload, WorkSize } from "../family.ts";
import { causalTokenizerSample, traceCausalTokenizer } from "./graph.ts";
import { type CausalTokenizerConfig, causalTokenizerParameters, colours } from "./model.ts";
import { tokenizerTrainingGraphs } from "./step.ts";
import { paperWeights } from "./weights.ts";

/** Made-up clips of a batch. */
function clips({ batch }: WorkSize, clip: ClipSize): Float32Array {
  return ripple(batch * colours * positions(clip), 1);
}

/** Clips to their latents and back. */
export function causalTokenizerWorkload(config: CausalTokenizerConfig, size: WorkSize): Workload {
  const { clip = causalTokenizerSample(config, {}).clip } = size;
  return {
    specifications: causalTokenizerParameters(config),
    traced: traceCausalTokenizer(config, size),
    inputs: { video: clips(size, clip) },
  };
}

/** The step of `tessera train tokenizer` without a discriminator: squared error, AdamW, average. */
export function tokenizerTrainingWorkload(
  config: CausalTokenizerConfig,
  size: WorkSize,
): TrainingWorkload {
  const { clip = causalTokenizerSample(config, {}).clip, batch } = size;
  const images = clips(size, clip);
  return {
    specifications: causalTokenizerParameters(config),
    graphs: tokenizerTrainingGraphs(config, {
      batchSize: batch,
      clip,
      weights: paperWeights,
      clipNorm: 0,
    }),
    constants: {},
    inputs: () => ({ images }),
  };
}
