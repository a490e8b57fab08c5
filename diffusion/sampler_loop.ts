/**
 * The steps of a sampler on a device: the start noise and one step, programs that are replayed for every
 * batch and every step, whatever is sampled and however. What of a step is the same for all of a batch,
 * such as the projections of text, is a third program, which is run once a batch; a fourth works out
 * for many steps at once what depends on the time step, but not on the sample.
 *
 * @module
 */
import { firstNonFinite } from "../base/finite.ts";
import type { Device, DeviceBuffer, Executable } from "../kernels/device.ts";
import { compile, type ProgramTarget } from "../kernels/graph/compile.ts";
import { divideGraph } from "../kernels/graph/divide.ts";
import { type Graph, makeGraph } from "../kernels/graph/graph.ts";
import { randomNormal, type RandomSource } from "../kernels/ops/random/op.ts";
import { Pace } from "../kernels/pace.ts";
import type { Program } from "../kernels/program.ts";
import { type DType, elementCount, type HostArray, type Shape } from "../kernels/shape.ts";
import { input, state } from "../kernels/tensor.ts";
import { guidanceInput } from "./guidance.ts";
import { conditionRowsInput, type StepsAhead } from "./step_conditions.ts";
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
   * `coefficients`, `seed`, `rows`, `draw`, states of its own, and conditions. Of these only the first two,
   * the weight of guidance, `draw` and states that it updates change from step to step.
   */
  readonly graph: Graph;
  /** From the noisiest to the least noisy. */
  readonly steps: readonly SamplerStep[];
  /** Names of states of x's shape, which are zero when a batch starts. */
  readonly memory: readonly string[];
  /** What is worked out for many steps at once, if anything is. */
  readonly ahead?: StepsAhead;
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

/** The programs of a sampler. */
export interface SamplerPrograms {
  /** The start noise. */
  readonly start: Program;
  /** What of a step is the same for all of a batch, if there is any such. */
  readonly preparation?: Program;
  /** What is worked out for many steps at once, if anything is. */
  readonly ahead?: Program;
  /** One step. */
  readonly step: Program;
}

/** Inputs of a step that are written before each. */
const changing: ReadonlySet<string> = new Set([
  ...["t", "coefficients", guidanceInput, conditionRowsInput, "draw"],
]);

/**
 * The programs of a sampler.
 *
 * @param target the device that they are for, as far as programs depend on it
 */
export function samplerPrograms(
  { shape, graph, ahead }: Pick<SamplerProcess, "shape" | "graph" | "ahead">,
  target?: ProgramTarget,
): SamplerPrograms {
  const noise = randomNormal(randomSource(shape[0], streams.samplingStart), shape);
  const start = makeGraph("start noise", {
    updates: [{ state: state("x", shape), value: noise }],
  });
  const { once, each } = divideGraph(graph, (name) => changing.has(name));
  return {
    start: compile(start),
    ...(once && { preparation: compile(once, target) }),
    ...(ahead && { ahead: compile(ahead.graph, target) }),
    step: compile(each, target),
  };
}

/** A sampler's programs on a device, with the sample. */
export class SamplerLoop {
  readonly #pace: Pace;
  readonly #process: SamplerProcess;
  readonly #start: LoadedProgram;
  readonly #preparation: LoadedProgram | undefined;
  readonly #ahead: LoadedProgram | undefined;
  readonly #step: LoadedProgram;
  /** The sample, and what is prepared for a batch. */
  readonly #shared: ReadonlyMap<string, DeviceBuffer>;

