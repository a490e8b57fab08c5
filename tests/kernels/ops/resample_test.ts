/**
 * Up- and down-sampling, depth to space and blur pooling, on numbers that are easily followed.
 *
 * @module
 */
import assert from "node:assert/strict";
import { compile } from "../../../kernels/graph/compile.ts";
import { makeGraph } from "../../../kernels/graph/graph.ts";
import {
  blurPool,
  depthToSpace,
  downsampleNearest,
  spaceToDepth,
  upsampleNearest,
} from "../../../kernels/ops/resample/op.ts";
import { elementCount, type Shape } from "../../../kernels/shape.ts";
import { input, type Tensor } from "../../../kernels/tensor.ts";
import { interpret } from "../../reference/interpreter.ts";

/** What becomes of 0, 1, 2, ... in a shape. */
function resultOf(shape: Shape, body: (x: Tensor) => Tensor): { shape: Shape; values: number[] } {
  const output = body(input("x", shape));
  const program = compile(makeGraph("resample", { outputs: { output } }));
  const values = Array.from({ length: elementCount(shape) }, (_, i) => i);
  return {
    shape: output.shape,
    values: [...interpret(program, new Map([["x", values]])).get("output")!],
  };
}

Deno.test("nearest-neighbour up-sampling repeats positions", () => {
  const { shape, values } = resultOf([1, 1, 2, 2], (x) => upsampleNearest(x, [2, 3]));
  assert.deepEqual(shape, [1, 2, 6, 2]);
  const line = [0, 1, 0, 1, 0, 1, 2, 3, 2, 3, 2, 3];
  assert.deepEqual(values, [...line, ...line]);
});

Deno.test("nearest-neighbour down-sampling takes the first of every block", () => {
  const { shape, values } = resultOf([1, 2, 6, 2], (x) => downsampleNearest(x, [2, 3]));
  assert.deepEqual(shape, [1, 1, 2, 2]);
  assert.deepEqual(values, [0, 1, 6, 7]);
});

Deno.test("depth to space: channels are ordered by frame, line, position, then channel", () => {
  const { shape, values } = resultOf([1, 1, 1, 1, 16], (x) => depthToSpace(x, [2, 2, 2]));
  assert.deepEqual(shape, [1, 2, 2, 2, 2]);
  assert.deepEqual(values, Array.from({ length: 16 }, (_, i) => i));
  const line = resultOf([1, 1, 2, 4], (x) => depthToSpace(x, [2, 1]));
  assert.deepEqual(line, { shape: [1, 2, 2, 2], values: [0, 1, 4, 5, 2, 3, 6, 7] });
});

Deno.test("space to depth undoes depth to space", () => {
  const { values } = resultOf(
    [2, 1, 3, 2, 24],
    (x) => spaceToDepth(depthToSpace(x, [1, 2, 3]), [1, 2, 3]),
  );
  assert.deepEqual(values, values.map((_, i) => i));
});

Deno.test("blur pooling pads one zero before, one after even and two after odd sizes", () => {
  const even = resultOf([1, 4, 1], blurPool);
  // [0 0 1 2], [1 2 3 0]
  assert.deepEqual(even, { shape: [1, 2, 1], values: [5 / 8, 16 / 8] });
  const odd = resultOf([1, 3, 1], blurPool);
  // [0 0 1 2], [1 2 0 0]
  assert.deepEqual(odd, { shape: [1, 2, 1], values: [5 / 8, 7 / 8] });
  assert.deepEqual(resultOf([1, 1, 4, 1], blurPool), { shape: [1, 1, 2, 1], values: even.values });
  assert.deepEqual(resultOf([2, 17, 8, 5, 3], blurPool).shape, [2, 9, 4, 3, 3]);
});

Deno.test("factors that do not fit are refused by name", () => {
  const x = input("x", [1, 4, 6, 3]);
  assert.throws(() => upsampleNearest(x, [2]), /upsampleNearest: factors \(2\) of \(1, 4, 6, 3\)/);
  assert.throws(() => downsampleNearest(x, [2, 4]), /factors \(2,4\) do not divide \(1, 4, 6, 3\)/);
  assert.throws(() => spaceToDepth(x, [3, 2]), /spaceToDepth: factors \(3,2\) do not divide/);
  assert.throws(() => depthToSpace(x, [2, 2]), /no multiple of 4 channels/);
});
