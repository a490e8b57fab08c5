/**
 * The flags of `tessera bench samplers`.
 *
 * @module
 */
import { diffusionSamplers, flowSamplers } from "../../diffusion/samplers/sampler.ts";
import { featureFlags } from "../features/flags.ts";
import { checkpointPlace } from "../flags/checkpoint_place.ts";
import { flag, group, optional, type Values } from "../flags/flags.ts";
import { deviceFlags, progressFlags, seedFlags } from "../flags/options.ts";
import { choice, integer, list, number, text } from "../flags/parsers.ts";
import { reportFlags } from "./sweep.ts";

const { saveReference: _, ...features } = featureFlags;

/** Every flag of `bench samplers`. */
export const samplersFlags = {
  ...group("Checkpoints:", {
    ckpt: optional(
      "--ckpt <list>",
      "runs or checkpoints of train dit or shipped:NAME, of a diffusion and of a flow for example",
      list(checkpointPlace),
      "the shipped checkpoint",
    ),
  }),
  ...group("Sampling:", {
    samplers: optional(
      "--samplers <list>",
      "samplers that are compared, as far as they are for the models",
      list(choice(...diffusionSamplers, ...flowSamplers)),
      "all of them",
    ),
    evaluations: flag(
      "--evaluations <list>",
      "evaluations of the network a picture; heun makes half as many steps",
      list(integer({ min: 1, max: 1000 })),
      [4, 10, 20, 50] as readonly number[],
    ),
    count: flag(
      "--count <n>",
      "pictures that are drawn and measured; the classes come in turn",
      integer({ min: 4, max: 10_000_000 }),
      1000,
    ),
    cfgScale: flag("--cfg-scale <x>", "guidance; 1 is off", number({ min: 0 }), 2),
    batchSize: flag("--batch-size <n>", "pictures at a time", integer({ min: 1 }), 50),
  }),
  ...seedFlags,
  ...group("Features:", {
    dataPath: optional("--data-path <path>", "real pictures", text, "those of the first run"),
  }),
  ...features,
  ...deviceFlags,
  ...progressFlags,
  ...reportFlags,
  ...group("Output:", {
    plot: optional("--plot <file>", "draw distance against evaluations: .svg or .png", text),
  }),
} as const;

/** What `bench samplers` was asked to do. */
export type SamplersOptions = Values<typeof samplersFlags>;
