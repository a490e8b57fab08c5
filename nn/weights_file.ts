/**
 * A file of tensors taken as the weights of a model: under the model's names, each of the shape that
 * the model declares.
 *
 * @module
 */
import { InputError } from "../base/errors.ts";
import { renamed, type TensorReader } from "../formats/tensors/safetensors.ts";
import { elementCount, sameShape, type Shape } from "../kernels/shape.ts";
import { fromOtherLayout } from "./other_layout.ts";
import {
  groupPrefixes,
  mismatch,
  type ParameterSpecification,
  wrapperPrefix,
} from "./parameters.ts";

/** The tensors of a file that are a model's parameters. */
export interface ModelWeights {
  /** The file, under the model's names. */
  readonly tensors: TensorReader;
  /** What stands before their names in the file, such as `module.` or `ema.`; empty for nothing. */
  readonly prefix: string;
  /** How many tensors of the file lie outside of the prefix: those of the optimizer, another model. */
  readonly others: number;
  /** The parameters that the file has for another number of classes, if there are any. */
  readonly otherClasses?: OtherClasses;
  /** Those that it has for another size of samples, if there are any. */
  readonly otherSizes?: OtherSizes;
}

/** Parameters that belong to another size of samples. */
export interface OtherSizes {
  /** Tables whose values are computed. */
  readonly computed: readonly string[];
  /** Learned ones, which are interpolated, with the shapes that the file has. */
  readonly resized: ReadonlyMap<string, Shape>;
}

/** Parameters that belong to another number of classes. */
export interface OtherClasses {
  /** Their names. */
  readonly parameters: readonly string[];
  /** Classes of the file. */
  readonly found: number;
  /** Classes of the model. */
  readonly wanted: number;
}

/** Another form that weights may have, of which those of a model are made. */
export interface OtherForm {
  /** The parameters in that form, under the names that the model has. */
  readonly specifications: readonly ParameterSpecification[];
  /** A parameter of the model, made of the one of the same name. */
  convert(name: string, values: Float32Array): Float32Array;
  /** Says what is made of what. */
  readonly note: string;
}

/** How weights that are not a model's are looked at. */
export interface MatchOptions {
  /** Accepts parameters that the file has for another number of classes. */
  readonly allowOtherClasses?: boolean;
  /** Accepts parameters that the file has for another size of samples. */
  readonly allowOtherSizes?: boolean;
  /**
   * Says what weights are that do not fit the model; undefined where it cannot tell.
   *
   * @param found shapes by the names that the file has
   */
  readonly explain?: (found: ReadonlyMap<string, Shape>) => string | undefined;
}

/**
 * Takes a file as the weights of a model, without reading them.
 *
 * @throws InputError when a parameter is missing, unknown, of another shape, or no plain number
 */
export function matchWeights(
  stored: TensorReader,
  specifications: readonly ParameterSpecification[],
  { allowOtherClasses = false, allowOtherSizes = false, explain }: MatchOptions = {},
): ModelWeights {
  const file = fromOtherLayout(stored, specifications) ?? stored;
  const names = [...file.tensors.keys()];
  const prefix = wrapperPrefix(specifications, names) ||
    (groupPrefixes(specifications, names)[0] ?? "");
  const tensors = underModelNames(file, prefix, specifications);
  const shapes = foundShapes(tensors, specifications);
  const differing = allowOtherClasses
    ? specifications.filter((parameter) => differsInClasses(parameter, shapes.get(parameter.name)))
    : [];
  const otherClasses = describeClasses(differing, shapes);
  const otherSizes = allowOtherSizes ? sizesOf(specifications, shapes) : undefined;
  const isOfOther = ({ name }: ParameterSpecification): boolean =>
    otherSizes !== undefined &&
    (otherSizes.resized.has(name) || otherSizes.computed.includes(name));
  for (const { name, shape } of [...differing, ...specifications.filter(isOfOther)]) {
    shapes.set(name, shape);
  }
  const problem = mismatch(specifications, shapes);
  if (problem) throw new InputError(`${file.path}: ${explain?.(shapes) ?? problem}`);
  requirePlainNumbers(tensors);
  const others = names.length - tensors.tensors.size;
  return { tensors, prefix, others, otherClasses, otherSizes };
}

