/**
 * The steps of a sampler on a device: two programs, the start noise and one step, replayed for every batch
 * and every step, whatever is sampled and however.
 *
 * @module
 */
import { firstNonFinite } from "../base/finite.ts";
import type { Device, DeviceBuffer, Executable } from "../kernels/device.ts";
import { compile } from "../kernels/graph/compile.ts";
import { type Graph, makeGraph } from "../kernels/graph/graph.ts";
import { randomNormal, type RandomSource } from "../kernels/ops/random/op.ts";
import { Pace } from "../kernels/pace.ts";
import type { Program } from "../kernels/program.ts";
import { elementCount, type HostArray, type Shape } from "../kernels/shape.ts";
import { input, state } from "../kernels/tensor.ts";
import { guidanceInput } from "./guidance.ts";
import { seedWords, streams } from "./streams.ts";

/** One step as the host prepares it. */
export interface SamplerStep {
  /** What the network is told: 0 .. 999, or of a flow from 0 to 1. */
  readonly timestep: number;
  /** What the graph reads as `coefficients`, numbers whose meaning is the sampler's. */
  readonly coefficients: Float32Array;
  /** Weight of guidance, where the graph reads it. */
  readonly guidance?: number;
}

/** What is replayed. */
export interface SamplerProcess {
  /** Shape of the sample `x`, the batch first. */
  readonly shape: Shape;
  /**
   * The graph of a step: it updates the state `x` and adds to `outputSizeState`. It may read `t` (1),
   * `coefficients`, `seed`, `rows`, `draw`, states of its own, and conditions.
   */
  readonly graph: Graph;
  /** From the noisiest to the least noisy. */
  readonly steps: readonly SamplerStep[];
  /** Names of states of x's shape, which are zero when a batch starts. */
  readonly memory: readonly string[];
}

/** What one batch is drawn from. */
export interface BatchRequest {
  /** Whole number from 0 to 2^53 - 1. */
  readonly seed: number;
  /** Number of each sample of the batch, which its random numbers are drawn from. */
  readonly rows: Int32Array;
  /** Which drawing of the same rows this is, which has start noise of its own; 0 when absent. */
  readonly drawing?: number;
  /** Start noise; drawn from the seed when absent. */
  readonly startNoise?: Float32Array;
  /** Inputs of the step that stay the same, by name; a step need not have them. */
  readonly conditions: ReadonlyMap<string, HostArray>;
}

/** Samples cannot be drawn: a weight, the start noise, or what the network puts out is not finite. */
export class NonFiniteSampleError extends Error {
  /** Shown before the message. */
  override readonly name = "NonFiniteSampleError";
  /** Exit code of the command line. */
  readonly exitCode = 3;
}

/**
 * A state that stays finite as long as the network's predictions are: the sum of their mean squares.
 * Samples alone do not tell, since clipping may make a number of NaN.
 */
export const outputSizeState = "output size";

/** What random numbers of samples depend on. */
export function randomSource(batchSize: number, stream: number): RandomSource {
  return {
    seed: input("seed", [2], "i32"),
    rows: input("rows", [batchSize], "i32"),
    draw: input("draw", [], "i32"),
    stream,
  };
}

/** The programs of a sampler: the start noise, and one step. */
export function samplerPrograms(
  { shape, graph }: Pick<SamplerProcess, "shape" | "graph">,
): { readonly start: Program; readonly step: Program } {
  const noise = randomNormal(randomSource(shape[0], streams.samplingStart), shape);
  const start = makeGraph("start noise", {
    updates: [{ state: state("x", shape), value: noise }],
  });
  return { start: compile(start), step: compile(graph) };
}

/** A sampler's programs on a device, with the sample. */
export class SamplerLoop {
  readonly #pace: Pace;
  readonly #process: SamplerProcess;
  readonly #start: Executable;
  readonly #step: Executable;
  /** Names of the buffers of the step; a network need not look at all that it is given. */
  readonly #stepBuffers: ReadonlySet<string>;
  readonly #x: DeviceBuffer;

