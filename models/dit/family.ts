/**
 * DiT as a family of models.
 *
 * @module
 */
import type { Family } from "../family.ts";
import { readDiTCase } from "./case.ts";
import { checkDiTConfig, ditConfigSchema } from "./config.ts";
import { ditTokens, traceDiT } from "./graph.ts";
import { type DiTConfig, ditConfigs, ditParameters } from "./model.ts";
import { publishedDiT } from "./published.ts";
import { ditTrainingWorkload, ditWorkload } from "./workload.ts";

/** Diffusion transformers. */
export const ditFamily: Family<DiTConfig> = {
  name: "dit",
  title: "DiT",
  configs: ditConfigs,
  schema: ditConfigSchema,
  check: checkDiTConfig,
  parameters: ditParameters,
  classes: ({ classes }) => classes,
  tokens: ditTokens,
  trace: (config, { batch, weights }) => traceDiT(config, batch, weights),
  workload: ditWorkload,
  trainingWorkload: ditTrainingWorkload,
  published: publishedDiT,
  case: { read: readDiTCase },
};
