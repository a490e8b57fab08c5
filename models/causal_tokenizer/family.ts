/**
 * Causal tokenizers as a family of models.
 *
 * @module
 */
import type { Family } from "../family.ts";
import { readCausalTokenizerCase } from "./case.ts";
import { checkCausalTokenizerConfig } from "./config.ts";
import { causalTokenizerCodec, causalTokenizerSample, traceCausalTokenizer } from "./graph.ts";
import {
  type CausalTokenizerConfig,
  causalTokenizerConfigs,
  causalTokenizerParameters,
} from "./model.ts";
import { causalTokenizerWorkload } from "./workload.ts";

/** The tokenizers of W.A.L.T, for clips and for pictures. */
export const causalTokenizerFamily: Family<CausalTokenizerConfig> = {
  name: "causal-tokenizer",
  title: "causal tokenizer",
  configs: causalTokenizerConfigs,
  check: checkCausalTokenizerConfig,
  parameters: causalTokenizerParameters,
  classes: () => undefined,
  sample: causalTokenizerSample,
  trace: traceCausalTokenizer,
  workload: causalTokenizerWorkload,
  codec: causalTokenizerCodec,
  case: { read: readCausalTokenizerCase },
};
