/** Pooling: windows by plain loops, on every device. */
import assert from "node:assert/strict";
import { compile } from "../../../kernels/graph/compile.ts";
import { makeGraph } from "../../../kernels/graph/graph.ts";
import { averagePool, maximumPool, type PoolingOptions } from "../../../kernels/ops/pooling/op.ts";
import { elementCount } from "../../../kernels/shape.ts";
import { input } from "../../../kernels/tensor.ts";
import { eachDefaultDevice } from "../../devices.ts";

const cases: readonly (PoolingOptions & { readonly shape: readonly number[] })[] = [
  { shape: [2, 7, 6, 3], window: [3, 2], strides: [2, 2], padding: [[0, 0], [0, 0]] },
  { shape: [1, 5, 6, 2], window: [3, 3], padding: [[1, 1], [1, 1]] },
  {
    shape: [1, 4, 5, 6, 2],
    window: [1, 3, 3],
    strides: [1, 2, 2],
    padding: [[0, 0], [1, 1], [0, 1]],
  },
  { shape: [1, 3, 4], window: [2], strides: [2], padding: [[1, 0]] },
];

/** Along one axis at a time: [(N, before), axis, behind] windows of the values. */
function expected(
  values: readonly number[],
  shape: readonly number[],
  { window, strides, padding }: PoolingOptions,
  combine: (window: number[]) => number,
): number[] {
  const axes = window.length;
  let [found, sizes] = [[...values], [...shape]];
  for (let i = 0; i < axes; i++) {
    const axis = i + 1;
    const [before, after] = padding?.[i] ?? [0, 0];
    const stride = strides?.[i] ?? 1;
    const size = sizes[axis];
    const count = Math.floor((before + size + after - window[i]) / stride) + 1;
    const behind = elementCount(sizes.slice(axis + 1));
    const next: number[] = [];
    for (let outer = 0; outer < elementCount(sizes.slice(0, axis)); outer++) {
      for (let place = 0; place < count; place++) {
        for (let inner = 0; inner < behind; inner++) {
          const places = Array.from({ length: window[i] }, (_, k) => place * stride - before + k);
          next.push(combine(
            places.filter((at) => at >= 0 && at < size)
              .map((at) => found[(outer * size + at) * behind + inner]),
          ));
        }
      }
    }
    found = next;
    sizes = sizes.with(axis, count);
  }
  return found;
}

eachDefaultDevice("maxima and means of windows leave out what is outside", async (device) => {
  for (const { shape, ...options } of cases) {
    const values = Array.from({ length: elementCount(shape) }, (_, index) => index * 37 % 101 - 50);
    const x = input("x", shape);
    const outputs = { maximum: maximumPool(x, options), mean: averagePool(x, options) };
    const executable = await device.load(compile(makeGraph("pooling", { outputs })));
    executable.buffer("x").write(Float32Array.from(values));
    executable.run();
    const maxima = expected(values, shape, options, (window) => Math.max(...window));
    assert.deepEqual([...await executable.buffer("maximum").read()], maxima);
    const means = expected(
      values,
      shape,
      options,
      (window) => window.reduce((sum, value) => sum + value, 0) / window.length,
    );
    const found = await executable.buffer("mean").read();
    means.forEach((value, index) => assert(Math.abs(value - found[index]) < 1e-5));
    assert.equal(found.length, means.length);
    executable.destroy();
  }
});

Deno.test("windows that do not fit are refused by name", () => {
  const x = input("x", [1, 4, 4, 2]);
  const refused = (options: PoolingOptions) =>
    assert.throws(() => maximumPool(x, options), /maximumPool: windows .* of \(1, 4, 4, 2\)/);
  refused({ window: [2] });
  refused({ window: [5, 2] });
  refused({ window: [2, 2], strides: [3, 2] });
  refused({ window: [2, 2], padding: [[2, 0], [0, 0]] });
  assert.throws(() => averagePool(x, { window: [2] }), /averagePool/);
});
