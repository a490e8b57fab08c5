/**
 * Gradients of every operation against central finite differences, in double precision.
 *
 * The graph (differentiated, fused, lowered, planned) runs on the float64 reference device, so a
 * wrong derivative, a wrong fusion and a wrong memory plan all show here; the kernels of the two
 * devices are held to the same reference elsewhere.
 */
import assert from "node:assert/strict";
import { binary, constant, select } from "../../../kernels/expression.ts";
import { compile } from "../../../kernels/graph/compile.ts";
import { filled, gradients } from "../../../kernels/graph/gradients.ts";
import { makeGraph } from "../../../kernels/graph/graph.ts";
import { attention } from "../../../kernels/ops/attention/op.ts";
import { scoreLogSumExp } from "../../../kernels/ops/attention/score_log_sum_exp.ts";
import { convolution } from "../../../kernels/ops/convolution/op.ts";
import {
  add,
  cosine,
  divide,
  exponential,
  geluTanh,
  logarithm,
  map,
  maximum,
  minimum,
  multiply,
  negate,
  sigmoid,
  silu,
  sine,
  square,
  squareRoot,
  subtract,
  tanh,
  where,
} from "../../../kernels/ops/elementwise/op.ts";
import { gather } from "../../../kernels/ops/embedding/op.ts";
import { groupNorm } from "../../../kernels/ops/group_norm/op.ts";
import { affineLayerNorm, layerNorm } from "../../../kernels/ops/layer_norm/op.ts";
import { linear, matmul } from "../../../kernels/ops/matmul/op.ts";
import {
  broadcastTo,
  concatenate,
  pad,
  permute,
  reshape,
  slice,
  split,
  transpose,
} from "../../../kernels/ops/movement/op.ts";
import { averagePool, maximumPool } from "../../../kernels/ops/pooling/op.ts";
import {
  blurPool,
  depthToSpace,
  downsampleNearest,
  spaceToDepth,
  upsampleNearest,
} from "../../../kernels/ops/resample/op.ts";
import { mean, reduceMaximum, reduceSum } from "../../../kernels/ops/reduce/op.ts";
import { elementCount, type Shape } from "../../../kernels/shape.ts";
import { constantTensor, input, type Tensor } from "../../../kernels/tensor.ts";
import { interpret } from "../../reference/interpreter.ts";

interface Case {
  readonly name: string;
  readonly shapes: readonly Shape[];
  /** Smallest value of the operands; some functions need positive ones. */
  readonly low?: number;
  readonly body: (...operands: Tensor[]) => Tensor;
}

const segments = (ids: number[], shape: Shape) => constantTensor(Int32Array.from(ids), shape);

const strided = (x: Tensor, w: Tensor): Tensor =>
  convolution(x, w, undefined, { strides: [2, 2], padding: [[1, 0], [1, 1]] });