/** What lies under the prefix, by the names that the model has, which are not the former ones. */
function underModelNames(
  file: TensorReader,
  prefix: string,
  specifications: readonly ParameterSpecification[],
): TensorReader {
  const inside = [...file.tensors.keys()].filter((name) => name.startsWith(prefix));
  const present = new Set(inside.map((name) => name.slice(prefix.length)));
  const current = new Map(
    specifications.flatMap(({ name, formerName }) =>
      formerName === undefined || present.has(name) ? [] : [[formerName, name]]
    ),
  );
  if (prefix === "" && !current.keys().some((name) => present.has(name))) return file;
  return renamed(file, (stored) => {
    if (!stored.startsWith(prefix)) return undefined;
    const name = stored.slice(prefix.length);
    return current.get(name) ?? name;
  });
}

/**
 * Shapes by name. A linear map is also a convolution whose kernel has one position, and some programs
 * store it so: axes of one element at the end mean nothing.
 */
function foundShapes(
  { tensors }: TensorReader,
  specifications: readonly ParameterSpecification[],
): Map<string, Shape> {
  const wanted = new Map(specifications.map(({ name, shape }) => [name, shape]));
  return new Map(
    [...tensors].map(([name, { shape }]) => {
      const model = wanted.get(name);
      const same = model && sameShape(withoutUnits(model), withoutUnits(shape));
      return [name, same ? model : shape];
    }),
  );
}

/** A shape without the axes of one element at its end. */
const withoutUnits = (shape: Shape): Shape =>
  shape.slice(0, shape.findLastIndex((n) => n !== 1) + 1);

/** Refuses tensors that mean nothing without the scales of the program that wrote them. */
function requirePlainNumbers({ path, tensors }: TensorReader): void {
  const scaled = tensors.values().find(({ type }) => type.startsWith("F8"));
  if (scaled === undefined) return;
  throw new InputError(
    `${path}: the parameter ${scaled.name} is stored as 8-bit floats (${scaled.type}), whose ` +
      "scales only the program that wrote them knows; have it write F32, F16 or BF16",
  );
}

/** The parameters that a file has for another size of samples; undefined when there are none. */
function sizesOf(
  specifications: readonly ParameterSpecification[],
  found: ReadonlyMap<string, Shape>,
): OtherSizes | undefined {
  const computed: string[] = [];
  const resized = new Map<string, Shape>();
  for (const { name, shape, trainable, initial, resized: resize } of specifications) {
    const from = found.get(name);
    if (from === undefined || sameShape(from, shape)) continue;
    const isTable = !trainable && initial.kind === "values" && from.length === shape.length &&
      from.at(-1) === shape.at(-1);
    if (isTable) computed.push(name);
    else if (resize?.(new Float32Array(elementCount(from)), from)) resized.set(name, from);
  }
  return computed.length + resized.size > 0 ? { computed, resized } : undefined;
}

/** Whether a shape is that of a parameter but for the number of classes. */
function differsInClasses(
  { shape: [count, ...rest], perClass }: ParameterSpecification,
  found: Shape | undefined,
): boolean {
  if (perClass === undefined || found === undefined) return false;
  const [foundCount, ...foundRest] = found;
  return foundCount !== count && foundRest.join() === rest.join();
}

function describeClasses(
  parameters: readonly ParameterSpecification[],
  found: ReadonlyMap<string, Shape>,
): OtherClasses | undefined {
  if (parameters.length === 0) return undefined;
  const [{ name, shape, perClass }] = parameters;
  const classes = (rows: number): number => rows - perClass!.others;
  return {
    parameters: parameters.map((parameter) => parameter.name),
    found: classes(found.get(name)![0]),
    wanted: classes(shape[0]),
  };
}
