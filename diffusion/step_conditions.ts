/**
 * What a network makes of time steps and labels, whatever the sample is: worked out for many steps of a
 * sampler at once before they are made, since a product of many rows reads the weights only once.
 *
 * @module
 */
import { type Graph, makeGraph } from "../kernels/graph/graph.ts";
import { gather } from "../kernels/ops/embedding/op.ts";
import type { HostArray } from "../kernels/shape.ts";
import { input, state, type Tensor } from "../kernels/tensor.ts";

/** A network as samplers see it, in two parts. */
export interface Network {
  /** What time steps t (R) and labels (R) are to it: (R, W). */
  condition(t: Tensor, labels: Tensor): Tensor;
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

/** A batch whose steps are prepared. */
export interface PreparedBatch {
  /** Samples N. */
  readonly size: number;
  /** Whether every sample is also predicted without its class. */
  readonly guided: boolean;
  /** The label of no class. */
  readonly nullLabel: number;
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

/** Conditions of a step: of each sample, then, where there is guidance, one of no class. */
const rowsOfStep = ({ size, guided }: PreparedBatch): number => guided ? size + 1 : size;

/** How many steps are prepared at once: as many as fit, in groups of equal size. */
function stepsAtOnce(network: Network, batch: PreparedBatch): number {
  const bytes = 4 * rowsOfStep(batch) * conditionWidth(network, batch);
  const fitting = Math.max(1, Math.floor(memoryLimit / bytes));
  return Math.ceil(batch.steps / Math.ceil(batch.steps / fitting));
}

/** How the steps of a batch are prepared. */
export function stepsAhead(network: Network, batch: PreparedBatch): StepsAhead {
  const { size, guided, nullLabel, timeType } = batch;
  const [perStep, count] = [rowsOfStep(batch), stepsAtOnce(network, batch)];
  const rows = count * perStep;
  const value = network.condition(input("t", [rows], timeType), input("labels", [rows], "i32"));
  return {
    graph: makeGraph("conditions of steps", {
      updates: [{ state: state(conditionState, value.shape), value }],
    }),
    count,
    state: conditionState,
    inputs(next, given) {
      const wanted = given.get("labels")!;
      const labelOf = (row: number): number => row < size ? wanted[row] : nullLabel;
      // Rows behind the last step repeat it.
      const stepOf = (row: number) => next[Math.min(Math.floor(row / perStep), next.length - 1)];
      const times = timeType === "i32" ? new Int32Array(rows) : new Float32Array(rows);
      return new Map<string, HostArray>([
        ["t", times.map((_, row) => stepOf(row).timestep)],
        ["labels", new Int32Array(rows).map((_, row) => labelOf(row % perStep))],
      ]);
    },
    stepInputs(index) {
      const length = guided ? 2 * size : size;
      const ofRow = (_: unknown, row: number) => index * perStep + Math.min(row, size);
      return new Map([[conditionRowsInput, Int32Array.from({ length }, ofRow)]]);
    },
  };
}

/** Width W of the conditions of a network. */
function conditionWidth(network: Network, { timeType }: PreparedBatch): number {
  return network.condition(input("t", [1], timeType), input("labels", [1], "i32")).shape[1];
}

/** The conditions (N, W) of a step, with guidance (2 N, W): then those of no class. */
export function conditionsOfStep(network: Network, batch: PreparedBatch): Tensor {
  const rows = stepsAtOnce(network, batch) * rowsOfStep(batch);
  const table = state(conditionState, [rows, conditionWidth(network, batch)]);
  return gather(
    table,
    input(conditionRowsInput, [batch.guided ? 2 * batch.size : batch.size], "i32"),
  );
}
