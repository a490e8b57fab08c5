/**
 * Programs with a wrong view, a wrong size or wrong numbers are refused when they are loaded, or
 * touch nothing but what their views name.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Step } from "../../../kernels/program.ts";
import type { StoredArray } from "../../../kernels/shape.ts";
import type { View } from "../../../kernels/view.ts";
import type { StepCase } from "../ops/builder.ts";
import { casesOf, everyCase } from "../ops/cases.ts";
import { WatchedMemory } from "./watched_memory.ts";

/** Cases with larger buffers would take long, and so would every one of the others. */
const largestBuffer = 3000;
const oneOf = 7;

/** A changed field of a step. */
interface Mutation {
  readonly name: string;
  readonly step: Step;
  /** Whether it cannot be right. */
  readonly impossible: boolean;
}

const isView = (value: unknown): value is View =>
  typeof value === "object" && value !== null && "offset" in value;

/** All numbers of a view (or of a factor of a product), one changed at a time. */
function* mutateView(view: View, elements: number): Generator<[string, View, boolean]> {
  yield ["behind its buffer", { ...view, offset: view.offset + elements }, true];
  yield ["before its buffer", { ...view, offset: -1 }, true];
  yield ["between elements", { ...view, offset: view.offset + 0.5 }, true];
  yield ["in no buffer", { ...view, buffer: 99 }, true];
  yield ["in half precision", { ...view, dtype: view.dtype === "f16" ? "f32" : "f16" }, true];
  yield ["one element later", { ...view, offset: view.offset + 1 }, false];
  for (const [name, value] of Object.entries(view)) {
    if (!name.endsWith("Stride")) continue;
    for (const stride of [value + 1, 2 * value + 1]) {
      yield [`${name} ${stride}`, { ...view, [name]: stride }, false];
    }
  }
  for (const axis of view.shape?.keys() ?? []) {
    const at = <T>(list: readonly T[], value: T): T[] => list.map((x, i) => i === axis ? value : x);
    const [size, stride] = [view.shape[axis], view.strides[axis]];
    yield [`axis ${axis} too long`, { ...view, shape: at(view.shape, size + 1) }, false];
    yield [`axis ${axis} endless`, { ...view, shape: at(view.shape, size + elements) }, true];
    yield [`axis ${axis} of size 0`, { ...view, shape: at(view.shape, 0) }, true];
    if (size === 1) continue;
    yield [`axis ${axis} spread`, { ...view, strides: at(view.strides, stride + 1) }, false];
    yield [`axis ${axis} reversed`, { ...view, strides: at(view.strides, -1) }, true];
    yield [`axis ${axis} too far`, { ...view, strides: at(view.strides, elements) }, true];
  }
}

function* mutations({ program }: StepCase): Generator<Mutation> {
  const [step] = program.steps;
  for (const [field, value] of Object.entries(step)) {
    const views: unknown[] = Array.isArray(value) ? value : [value];
    for (const [position, view] of views.entries()) {
      if (!isView(view)) continue;
      const { elements } = program.buffers[view.buffer];
      for (const [what, changed, impossible] of mutateView(view, elements)) {
        const list = views.map((other, i) => i === position ? changed : other);
        const mutated = { ...step, [field]: Array.isArray(value) ? list : changed } as Step;
        yield { name: `${field} ${what}`, step: mutated, impossible };
      }
    }
  }
  if (step.kind !== "matmul") return;
  for (const size of ["batch", "m", "n", "k"] as const) {
    const mutated = { ...step, [size]: step[size] + 1 };
    yield { name: `${size} + 1`, step: mutated, impossible: size !== "k" };
  }
}

/** The contents of a case with other integers: indices, ids, rows, seeds. */
function wildIntegers(test: StepCase): [string, StoredArray][] {
  const wild = [-1, 2 ** 31 - 1, -(2 ** 31), 7, 1 << 20, -(1 << 20), 0];
  return [...test.inputs].map(([name, data]) => [
    name,
    data instanceof Int32Array ? data.map((_, i) => wild[(i * 5 + data.length) % 7]) : data,
  ]);
}

/** Some small cases of a kind. */
function smallCases(make: (padding: number) => StepCase[]): StepCase[] {
  return everyCase(make)
    .filter(({ program }) => program.buffers.every(({ elements }) => elements <= largestBuffer))
    .filter((_, index) => index % oneOf === 0);
}

for (const [kind, make] of Object.entries(casesOf)) {
  let made: StepCase[] | undefined;
  const cases = () => made ??= smallCases(make);

  Deno.test(`wrong steps of kind ${kind} are refused or stay within their buffers`, async () => {
    const memory = new WatchedMemory(2, 8);
    let [refused, run] = [0, 0];
    for (const test of cases()) {
      const states = [...test.states.keys()];
      for (const { name, step, impossible } of mutations(test)) {
        const program = { ...test.program, steps: [step] };
        try {
          await memory.run(program, [...test.inputs, ...test.states], states);
          assert.ok(!impossible, `${test.name}, ${name}: was not refused`);
          run++;
        } catch (error) {
          assert.ok(error instanceof RangeError, `${test.name}, ${name}: ${error}`);
          refused++;
        }
      }
    }
    console.log(`${kind}: ${refused} refused, ${run} run`);
    assert.ok(refused > 0);
  });

  Deno.test(`steps of kind ${kind} stay within their buffers with any integers`, async () => {
    const memory = new WatchedMemory(2, 8);
    for (const test of cases()) {
      const contents = [...wildIntegers(test), ...test.states];
      await memory.run(test.program, contents, test.states.keys());
    }
  });
}
