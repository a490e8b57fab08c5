/**
 * Causal tokenizers on made-up clips, to be counted and timed.
 *
 * @module
 */
import { ripple } from "../../base/ripple.ts";
import { positions } from "../codec.ts";
import type { Workload, WorkSize } from "../family.ts";
import { causalTokenizerSample, traceCausalTokenizer } from "./graph.ts";
import { type CausalTokenizerConfig, causalTokenizerParameters, colours } from "./model.ts";

/** Clips to their latents and back. */
export function causalTokenizerWorkload(config: CausalTokenizerConfig, size: WorkSize): Workload {
  const { clip = causalTokenizerSample(config, {}).clip, batch } = size;
  return {
    specifications: causalTokenizerParameters(config),
    traced: traceCausalTokenizer(config, size),
    inputs: { video: ripple(batch * colours * positions(clip), 1) },
  };
}
