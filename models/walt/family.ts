/**
 * W.A.L.T's denoisers as a family of models.
 *
 * @module
 */
import type { Family } from "../family.ts";
import { readWaltCase } from "./case.ts";
import { checkWaltConfig } from "./config.ts";
import { waltTokens } from "./graph.ts";
import { type WaltConfig, waltConfigs, waltParameters } from "./model.ts";
import { publishedWalt } from "./published.ts";
import { traceClips, waltWorkload } from "./workload.ts";

/** Window attention latent transformers. */
export const waltFamily: Family<WaltConfig> = {
  name: "walt",
  title: "W.A.L.T",
  configs: waltConfigs,
  check: checkWaltConfig,
  parameters: waltParameters,
  classes: ({ classes }) => classes ?? undefined,
  sample: (config) => ({ tokens: waltTokens(config) }),
  trace: traceClips,
  workload: waltWorkload,
  published: publishedWalt,
  case: { read: readWaltCase },
};
