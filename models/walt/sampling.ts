/**
 * What a sampler makes of W.A.L.T's denoiser: its conditions as inputs of a step, and what guidance
 * compares them with.
 *
 * @module
 */
import {
  estimateState,
  type VelocitySamplerOptions,
  velocityStepGraph,
  velocitySteps,
} from "../../diffusion/samplers/velocity.ts";
import { randomSource, type SamplerProcess } from "../../diffusion/sampler_loop.ts";
import { conditionsOfStep, stepsAhead } from "../../diffusion/step_conditions.ts";
import { zeroTerminalLevels } from "../../diffusion/schedule.ts";
import { streams } from "../../diffusion/streams.ts";
import { levelsAt, noisedBy } from "../../diffusion/velocity.ts";
import { broadcastTo, concatenate } from "../../kernels/ops/movement/op.ts";
import { randomNormal } from "../../kernels/ops/random/op.ts";
import { elementCount } from "../../kernels/shape.ts";
import { constantTensor, input, type Tensor } from "../../kernels/tensor.ts";
import { lookup, parameterStates, type WeightType } from "../../nn/parameters.ts";
import { waltInputShapes } from "./graph.ts";
import { type WaltConfig, type WaltInputs, waltParameters } from "./model.ts";
import { waltNetwork } from "./network.ts";

/** How clips are drawn. */
export interface WaltSamplingSettings extends VelocitySamplerOptions {
  /** Clips drawn at once. */
  readonly batchSize: number;
  /** Words of a caption, for models with text. */
  readonly words?: number;
}

/** Conditions that a step of the sampler takes as inputs, where the configuration asks for them. */
type Condition = Exclude<keyof WaltInputs, "x" | "t" | "y" | "isImage" | "selfCondition">;

/**
 * A sampler of clips (N, c, F, h, w). Conditions are inputs of its step by the names of `WaltInputs`,
 * with one label and one caption for a clip: `y` (N, 1), `frameCondition`, `frameMask` and so on.
 *
 * With guidance the prediction is compared with that of neither class nor text nor given frames.
 *
 * @param weights how the weights are stored
 * @throws RangeError where guidance needs a null class that the model does not have
 */
export function waltSampling(
  config: WaltConfig,
  settings: WaltSamplingSettings,
  weights?: WeightType,
): SamplerProcess {
  const { batchSize, guidance, words = 1 } = settings;
  const guided = guidance !== undefined;
  if (guided && config.classes !== null && !config.nullClass) {
    throw new RangeError("walt: guidance needs a model with a null class");
  }
  const { latentChannels, latentFrames, latentSize } = config;
  const shape = [batchSize, latentChannels, latentFrames, ...latentSize];
  const states = lookup(parameterStates(waltParameters(config), weights));
  const conditions = conditionsOf(config, batchSize, words, guided);
  const steps = velocitySteps(settings);
  const network = waltNetwork(config, states);
  const batch = {
    ...{ size: batchSize, guided, told: network.told, steps: steps.length },
    timeType: "i32" as const,
  };
  const ofStep = conditionsOfStep(network, batch);
  const predict = (x: Tensor, estimate: Tensor): Tensor =>
    network.denoise({ x, selfCondition: estimate, ...conditions }, ofStep);
  return {
    shape,
    graph: velocityStepGraph(predict, shape, guided),
    steps,
    memory: [estimateState],
    ahead: stepsAhead(network, batch),
  };
}

/** The conditions of a batch; with guidance, then those of nothing. */
function conditionsOf(
  config: WaltConfig,
  batch: number,
  words: number,
  guided: boolean,
): Partial<Record<Condition, Tensor>> {
  const sizes = { batch, labelGroups: 1, textGroups: 1, words, images: false };
  const own = new Set<string>(["x", "t", "y", "selfCondition"]);
  const given = waltInputShapes(config, sizes).filter(([name]) => !own.has(name));
  const inputs = new Map(
    given.map(([name, shape, dtype]) => [name, input(name, shape, dtype)]),
  );
  if (config.lowResolution) inputs.set("lowResolution", augmented(inputs, batch));
  return Object.fromEntries([...inputs].map(([name, condition]) => {
    return [
      name,
      guided ? concatenate([condition, without(name, condition)], 0) : condition,
    ];
  }));
}

/** The low resolution with noise of its level in it, which is the same in all steps. */
function augmented(inputs: ReadonlyMap<keyof WaltInputs, Tensor>, batch: number): Tensor {
  const [clean, level] = [inputs.get("lowResolution")!, inputs.get("noiseLevel")!];
  const source = {
    ...randomSource(batch, streams.lowResolutionNoise),
    draw: constantTensor(Int32Array.of(0), []),
  };
  const at = levelsAt(zeroTerminalLevels(), level, clean.shape.length);
  return noisedBy(clean, randomNormal(source, clean.shape), at);
}

/** A condition as guidance leaves it out; what belongs to the task, such as a low resolution, stays. */
function without(name: keyof WaltInputs, condition: Tensor): Tensor {
  if (name !== "frameMask" && name !== "textMask") return condition;
  return broadcastTo(constantTensor(Int32Array.of(0), []), condition.shape);
}

/**
 * Latents (N, c, F, h, w) with the frames that were given in place of those that were drawn.
 *
 * @param mask (N, F): 1 for frames that were given
 */
export function keepGiven(
  drawn: Float32Array,
  given: Float32Array,
  mask: Int32Array,
  { latentChannels, latentFrames, latentSize }: WaltConfig,
): Float32Array {
  const frame = elementCount(latentSize);
  return drawn.map((value, index) => {
    const position = Math.floor(index / frame);
    const element = Math.floor(position / (latentChannels * latentFrames));
    const isGiven = mask[element * latentFrames + position % latentFrames] === 1;
    return isGiven ? given[index] : value;
  });
}
