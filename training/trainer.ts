/**
 * A model under training on a device: its states, and the program that makes one step.
 *
 * Knows no model family: a step is any graph whose states are the parameters, their moments and
 * averages, and `sums`.
 *
 * @module
 */
import { compile } from "../kernels/graph/compile.ts";
import type { Graph } from "../kernels/graph/graph.ts";
import type { Device, DeviceBuffer, Executable, HostArray } from "../kernels/device.ts";
import { elementCount } from "../kernels/shape.ts";
import type { ParameterSpecification } from "../models/parameters.ts";
import { initializeParameters } from "./initialize.ts";
import { type OptimizerSettings, scheduleAtStep, stateNames } from "./optimizer.ts";

/** Buffers of a model by parameter name. */
export type ParameterBuffers = ReadonlyMap<string, DeviceBuffer>;

/** The states of a training run on a device. */
export interface TrainingState {
  /** The model's parameters in declaration order. */
  readonly specifications: readonly ParameterSpecification[];
  /** The weights, one buffer a specification. */
  readonly parameters: ParameterBuffers;
  /** Trained parameters only. */
  readonly firstMoments: ParameterBuffers;
  /** Trained parameters only. */
  readonly secondMoments: ParameterBuffers;
  /** Moving averages of all parameters; frozen ones are the parameters themselves. */
  readonly averages: ParameterBuffers;
}

/** Allocates the states of a run, all zeros. */
export function allocateState(
  device: Device,
  specifications: readonly ParameterSpecification[],
): TrainingState {
  const trained = specifications.filter(({ trainable }) => trainable);
  const buffers = (
    of: readonly ParameterSpecification[],
    title: (name: string) => string,
  ): Map<string, DeviceBuffer> =>
    new Map(
      of.map(({ name, shape }) => [
        name,
        device.createBuffer(title(name), "f32", elementCount(shape)),
      ]),
    );
  const parameters = buffers(specifications, (name) => name);
  const averages = buffers(trained, stateNames.average);
  for (const [name, buffer] of parameters) if (!averages.has(name)) averages.set(name, buffer);
  return {
    specifications,
    parameters,
    firstMoments: buffers(trained, stateNames.firstMoment),
    secondMoments: buffers(trained, stateNames.secondMoment),
    averages,
  };
}

/** Frees all states. */
export function destroyState(state: TrainingState): void {
  const { parameters, firstMoments, secondMoments, averages } = state;
  const buffers = [parameters, firstMoments, secondMoments, averages].flatMap((
    m,
  ) => [...m.values()]);
  for (const buffer of new Set(buffers)) buffer.destroy();
}

/** The states under the names a step's graph gives them. */
function stateBindings(state: TrainingState): Map<string, DeviceBuffer> {
  const bindings = new Map(state.parameters);
  for (const name of state.firstMoments.keys()) {
    bindings.set(stateNames.firstMoment(name), state.firstMoments.get(name)!);
    bindings.set(stateNames.secondMoment(name), state.secondMoments.get(name)!);
    bindings.set(stateNames.average(name), state.averages.get(name)!);
  }
  return bindings;
}

/** Sets the first values: drawn from the seed, averages as copies, moments zero. */
export async function initializeState(
  device: Device,
  state: TrainingState,
  seed: number,
): Promise<void> {
  await initializeParameters(device, state.specifications, state.parameters, seed);
  await copyAverages(state);
}

/** Starts the moving averages as copies of the parameters. */
export async function copyAverages(state: TrainingState): Promise<void> {
  for (const [name, average] of state.averages) {
    const parameter = state.parameters.get(name)!;
    if (average !== parameter) average.write(await parameter.read());
  }
}

/** Makes steps. */
export class Trainer {
  private constructor(
    readonly device: Device,
    readonly state: TrainingState,
    private readonly settings: OptimizerSettings,
    private readonly executable: Executable,
    private readonly sums: DeviceBuffer,
    /** Number of steps made so far. */
    public step: number,
  ) {}

  /** Compiles the step and binds it to the states. */
  static async create(
    device: Device,
    graph: Graph,
    state: TrainingState,
    settings: OptimizerSettings,
    step: number,
  ): Promise<Trainer> {
    const executable = await device.load(compile(graph), stateBindings(state));
    return new Trainer(device, state, settings, executable, executable.buffer("sums"), step);
  }

  /** Writes an input that stays the same for all steps. */
  writeInput(name: string, data: HostArray): void {
    this.executable.buffer(name).write(data);
  }

  /** Makes one step with the given inputs. On WebGPU the work is only queued. */
  runStep(inputs: Readonly<Record<string, HostArray>>): void {
    for (const [name, data] of Object.entries(inputs)) this.writeInput(name, data);
    this.writeInput("schedule", scheduleAtStep(this.step + 1, this.settings));
    this.executable.run();
    this.step++;
  }

  /** Reads the running sums of the steps since the last call, and clears all but the last one. */
  async takeSums(): Promise<Float32Array> {
    const sums = await this.sums.read() as Float32Array;
    this.sums.write(new Float32Array(sums.length - 1));
    return sums;
  }

  /** How many of the latest steps were skipped, up to now, because a gradient was not finite. */
  async skippedInARow(): Promise<number> {
    return (await this.sums.read()).at(-1)!;
  }

  /** Frees the program; the states stay. */
  destroy(): void {
    this.executable.destroy();
  }
}
