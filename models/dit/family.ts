/**
 * DiT as a family of models.
 *
 * @module
 */
import type { TrainedFamily } from "../family.ts";
import { readDiTCase } from "./case.ts";
import { checkDiTConfig } from "./config.ts";
import { explainOtherDesign } from "./designs.ts";
import { ditTokens, traceDiT } from "./graph.ts";
import { type DiTConfig, ditConfigs, ditParameters } from "./model.ts";
import { diffusersFields } from "./diffusers_config.ts";
import { publishedDiT } from "./published.ts";
import { type DiTSettings, ditSettingsSchema } from "./settings.ts";
import { ditTrainingGraphs } from "./step.ts";
import { ditTrainingWorkload, ditWorkload } from "./workload.ts";

/** Diffusion transformers. */
export const ditFamily: TrainedFamily<DiTConfig, DiTSettings> = {
  name: "dit",
  title: "DiT",
  publishedClass: "DiTTransformer2DModel",
  publishedConfig: diffusersFields,
  configs: ditConfigs,
  check: checkDiTConfig,
  parameters: ditParameters,
  explainMisfit: explainOtherDesign,
  classes: ({ classes }) => classes,
  sample: (config) => ({ tokens: ditTokens(config) }),
  trace: (config, { batch, weights }) => traceDiT(config, batch, weights),
  workload: ditWorkload,
  trainingWorkload: ditTrainingWorkload,
  training: { settings: ditSettingsSchema, graphs: ditTrainingGraphs },
  published: publishedDiT,
  case: { read: readDiTCase },
};
