/**
 * Causal tokenizers as a family of models.
 *
 * @module
 */
import type { TrainedFamily } from "../family.ts";
import { readCausalTokenizerCase } from "./case.ts";
import { checkCausalTokenizerConfig } from "./config.ts";
import { causalTokenizerCodec, causalTokenizerSample, traceCausalTokenizer } from "./graph.ts";
import { explainPictures, inflation } from "./inflate.ts";
import {
  type CausalTokenizerConfig,
  causalTokenizerConfigs,
  causalTokenizerParameters,
} from "./model.ts";
import { type TokenizerSettings, tokenizerSettingsSchema } from "./settings.ts";
import { tokenizerCompanions, tokenizerTrainingGraphs } from "./step.ts";
import { causalTokenizerWorkload, tokenizerTrainingWorkload } from "./workload.ts";

/** The tokenizers of W.A.L.T, for clips and for pictures. */
export const causalTokenizerFamily: TrainedFamily<CausalTokenizerConfig, TokenizerSettings> = {
  name: "causal-tokenizer",
  title: "causal tokenizer",
  configs: causalTokenizerConfigs,
  check: checkCausalTokenizerConfig,
  parameters: causalTokenizerParameters,
  explainMisfit: explainPictures,
  otherForm: inflation,
  classes: () => undefined,
  sample: causalTokenizerSample,
  trace: traceCausalTokenizer,
  workload: causalTokenizerWorkload,
  trainingWorkload: tokenizerTrainingWorkload,
  training: {
    settings: tokenizerSettingsSchema,
    graphs: tokenizerTrainingGraphs,
    companions: (_, settings) => tokenizerCompanions(settings),
  },
  codec: causalTokenizerCodec,
  case: { read: readCausalTokenizerCase },
};
