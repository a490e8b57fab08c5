/**
 * What stands between generated code and the rest of the memory: before a lowering learns where an
 * operand lies, it says which elements its code is going to touch, and they are checked against the
 * view and the buffer. A program that passes cannot address anything else, whether or not the engine
 * checks the bounds of every access; what is only known at run time (rows of a table, ranges of
 * keys) is guarded by the kernels.
 *
 * @module
 */
import type { BufferSpecification } from "../program.ts";
import { formatShape, sameShape, type Shape } from "../shape.ts";
import {
  coversBuffer,
  hasUnitInnerStride,
  isContiguous,
  overlapsItself,
  type View,
  viewSpan,
} from "../view.ts";

/** The elements of an operand that generated code walks over. */
export interface OperandForm {
  /** The shape that the view must have. */
  readonly shape: Shape;
  /** How its elements must follow each other; any strides will do when absent. */
  readonly layout?: OperandLayout;
  /** Whether the code reads half precision; otherwise elements have four bytes. */
  readonly halves?: boolean;
  /** Whether the code writes the elements too. */
  readonly written?: boolean;
}

/** Elements of the last axis side by side; all elements side by side; and these a whole buffer. */
export type OperandLayout = "rows" | "contiguous" | "buffer";

/**
 * Bytes that code may read, but neither use nor write, past the end of an operand: it fills its last
 * vectors from there. The memory ends later than the last operand by more than this.
 */
export const readOverrun = 64;

/**
 * Checks that a view has a form and lies in its buffer.
 *
 * @throws RangeError naming the buffer
 */
export function checkOperand(
  view: View,
  form: OperandForm,
  buffer: BufferSpecification | undefined,
): asserts buffer is BufferSpecification {
  if (!buffer) throw new RangeError(`a view names buffer ${view.buffer}, which does not exist`);
  const problem = formProblem(view, form, buffer) ?? rangeProblem(view, buffer.elements) ??
    (form.written ? resultProblem(view, buffer) : undefined);
  if (problem) throw new RangeError(`buffer ${buffer.name}: ${problem}`);
}

function formProblem(
  view: View,
  { shape, layout, halves = false }: OperandForm,
  { dtype, elements }: BufferSpecification,
): string | undefined {
  if (view.dtype !== dtype) return `a view of ${view.dtype} on ${dtype}`;
  if (dtype === "f16" && !halves) return "half precision where it cannot be read";
  if (!sameShape(view.shape, shape)) {
    return `a view of shape ${formatShape(view.shape)}, not ${formatShape(shape)}`;
  }
  if (!layout || hasLayout(view, layout, elements)) return undefined;
  return `strides ${formatShape(view.strides)} of ${formatShape(shape)}, not those of ${layout}`;
}

function hasLayout(view: View, layout: OperandLayout, elements: number): boolean {
  if (layout === "rows") return hasUnitInnerStride(view);
  return layout === "contiguous" ? isContiguous(view) : coversBuffer(view, elements);
}

const isCount = (value: number): boolean => Number.isInteger(value) && value >= 0;

function rangeProblem(view: View, elements: number): string | undefined {
  const { shape, strides, offset } = view;
  const whole = isCount(offset) && strides.length === shape.length && strides.every(isCount) &&
    shape.every((size) => isCount(size) && size > 0);
  if (!whole) {
    return `a view of shape ${formatShape(shape)}, strides ${
      formatShape(strides)
    }, offset ${offset}`;
  }
  const end = offset + viewSpan(view);
  return end <= elements ? undefined : `a view reaches element ${end - 1} of ${elements}`;
}

function resultProblem(view: View, { kind }: BufferSpecification): string | undefined {
  if (kind === "input" || kind === "constant") return `a step writes to this ${kind}`;
  if (!overlapsItself(view)) return undefined;
  const { shape, strides } = view;
  return `a result of shape ${formatShape(shape)}, strides ${formatShape(strides)} overlaps itself`;
}
