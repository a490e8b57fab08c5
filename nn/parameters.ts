/**
 * Parameters of a model: their names, shapes and initial values, and how a model looks them up.
 *
 * A model declares its parameters as a table and reads them by the same names, those of the published
 * PyTorch checkpoints, so that weights can be exchanged.
 *
 * @module
 */
import { nearestNames } from "../base/errors.ts";
import { describeNonFinite } from "../base/finite.ts";
import type { DeviceBuffer } from "../kernels/device.ts";
import {
  type DType,
  elementCount,
  type FloatType,
  formatShape,
  sameShape,
  type Shape,
} from "../kernels/shape.ts";
import { state, type Tensor } from "../kernels/tensor.ts";

/** How a parameter gets its first values. */
export type Initializer =
  | { readonly kind: "zeros" }
  /** One value everywhere. */
  | { readonly kind: "constant"; readonly value: number }
  /** Normal with mean 0. */
  | { readonly kind: "normal"; readonly deviation: number }
  /** Uniform in [-bound, bound]. */
  | { readonly kind: "uniform"; readonly bound: number }
  /** Given values, row-major. */
  | { readonly kind: "values"; readonly values: () => Float32Array };

/** One parameter of a model. */
export interface ParameterSpecification {
  /** Name in the published checkpoints, such as `blocks.0.attn.qkv.weight`. */
  readonly name: string;
  /** Sizes of the axes as PyTorch stores them: (outputs, inputs) for a linear map. */
  readonly shape: Shape;
  /** Its first values. */
  readonly initial: Initializer;
  /** False for tables that are part of the checkpoint but never trained. */
  readonly trainable: boolean;
  /** Given when the first axis counts classes: rows besides theirs, such as that of the null class. */
  readonly perClass?: { readonly others: number };
  /** What older files call it, if they have another name for it. */
  readonly formerName?: string;
  /** How another program keeps it, if not under this name. */
  readonly elsewhere?: OtherPlaces;
  /**
   * What becomes of it where weights are of a model of another size, such as learned positions; undefined
   * for a shape of which nothing becomes. Tables that are never trained need none: they are computed.
   */
  readonly resized?: (values: Float32Array, from: Shape) => Float32Array | undefined;
}

/** The tensors that make a parameter in files of another program. */
export interface OtherPlaces {
  /** Their names; several lie one behind the other along the first axis. */
  readonly parts: readonly string[];
  /** Names of further copies, which must be equal for the network to be the same. */
  readonly copies?: readonly string[];
}

/** Looks up a parameter by its full name. */
export type Parameters = (name: string) => Tensor;

/**
 * How the weights of a model are stored on a device that only runs it: `f16` takes half the memory.
 * They are computed with in single precision in any case, and trained in `f32` only.
 */
export type WeightType = FloatType;

/**
 * The element type that a parameter is stored in. Vectors, such as biases, stay `f32`: they are less
 * than a percent of the memory, and each would have to be widened by a kernel of its own.
 */
export function storedType({ shape }: ParameterSpecification, weights: WeightType): DType {
  return shape.length > 1 ? weights : "f32";
}

/** All parameters of a model as states on a device, in declaration order. */
export function parameterStates(
  specifications: readonly ParameterSpecification[],
  weights: WeightType = "f32",
): Map<string, Tensor> {
  return new Map(
    specifications.map((specification) => {
      const { name, shape } = specification;
      return [name, state(name, shape, storedType(specification, weights))];
    }),
  );
}

/**
 * A lookup over a map.
 *
 * @returns a function that throws a RangeError naming what is missing
 */
export function lookup(tensors: ReadonlyMap<string, Tensor>): Parameters {
  return (name) => {
    const tensor = tensors.get(name);
    if (!tensor) throw new RangeError(`the model has no parameter named ${name}`);
    return tensor;
  };
}

/** The same lookup with a prefix, for a part of a model: `within(parameters, "blocks.0")`. */
export function within(parameters: Parameters, prefix: string): Parameters {
  return (name) => parameters(`${prefix}.${name}`);
}

