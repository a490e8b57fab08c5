/**
 * DiT as a family of models.
 *
 * @module
 */
import type { Family } from "../family.ts";
import { readDiTCase } from "./case.ts";
import { checkDiTConfig } from "./config.ts";
import { ditTokens, traceDiT } from "./graph.ts";
import { type DiTConfig, ditConfigs, ditParameters } from "./model.ts";
import { publishedDiT } from "./published.ts";
import { type DiTSettings, ditSettingsSchema } from "./settings.ts";
import { ditTrainingGraphs } from "./step.ts";
import { ditTrainingWorkload, ditWorkload } from "./workload.ts";

/** Diffusion transformers. */
export const ditFamily: Family<DiTConfig, DiTSettings> = {
  name: "dit",
  title: "DiT",
  configs: ditConfigs,
  check: checkDiTConfig,
  parameters: ditParameters,
  classes: ({ classes }) => classes,
  tokens: ditTokens,
  trace: (config, { batch, weights }) => traceDiT(config, batch, weights),
  workload: ditWorkload,
  trainingWorkload: ditTrainingWorkload,
  training: { settings: ditSettingsSchema, graphs: ditTrainingGraphs },
  published: publishedDiT,
  case: { read: readDiTCase },
};
