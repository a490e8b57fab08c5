/** Views of views name elements of the views they are made of, and nothing else. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { elementCount, type Shape } from "../../kernels/shape.ts";
import {
  broadcastView,
  contiguousView,
  overlapsItself,
  permuteView,
  reshapeView,
  sliceView,
  type View,
  viewSpan,
} from "../../kernels/view.ts";
import { indices, position } from "../reference/memory.ts";

/** The elements of a view in their order. */
const elements = (view: View): number[] =>
  [...indices(view.shape)].map((index) => position(view, index));

const shapes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 });

/** What can be done with a view, decided by some numbers. */
const changes = fc.array(
  fc.record({
    operation: fc.constantFrom("permute", "slice", "broadcast", "reshape"),
    numbers: fc.array(fc.nat(100), { minLength: 4, maxLength: 4 }),
  }),
  { maxLength: 5 },
);

/** Another shape of as many elements: two neighbouring axes become one, or one becomes two. */
function reshaped(shape: Shape, [first]: readonly number[]): Shape {
  const axis = first % shape.length;
  if (axis + 1 < shape.length) {
    return [...shape.slice(0, axis), shape[axis] * shape[axis + 1], ...shape.slice(axis + 2)];
  }
  return shape[axis] % 2 === 0 ? [...shape.slice(0, axis), 2, shape[axis] / 2] : [...shape, 1];
}

function change(view: View, operation: string, numbers: readonly number[]): View {
  const { shape } = view;
  const axis = numbers[0] % shape.length;
  switch (operation) {
    case "permute": {
      const key = (i: number): number => numbers[i % numbers.length] * 10 + i;
      return permuteView(view, [...shape.keys()].sort((a, b) => key(a) - key(b)));
    }
    case "slice": {
      const start = numbers[1] % shape[axis];
      return sliceView(view, axis, start, 1 + numbers[2] % (shape[axis] - start));
    }
    case "broadcast":
      return broadcastView(view, [
        1 + numbers[1] % 2,
        ...shape.map((size, i) => size === 1 && i === axis ? 1 + numbers[2] % 3 : size),
      ]);
    default:
      return reshapeView(view, reshaped(shape, numbers)) ?? view;
  }
}

Deno.test("whatever is done to a view, it names elements of the one before", () => {
  fc.assert(
    fc.property(shapes, fc.nat(7), changes, (shape, offset, list) => {
      let view: View = { ...contiguousView(0, shape, "f32"), offset };
      for (const { operation, numbers } of list) {
        const [before, next] = [elements(view), change(view, operation, numbers)];
        const after = elements(next);
        if (operation === "reshape") assert.deepEqual(after, before);
        const known = new Set(before);
        assert.ok(after.every((element) => known.has(element)), operation);
        view = next;
      }
    }),
    { numRuns: 500 },
  );
});

Deno.test("the span of a view reaches its last element, and an overlap is found", () => {
  const strides = fc.array(fc.nat(12), { minLength: 4, maxLength: 4 });
  fc.assert(
    fc.property(shapes, strides, fc.nat(7), (shape, all, offset) => {
      const view: View = {
        buffer: 0,
        offset,
        shape,
        strides: all.slice(0, shape.length),
        dtype: "f32",
      };
      const named = elements(view);
      assert.equal(viewSpan(view), Math.max(...named) - offset + 1);
      const distinct = new Set(named).size === elementCount(shape);
      // Some views of axes that interlock are refused although they do not overlap.
      if (!overlapsItself(view)) assert.ok(distinct);
    }),
    { numRuns: 1000 },
  );
  const rows = { buffer: 0, offset: 0, shape: [3, 4], strides: [9, 1], dtype: "f32" } as const;
  assert.ok(!overlapsItself(rows));
  assert.ok(!overlapsItself({ ...rows, strides: [1, 3] }));
  assert.ok(overlapsItself({ ...rows, strides: [3, 1] }));
  assert.ok(overlapsItself({ ...rows, strides: [0, 1] }));
});