/** Number of elements of all parameters, and of those that are trained. */
export function countParameters(
  specifications: readonly ParameterSpecification[],
): { parameters: number; trainableParameters: number } {
  let parameters = 0;
  let trainableParameters = 0;
  for (const { shape, trainable } of specifications) {
    parameters += elementCount(shape);
    if (trainable) trainableParameters += elementCount(shape);
  }
  return { parameters, trainableParameters };
}

/**
 * What a wrapper has put before every name of a file: `module.` (DistributedDataParallel),
 * `_orig_mod.` (`torch.compile`), `ema_model.` and the like, also one around the other.
 *
 * @returns the prefix, empty when the names are the model's own or share none
 */
export function wrapperPrefix(
  specifications: readonly ParameterSpecification[],
  found: Iterable<string>,
): string {
  const known = new Set(specifications.map(({ name }) => name));
  const names = [...found];
  const isPrefix = (prefix: string) =>
    names.some((name) => known.has(name.slice(prefix.length))) &&
    names.every((name) => name.startsWith(prefix));
  const parts = (names[0] ?? "").split(".");
  const prefixes = parts.map((_, count) =>
    parts.slice(0, count).map((part) => `${part}.`).join("")
  );
  return prefixes.find(isPrefix) ?? "";
}

/**
 * Where the parameters of a model lie in a file that holds other things too, such as a training
 * checkpoint with `ema.`, `model.` and the state of the optimizer: in front of all their names.
 *
 * @returns the prefixes under which the file has every parameter, averages first
 */
export function groupPrefixes(
  specifications: readonly ParameterSpecification[],
  found: Iterable<string>,
): string[] {
  const names = new Set(found);
  const [{ name: first }] = specifications;
  const prefixes = [...names].filter((name) => name.endsWith(`.${first}`))
    .map((name) => name.slice(0, -first.length));
  const whole = prefixes.filter((prefix) =>
    specifications.every(({ name }) => names.has(prefix + name))
  );
  const isAverage = (prefix: string) => /\bema/.test(prefix) ? 0 : 1;
  return whole.sort((one, other) => isAverage(one) - isAverage(other));
}

/**
 * Checks that tensors found in a file are exactly a model's parameters.
 *
 * @param found shapes by name
 * @returns undefined, or a sentence that says what is missing, unknown or of another shape
 */
export function mismatch(
  specifications: readonly ParameterSpecification[],
  found: ReadonlyMap<string, Shape>,
): string | undefined {
  const known = new Set(specifications.map(({ name }) => name));
  const unknown = [...found.keys()].filter((name) => !known.has(name));
  for (const { name, shape } of specifications) {
    const actual = found.get(name);
    if (!actual) return `the parameter ${name} is missing${nearest(name, unknown)}`;
    if (!sameShape(actual, shape)) {
      return `the parameter ${name} has the shape ${formatShape(actual)}, not ${
        formatShape(shape)
      }`;
    }
  }
  if (unknown.length === 0) return undefined;
  return `the model has no parameter ${unknown[0]}${nearest(unknown[0], known)}`;
}

function nearest(name: string, candidates: Iterable<string>): string {
  const [best] = nearestNames(name, candidates, 1);
  return best === undefined ? "" : `; the nearest is ${best}`;
}

/** The parameters of a part of a model under their full names: the counterpart of {@link within}. */
export function under(
  prefix: string,
  specifications: readonly ParameterSpecification[],
): ParameterSpecification[] {
  return specifications.map((parameter) => ({
    ...parameter,
    name: `${prefix}.${parameter.name}`,
    ...(parameter.formerName !== undefined && { formerName: `${prefix}.${parameter.formerName}` }),
  }));
}

/** A trained vector. */
export function vectorParameter(
  name: string,
  length: number,
  initial: Initializer,
): ParameterSpecification {
  return { name, shape: [length], initial, trainable: true };
}

/** The first parameter that is not finite, in words; undefined when all are. */
export async function describeNonFiniteParameter(
  parameters: ReadonlyMap<string, DeviceBuffer>,
): Promise<string | undefined> {
  for (const [name, buffer] of parameters) {
    const problem = describeNonFinite(name, await buffer.read());
    if (problem !== undefined) return problem;
  }
  return undefined;
}
