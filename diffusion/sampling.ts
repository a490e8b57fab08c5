/**
 * Sampling on a device: the start noise and the sampler's step as two programs, replayed for every
 * batch and every step.
 *
 * Picture i depends on the seed, i, its label and the settings only: not on the batch size, on how
 * many pictures are drawn, or (but for rounding) on the device.
 *
 * @module
 */
import { firstNonFinite } from "../base/finite.ts";
import { compile } from "../kernels/graph/compile.ts";
import { type Graph, makeGraph } from "../kernels/graph/graph.ts";
import type { Device, DeviceBuffer, Executable } from "../kernels/device.ts";
import { Pace } from "../kernels/pace.ts";
import type { Program } from "../kernels/program.ts";
import { elementCount, type HostArray } from "../kernels/shape.ts";
import { broadcastTo } from "../kernels/ops/movement/op.ts";
import { randomNormal, type RandomSource } from "../kernels/ops/random/op.ts";
import { constantTensor, input, state, type Tensor } from "../kernels/tensor.ts";
import { type Guidance, guidedPrediction, type Network } from "./guidance.ts";
import { add, multiply } from "../kernels/ops/elementwise/op.ts";
import { mean } from "../kernels/ops/reduce/op.ts";
import { coefficientInput, createSampler, type Sampler, type SamplerOptions } from "./samplers.ts";
import { seedWords, streams } from "./streams.ts";

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

/** Pictures cannot be drawn: a weight, the start noise, or what the network puts out is not finite. */
export class NonFiniteSampleError extends Error {
  /** Shown before the message. */
  override readonly name = "NonFiniteSampleError";
  /** Exit code of the command line. */
  readonly exitCode = 3;
}

/**
 * A state that stays finite as long as the network's predictions are: the sum of their mean squares.
 * Pictures alone do not tell, since clipping may make a number of NaN.
 */
const outputSizeState = "output size";

/** Called after every step with the pictures finished so far and the steps made in this batch. */
export type SamplingProgress = (finished: number, step: number) => void | Promise<void>;

/** The graph of one sampler step. `noise` replaces the generator in tests. */
export function samplingStepGraph(
  network: Network,
  settings: SamplingSettings,
  sampler: Sampler,
  noise?: Tensor,
): Graph {
  const { batchSize, pictureShape, guidance, nullLabel } = settings;
  const shape = [batchSize, ...pictureShape];
  const x = state("x", shape);
  const t = broadcastTo(input("t", [1], "i32"), [batchSize]);
  const labels = input("labels", [batchSize], "i32");
  const nulls = constantTensor(new Int32Array(batchSize).fill(nullLabel), [batchSize]);
  const prediction = guidedPrediction(network, x, t, labels, nulls, guidance);
  const drawNoise = () =>
    noise ?? randomNormal(randomSource(batchSize, streams.samplingStep), shape);
  const outputSize = state(outputSizeState, []);
  const squares = mean(multiply(prediction.noise, prediction.noise));
  return makeGraph("sampling step", {
    updates: [
      ...sampler.step(x, prediction, coefficientInput(), drawNoise),
      { state: outputSize, value: add(outputSize, squares) },
    ],
  });
}

function randomSource(batchSize: number, stream: number): RandomSource {
  return {
    seed: input("seed", [2], "i32"),
    rows: input("rows", [batchSize], "i32"),
    draw: input("draw", [], "i32"),
    stream,
  };
}

/** The programs of a sampler: the start noise, and one step. */
export function samplingPrograms(
  network: Network,
  settings: SamplingSettings,
): { readonly start: Program; readonly step: Program } {
  const { batchSize, pictureShape } = settings;
  const shape = [batchSize, ...pictureShape];
  const noise = randomNormal(randomSource(batchSize, streams.samplingStart), shape);
  const start = makeGraph("start noise", {
    updates: [{ state: state("x", shape), value: noise }],
  });
  const step = samplingStepGraph(network, settings, createSampler(settings));
  return { start: compile(start), step: compile(step) };
}

/** Draws pictures from a network on a device. */
export class SamplingProgram {
  readonly #pace: Pace;
  readonly #settings: SamplingSettings;
  readonly #sampler: Sampler;
  readonly #start: Executable;
  readonly #step: Executable;
  /** Names of the buffers of the step; a network need not look at its label. */
  readonly #stepBuffers: ReadonlySet<string>;
  readonly #x: DeviceBuffer;

