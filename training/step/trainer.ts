/**
 * A model under training on a device: its states, and the program that makes one step.
 *
 * Knows no model family: a step is any graph whose states are the parameters, their moments and
 * averages, and `sums`.
 *
 * @module
 */
import { compile } from "../../kernels/graph/compile.ts";
import { graphInputs } from "../../kernels/graph/graph.ts";
import type { Device, DeviceBuffer, Executable } from "../../kernels/device.ts";
import type { Program } from "../../kernels/program.ts";
import { elementCount, type HostArray } from "../../kernels/shape.ts";
import type { ParameterSpecification } from "../../nn/parameters.ts";
import { initializeParameters } from "./initialize.ts";
import { firstLossScale, lossScaleEntries, lossScaleState } from "./loss_scaling.ts";
import { type OptimizerSettings, scheduleAtStep, scheduleInputs, stateNames } from "./optimizer.ts";
import type { StepGraphs } from "./step_graphs.ts";

/** Buffers of a model by parameter name. */
export type ParameterBuffers = ReadonlyMap<string, DeviceBuffer>;

/** The states of a training run on a device. */
export interface TrainingState {
  /** The model's parameters in declaration order. */
  readonly specifications: readonly ParameterSpecification[];
  /** What the model is trained with and has no part of, such as a discriminator. */
  readonly companions: readonly ParameterSpecification[];
  /** The weights, one buffer a specification, those of companions too. */
  readonly parameters: ParameterBuffers;
  /** Trained parameters only. */
  readonly firstMoments: ParameterBuffers;
  /** Trained parameters only. */
  readonly secondMoments: ParameterBuffers;
  /** Moving averages of all parameters of the model; frozen ones are the parameters themselves. */
  readonly averages: ParameterBuffers;
  /** How losses are scaled, see `lossScaleEntries`; absent: they are not. */
  readonly lossScale?: DeviceBuffer;
}

/** What a run has beside the model. */
export interface StateExtras {
  /** What the model is trained with, such as a discriminator; nothing when absent. */
  readonly companions?: readonly ParameterSpecification[];
  /** Whether losses are scaled; not when absent. */
  readonly lossScaling?: boolean;
}

/** Allocates the states of a run, all zeros but the scale of losses. */
export function allocateState(
  device: Device,
  specifications: readonly ParameterSpecification[],
  { companions = [], lossScaling = false }: StateExtras = {},
): TrainingState {
  const isTrained = ({ trainable }: ParameterSpecification) => trainable;
  const all = [...specifications, ...companions];
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
  const parameters = buffers(all, (name) => name);
  const averages = buffers(specifications.filter(isTrained), stateNames.average);
  for (const { name } of specifications) {
    if (!averages.has(name)) averages.set(name, parameters.get(name)!);
  }
  return {
    specifications,
    companions,
    parameters,
    firstMoments: buffers(all.filter(isTrained), stateNames.firstMoment),
    secondMoments: buffers(all.filter(isTrained), stateNames.secondMoment),
    averages,
    lossScale: lossScaling ? allocateLossScale(device) : undefined,
  };
}

function allocateLossScale(device: Device): DeviceBuffer {
  const buffer = device.createBuffer(lossScaleState, "f32", lossScaleEntries.length);
  buffer.write(firstLossScale);
  return buffer;
}

/** Frees all states. */
export function destroyState(state: TrainingState): void {
  const { parameters, firstMoments, secondMoments, averages, lossScale } = state;
  const buffers = [parameters, firstMoments, secondMoments, averages].flatMap((
    m,
  ) => [...m.values()]);
  for (const buffer of new Set(buffers)) buffer.destroy();
  lossScale?.destroy();
}

/** The states under the names a step's graph gives them. */
function stateBindings(state: TrainingState): Map<string, DeviceBuffer> {
  const bindings = new Map(state.parameters);
  for (const name of state.firstMoments.keys()) {
    bindings.set(stateNames.firstMoment(name), state.firstMoments.get(name)!);
    bindings.set(stateNames.secondMoment(name), state.secondMoments.get(name)!);
    const average = state.averages.get(name);
    if (average) bindings.set(stateNames.average(name), average);
  }
  if (state.lossScale) bindings.set(lossScaleState, state.lossScale);
  return bindings;
}

/** Sets the first values: drawn from the seed, averages as copies, moments zero. */
export async function initializeState(
  device: Device,
  state: TrainingState,
  seed: number,
): Promise<void> {
  const all = [...state.specifications, ...state.companions];
  await initializeParameters(device, all, state.parameters, seed);
  await copyAverages(state);
}

/** Starts the moving averages as copies of the parameters. */
export async function copyAverages(state: TrainingState): Promise<void> {
  for (const [name, average] of state.averages) {
    const parameter = state.parameters.get(name)!;
    if (average !== parameter) average.write(await parameter.read());
  }
}