const cases: Case[] = [
  { name: "add, broadcast", shapes: [[3, 1, 5], [4, 1]], body: add },
  { name: "subtract, scalar", shapes: [[3], []], body: subtract },
  { name: "multiply, broadcast", shapes: [[1, 3], [2, 1]], body: multiply },
  { name: "divide", shapes: [[2, 3], [3]], low: 0.5, body: divide },
  { name: "maximum", shapes: [[7], [7]], body: maximum },
  { name: "minimum", shapes: [[7], [1]], body: minimum },
  { name: "negate", shapes: [[3]], body: negate },
  { name: "exponential", shapes: [[3]], body: exponential },
  { name: "logarithm", shapes: [[3]], low: 0.5, body: logarithm },
  { name: "square root", shapes: [[3]], low: 0.5, body: squareRoot },
  { name: "sine and cosine", shapes: [[3]], body: (x) => add(sine(x), multiply(2, cosine(x))) },
  { name: "square", shapes: [[1]], body: square },
  { name: "sigmoid", shapes: [[3]], body: sigmoid },
  { name: "tanh", shapes: [[3]], body: tanh },
  { name: "silu", shapes: [[3]], body: silu },
  { name: "gelu", shapes: [[5]], body: geluTanh },
  {
    name: "where",
    shapes: [[4], [4]],
    body: (a, b) => where(segments([0, 1, 0, 1], [4]), square(a), b),
  },
  {
    name: "select on a comparison",
    shapes: [[5], [5]],
    body: (a, b) =>
      map((x, y) => select(binary("less", x, constant(0)), binary("multiply", x, y), y), a, b),
  },
  {
    name: "sum over an inner and an outer axis",
    shapes: [[2, 3, 4]],
    body: (x) => square(reduceSum(x, [0, 2])),
  },
  { name: "mean of everything", shapes: [[2, 3]], body: (x) => square(mean(x)) },
  { name: "maximum over an axis", shapes: [[3, 5]], body: (x) => reduceMaximum(x, [1]) },
  { name: "product", shapes: [[3, 5], [5, 2]], body: matmul },
  { name: "product of one element", shapes: [[1, 1], [1, 1]], body: matmul },
  { name: "batched product", shapes: [[2, 3, 5], [2, 5, 1]], body: matmul },
  {
    name: "product with a transposed operand",
    shapes: [[5, 3], [5, 2]],
    body: (a, b) => matmul(transpose(a), b),
  },
  { name: "linear layer on a batch", shapes: [[2, 3, 4], [5, 4], [5]], body: linear },
  {
    name: "attention",
    shapes: [[2, 3, 2, 4], [2, 5, 2, 4], [2, 5, 2, 4]],
    body: (q, k, v) => attention(q, k, v),
  },
  {
    name: "attention with segments, one query seeing nothing",
    shapes: [[1, 3, 1, 3], [1, 4, 1, 3], [1, 4, 1, 3]],
    body: (q, k, v) =>
      attention(q, k, v, {
        segments: { query: segments([0, 1, 7], [1, 3]), key: segments([0, 0, 1, 1], [1, 4]) },
      }),
  },
  {
    name: "attention over slices of one packed projection",
    shapes: [[2, 3, 3, 2, 4]],
    body: (packed) => {
      const [q, k, v] = split(packed, 3, 2).map((part) => reshape(part, [2, 3, 2, 4]));
      return attention(q, k, v, { scale: 0.3 });
    },
  },
  {
    name: "attention with a relative bias",
    shapes: [[2, 6, 2, 3], [2, 6, 2, 3], [2, 6, 2, 3], [2, 3, 5]],
    body: (q, k, v, bias) => attention(q, k, v, { bias }),
  },
  {
    name: "attention with a relative bias and segments",
    shapes: [[1, 12, 1, 3], [1, 12, 1, 3], [1, 12, 1, 3], [1, 5, 3, 3]],
    body: (q, k, v, bias) => {
      const ids = segments([0, 0, 0, 0, 0, 1, 1, 1, 2, 3, 4, 4], [1, 12]);
      return attention(q, k, v, { bias, scale: -0.7, segments: { query: ids, key: ids } });
    },
  },
  {
    name: "log-sum-exp of scores",
    shapes: [[2, 3, 2, 4], [2, 5, 2, 4]],
    body: (q, k) => scoreLogSumExp(q, k, { scale: 0.7 }),
  },
  {
    name: "log-sum-exp of the scores of one operand with itself",
    shapes: [[1, 4, 1, 3]],
    body: (x) => square(scoreLogSumExp(x, x)),
  },
  {
    name: "log-sum-exp of scores with segments, one query seeing nothing",
    shapes: [[1, 3, 2, 3], [1, 4, 2, 3]],
    body: (q, k) => {
      const query = segments([0, 7, 1], [1, 3]);
      const sums = scoreLogSumExp(q, k, {
        segments: { query, key: segments([0, 0, 1, 1], [1, 4]) },
      });
      return where(segments([1, 0, 1], [3]), sums, 0);
    },
  },
  {
    name: "convolution along one axis",
    shapes: [[2, 5, 3], [2, 3, 3], [2]],
    body: (x, w, b) => convolution(x, w, b, { padding: [[1, 1]] }),
  },
  {
    name: "convolution with strides, padding after only",
    shapes: [[2, 6, 5, 2], [3, 2, 3, 3]],
    body: (x, w) => convolution(x, w, undefined, { strides: [2, 2], padding: [[0, 1], [0, 1]] }),
  },
  {
    name: "causal convolution with strides",
    shapes: [[1, 5, 4, 3, 2], [2, 2, 3, 3, 2], [2]],
    body: (x, w, b) =>
      silu(convolution(x, w, b, { strides: [2, 1, 3], padding: [[2, 0], [1, 1], [0, 1]] })),
  },
  {
    name: "convolution with strides beyond its kernel",
    shapes: [[1, 7, 8, 1], [2, 1, 2, 1]],
    body: (x, w) => convolution(x, w, undefined, { strides: [3, 2] }),
  },
  {
    name: "convolution padded beyond its kernel",
    shapes: [[1, 3, 2], [1, 2, 2]],
    body: (x, w) => convolution(x, w, undefined, { strides: [2], padding: [[3, 4]] }),
  },
  {
    name: "the gradient of a convolution's input",
    shapes: [[3, 2, 3, 3], [1, 2, 3, 3]],
    body: (w, g) => {
      const x = filled(0, [1, 4, 5, 2]);
      return gradients(strided(x, w), [x], g)[0];
    },
  },
  {
    name: "the gradient of a convolution's weight",
    shapes: [[1, 4, 5, 2], [1, 2, 3, 3]],
    body: (x, g) => {
      const w = filled(0, [3, 2, 3, 3]);
      return gradients(strided(x, w), [w], g)[0];
    },
  },
  {
    name: "the squared gradient of a network's input (R1)",
    shapes: [[1, 5, 4, 2], [3, 2, 3, 3], [3], [2, 3, 2, 2]],
    body: (x, w, b, v) => {
      const y = convolution(silu(convolution(x, w, b, { padding: [[1, 1], [1, 1]] })), v);
      return reduceSum(square(gradients(reduceSum(square(y)), [x])[0]));
    },
  },
  {
    name: "group norm",
    shapes: [[2, 3, 2, 6], [6], [6]],
    body: (x, weight, bias) => silu(groupNorm(x, 3, 1e-5, { weight, bias })),
  },
  {
    name: "group norm of frames, one factor for each",
    shapes: [[1, 2, 3, 1, 4], [1, 2, 4]],
    body: (x, weight) => groupNorm(x, 2, 1e-5, { weight }),
  },
  {
    name: "the gradient of group norm",
    shapes: [[1, 3, 2, 4], [4], [1, 3, 2, 4]],
    body: (x, weight, g) => gradients(square(groupNorm(x, 2, 1e-3, { weight })), [x], g)[0],
  },
  {
    name: "up- and down-sampling",
    shapes: [[1, 2, 3, 2]],
    body: (x) => downsampleNearest(square(upsampleNearest(x, [3, 2])), [2, 3]),
  },
  {
    name: "depth to space and back",
    shapes: [[1, 2, 1, 2, 24]],
    body: (x) => spaceToDepth(square(depthToSpace(x, [2, 2, 3])), [1, 2, 2]),
  },
  {
    name: "maximum and average pooling",
    shapes: [[1, 5, 4, 2]],
    body: (x) => {
      const windows = { window: [3, 2], strides: [2, 1], padding: [[1, 0], [0, 1]] } as const;
      return multiply(square(maximumPool(x, windows)), averagePool(x, windows));
    },
  },
  { name: "blur pooling", shapes: [[1, 3, 4, 1, 2]], body: (x) => square(blurPool(x)) },
  {
    name: "pointwise convolution",
    shapes: [[2, 3, 2, 3], [4, 3, 1, 1], [4]],
    body: (x, w, b) => convolution(x, w, b),
  },
  {
    name: "convolution with a residual",
    shapes: [[1, 4, 4, 2], [2, 2, 3, 3], [2]],
    body: (x, w, b) => add(x, silu(convolution(x, w, b, { padding: [[1, 1], [1, 1]] }))),
  },
  { name: "layer norm", shapes: [[3, 5]], body: (x) => layerNorm(x, 1e-6) },
  {
    name: "modulated layer norm",
    shapes: [[2, 3, 4], [2, 1, 4], [2, 1, 4]],
    body: (x, scale, shift) => layerNorm(x, 1e-6, { scale, shift }),
  },
  {
    name: "layer norm with a residual",
    shapes: [[2, 3, 4], [2, 1, 4]],
    body: (x, s) => add(x, multiply(s, layerNorm(square(x), 1e-5, { scale: s, shift: s }))),
  },
  {
    name: "affine layer norm",
    shapes: [[3, 4], [4], [4]],
    body: (x, w, b) => affineLayerNorm(x, 1e-6, w, b),
  },
  {
    name: "gather",
    shapes: [[4, 3]],
    body: (table) => gather(table, segments([2, 0, 2, 2, 3], [5])),
  },
  {
    name: "reshape and permute",
    shapes: [[2, 3, 4]],
    body: (x) => reshape(permute(x, [2, 0, 1]), [8, 3]),
  },
  { name: "slice", shapes: [[3, 5]], body: (x) => slice(x, 1, 1, 3) },
  {
    name: "slices that overlap",
    shapes: [[5]],
    body: (x) => multiply(slice(x, 0, 0, 4), slice(x, 0, 1, 4)),
  },
  {
    name: "split, used in another order",
    shapes: [[2, 6]],
    body: (x) => {
      const [a, b, c] = split(x, 3, 1);
      return add(multiply(c, a), b);
    },
  },
  { name: "broadcast", shapes: [[3, 1]], body: (x) => square(broadcastTo(x, [2, 3, 4])) },
  {
    name: "concatenate",
    shapes: [[2, 1], [2, 3]],
    body: (a, b) => square(concatenate([a, b, a], 1)),
  },
  { name: "pad", shapes: [[2, 3]], body: (x) => square(pad(x, 1, 2, 7)) },
];

