/**
 * Case files: what another framework put into a model and got out of it, as safetensors.
 *
 * `input.<name>`, `output.<name>`; and, to check gradients, `cotangent.<output>` with `grad.<name>` for
 * inputs and parameters, the vector-Jacobian products, summed over the outputs. What each family has is in
 * its own file.
 *
 * @module
 */
import { describeNonFinite } from "../../base/finite.ts";
import { InputError, nearestNames, quote } from "../../base/errors.ts";
import type { TensorInfo, TensorReader } from "../../formats/tensors/safetensors.ts";
import { formatShape, sameShape, type Shape } from "../../kernels/shape.ts";
import type { Tensor } from "../../kernels/tensor.ts";

/** A tensor that the model's answer is compared with. */
export interface Expected {
  /** Name in the case file. */
  readonly name: string;
  /** Sizes of its axes. */
  readonly shape: Shape;
  /** Its elements, row-major. */
  readonly values: Float32Array;
  /** Which elements mean something; all of them when absent. */
  readonly isCompared?: (index: number) => boolean;
}

/** What a case consists of, without the shapes of its inputs and output. */
export interface CaseLayout {
  /** What models of the family are called. */
  readonly family: string;
  /** Inputs that it must hold. */
  readonly inputs: readonly string[];
  /** Inputs that it may hold, which are not read. */
  readonly ignored?: readonly string[];
  /** The outputs. */
  readonly outputs: readonly string[];
  /** Everything whose gradient can be checked. */
  readonly sources: readonly string[];
}

/** An output of a model. */
export interface CaseOutput {
  /** What the model computes. */
  readonly tensor: Tensor;
  /** What it is compared with. */
  readonly expected: Expected;
  /** Weights of its elements in what is differentiated; absent where it is not. */
  readonly cotangent?: Float32Array;
}

/** What another framework got out of the model. */
export interface CaseAnswers {
  /** Outputs by name. */
  readonly outputs: ReadonlyMap<string, CaseOutput>;
  /** Gradients by the name of the input or parameter. */
  readonly gradients: ReadonlyMap<string, Expected>;
}

/**
 * Refuses files that lack a tensor or hold one of a case that the model does not have.
 *
 * @throws InputError with the nearest names
 */
export function checkNames(reader: TensorReader, layout: CaseLayout): void {
  const { family, inputs, ignored = [], outputs, sources } = layout;
  const required = [
    ...inputs.map((name) => `input.${name}`),
    ...outputs.map((name) => `output.${name}`),
  ];
  // First, because the reader names the nearest tensors there are.
  required.forEach((name) => reader.info(name));
  const known = new Set([
    ...required,
    ...ignored.map((name) => `input.${name}`),
    ...outputs.map((name) => `cotangent.${name}`),
    ...sources.map((name) => `grad.${name}`),
  ]);
  for (const name of reader.tensors.keys()) {
    if (known.has(name) || !/^(?:input|output|cotangent|grad)\./.test(name)) continue;
    const near = nearestNames(name, known).join(" and ");
    throw new InputError(
      `${reader.path}: tensor ${quote(name)} is not part of a ${family}'s case; ` +
        `the nearest are ${near}`,
    );
  }
}

/**
 * Reads the outputs and the gradients of a case, and the cotangents that they need.
 *
 * @param outputs what the model computes, by name
 * @param sources everything whose gradient can be checked, by name
 * @throws InputError naming the tensor and what does not fit
 */
export function readAnswers(
  reader: TensorReader,
  outputs: Readonly<Record<string, Tensor>>,
  sources: ReadonlyMap<string, Tensor>,
): CaseAnswers {
  const answers = new Map(
    Object.entries(outputs).map(([name, tensor]) => [name, readOutput(reader, name, tensor)]),
  );
  const gradients = new Map<string, Expected>();
  for (const [source, { shape }] of sources) {
    const name = `grad.${source}`;
    if (reader.tensors.has(name)) gradients.set(source, readExpected(reader, name, shape));
  }
  const [first] = gradients.keys();
  const isWeighted = [...answers.values()].some(({ cotangent }) => cotangent);
  if (first === undefined || isWeighted) return { outputs: answers, gradients };
  const wanted = [...answers.keys()].map((name) => `cotangent.${name}`).join(" or ");
  throw new InputError(`${reader.path}: grad.${first} needs the tensor ${wanted} beside it`);
}

function readOutput(reader: TensorReader, name: string, tensor: Tensor): CaseOutput {
  const expected = readExpected(reader, `output.${name}`, tensor.shape);
  const cotangent = `cotangent.${name}`;
  if (!reader.tensors.has(cotangent)) return { tensor, expected };
  return { tensor, expected, cotangent: readFloats(reader, cotangent, tensor.shape) };
}

const readExpected = (reader: TensorReader, name: string, shape: Shape): Expected => ({
  name,
  shape,
  values: readFloats(reader, name, shape),
});

/** The error for a tensor of another shape. */
export function misfit(
  reader: TensorReader,
  { name, shape }: TensorInfo,
  wanted: string,
): InputError {
  return new InputError(
    `${reader.path}: ${name} has the shape ${formatShape(shape)}, the model needs ${wanted}`,
  );
}

/**
 * Reads finite numbers.
 *
 * @throws InputError for another shape, or a number that is not finite
 */
export function readFloats(reader: TensorReader, name: string, shape: Shape): Float32Array {
  const info = reader.info(name);
  if (!sameShape(info.shape, shape)) throw misfit(reader, info, formatShape(shape));
  const values = reader.readFloat32(name);
  const problem = describeNonFinite(name, values);
  if (problem !== undefined) throw new InputError(`${reader.path}: ${problem}`);
  return values;
}

/** Whole numbers that are valid, and the words for them. */
export interface WholeRange {
  readonly least: number;
  readonly most: number;
  readonly meaning: string;
}

/**
 * Reads whole numbers of any numeric type.
 *
 * @throws InputError for another shape, or a number that is not whole or out of range
 */
export function readWhole(
  reader: TensorReader,
  name: string,
  shape: Shape,
  { least, most, meaning }: WholeRange,
): Int32Array {
  const info = reader.info(name);
  if (!sameShape(info.shape, shape)) throw misfit(reader, info, formatShape(shape));
  const values = /F/.test(info.type) ? reader.readFloat32(name) : reader.readInt32(name);
  for (const [index, value] of values.entries()) {
    if (!Number.isInteger(value)) {
      throw new InputError(
        `${reader.path}: ${name} holds ${value} at element ${index}, which is not a whole number`,
      );
    }
    if (value < least || value > most) {
      const nearest = value < least ? least : most;
      throw new InputError(
        `${reader.path}: ${name} holds ${value} at element ${index}: ${meaning}; ` +
          `the nearest valid value is ${nearest}`,
      );
    }
  }
  return Int32Array.from(values);
}
