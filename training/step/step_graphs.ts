/**
 * A training step as graphs, for any model that has a loss: whole, or in parts.
 *
 * Whole, the step is one program. In parts (gradient accumulation), a batch is divided: one program
 * adds a part's gradients to states and runs once a part, another makes the update and clears them.
 * Activations then take the memory of a part only, nothing is read back in between, and since all
 * randomness hangs on the numbers of the samples, the sum is that of the whole batch up to rounding.
 *
 * @module
 */
import { type Graph, makeGraph, type Update } from "../../kernels/graph/graph.ts";
import { gradients } from "../../kernels/graph/gradients.ts";
import { add, multiply } from "../../kernels/ops/elementwise/op.ts";
import { broadcastTo, concatenate, reshape, slice } from "../../kernels/ops/movement/op.ts";
import { constantTensor, state, type Tensor } from "../../kernels/tensor.ts";
import type { ParameterSpecification } from "../../nn/parameters.ts";
import { lossScaling } from "./loss_scaling.ts";
import {
  accumulate,
  type OptimizerGraph,
  optimizerGraph,
  stateNames,
  unlessSkipped,
  whereSkipped,
} from "./optimizer.ts";

/** What a model is trained on, and from what parameters it was computed. */
export interface StepLosses {
  /** The parameters in declaration order. */
  readonly specifications: readonly ParameterSpecification[];
  /** The states that the losses were computed from, by name. */
  readonly states: ReadonlyMap<string, Tensor>;
  /** What is minimised: a scalar, a mean over the samples at hand. */
  readonly loss: Tensor;
  /** What else is measured, by name: scalars, means over the samples at hand. */
  readonly terms: Readonly<Record<string, Tensor>>;
  /** Parameters that follow the head's weight decay; absent: none. */
  readonly isHead?: (name: string) => boolean;
  /** What is trained beside the model and against it. */
  readonly adversary?: Adversary;
}

/** A network that a model is trained against, such as a discriminator. It is no part of the model. */
export interface Adversary {
  /** Its parameters and other states in declaration order; the states are among those of the losses. */
  readonly specifications: readonly ParameterSpecification[];
  /** What its parameters minimise: a scalar. */
  readonly loss: Tensor;
  /** What its other states become, such as running means, unless the step is skipped. */
  readonly updates: readonly Update[];
}

/** How a step is made of its losses. */
export interface StepSettings {
  /** Largest gradient norm; 0 means no limit. */
  readonly clipNorm: number;
  /** Equal parts a batch is divided into, which saves memory; 1 when absent. */
  readonly accumulate?: number;
  /** Whether losses are scaled, so that small gradients survive half precision; not when absent. */
  readonly lossScaling?: boolean;
}

/** A loss and what is measured beside it. */
export type Measured = Pick<StepLosses, "loss" | "terms">;

/** The programs of a step. */
export interface StepGraphs {
  /** Parts a batch is divided into; `accumulate` runs once for each. */
  readonly parts: number;
  /** Adds the gradients of a part; absent when the step is whole. */
  readonly accumulate?: Graph;
  /** The end of a step, or the whole of it. */
  readonly update: Graph;
  /** What the state `sums` counts, which the host reads when it logs; it clears all but the last. */
  readonly columns: readonly string[];
}

/** The columns of the running sums of a step. */
const columnsOf = ({ terms }: StepLosses): string[] => [
  "loss",
  ...Object.keys(terms),
  "gradientNorm",
  "skipped",
  "skippedInARow",
];

/** The state that holds the losses of the parts so far. */
const partLosses = "losses of the parts";

/** The step of a whole batch: loss, gradients, update. */
export function wholeStep(
  losses: StepLosses,
  settings: Omit<StepSettings, "accumulate">,
): StepGraphs {
  const { specifications, states, loss, terms, isHead, adversary } = losses;
  const model = trainedStates(specifications, states);
  const opposed = trainedStates(adversary?.specifications ?? [], states);
  const scaling = settings.lossScaling ? lossScaling() : undefined;
  const found = [
    ...scaledGradients(loss, model, scaling?.scale),
    ...(adversary ? scaledGradients(adversary.loss, opposed, scaling?.scale) : []),
  ];
  const parameters = new Map([...model, ...opposed]);
  const isAveraged = (name: string) => model.has(name);
  const { clipNorm } = settings;
  const rules = { clipNorm, isHead, isAveraged, lossScale: scaling?.scale };
  const optimizer = optimizerGraph(parameters, found, rules);
  const { skipped } = optimizer;
  const followed = (adversary?.updates ?? []).map(({ state, value }): Update => ({
    state,
    value: whereSkipped(skipped, state, value),
  }));
  const update = makeGraph("training step", {
    updates: [
      updatedSums([loss, ...Object.values(terms)], optimizer),
      ...followed,
      ...(scaling ? [scaling.update(loss, skipped)] : []),
    ],
    effects: optimizer.effects,
  });
  return { parts: 1, update, columns: columnsOf(losses) };
}

