/**
 * Reading and writing the operands of a kernel through their views, one element or four at a time.
 *
 * Four at a time need every view to be either contiguous along the innermost axis and aligned (then
 * its buffer is bound as `array<vec4>`) or constant along it (then one element is spread).
 *
 * @module
 */
import type { View } from "../../view.ts";
import { arithmeticType, type Shape } from "../../shape.ts";
import {
  type BindingTable,
  collapseAxes,
  type Strided,
  vectorType,
  viewAddresses,
  type Width,
} from "./wgsl.ts";

/** What is read of an operand at one place: a vector, a scalar, or a scalar for all four lanes. */
type Form = "vector" | "scalar" | "spread";

/** An operand with strides over an iteration space (which may differ from the view's own shape). */
export type Operand = Pick<View, "buffer" | "dtype" | "offset" | "strides">;

/** An iteration space and how operands are read at each of its points. */
export interface IterationSpace {
  readonly width: Width;
  /** Sizes; with `width` 4 the innermost counts vectors. */
  readonly shape: readonly number[];
  /** Addresses in units of what is read, in the order of the operands. */
  readonly views: readonly Strided[];
  readonly forms: readonly Form[];
}

/**
 * The iteration space for operands over `shape`, four elements wide where possible.
 *
 * @param widest 1 keeps it scalar
 * @param aligned further strides of each operand that addresses are made of, which must fit too
 */
export function iterationSpace(
  shape: Shape,
  operands: readonly Operand[],
  { widest = 4, aligned = [] }: { widest?: Width; aligned?: readonly (readonly number[])[] } = {},
): IterationSpace {
  const collapsed = collapseAxes(shape, operands);
  const views = operands.map(({ offset }, o) => ({ offset, strides: collapsed.strides[o] }));
  const scalar: IterationSpace = {
    width: 1,
    shape: collapsed.shape,
    views,
    forms: operands.map(() => "scalar"),
  };
  const last = collapsed.shape.length - 1;
  if (widest === 1 || last < 0 || collapsed.shape[last] % 4 !== 0) return scalar;
  const forms = views.map((view, o) => wideForm(view, aligned[o] ?? []));
  if (!forms.every((form) => form !== undefined) || mixesForms(operands, forms)) return scalar;
  return {
    width: 4,
    shape: collapsed.shape.with(last, collapsed.shape[last] / 4),
    views: views.map((view, o) => forms[o] === "vector" ? inVectors(view) : view),
    forms,
  };
}

function wideForm({ offset, strides }: Strided, aligned: readonly number[]): Form | undefined {
  const outer = strides.slice(0, -1);
  if (strides.at(-1) === 0) return "spread";
  if (strides.at(-1) !== 1) return undefined;
  return [offset, ...outer, ...aligned].every((n) => n % 4 === 0) ? "vector" : undefined;
}

/** Whether one buffer would have to be bound as vectors and as scalars. */
function mixesForms(operands: readonly Operand[], forms: readonly Form[]): boolean {
  return operands.some(({ buffer }, o) =>
    operands.some((other, p) => other.buffer === buffer && forms[p] !== forms[o])
  );
}

function inVectors({ offset, strides }: Strided): Strided {
  return { offset: offset / 4, strides: [...strides.slice(0, -1).map((s) => s / 4), 1] };
}

/**
 * The space of further axes of the same operands, which are read in the forms of `wide`: addresses
 * in both spaces add up.
 */
export function companionSpace(
  wide: IterationSpace,
  shape: Shape,
  operands: readonly Operand[],
): IterationSpace {
  const collapsed = collapseAxes(shape, operands);
  const views = operands.map(({ offset }, o) => {
    const unit = wide.forms[o] === "vector" ? 4 : 1;
    return { offset: offset / unit, strides: collapsed.strides[o].map((s) => s / unit) };
  });
  return { width: wide.width, shape: collapsed.shape, views, forms: wide.forms };
}

/** Number of points of an iteration space. */
export function pointCount({ shape }: IterationSpace): number {
  return shape.reduce((count, size) => count * size, 1);
}

/** The operands of an iteration space at the point with number `index`. */
export interface BoundOperands {
  /** Coordinates; comes first in the body. */
  readonly statements: string;
  /** Code that reads an operand, of type `vectorType(type, width)`. */
  load(operand: number): string;
  /** Statement that writes `value` to an operand of `writes` (not one that is spread). */
  store(operand: number, value: string): string;
}

/**
 * Binds operands and computes their addresses.
 *
 * @param index `u32` code: row-major number of the point
 * @param writes which operands are written
 * @param extra for each operand, `u32` code added to its address (in units of what is read)
 */
export function bindOperands(
  table: BindingTable,
  space: IterationSpace,
  operands: readonly Operand[],
  index: string,
  { writes = [], prefix = "x", extra = [] }: {
    writes?: readonly number[];
    prefix?: string;
    extra?: readonly (string | undefined)[];
  } = {},
): BoundOperands {
  const { statements, addresses } = viewAddresses(
    space.shape,
    space.views,
    index,
    prefix,
    (offset) => table.offset(offset),
  );
  const accesses = operands.map((operand, o) => {
    const width = space.forms[o] === "vector" ? 4 : 1;
    const address = extra[o] ? `${addresses[o]} + ${extra[o]}` : addresses[o];
    const read = table.reader(operand, width);
    const write = writes.includes(o) ? table.writer(operand, width) : undefined;
    return { read: read(address), write: (value: string) => write!(address, value) };
  });
  return {
    statements,
    load: (o) =>
      space.forms[o] === "spread"
        ? `${vectorType(arithmeticType(operands[o].dtype), 4)}(${accesses[o].read})`
        : accesses[o].read,
    store: (o, value) => accesses[o].write(value),
  };
}
