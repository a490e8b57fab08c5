/**
 * What a training run will allocate on a device, found out without one: the memory plan of its
 * programs is known once they are compiled, and the run uses exactly that plan.
 *
 * @module
 */
import type { DeviceKind } from "../../kernels/device.ts";
import { compile } from "../../kernels/graph/compile.ts";
import type { BufferSpecification, Program } from "../../kernels/program.ts";
import { allocatedBytes, programAllocations } from "../../kernels/footprint.ts";
import { elementCount, type FloatType } from "../../kernels/shape.ts";
import type { ParameterSpecification } from "../../nn/parameters.ts";
import { stateNames } from "../step/optimizer.ts";
import type { StepGraphs } from "../step/step_graphs.ts";

/** The device a forecast is for. */
export interface ForecastTarget {
  /** What is known of the device. */
  readonly kind: DeviceKind;
  /** Threads, where it has any; each has scratch memory of its own. */
  readonly threads: number;
  /** How it keeps results of operations; `f32` when absent. */
  readonly activations?: FloatType;
}

/** Bytes a run needs on a device, by part. */
export interface MemoryParts {
  /** Weights. */
  readonly parameters: number;
  /** First and second moments. */
  readonly optimizer: number;
  /** Moving averages of the trained weights. */
  readonly average: number;
  /** Sums of gradients, when a batch is worked through in parts. */
  readonly gradients: number;
  /** What the host writes before a step and reads after it. */
  readonly inputs: number;
  /** Tables that are part of the programs. */
  readonly constants: number;
  /** Activations and gradients: the peak of the plan. */
  readonly temporaries: number;
  /** The sampler that draws during the run. */
  readonly samples: number;
  /** Scratch of the threads. WebGPU kernels may take some for themselves, not foreseen here. */
  readonly scratch: number;
}

/** The memory of a run. */
export interface MemoryForecast {
  /** Bytes by part. */
  readonly parts: MemoryParts;
  /** The sum of the parts. */
  readonly total: number;
  /** The largest single allocation. */
  readonly largest: { readonly name: string; readonly bytes: number };
}

/** What a run has beside the model. */
export interface ForecastExtras {
  /** Programs that draw during the run; they share the states of the run. */
  readonly sampler?: readonly Program[];
  /** What the model is trained with, such as a discriminator. */
  readonly companions?: readonly ParameterSpecification[];
}

/** Adds up allocations of parts and remembers the largest. */
class Tally {
  readonly parts: { -readonly [Part in keyof MemoryParts]: number } = {
    parameters: 0,
    optimizer: 0,
    average: 0,
    gradients: 0,
    inputs: 0,
    constants: 0,
    temporaries: 0,
    samples: 0,
    scratch: 0,
  };
  largest = { name: "", bytes: 0 };

  readonly #kind: DeviceKind;

  constructor(kind: DeviceKind) {
    this.#kind = kind;
  }

  add(part: keyof MemoryParts, name: string, bytes: number): void {
    const size = allocatedBytes(bytes, this.#kind);
    this.parts[part] += size;
    if (size > this.largest.bytes) this.largest = { name, bytes: size };
  }
}

/**
 * The memory of a run that trains these parameters by these programs.
 */
export function forecastMemory(
  specifications: readonly ParameterSpecification[],
  { accumulate, update }: StepGraphs,
  target: ForecastTarget,
  { sampler = [], companions = [] }: ForecastExtras = {},
): MemoryForecast {
  const { kind, threads } = target;
  const tally = new Tally(kind);
  const bound = addStates(tally, specifications, companions);
  if (accumulate) {
    addProgram(tally, compile(accumulate, target), kind, bound, {
      ...stepParts,
      state: "gradients",
    });
  }
  addProgram(tally, compile(update, target), kind, bound, stepParts);
  for (const program of sampler) addProgram(tally, program, kind, bound, samplerParts);
  for (let thread = 0; kind.threads && thread < threads; thread++) {
    tally.add("scratch", "scratch memory of a thread", kind.threads.scratchBytes);
  }
  const { parts, largest } = tally;
  return { parts, largest, total: Object.values(parts).reduce((sum, bytes) => sum + bytes, 0) };
}

/** Adds what lives as long as the run; returns the names of the states. */
function addStates(
  tally: Tally,
  specifications: readonly ParameterSpecification[],
  companions: readonly ParameterSpecification[],
): Set<string> {
  const names = new Set<string>();
  const add = (part: keyof MemoryParts, name: string, bytes: number) => {
    names.add(name);
    tally.add(part, name, bytes);
  };
  for (const { name, shape, trainable } of [...specifications, ...companions]) {
    const bytes = 4 * elementCount(shape);
    add("parameters", name, bytes);
    if (!trainable) continue;
    add("optimizer", stateNames.firstMoment(name), bytes);
    add("optimizer", stateNames.secondMoment(name), bytes);
  }
  for (const { name, shape, trainable } of specifications) {
    if (trainable) add("average", stateNames.average(name), 4 * elementCount(shape));
  }
  return names;
}

/** The part that each kind of buffer of a program belongs to. */
type PartOf = Readonly<Record<BufferSpecification["kind"], keyof MemoryParts>>;

const stepParts: PartOf = {
  input: "inputs",
  output: "inputs",
  state: "inputs",
  constant: "constants",
  temporary: "temporaries",
};

const samplerParts: PartOf = {
  input: "samples",
  output: "samples",
  state: "samples",
  constant: "samples",
  temporary: "samples",
};

/** Adds what a program allocates; its own states are `bound` for the programs after it. */
function addProgram(
  tally: Tally,
  program: Program,
  kind: DeviceKind,
  bound: Set<string>,
  partOf: PartOf,
): void {
  for (const { role, name, bytes } of programAllocations(program, kind, bound)) {
    tally.add(partOf[role], name, bytes);
    if (role === "state") bound.add(name);
  }
}
