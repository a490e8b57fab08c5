/**
 * Diffusion, whatever the network: the schedule of the noise, the objective, guidance and samplers.
 *
 * @example The noise levels of 50 sampling steps
 * ```ts
 * import { linearSchedule, respace, spacedTimesteps } from "./mod.ts";
 *
 * const training = linearSchedule();
 * const sampling = respace(training, spacedTimesteps(50, "both-ends"));
 * if (sampling.alphaBars.length !== 50) throw new Error("steps");
 * const ratio = sampling.alphaBars[49] / training.alphaBars[999];
 * if (Math.abs(ratio - 1) > 1e-9) throw new Error("another last level");
 * ```
 *
 * @module
 */
export {
  type LevelSchedule,
  linearSchedule,
  type NoiseLevels,
  noiseLevels,
  respace,
  type Schedule,
  spacedTimesteps,
  type Spacing,
  zeroTerminalLevels,
} from "./schedule.ts";
export {
  addNoise,
  hybridLoss,
  type LossWeight,
  lossWeights,
  type Objective,
  type ObjectiveOperands,
  objectives,
  type SampleLosses,
  type ScheduleAt,
  scheduleAt,
} from "./objective.ts";
export {
  constantGuidance,
  type Guidance,
  type GuidanceSchedule,
  guidanceSchedules,
  type GuidanceWeight,
  guidanceWeight,
  intervalGuidance,
  powerCosineGuidance,
} from "./guidance.ts";
export {
  type LevelAt,
  levelsAt,
  type VelocityLosses,
  velocityLosses,
  type VelocityNetwork,
  type VelocityOperands,
} from "./velocity.ts";
export {
  type VelocitySamplerOptions,
  velocityStepGraph,
  type VelocityStepNetwork,
  velocitySteps,
} from "./samplers/velocity.ts";
export {
  type BatchRequest,
  SamplerLoop,
  type SamplerProcess,
  type SamplerStep,
} from "./sampler_loop.ts";
export {
  diffusionSamplers,
  flowSamplers,
  type SamplerName,
  type SamplerOptions,
} from "./samplers/sampler.ts";
export { flowAt, flowLoss, type FlowOperands } from "./flow.ts";
export {
  sampleBatch,
  sampleBatches,
  type SampleRequest,
  type SamplingProgress,
} from "./samples/batches.ts";
export { SamplingProgram, type SamplingRequest, type SamplingSettings } from "./sampling.ts";
export type { ConditionNetwork, Network, StepsAhead, ToldInput } from "./step_conditions.ts";