  private constructor(
    pace: Pace,
    process: SamplerProcess,
    programs: Readonly<Record<keyof SamplerPrograms, LoadedProgram | undefined>>,
    shared: ReadonlyMap<string, DeviceBuffer>,
  ) {
    this.#pace = pace;
    this.#process = process;
    this.#start = programs.start!;
    this.#preparation = programs.preparation;
    this.#ahead = programs.ahead;
    this.#step = programs.step!;
    this.#shared = shared;
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
    const { start, preparation, ahead, step } = samplerPrograms(process, device);
    const shared = new Map([["x", device.createBuffer("x", "f32", elementCount(process.shape))]]);
    const before = [...preparation?.buffers ?? [], ...ahead?.buffers ?? []];
    for (const { name, kind, elements } of before) {
      if (kind !== "state" || parameters.has(name)) continue;
      shared.set(name, device.createBuffer(name, "f32", elements));
    }
    const bindings = new Map([...parameters, ...shared]);
    return new SamplerLoop(
      new Pace(device),
      process,
      {
        step: await LoadedProgram.load(device, step, bindings),
        preparation: preparation && await LoadedProgram.load(device, preparation, bindings),
        ahead: ahead && await LoadedProgram.load(device, ahead, bindings),
        start: await LoadedProgram.load(device, start, bindings),
      },
      shared,
    );
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
    const [x, step] = [this.#shared.get("x")!, this.#step];
    const source = new Map<string, HostArray>([["seed", seedWords(seed)], ["rows", rows]]);
    if (startNoise) x.write(startNoise);
    else this.#start.run(new Map([...source, ["draw", Int32Array.of(drawing)]]));
    this.#preparation?.run(new Map([...conditions, ...source]));
    step.write(outputSizeState, new Float32Array(1));
    for (const name of this.#process.memory) step.write(name, new Float32Array(x.elements));
    for (const [name, values] of [...conditions, ...source]) step.write(name, values);
    for (const [index, { timestep, coefficients, guidance = 1 }] of this.#process.steps.entries()) {
      this.#prepareStep(index, conditions);
      step.run(
        new Map<string, HostArray>([
          ["t", this.#timeOf(timestep)],
          ["coefficients", coefficients],
          [guidanceInput, Float32Array.of(guidance)],
          ["draw", Int32Array.of(index)],
        ]),
      );
      await this.#pace.afterRun();
      await progress?.(index + 1);
    }
    return await x.read() as Float32Array;
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
    const [outputSize] = await this.#step.read(outputSizeState);
    const wrong = firstNonFinite(samples);
    if (Number.isFinite(outputSize) && wrong < 0) return;
    const [tensor, value] = Number.isFinite(outputSize)
      ? ["the sample", samples[wrong]]
      : ["what the network predicts", outputSize];
    throw new NonFiniteSampleError(`${tensor} holds ${value} in ${describe(Math.max(0, wrong))}`);
  }

  /** Works out what a step and those after it need, if that has not been done with the one before. */
  #prepareStep(index: number, conditions: BatchRequest["conditions"]): void {
    const { ahead, steps } = this.#process;
    if (!ahead) return;
    const place = index % ahead.count;
    const next = steps.slice(index, index + ahead.count);
    if (place === 0) this.#ahead!.run(ahead.inputs(next, conditions));
    for (const [name, values] of ahead.stepInputs(place)) this.#step.write(name, values);
  }

  /** A time step in the type in which the step takes it. */
  #timeOf(timestep: number): HostArray {
    return (this.#step.typeOf("t") === "i32" ? Int32Array : Float32Array).of(timestep);
  }

  /** Frees the programs and the sample's memory; the parameters stay. */
  destroy(): void {
    this.#start.destroy();
    this.#preparation?.destroy();
    this.#ahead?.destroy();
    this.#step.destroy();
    for (const buffer of this.#shared.values()) buffer.destroy();
  }
}

/** A program on a device, which need not look at all that it is given. */
class LoadedProgram {
  readonly #executable: Executable;
  readonly #buffers: ReadonlySet<string>;

  private constructor(executable: Executable, buffers: ReadonlySet<string>) {
    this.#executable = executable;
    this.#buffers = buffers;
  }

  static async load(
    device: Device,
    program: Program,
    bindings: ReadonlyMap<string, DeviceBuffer>,
  ): Promise<LoadedProgram> {
    const buffers = new Set(program.buffers.map(({ name }) => name));
    return new LoadedProgram(await device.load(program, bindings), buffers);
  }

  /** Type of a buffer, if the program has it. */
  typeOf(name: string): DType | undefined {
    return this.#buffers.has(name) ? this.#executable.buffer(name).dtype : undefined;
  }

  /** Writes a buffer, if the program has it. */
  write(name: string, data: HostArray): void {
    if (this.#buffers.has(name)) this.#executable.buffer(name).write(data);
  }

  /** Runs the program on inputs, by name. */
  run(inputs: ReadonlyMap<string, HostArray>): void {
    for (const [name, values] of inputs) this.write(name, values);
    this.#executable.run();
  }

  /** Reads a buffer. */
  async read(name: string): Promise<HostArray> {
    return await this.#executable.buffer(name).read() as HostArray;
  }

  destroy(): void {
    this.#executable.destroy();
  }
}