/** Deterministic numbers without accidental structure. */
function numbers(count: number, seed: number, low?: number): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => {
    const value = Math.sin(12.9898 * (i + 1) + 78.233 * seed) * 43758.5453;
    const unit = value - Math.floor(value);
    return low === undefined ? 2 * unit - 1 : low + unit;
  });
}

for (const { name, shapes, low, body } of cases) {
  Deno.test(`gradient of ${name}`, () => {
    const operands = shapes.map((shape, index) => input(`x${index}`, shape));
    const out = body(...operands);
    const cotangent = input("cotangent", out.shape);
    const found = gradients(out, operands, cotangent);
    const outputs = Object.fromEntries(found.map((tensor, index) => [`g${index}`, tensor]));
    const program = compile(makeGraph(name, { outputs: { ...outputs, out } }));
    const values = new Map(
      shapes.map((shape, index) => [`x${index}`, numbers(elementCount(shape), index, low)]),
    );
    const weights = numbers(elementCount(out.shape), 99);
    const run = () => interpret(program, new Map([...values, ["cotangent", weights]]));
    const weighted = () => run().get("out")!.reduce((sum, value, i) => sum + value * weights[i], 0);
    const analytic = run();
    const step = 1e-5;
    for (const [index, shape] of shapes.entries()) {
      const operand = values.get(`x${index}`)!;
      const gradient = analytic.get(`g${index}`)!;
      assert.equal(gradient.length, elementCount(shape));
      for (let i = 0; i < operand.length; i++) {
        const kept = operand[i];
        operand[i] = kept + step;
        const above = weighted();
        operand[i] = kept - step;
        const below = weighted();
        operand[i] = kept;
        const numeric = (above - below) / (2 * step);
        const error = Math.abs(gradient[i] - numeric);
        assert(
          error <= 1e-7 * Math.max(1, Math.abs(numeric)),
          `d/dx${index}[${i}]: ${gradient[i]}, finite differences give ${numeric}`,
        );
      }
    }
  });
}

Deno.test("tensors that nothing depends on have zero gradients", () => {
  const [x, y] = [input("x", [2]), input("y", [3])];
  const [, gradient] = gradients(reduceSum(square(x)), [x, y]);
  const program = compile(makeGraph("zeros", { outputs: { gradient } }));
  assert.deepEqual([...interpret(program).get("gradient")!], [0, 0, 0]);
});

Deno.test("a tensor of several elements needs a cotangent", () => {
  assert.throws(() => gradients(square(input("x", [2])), []), /\(2\) has several elements/);
});