/** The programs of a step on a device; those of `StepGraphs`. */
interface LoadedStep {
  readonly parts: number;
  readonly accumulate?: Executable;
  readonly update: Executable;
  readonly columns: readonly string[];
  /** Inputs that a batch is read from. */
  readonly reads: ReadonlySet<string>;
  /** Parts of the model whose update has numbers of its own. */
  readonly scheduled: readonly (keyof typeof scheduleInputs)[];
}

/** Loads the programs of a step. What the parts add up lives in the memory of the first. */
async function loadStep(
  device: Device,
  graphs: StepGraphs,
  bindings: ReadonlyMap<string, DeviceBuffer>,
): Promise<LoadedStep> {
  const { parts, columns } = graphs;
  const inputs = graphInputs(graphs.update);
  const scheduled = (["body", "head"] as const).filter((part) => inputs.has(scheduleInputs[part]));
  const reads = graphInputs(graphs.accumulate ?? graphs.update);
  const about = { parts, columns, reads, scheduled };
  if (!graphs.accumulate) {
    return { ...about, update: await device.load(compile(graphs.update, device), bindings) };
  }
  const program = compile(graphs.accumulate, device);
  const accumulate = await device.load(program, bindings);
  try {
    const sums = statesOf(program).map((name) => [name, accumulate.buffer(name)] as const);
    const update = await device.load(
      compile(graphs.update, device),
      new Map([...bindings, ...sums]),
    );
    return { ...about, accumulate, update };
  } catch (error) {
    accumulate.destroy();
    throw error;
  }
}

const statesOf = ({ buffers }: Program): string[] =>
  buffers.filter(({ kind }) => kind === "state").map(({ name }) => name);

/** Makes steps. */
export class Trainer {
  readonly #settings: OptimizerSettings;
  readonly #programs: LoadedStep;
  readonly #sums: DeviceBuffer;

  private constructor(
    readonly device: Device,
    readonly state: TrainingState,
    settings: OptimizerSettings,
    programs: LoadedStep,
    sums: DeviceBuffer,
    /** Number of steps made so far. */
    public step: number,
  ) {
    this.#settings = settings;
    this.#programs = programs;
    this.#sums = sums;
  }

  /** Compiles the programs of a step and binds them to the states. */
  static async create(
    device: Device,
    graphs: StepGraphs,
    state: TrainingState,
    settings: OptimizerSettings,
    step: number,
  ): Promise<Trainer> {
    const programs = await loadStep(device, graphs, stateBindings(state));
    return new Trainer(device, state, settings, programs, programs.update.buffer("sums"), step);
  }

  /** Writes an input that stays the same for all steps. */
  writeInput(name: string, data: HostArray): void {
    const { accumulate, update } = this.#programs;
    (accumulate ?? update).buffer(name).write(data);
  }

  /**
   * Makes one step. On WebGPU the work is only queued.
   *
   * @param inputs of the whole batch, the samples along the first axis; what the step does not read
   * is passed over
   */
  runStep(inputs: Readonly<Record<string, HostArray>>): void {
    const { parts, accumulate, update, reads } = this.#programs;
    const batch = Object.entries(inputs).filter(([name]) => reads.has(name));
    for (let part = 0; part < parts; part++) {
      for (const [name, data] of batch) {
        const length = data.length / parts;
        this.writeInput(name, data.subarray(part * length, (part + 1) * length));
      }
      accumulate?.run();
    }
    this.#writeSchedules();
    update.run();
    this.step++;
  }

  /** Writes the numbers of the update that the next run of the program makes. */
  #writeSchedules(): void {
    const { update, scheduled } = this.#programs;
    const { weightDecay, headWeightDecay = weightDecay } = this.#settings;
    const decays = { body: weightDecay, head: headWeightDecay };
    for (const part of scheduled) {
      const schedule = scheduleAtStep(this.step + 1, this.#settings, decays[part]);
      update.buffer(scheduleInputs[part]).write(schedule);
    }
  }

  /** Reads the running sums of the steps since the last call, and clears all but the last one. */
  async takeSums(): Promise<ReadonlyMap<string, number>> {
    const sums = await this.#sums.read() as Float32Array;
    this.#sums.write(new Float32Array(sums.length - 1));
    return new Map(this.#programs.columns.map((name, index) => [name, sums[index]]));
  }

  /** How many of the latest steps were skipped, up to now, because a gradient was not finite. */
  async skippedInARow(): Promise<number> {
    return (await this.#sums.read()).at(-1)!;
  }

  /** What losses are multiplied by now; absent where they are not scaled. */
  async lossScale(): Promise<number | undefined> {
    return (await this.state.lossScale?.read())?.[lossScaleEntries.scale];
  }

  /**
   * Whether the weights are worth keeping: the last step was made, or skipped only because the scale of
   * its loss was too large, which was finite.
   */
  async isSound(): Promise<boolean> {
    if (await this.skippedInARow() === 0) return true;
    return (await this.state.lossScale?.read())?.[lossScaleEntries.lossIsLost] === 0;
  }

  /** Frees the programs; the states stay. */
  destroy(): void {
    this.#programs.update.destroy();
    this.#programs.accumulate?.destroy();
  }
}
