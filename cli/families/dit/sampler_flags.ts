/**
 * Flags that choose how a DiT is sampled, and what they mean for a model: its checkpoint says what it was
 * trained to predict, and not every sampler is for that.
 *
 * @module
 */
import { type Objective, objectives } from "../../../diffusion/objective.ts";
import {
  diffusionSamplers,
  flowSamplers,
  type SamplerName,
  type SamplerOptions,
  samplersFor,
} from "../../../diffusion/samplers/sampler.ts";
import { flag, group, optional, type Values } from "../../flags/flags.ts";
import { choice, integer, number } from "../../flags/parsers.ts";
import { UsageError } from "../../terminal/errors.ts";

const names = [...diffusionSamplers, ...flowSamplers] as const;

/** What bare weights predict, which nothing else says. */
export const objectiveFlags = {
  objective: optional(
    `--objective <${objectives.join("|")}>`,
    "what bare weights were trained to predict; checkpoints say it themselves",
    choice(...objectives),
    "noise",
  ),
} as const;

/** How noise becomes a picture. */
export const samplerFlags = group("Sampling:", {
  sampler: optional(
    `--sampler <${names.join("|")}>`,
    "how noise becomes a picture; euler and heun are for models of flow, the others for the rest",
    choice(...names),
    "ddpm, for flow heun",
  ),
  numSamplingSteps: optional(
    "--num-sampling-steps <n>",
    "steps of the sampler, of which heun evaluates the network twice in each",
    integer({ min: 1, max: 1000 }),
    "250, for flow 50",
  ),
  spacing: optional(
    "--spacing <rule>",
    "timesteps of diffusion: both-ends (even) or stride-from-zero",
    choice("both-ends", "stride-from-zero"),
    "stride-from-zero for ddim, else both-ends",
  ),
  eta: flag("--eta <x>", "noise of ddim: 0 none, 1 as in ddpm", number({ min: 0, max: 1 }), 0),
});

/** Sampler and steps where flags say nothing. */
const defaults = (objective: Objective) =>
  objective === "flow"
    ? { sampler: "heun", steps: 50 } as const
    : { sampler: "ddpm", steps: 250 } as const;

/** What networks of an objective predict, in words. */
const predicted: Readonly<Record<Objective, string>> = {
  noise: "the noise of a diffusion",
  velocity: "the velocity of a diffusion",
  flow: "the velocity of a flow",
};

/**
 * The sampler that flags ask for, or one that fits.
 *
 * @param objective what the network was trained to predict @param path of its weights, for messages
 * @throws UsageError for a sampler of another kind of model, and flags that it has nothing for
 */
export function chooseSampler(
  { values, given }: {
    readonly values: Values<typeof samplerFlags>;
    readonly given: ReadonlySet<string>;
  },
  objective: Objective,
  path: string,
): Omit<SamplerOptions, "clipDenoised"> & { readonly sampler: SamplerName } {
  const fitting = samplersFor(objective);
  const { sampler = defaults(objective).sampler } = values;
  if (!fitting.includes(sampler)) {
    throw new UsageError(
      `--sampler ${sampler}: ${path} predicts ${predicted[objective]}, which ` +
        `${fitting.slice(0, -1).join(", ")} and ${fitting.at(-1)} are for`,
    );
  }
  if (given.has("spacing") && objective === "flow") {
    throw new UsageError(`--spacing is for the schedule of a diffusion, and ${path} has a flow`);
  }
  const { numSamplingSteps: steps = defaults(objective).steps, eta, spacing } = values;
  return { sampler, steps, objective, eta, spacing };
}