  private constructor(
    pace: Pace,
    process: SamplerProcess,
    start: Executable,
    step: Executable,
    stepBuffers: ReadonlySet<string>,
    x: DeviceBuffer,
  ) {
    this.#pace = pace;
    this.#process = process;
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
    process: SamplerProcess,
    parameters: ReadonlyMap<string, DeviceBuffer>,
  ): Promise<SamplerLoop> {
    const x = device.createBuffer("x", "f32", elementCount(process.shape));
    const bindings = new Map([...parameters, ["x", x] as const]);
    const programs = samplerPrograms(process);
    const step = await device.load(programs.step, bindings);
    const start = await device.load(programs.start, bindings);
    const names = new Set(programs.step.buffers.map(({ name }) => name));
    return new SamplerLoop(new Pace(device), process, start, step, names, x);
  }

  /** Shape of a batch. */
  get shape(): Shape {
    return this.#process.shape;
  }

  /** Number of network evaluations for one batch. */
  get stepCount(): number {
    return this.#process.steps.length;
  }

  /**
   * Draws a batch.
   *
   * @param progress called after every step with the steps made
   * @returns the samples, of the shape of the process
   */
  async draw(
    { seed, rows, drawing = 0, startNoise, conditions }: BatchRequest,
    progress?: (step: number) => void | Promise<void>,
  ): Promise<Float32Array> {
    if (startNoise) {
      this.#x.write(startNoise);
    } else {
      this.#writeSource(this.#start, seed, rows, drawing);
      this.#start.run();
    }
    this.#writeStep(outputSizeState, new Float32Array(1));
    for (const name of this.#process.memory) {
      this.#writeStep(name, new Float32Array(this.#x.elements));
    }
    for (const [name, values] of conditions) this.#writeStep(name, values);
    const usesNoise = this.#stepBuffers.has("draw");
    if (usesNoise) this.#writeSource(this.#step, seed, rows);
    for (const [index, { timestep, coefficients, guidance = 1 }] of this.#process.steps.entries()) {
      this.#writeStep("t", this.#timeOf(timestep));
      this.#writeStep("coefficients", coefficients);
      this.#writeStep(guidanceInput, Float32Array.of(guidance));
      if (usesNoise) this.#writeStep("draw", Int32Array.of(index));
      this.#step.run();
      await this.#pace.afterRun();
      await progress?.(index + 1);
    }
    return await this.#x.read() as Float32Array;
  }

  /**
   * Refuses samples that have come from numbers which were not finite.
   *
   * @param samples those of the batch that were asked for
   * @param describe the place of an element of theirs, in words
   * @throws {NonFiniteSampleError} when the network has put out NaN or infinity
   */
  async requireFinite(
    samples: Float32Array,
    describe: (element: number) => string,
  ): Promise<void> {
    const [outputSize] = await this.#step.buffer(outputSizeState).read();
    const wrong = firstNonFinite(samples);
    if (Number.isFinite(outputSize) && wrong < 0) return;
    const [tensor, value] = Number.isFinite(outputSize)
      ? ["the sample", samples[wrong]]
      : ["what the network predicts", outputSize];
    throw new NonFiniteSampleError(`${tensor} holds ${value} in ${describe(Math.max(0, wrong))}`);
  }

  /** A time step in the type in which the step takes it. */
  #timeOf(timestep: number): HostArray {
    const isWhole = this.#stepBuffers.has("t") && this.#step.buffer("t").dtype === "i32";
    return (isWhole ? Int32Array : Float32Array).of(timestep);
  }

  /** Writes a buffer of the step, if the step has it. */
  #writeStep(name: string, data: HostArray): void {
    if (this.#stepBuffers.has(name)) this.#step.buffer(name).write(data);
  }

  /** Writes what the random numbers of a program depend on. */
  #writeSource(executable: Executable, seed: number, rows: Int32Array, draw = 0): void {
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
