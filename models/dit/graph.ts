/**
 * A DiT traced on inputs of its own: for counting, timing and comparing.
 *
 * @module
 */
import { type Graph, graphCost, makeGraph } from "../../kernels/graph/graph.ts";
import { input, type Tensor } from "../../kernels/tensor.ts";
import { dit, type DiTConfig, ditParameters } from "./model.ts";
import { countParameters, lookup, parameterStates, type WeightType } from "../../nn/parameters.ts";

/** A traced forward pass. */
export interface TracedDiT {
  /** Input `x`: noised pictures (N, C, I, I). */
  readonly x: Tensor;
  /** Input `t`: time steps, i32 (N), each 0 .. 999. */
  readonly t: Tensor;
  /** Input `y`: labels, i32 (N), the number of classes meaning "no class". */
  readonly y: Tensor;
  /** The parameters as states, by name. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** (N, C or 2 C, I, I) */
  readonly out: Tensor;
}

/** Traces the forward pass of a batch. */
export function traceDiT(
  config: DiTConfig,
  batch: number,
  weights: WeightType = "f32",
): TracedDiT {
  const { channels, inputSize } = config;
  const x = input("x", [batch, channels, inputSize, inputSize]);
  const t = input("t", [batch], "i32");
  const y = input("y", [batch], "i32");
  const parameters = parameterStates(ditParameters(config), weights);
  return { x, t, y, parameters, out: dit(config, lookup(parameters), x, t, y) };
}

/** The forward pass of a batch as a graph with the output `out`. */
export function forwardGraph(config: DiTConfig, batch: number, weights?: WeightType): Graph {
  return makeGraph("forward", { outputs: { out: traceDiT(config, batch, weights).out } });
}

/** Counts of a model. */
export interface DiTCounts {
  /** Elements of all parameters. */
  readonly parameters: number;
  /** Elements of the trained parameters. */
  readonly trainableParameters: number;
  /** Patches of one picture. */
  readonly tokens: number;
  /** Of one forward pass of one picture; one multiply-add as 1. */
  readonly multiplyAdds: number;
}

/** Counts a model, from the graph of its forward pass. */
export function describeDiT(config: DiTConfig): DiTCounts {
  const { multiplyAdds } = graphCost(forwardGraph(config, 1));
  return { ...countParameters(ditParameters(config)), tokens: ditTokens(config), multiplyAdds };
}

/** Patches of one picture. */
export const ditTokens = ({ inputSize, patch }: DiTConfig): number => (inputSize / patch) ** 2;
