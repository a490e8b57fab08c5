/**
 * Sampling on a device: the start noise and the sampler's step as two programs, replayed for every
 * batch and every step.
 *
 * Picture i depends on the seed, i, its label and the settings only: not on the batch size, on how
 * many pictures are drawn, or (but for rounding) on the device.
 *
 * @module
 */
import { type Graph, makeGraph } from "../kernels/graph/graph.ts";
import type { ProgramTarget } from "../kernels/graph/compile.ts";
import type { Device, DeviceBuffer } from "../kernels/device.ts";
import { elementCount } from "../kernels/shape.ts";
import { randomNormal } from "../kernels/ops/random/op.ts";
import { state, type Tensor } from "../kernels/tensor.ts";
import { type Guidance, guidanceWeight, guidedPrediction } from "./guidance.ts";
import {
  conditionsOfStep,
  type Network,
  type PreparedBatch,
  stepsAhead,
} from "./step_conditions.ts";
import { add, multiply } from "../kernels/ops/elementwise/op.ts";
import { mean } from "../kernels/ops/reduce/op.ts";
import {
  outputSizeState,
  randomSource,
  SamplerLoop,
  type SamplerProcess,
  samplerPrograms,
  type SamplerStep,
} from "./sampler_loop.ts";
import { trainingSteps } from "./schedule.ts";
import { coefficientInput, type Sampler, type SamplerOptions } from "./samplers/sampler.ts";
import { createSampler } from "./samplers/samplers.ts";
import { sampleBatches, type SamplingProgress } from "./samples/batches.ts";
import { streams } from "./streams.ts";

/** What a sampling program is made for. */
export interface SamplingSettings extends SamplerOptions {
  /** Pictures drawn at once. */
  readonly batchSize: number;
  /** Shape of one picture or latent: C, H, W. */
  readonly pictureShape: readonly [channels: number, height: number, width: number];
  /** Strength of classifier-free guidance. */
  readonly guidance: Guidance;
  /** The label that stands for "no class". */
  readonly nullLabel: number;
}

/** Which pictures to draw. */
export interface SamplingRequest {
  /** Whole number from 0 to 2^53 - 1. */
  readonly seed: number;
  /** One class a picture. */
  readonly labels: readonly number[];
  /**
   * Fills `out`, (n, C, H, W), with the start noise of pictures `first` to `first + n - 1`; drawn
   * from the seed when absent.
   */
  readonly startNoise?: (first: number, out: Float32Array) => void | Promise<void>;
}

/** The graph of one sampler step. `noise` replaces the generator in tests. */
export function samplingStepGraph(
  network: Network,
  settings: SamplingSettings,
  sampler: Sampler,
  noise?: Tensor,
): Graph {
  const { batchSize, pictureShape, guidance } = settings;
  const shape = [batchSize, ...pictureShape];
  const x = state("x", shape);
  const condition = conditionsOfStep(network, preparedBatch(settings, sampler));
  const prediction = guidedPrediction(network, x, condition, guidance);
  const drawNoise = () =>
    noise ?? randomNormal(randomSource(batchSize, streams.samplingStep), shape);
  const outputSize = state(outputSizeState, []);
  const squares = mean(multiply(prediction.value, prediction.value));
  return makeGraph("sampling step", {
    updates: [
      ...sampler.step(x, prediction, coefficientInput(), drawNoise),
      { state: outputSize, value: add(outputSize, squares) },
    ],
  });
}

/** What the steps of a batch are prepared for. */
export function preparedBatch(
  { batchSize, guidance, nullLabel }: SamplingSettings,
  { timeType, steps }: Sampler,
): PreparedBatch {
  const guided = guidance.scale !== 1;
  const told = [{ name: "labels", nothing: nullLabel }];
  return { size: batchSize, guided, told, timeType, steps: steps.length };
}