/**
 * The step of a batch in equal parts; `losses` are those of one part.
 *
 * @throws RangeError with an adversary, whose running means are those of whole batches
 */
export function stepInParts(
  losses: StepLosses,
  settings: Omit<StepSettings, "accumulate">,
  parts: number,
): StepGraphs {
  if (losses.adversary) throw new RangeError("a step against an adversary has no parts");
  return {
    parts,
    accumulate: accumulationGraph(losses, settings, parts),
    update: updateGraph(losses, settings),
    columns: columnsOf(losses),
  };
}

/**
 * The step of a batch, whole or in as many equal parts as the settings say.
 *
 * @param size of the batch, such as its pictures
 * @param losses those of so many of them
 */
export function stepOf(
  size: number,
  { accumulate = 1, ...settings }: StepSettings,
  losses: (size: number) => StepLosses,
): StepGraphs {
  if (size % accumulate !== 0) {
    throw new RangeError(`a batch of ${size} cannot be divided into ${accumulate} parts`);
  }
  return accumulate === 1
    ? wholeStep(losses(size), settings)
    : stepInParts(losses(size / accumulate), settings, accumulate);
}

/** The gradients of a loss, multiplied by the scale if there is one. */
function scaledGradients(
  loss: Tensor,
  parameters: ReadonlyMap<string, Tensor>,
  scale: Tensor | undefined,
): Tensor[] {
  return gradients(scale ? multiply(loss, scale) : loss, [...parameters.values()]);
}

function accumulationGraph(
  { specifications, states, loss, terms }: StepLosses,
  settings: Pick<StepSettings, "lossScaling">,
  parts: number,
): Graph {
  const parameters = trainedStates(specifications, states);
  const share = (value: Tensor) => multiply(value, 1 / parts);
  const shared = share(loss);
  const measured = [shared, ...Object.values(terms).map(share)].map((value) => reshape(value, [1]));
  const losses = state(partLosses, [measured.length]);
  const updates: Update[] = [{ state: losses, value: add(losses, concatenate(measured, 0)) }];
  const scale = settings.lossScaling ? lossScaling().scale : undefined;
  const found = scaledGradients(shared, parameters, scale);
  [...parameters].forEach(([name, { shape }], index) => {
    const sum = state(stateNames.gradient(name), shape);
    updates.push({ state: sum, value: add(sum, found[index]) });
  });
  return makeGraph("gradients of a part", { updates });
}

function updateGraph(
  { specifications, terms, isHead }: StepLosses,
  { clipNorm, lossScaling: isScaled }: Omit<StepSettings, "accumulate">,
): Graph {
  const trained = specifications.filter(({ trainable }) => trainable);
  const parameters = new Map(trained.map(({ name, shape }) => [name, state(name, shape)]));
  const sums = trained.map(({ name, shape }) => state(stateNames.gradient(name), shape));
  const scaling = isScaled ? lossScaling() : undefined;
  const rules = { clipNorm, isHead, lossScale: scaling?.scale };
  const optimizer = optimizerGraph(parameters, sums, rules);
  const measuredCount = 1 + Object.keys(terms).length;
  const losses = state(partLosses, [measuredCount]);
  const measured = Array.from(
    { length: measuredCount },
    (_, index) => reshape(slice(losses, 0, index, 1), []),
  );
  const zero = constantTensor(Float32Array.of(0), []);
  const cleared = [losses, ...sums].map((sum) => ({
    state: sum,
    value: broadcastTo(zero, sum.shape),
  }));
  return makeGraph("update", {
    updates: [
      updatedSums(measured, optimizer),
      ...cleared,
      ...(scaling ? [scaling.update(measured[0], optimizer.skipped)] : []),
    ],
    effects: optimizer.effects,
  });
}

function trainedStates(
  specifications: readonly ParameterSpecification[],
  states: ReadonlyMap<string, Tensor>,
): Map<string, Tensor> {
  const trained = specifications.filter(({ trainable }) => trainable);
  return new Map(trained.map(({ name }) => [name, states.get(name)!]));
}

/** The update of `sums` by the losses of a step. */
function updatedSums(
  losses: readonly Tensor[],
  { gradientNorm, skipped }: OptimizerGraph,
): Update {
  const measured = [...losses, gradientNorm].map((value) => unlessSkipped(value, skipped));
  // One more: the steps skipped in a row.
  const sums = state("sums", [measured.length + 2]);
  return { state: sums, value: accumulate(sums, [...measured, skipped], skipped) };
}
