/**
 * W.A.L.T's denoisers as a family of models.
 *
 * @module
 */
import type { TrainedFamily } from "../family.ts";
import { readWaltCase } from "./case.ts";
import { checkWaltConfig } from "./config.ts";
import { waltTokens } from "./graph.ts";
import { type WaltConfig, waltConfigs } from "./model.ts";
import { resizableParameters } from "./resize.ts";
import { publishedWalt } from "./published.ts";
import { type WaltSettings, waltSettingsSchema } from "./settings.ts";
import { waltTrainingGraphs } from "./step.ts";
import { traceClips, waltTrainingWorkload, waltWorkload } from "./workload.ts";

/** Window attention latent transformers. */
export const waltFamily: TrainedFamily<WaltConfig, WaltSettings> = {
  name: "walt",
  title: "W.A.L.T",
  configs: waltConfigs,
  check: checkWaltConfig,
  parameters: resizableParameters,
  classes: ({ classes }) => classes ?? undefined,
  sample: (config) => ({ tokens: waltTokens(config) }),
  trace: traceClips,
  workload: waltWorkload,
  trainingWorkload: waltTrainingWorkload,
  training: { settings: waltSettingsSchema, graphs: waltTrainingGraphs },
  published: publishedWalt,
  case: { read: readWaltCase },
};