/** What a network and settings make of a sampler's steps. */
function processOf(network: Network, settings: SamplingSettings): SamplerProcess {
  const sampler = createSampler(settings);
  return {
    shape: [settings.batchSize, ...settings.pictureShape],
    graph: samplingStepGraph(network, settings, sampler),
    steps: guidedSteps(sampler, settings.guidance),
    memory: sampler.memory,
    ahead: stepsAhead(network, preparedBatch(settings, sampler)),
  };
}

/** The steps of a sampler with the weights of guidance. */
function guidedSteps({ steps, timeType }: Sampler, { scale, schedule }: Guidance): SamplerStep[] {
  const weight = guidanceWeight(scale, schedule);
  // A flow counts from noise at 0 to data at 1.
  const timestepOf = (time: number): number =>
    timeType === "f32" ? (1 - time) * trainingSteps : time;
  return steps.map((step) => ({ ...step, guidance: weight(timestepOf(step.timestep)) }));
}

/**
 * The programs of a sampler: the start noise, what is worked out before steps, and one step.
 *
 * @param target the device that they are for, as far as programs depend on it
 */
export function samplingPrograms(
  network: Network,
  settings: SamplingSettings,
  target?: ProgramTarget,
): ReturnType<typeof samplerPrograms> {
  return samplerPrograms(processOf(network, settings), target);
}

/** Draws pictures from a network on a device. */
export class SamplingProgram {
  readonly #settings: SamplingSettings;
  readonly #loop: SamplerLoop;

  private constructor(settings: SamplingSettings, loop: SamplerLoop) {
    this.#settings = settings;
    this.#loop = loop;
  }

  /**
   * Compiles the programs.
   *
   * @param parameters the weights to sample from, by the names the network uses
   */
  static async create(
    device: Device,
    network: Network,
    settings: SamplingSettings,
    parameters: ReadonlyMap<string, DeviceBuffer>,
  ): Promise<SamplingProgram> {
    const loop = await SamplerLoop.create(device, processOf(network, settings), parameters);
    return new SamplingProgram(settings, loop);
  }

  /** Number of network evaluations for one batch. */
  get stepCount(): number {
    return this.#loop.stepCount;
  }

  /**
   * Draws pictures.
   *
   * @returns (labels.length, C, H, W), row-major, as the network sees them (not clamped)
   * @throws {NonFiniteSampleError} when the network puts out NaN or infinity
   */
  async sample(request: SamplingRequest, progress?: SamplingProgress): Promise<Float32Array> {
    const length = elementCount(this.#settings.pictureShape);
    const result = new Float32Array(request.labels.length * length);
    let done = 0;
    for await (const pictures of this.batches(request, progress)) {
      result.set(pictures, done);
      done += pictures.length;
    }
    return result;
  }

  /**
   * Draws pictures a batch at a time, so that any number of them can be gone through.
   *
   * @returns (n, C, H, W) each, in order, n the batch size and fewer the last time
   * @throws {NonFiniteSampleError} when the network puts out NaN or infinity
   */
  async *batches(
    request: SamplingRequest,
    progress?: SamplingProgress,
  ): AsyncGenerator<Float32Array> {
    this.#check(request);
    const { labels } = request;
    const { nullLabel } = this.#settings;
    yield* sampleBatches(this.#loop, {
      ...request,
      count: labels.length,
      // The places of a partial batch that are not asked for are of no class.
      conditions: (rows) => new Map([["labels", rows.map((row) => labels[row] ?? nullLabel)]]),
      noun: "picture",
    }, progress);
  }

  /** Refuses labels that are no classes. */
  #check({ labels }: SamplingRequest): void {
    const { nullLabel } = this.#settings;
    const wrong = labels.find((label) =>
      !(Number.isInteger(label) && label >= 0 && label <= nullLabel)
    );
    if (wrong !== undefined) {
      throw new RangeError(`label ${wrong} is not a whole number from 0 to ${nullLabel}`);
    }
  }

  /** Frees the programs and the sample's memory; the parameters stay. */
  destroy(): void {
    this.#loop.destroy();
  }
}
