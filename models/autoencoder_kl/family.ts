/**
 * The autoencoders of latent diffusion as a family of models.
 *
 * @module
 */
import type { TrainedFamily } from "../family.ts";
import { readAutoencoderKLCase } from "./case.ts";
import { checkAutoencoderKLConfig } from "./config.ts";
import { autoencoderKLCodec, autoencoderKLSample, traceAutoencoderKL } from "./graph.ts";
import {
  type AutoencoderKLConfig,
  autoencoderKLConfigs,
  autoencoderKLParameters,
} from "./model.ts";
import { type AutoencoderKLSettings, autoencoderKLSettingsSchema } from "./settings.ts";
import { autoencoderKLCompanions, autoencoderKLTrainingGraphs } from "./step.ts";
import { autoencoderKLTrainingWorkload, autoencoderKLWorkload } from "./workload.ts";

/** Variational autoencoders of pictures. */
export const autoencoderKLFamily: TrainedFamily<AutoencoderKLConfig, AutoencoderKLSettings> = {
  name: "autoencoder-kl",
  title: "VAE",
  publishedClass: "AutoencoderKL",
  configs: autoencoderKLConfigs,
  check: checkAutoencoderKLConfig,
  parameters: autoencoderKLParameters,
  classes: () => undefined,
  sample: autoencoderKLSample,
  trace: traceAutoencoderKL,
  workload: autoencoderKLWorkload,
  trainingWorkload: autoencoderKLTrainingWorkload,
  training: {
    settings: autoencoderKLSettingsSchema,
    graphs: autoencoderKLTrainingGraphs,
    companions: autoencoderKLCompanions,
  },
  codec: autoencoderKLCodec,
  case: { read: readAutoencoderKLCase },
};