  private constructor(
    pace: Pace,
    settings: SamplingSettings,
    sampler: Sampler,
    start: Executable,
    step: Executable,
    stepBuffers: ReadonlySet<string>,
    x: DeviceBuffer,
  ) {
    this.#pace = pace;
    this.#settings = settings;
    this.#sampler = sampler;
    this.#start = start;
    this.#step = step;
    this.#stepBuffers = stepBuffers;
    this.#x = x;
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
    const sampler = createSampler(settings);
    const { batchSize, pictureShape } = settings;
    const x = device.createBuffer("x", "f32", elementCount([batchSize, ...pictureShape]));
    const bindings = new Map([...parameters, ["x", x] as const]);
    const programs = samplingPrograms(network, settings);
    const step = await device.load(programs.step, bindings);
    const start = await device.load(programs.start, bindings);
    const names = new Set(programs.step.buffers.map(({ name }) => name));
    return new SamplingProgram(new Pace(device), settings, sampler, start, step, names, x);
  }

  /** Number of network evaluations for one batch. */
  get stepCount(): number {
    return this.#sampler.steps.length;
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
    const { batchSize, pictureShape } = this.#settings;
    const length = elementCount(pictureShape);
    this.#check(request);
    const { labels } = request;
    for (let first = 0; first < labels.length; first += batchSize) {
      const count = Math.min(batchSize, labels.length - first);
      const batch = await this.#sampleBatch(request, first, count, progress);
      const pictures = batch.subarray(0, count * length);
      await this.#requireFinite(pictures, first);
      yield pictures;
    }
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

  /** Refuses a batch, from picture `first` on, that has come from numbers which were not finite. */
  async #requireFinite(pictures: Float32Array, first: number): Promise<void> {
    const [outputSize] = await this.#step.buffer(outputSizeState).read();
    const wrong = firstNonFinite(pictures);
    if (Number.isFinite(outputSize) && wrong < 0) return;
    const index = Math.max(0, Math.floor(wrong / elementCount(this.#settings.pictureShape)));
    const [tensor, value] = Number.isFinite(outputSize)
      ? ["the sample", pictures[wrong]]
      : ["the noise that the network predicts", outputSize];
    throw new NonFiniteSampleError(
      `${tensor} holds ${value} in the batch of picture ${first + index}`,
    );
  }

  /** Draws pictures `first` to `first + count - 1`; the rest of the batch is of no class. */
  async #sampleBatch(
    { seed, labels, startNoise }: SamplingRequest,
    first: number,
    count: number,
    progress?: SamplingProgress,
  ): Promise<Float32Array> {
    const { batchSize, nullLabel } = this.#settings;
    const rows = Int32Array.from({ length: batchSize }, (_, index) => first + index);
    const batchLabels = Int32Array.from(rows, (row) => labels[row] ?? nullLabel);
    if (startNoise) {
      // The places of a partial batch that are not asked for keep zeros.
      const noise = new Float32Array(this.#x.elements);
      await startNoise(first, noise.subarray(0, count * this.#x.elements / batchSize));
      this.#x.write(noise);
    } else {
      this.#writeSource(this.#start, seed, rows, 0);
      this.#start.run();
    }
    this.#writeStep(outputSizeState, new Float32Array(1));
    for (const name of this.#sampler.memory) {
      this.#writeStep(name, new Float32Array(this.#x.elements));
    }
    this.#writeStep("labels", batchLabels);
    if (this.#sampler.usesNoise) this.#writeSource(this.#step, seed, rows, 0);
    for (const [index, { timestep, coefficients }] of this.#sampler.steps.entries()) {
      this.#writeStep("t", Int32Array.of(timestep));
      this.#writeStep("coefficients", coefficients);
      if (this.#sampler.usesNoise) this.#writeStep("draw", Int32Array.of(index));
      this.#step.run();
      await this.#pace.afterRun();
      await progress?.(first + (index + 1 === this.stepCount ? count : 0), index + 1);
    }
    return await this.#x.read() as Float32Array;
  }

  /** Writes a buffer of the step, if the step has it. */
  #writeStep(name: string, data: HostArray): void {
    if (this.#stepBuffers.has(name)) this.#step.buffer(name).write(data);
  }

  /** Writes what the random numbers of a program depend on. */
  #writeSource(executable: Executable, seed: number, rows: Int32Array, draw: number): void {
    executable.buffer("seed").write(seedWords(seed));
    executable.buffer("rows").write(rows);
    executable.buffer("draw").write(Int32Array.of(draw));
  }

  /** Frees the programs and the sample's memory; the parameters stay. */
  destroy(): void {
    this.#start.destroy();
    this.#step.destroy();
    this.#x.destroy();
  }
}
