/**
 * What a network makes of time steps and of what it is told of samples, such as their labels, whatever the
 * samples are: worked out for many steps of a sampler at once before they are made, since a product of many
 * rows reads the weights only once.
 *
 * @module
 */
import { type Graph, makeGraph } from "../kernels/graph/graph.ts";
import { gather } from "../kernels/ops/embedding/op.ts";
import type { HostArray } from "../kernels/shape.ts";
import { input, state, type Tensor } from "../kernels/tensor.ts";

/** The part of a network that does not look at samples. */
export interface ConditionNetwork {
  /** What time steps t (R) and what goes with them, (R) each, are to it: (R, W). */
  condition(t: Tensor, ...told: Tensor[]): Tensor;
}

/** A network as samplers see it, in two parts. */
export interface Network extends ConditionNetwork {
  /** Samples (N, C, H, W) with their conditions (N, W) to its output. */
  denoise(x: Tensor, condition: Tensor): Tensor;
}

/** What is worked out before some steps. */
export interface StepsAhead {
  /** Updates a state that the graph of a step reads. */
  readonly graph: Graph;
  /** How many steps it is for. */
  readonly count: number;
  /** The state. */
  readonly state: string;
  /** Inputs of the graph for so many steps, by name, and for a batch. */
  inputs(
    steps: readonly { readonly timestep: number }[],
    batch: ReadonlyMap<string, HostArray>,
  ): ReadonlyMap<string, HostArray>;
  /** What a step reads besides; steps count from the first that the state is for. */
  stepInputs(index: number): ReadonlyMap<string, HostArray>;
}

/** What a network is told of each sample besides the time step: an input of a batch, i32 (N). */
export interface ToldInput {
  /** Name of the input. */
  readonly name: string;
  /** What stands for nothing, as guidance compares with; where absent, it is told the same then. */
  readonly nothing?: number;
}

/** A batch whose steps are prepared. */
export interface PreparedBatch {
  /** Samples N. */
  readonly size: number;
  /** Whether every sample is also predicted without what it is told. */
  readonly guided: boolean;
  /** What the network is told. */
  readonly told: readonly ToldInput[];
  /** Type of time steps. */
  readonly timeType: "i32" | "f32";
  /** Steps in all. */
  readonly steps: number;
}

const conditionState = "conditions";

/** Rows of that state that a step reads, an input of its graph. */
export const conditionRowsInput = "condition rows";

/** Bytes that conditions take at most, where more than one step does not fit. */
const memoryLimit = 2 ** 25;

/** Different conditions of a step: those of samples, then, where there is guidance, those of nothing. */
function rowsOfStep({ size, guided, told }: PreparedBatch): { own: number; nothing: number } {
  const own = told.length === 0 ? 1 : size;
  const canBeNothing = ({ nothing }: ToldInput): boolean => nothing !== undefined;
  if (!guided || !told.some(canBeNothing)) return { own, nothing: 0 };
  return { own, nothing: told.every(canBeNothing) ? 1 : size };
}

/** How many steps are prepared at once: as many as fit, in groups of equal size. */
function stepsAtOnce(network: ConditionNetwork, batch: PreparedBatch): number {
  const { own, nothing } = rowsOfStep(batch);
  const bytes = 4 * (own + nothing) * conditionOfRows(network, batch, 1).shape[1];
  const fitting = Math.max(1, Math.floor(memoryLimit / bytes));
  return Math.ceil(batch.steps / Math.ceil(batch.steps / fitting));
}

/** How the steps of a batch are prepared. */
export function stepsAhead(network: ConditionNetwork, batch: PreparedBatch): StepsAhead {
  const { size, guided, told, timeType } = batch;
  const { own, nothing } = rowsOfStep(batch);
  const [perStep, count] = [own + nothing, stepsAtOnce(network, batch)];
  const rows = count * perStep;
  const value = conditionOfRows(network, batch, rows);
  /** Of a row of a step, the sample, and whether it is what guidance compares that with. */
  const toldTo = (row: number): [sample: number, isNothing: boolean] =>
    row < own ? [row, false] : [row - own, true];
  return {
    graph: makeGraph("conditions of steps", {
      updates: [{ state: state(conditionState, value.shape), value }],
    }),
    count,
    state: conditionState,
    inputs(next, given) {
      // Rows behind the last step repeat it.
      const stepOf = (row: number) => next[Math.min(Math.floor(row / perStep), next.length - 1)];
      const times = timeType === "i32" ? new Int32Array(rows) : new Float32Array(rows);
      const values = ({ name, nothing }: ToldInput) =>
        new Int32Array(rows).map((_, row) => {
          const [sample, isNothing] = toldTo(row % perStep);
          return isNothing && nothing !== undefined ? nothing : given.get(name)![sample];
        });
      return new Map<string, HostArray>([
        ["t", times.map((_, row) => stepOf(row).timestep)],
        ...told.map((one) => [one.name, values(one)] as const),
      ]);
    },
    stepInputs(index) {
      const ofSample = (sample: number) => Math.min(sample, own - 1);
      const ofNothing = (sample: number) =>
        nothing === 0 ? ofSample(sample) : own + Math.min(sample, nothing - 1);
      const length = guided ? 2 * size : size;
      const rowOf = (_: unknown, place: number) =>
        index * perStep + (place < size ? ofSample(place) : ofNothing(place - size));
      return new Map([[conditionRowsInput, Int32Array.from({ length }, rowOf)]]);
    },
  };
}

/** What so many time steps, and what goes with them, are to a network: (rows, W). */
function conditionOfRows(
  network: ConditionNetwork,
  { told, timeType }: PreparedBatch,
  rows: number,
): Tensor {
  const inputs = told.map(({ name }) => input(name, [rows], "i32"));
  return network.condition(input("t", [rows], timeType), ...inputs);
}

/** The conditions (N, W) of a step, with guidance (2 N, W): then those of nothing. */
export function conditionsOfStep(network: ConditionNetwork, batch: PreparedBatch): Tensor {
  const { own, nothing } = rowsOfStep(batch);
  const rows = stepsAtOnce(network, batch) * (own + nothing);
  const table = state(conditionState, conditionOfRows(network, batch, rows).shape);
  const length = batch.guided ? 2 * batch.size : batch.size;
  return gather(table, input(conditionRowsInput, [length], "i32"));
}
