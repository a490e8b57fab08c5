/**
 * Builds programs of one step tersely, together with the numbers they run on.
 *
 * Every operand gets a buffer of its own, with `padding` unused elements on either side of the
 * view, so that kernels meet unaligned offsets, and a store beside its view is seen. Results live
 * in state buffers that start full of `untouched`: the comparison with the reference covers the
 * whole buffer, and a kernel that adds to its output where it should overwrite it fails.
 *
 * @module
 */
import type { BufferKind, BufferSpecification, Program, Step } from "../../../kernels/program.ts";
import type { View } from "../../../kernels/view.ts";
import {
  contiguousStrides,
  type DType,
  elementCount,
  type Shape,
  type StoredArray,
} from "../../../kernels/shape.ts";

/** What result buffers hold before a run. */
const untouched = 7.5;

/** Single-precision rounding unit: the largest relative error of one rounding. */
export const unitRoundoff = 2 ** -24;

/** A program of one step with its operands and the allowed error. */
export interface StepCase {
  readonly name: string;
  readonly program: Program;
  readonly inputs: ReadonlyMap<string, StoredArray>;
  readonly states: ReadonlyMap<string, StoredArray>;
  /** Largest allowed error of each result, relative to the largest magnitude expected in it. */
  readonly tolerance: number;
}

/** A strided window described tersely. */
export interface Layout {
  readonly shape: Shape;
  /** Elements; contiguous when absent. */
  readonly strides?: readonly number[];
  /** Elements from the start of the tensor (after the padding). */
  readonly offset?: number;
  /** Elements of the whole tensor; just the view when absent. */
  readonly elements?: number;
}

/** Deterministic deviates in [-1, 1): a 32-bit linear congruential generator's upper bits. */
function deviates(count: number, seed: number): Float32Array {
  let state = Math.imul(seed + 1, 0x9e3779b9) | 0;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >> 8) * 2 ** -23;
  });
}

/** Collects the buffers of one case. */
export class StepBuilder {
  readonly #buffers: BufferSpecification[] = [];
  readonly #inputs = new Map<string, StoredArray>();
  readonly #states = new Map<string, StoredArray>();

  /** @param padding unused elements before and after every operand */
  constructor(readonly padding: number) {}

  /** A float operand with deviates in [-1, 1), put through `map`. */
  input(layout: Shape | Layout, map: (x: number) => number = (x) => x): View {
    return this.#add("input", layout, "f32", (count) => this.#noise(count).map(map));
  }

  /** An operand in half precision with deviates in [-1, 1), every sixteenth of them subnormal. */
  halves(layout: Shape | Layout): View {
    return this.#add(
      "input",
      layout,
      "f16",
      (count) => Float16Array.from(this.#noise(count), (x, i) => i % 16 === 5 ? x * 2 ** -14 : x),
    );
  }

  /** A contiguous float operand with the given values. */
  values(shape: Shape, values: ArrayLike<number>): View {
    return this.#add("input", shape, "f32", () => this.#padded(Float32Array.from(values)));
  }

  /** A contiguous integer operand with the given values, taken cyclically. */
  integers(shape: Shape, values: readonly number[]): View {
    const data = Int32Array.from(
      { length: elementCount(shape) },
      (_, i) => values[i % values.length],
    );
    return this.#add("input", shape, "i32", () => this.#padded(data));
  }

  /** A result: a state that starts full of a value no kernel computes. */
  output(layout: Shape | Layout, dtype: DType = "f32"): View {
    const make = (count: number): StoredArray =>
      dtype === "f32"
        ? new Float32Array(count).fill(untouched)
        : new Int32Array(count).fill(untouched);
    return this.#add("state", layout, dtype, make);
  }

  /** An operand that is updated in place: a state that starts with deviates put through `map`. */
  updated(layout: Shape | Layout, map: (x: number) => number = (x) => x): View {
    return this.#add("state", layout, "f32", (count) => this.#noise(count).map(map));
  }

  /** Another view of the buffer of `base`; the offset is relative to the buffer's tensor. */
  alias(base: View, layout: Shape | Layout): View {
    return this.#view(base.buffer, layout, base.dtype);
  }

  /** The finished case. */
  build(name: string, step: Step, tolerance: number): StepCase {
    const program: Program = {
      name,
      buffers: this.#buffers,
      steps: [step],
      arenaBytes: 0,
      slots: [],
    };
    return { name, program, inputs: this.#inputs, states: this.#states, tolerance };
  }

  #noise(count: number): Float32Array {
    return deviates(count, this.#buffers.length);
  }

  #padded<A extends Float32Array | Int32Array>(data: A): A {
    const length = data.length + 2 * this.padding;
    const result =
      (data instanceof Float32Array ? new Float32Array(length) : new Int32Array(length)) as A;
    result.set(data, this.padding);
    return result;
  }

  #view(buffer: number, layout: Shape | Layout, dtype: DType): View {
    const { shape, strides, offset } = asLayout(layout);
    return {
      buffer,
      offset: this.padding + (offset ?? 0),
      shape,
      strides: strides ?? contiguousStrides(shape),
      dtype,
    };
  }

  #add(
    kind: BufferKind & ("input" | "state"),
    layout: Shape | Layout,
    dtype: DType,
    make: (count: number) => StoredArray,
  ): View {
    const index = this.#buffers.length;
    const name = `operand${index}`;
    const { shape, elements } = asLayout(layout);
    const data = make((elements ?? elementCount(shape)) + 2 * this.padding);
    this.#buffers.push({ name, kind, dtype, elements: data.length });
    (kind === "input" ? this.#inputs : this.#states).set(name, data);
    return this.#view(index, layout, dtype);
  }
}

function asLayout(layout: Shape | Layout): Layout {
  return "shape" in layout ? layout : { shape: layout };
}

/** The layout of a broadcast operand: stride 0 on the axes where `own` is 1 and `shape` is not. */
export function broadcast(own: Shape, shape: Shape): Layout {
  const strides = contiguousStrides(own).map((stride, axis) =>
    own[axis] === 1 && shape[axis] !== 1 ? 0 : stride
  );
  return { shape, strides, elements: elementCount(own) };
}

/** The layout of a tensor seen with its axes in another order. */
export function transposed(own: Shape, axes: readonly number[]): Layout {
  const strides = contiguousStrides(own);
  return { shape: axes.map((axis) => own[axis]), strides: axes.map((axis) => strides[axis]) };
}
