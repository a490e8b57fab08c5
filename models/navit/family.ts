/**
 * NaViT as a family of models.
 *
 * @module
 */
import { gridAtSide, gridTokens } from "../../data/packing/patch_grid.ts";
import type { TrainedFamily } from "../family.ts";
import { readNaViTCase } from "./case.ts";
import { checkNaViTConfig } from "./config.ts";
import { traceNaViT } from "./graph.ts";
import { type NaViTConfig, navitConfigs, navitParameters } from "./model.ts";
import { publishedNaViT } from "./published.ts";
import { type NaViTSettings, navitSettingsSchema, packingPositionSchema } from "./settings.ts";
import { navitTrainingGraphs } from "./step.ts";
import { navitTrainingWorkload, navitWorkload } from "./workload.ts";

/** Vision transformers for pictures of any size. */
export const navitFamily: TrainedFamily<NaViTConfig, NaViTSettings> = {
  name: "navit",
  title: "NaViT",
  configs: navitConfigs,
  check: checkNaViTConfig,
  parameters: navitParameters,
  classes: ({ classes, text }) => text ? undefined : classes,
  sample: ({ patch }, { side }) =>
    side === undefined
      ? undefined
      : { tokens: gridTokens(gridAtSide({ width: side, height: side }, side, patch)) },
  trace: (config, { batch, tokens, weights }) =>
    traceNaViT(
      config,
      { sequences: batch, length: tokens, slots: 1 },
      config.text ? "embeddings" : "logits",
      weights,
    ),
  workload: navitWorkload,
  trainingWorkload: navitTrainingWorkload,
  training: {
    settings: navitSettingsSchema,
    position: packingPositionSchema,
    graphs: navitTrainingGraphs,
  },
  published: publishedNaViT,
  case: { read: readNaViTCase },
};
