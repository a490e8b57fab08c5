/**
 * Cases for element-wise steps, reductions and matrix products.
 *
 * @module
 */
import {
  binary,
  constant,
  type Expression,
  load,
  select,
  unary,
} from "../../../kernels/expression.ts";
import type { MatrixView, View } from "../../../kernels/program.ts";
import type { Shape } from "../../../kernels/shape.ts";
import { broadcast, StepBuilder, type StepCase, transposed, unitRoundoff } from "./builder.ts";

const x = load(0);
const y = load(1);
const add = (a: Expression, b: Expression): Expression => binary("add", a, b);
const multiply = (a: Expression, b: Expression): Expression => binary("multiply", a, b);

/** A few roundings on values near the largest magnitude. */
const arithmetic = 4 * unitRoundoff;
/** A transcendental function (correct to a few units in the last place) and a few roundings. */
const transcendental = 16 * unitRoundoff;

/** GELU in its tanh form, by way of the logistic function. */
const gelu = multiply(
  x,
  unary(
    "sigmoid",
    multiply(
      constant(2 * Math.sqrt(2 / Math.PI)),
      multiply(x, add(constant(1), multiply(constant(0.044715), multiply(x, x)))),
    ),
  ),
);

const sizes: Shape[] = [[], [1], [3], [17], [64], [3, 17], [5, 1, 7], [33, 72]];

/** Element-wise steps. */
export function elementwiseCases(padding: number): StepCase[] {
  const cases: StepCase[] = [];
  const point = (name: string, expression: Expression, map: (v: number) => number): void => {
    const b = new StepBuilder(padding);
    const inputs = [b.input([3, 17], map), b.input([3, 17], map)];
    const step = { kind: "elementwise", inputs, expression, output: b.output([3, 17]) } as const;
    cases.push(b.build(name, step, transcendental));
  };
  point("negate, absolute", add(unary("negate", x), unary("absolute", y)), (v) => v);
  point("square root", unary("squareRoot", x), Math.abs);
  point("exponential", unary("exponential", x), (v) => 3 * v);
  point("exponential of extremes", unary("exponential", x), (v) => v < -0.8 ? -200 : 10 * v);
  point("logarithm", unary("logarithm", x), (v) => Math.abs(v) + 1e-3);
  point("logarithm of small and large", unary("logarithm", x), (v) => Math.exp(60 * v));
  point("sine", unary("sine", x), (v) => 3 * v);
  point("sine of large", unary("sine", x), (v) => 1000 * v);
  point("cosine", unary("cosine", x), (v) => 3 * v);
  point("cosine of large", unary("cosine", x), (v) => 1000 * v);
  point("sigmoid", unary("sigmoid", x), (v) => 10 * v);
  point("sigmoid of extremes", unary("sigmoid", x), (v) => 200 * v);
  point("floor", unary("floor", x), (v) => 20 * v);
  point("divide", binary("divide", x, y), (v) => v + 2);
  point("maximum, minimum", binary("maximum", x, binary("minimum", y, constant(0.25))), (v) => v);
  point("select", select(binary("less", x, y), x, multiply(y, constant(3))), (v) => v);
  point(
    "logic",
    select(
      binary(
        "or",
        binary("and", binary("lessEqual", x, y), unary("not", binary("less", x, constant(0)))),
        binary("equal", x, x),
      ),
      x,
      y,
    ),
    (v) => v,
  );
  point("float to int and back", unary("toFloat", unary("toInt", x)), (v) => 20 * v);
  point("gelu", gelu, (v) => 4 * v);
  point("constant", constant(2.5), (v) => v);
  for (const shape of sizes) {
    cases.push(affine(padding, shape), inPlace(padding, shape), integerArithmetic(padding, shape));
  }
  return [...cases, ...stridedElementwise(padding)];
}

function affine(padding: number, shape: Shape): StepCase {
  const b = new StepBuilder(padding);
  const inputs = [b.input(shape), b.input(shape)];
  const expression = add(multiply(x, y), constant(0.5));
  const step = { kind: "elementwise", inputs, expression, output: b.output(shape) } as const;
  return b.build(`affine (${shape})`, step, arithmetic);
}

function inPlace(padding: number, shape: Shape): StepCase {
  const b = new StepBuilder(padding);
  const output = b.updated(shape);
  const expression = add(x, multiply(y, y));
  const step = {
    kind: "elementwise",
    inputs: [output, b.input(shape)],
    expression,
    output,
  } as const;
  return b.build(`in place (${shape})`, step, arithmetic);
}

function integerArithmetic(padding: number, shape: Shape): StepCase {
  const b = new StepBuilder(padding);
  const inputs = [b.integers(shape, [1, -5, 70000, 3]), b.integers(shape, [70001, 2, -3, 0, 9])];
  const i = load(0, "i32");
  const j = load(1, "i32");
  const expression = select(
    binary("less", i, j),
    binary("multiply", i, j),
    binary("subtract", i, binary("add", j, constant(1, "i32"))),
  );
  const output = b.output(shape, "i32");
  return b.build(
    `integers (${shape})`,
    { kind: "elementwise", inputs, expression, output },
    0,
  );
}

/** Broadcasts, transposes, slices and gaps. */
function stridedElementwise(padding: number): StepCase[] {
  const sum = add(x, y);
  const make = (
    name: string,
    views: (b: StepBuilder) => { inputs: View[]; output: View },
  ): StepCase => {
    const b = new StepBuilder(padding);
    const step = { kind: "elementwise", expression: sum, ...views(b) } as const;
    return b.build(name, step, arithmetic);
  };
  const shape = [3, 5, 17];
  return [
    ...[[1, 5, 17], [3, 1, 17], [3, 5, 1], [1, 1, 17], [1, 5, 1], [3, 1, 1], [1, 1, 1]].map((own) =>
      make(`broadcast (${own}) to (${shape})`, (b) => ({
        inputs: [b.input(shape), b.input(broadcast(own, shape))],
        output: b.output(shape),
      }))
    ),
    make("transposed operands", (b) => ({
      inputs: [b.input(transposed([17, 5], [1, 0])), b.input([5, 17])],
      output: b.output([5, 17]),
    })),
    make("permuted (N, H, W, P, Q, C)", (b) => ({
      inputs: [
        b.input(transposed([2, 3, 4, 2, 5, 2], [0, 2, 4, 3, 5, 1])),
        b.input([2, 4, 5, 2, 2, 3]),
      ],
      output: b.output([2, 4, 5, 2, 2, 3]),
    })),
    make("slices of wider rows", (b) => ({
      inputs: [
        b.input({ shape: [5, 7], strides: [19, 1], offset: 3, elements: 95 }),
        b.input({ shape: [5, 7], strides: [70, 2], offset: 1, elements: 350 }),
      ],
      output: b.output({ shape: [5, 7], strides: [11, 1], offset: 2, elements: 55 }),
    })),
    make("reversed rank order in the output", (b) => ({
      inputs: [b.input([4, 6, 5]), b.input([4, 6, 5])],
      output: b.output({ shape: [4, 6, 5], strides: [5, 20, 1] }),
    })),
    make("both operands in place of each other's rows", (b) => {
      const output = b.updated({ shape: [6, 9], strides: [18, 1], offset: 9, elements: 108 });
      return { inputs: [output, b.input([6, 9])], output };
    }),
  ];
}

/** Reductions. */
export function reduceCases(padding: number): StepCase[] {
  const cases: StepCase[] = [];
  const shapes: [kept: Shape, reduced: Shape][] = [
    [[], [1]],
    [[], [17]],
    [[], [3, 5, 7]],
    [[1], [3]],
    [[3], [17]],
    [[17], [64]],
    [[5, 3], [72]],
    [[4], [3, 17]],
    [[2], [40000]],
    [[], [100003]],
  ];
  for (const operator of ["sum", "maximum"] as const) {
    for (const [kept, reduced] of shapes) {
      const b = new StepBuilder(padding);
      const inputs = [b.input([...kept, ...reduced], (v) => v + 0.25)];
      const step = {
        kind: "reduce",
        operator,
        inputs,
        expression: multiply(x, x),
        finish: multiply(x, constant(0.5)),
        output: b.output(kept),
      } as const;
      cases.push(b.build(`${operator} (${kept}) over (${reduced})`, step, arithmetic * 4));
    }
    cases.push(...stridedReductions(padding, operator));
  }
  return cases;
}

function stridedReductions(padding: number, operator: "sum" | "maximum"): StepCase[] {
  const make = (name: string, kept: Shape, views: (b: StepBuilder) => View[]): StepCase => {
    const b = new StepBuilder(padding);
    const expression = operator === "sum" ? add(multiply(x, y), constant(1)) : multiply(x, y);
    const inputs = views(b);
    const output = b.output(kept);
    const step = { kind: "reduce", operator, inputs, expression, finish: x, output } as const;
    return b.build(`${operator}: ${name}`, step, arithmetic * 4);
  };
  return [
    make("over the rows (bias gradient)", [17], (b) => [
      b.input(transposed([33, 17], [1, 0])),
      b.input(transposed([33, 17], [1, 0])),
    ]),
    make("over rows of many columns", [72], (b) => [
      b.input(transposed([500, 72], [1, 0])),
      b.input(transposed([500, 72], [1, 0])),
    ]),
    make("over the middle axis (gate gradient)", [3, 17], (b) => [
      b.input(transposed([3, 9, 17], [0, 2, 1])),
      b.input(transposed([3, 9, 17], [0, 2, 1])),
    ]),
    make("over both outer axes", [17], (b) => [
      b.input(transposed([3, 9, 17], [2, 0, 1])),
      b.input(broadcast([17, 1, 9], [17, 3, 9])),
    ]),
    make("broadcast operand", [5], (b) => [
      b.input([5, 33]),
      b.input(broadcast([1, 33], [5, 33])),
    ]),
    make("slices", [5], (b) => [
      b.input({ shape: [5, 7], strides: [19, 1], offset: 3, elements: 95 }),
      b.input({ shape: [5, 7], strides: [70, 2], offset: 1, elements: 350 }),
    ]),
  ];
}

interface MatmulForm {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batch?: number;
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  /** One matrix serves every product of the batch. */
  readonly sharedA?: boolean;
  readonly sharedB?: boolean;
  /** Unused elements at the end of every row of the operands. */
  readonly gap?: number;
}

/** Roundings of a sum of k terms of random sign grow like the square root of k. */
const productTolerance = (k: number): number => (4 + 2 * Math.sqrt(k)) * unitRoundoff;

function matrix(
  b: StepBuilder,
  rows: number,
  columns: number,
  form: { batch: number; transpose: boolean; shared: boolean; gap: number },
): MatrixView {
  const [outer, inner] = form.transpose ? [columns, rows] : [rows, columns];
  const pitch = inner + form.gap;
  const matrices = form.shared ? 1 : form.batch;
  const { buffer, offset } = b.input([matrices, outer, pitch]);
  return {
    buffer,
    offset,
    batchStride: form.shared ? 0 : outer * pitch,
    rowStride: form.transpose ? 1 : pitch,
    columnStride: form.transpose ? pitch : 1,
  };
}

function product(b: StepBuilder, form: MatmulForm): { a: MatrixView; b: MatrixView } {
  const { m, n, k, batch = 1, gap = 0 } = form;
  const { transposeA = false, transposeB = false, sharedA = false, sharedB = false } = form;
  return {
    a: matrix(b, m, k, { batch, transpose: transposeA, shared: sharedA, gap }),
    b: matrix(b, k, n, { batch, transpose: transposeB, shared: sharedB, gap }),
  };
}

function plainProduct(padding: number, form: MatmulForm): StepCase {
  const { m, n, k, batch = 1 } = form;
  const b = new StepBuilder(padding);
  const operands = product(b, form);
  const output = b.output(batch === 1 ? [m, n] : [batch, m, n]);
  const name = `${batch} x (${m}, ${k}) (${k}, ${n})` +
    `${form.transposeA ? " A^T" : ""}${form.transposeB ? " B^T" : ""}` +
    `${form.sharedA ? " shared A" : ""}${form.sharedB ? " shared B" : ""}` +
    `${form.gap ? ` gap ${form.gap}` : ""}`;
  const step = { kind: "matmul", batch, m, n, k, ...operands, output, epilogueInputs: [] } as const;
  return b.build(name, step, productTolerance(k));
}

/** Matrix products. */
export function matmulCases(padding: number): StepCase[] {
  const cases: StepCase[] = [];
  const shapes: [m: number, n: number, k: number][] = [
    [1, 1, 1],
    [1, 17, 3],
    [17, 1, 3],
    [3, 3, 17],
    [6, 8, 64],
    [7, 9, 1],
    [17, 33, 72],
    [64, 48, 32],
    [13, 100, 65],
    [97, 68, 130],
  ];
  for (const transposeA of [false, true]) {
    for (const transposeB of [false, true]) {
      for (const [m, n, k] of shapes) {
        cases.push(plainProduct(padding, { m, n, k, transposeA, transposeB }));
      }
      const odd = { m: 7, n: 9, k: 13, transposeA, transposeB };
      cases.push(
        plainProduct(padding, { ...odd, gap: 5 }),
        plainProduct(padding, { ...odd, batch: 3 }),
        plainProduct(padding, { ...odd, batch: 3, gap: 3 }),
        plainProduct(padding, { ...odd, batch: 3, sharedA: true }),
        plainProduct(padding, { ...odd, batch: 3, sharedB: true }),
      );
    }
  }
  cases.push(
    plainProduct(padding, { m: 8, n: 20, k: 2000 }),
    plainProduct(padding, { m: 8, n: 20, k: 2000, transposeA: true }),
    plainProduct(padding, { m: 8, n: 20, k: 2000, transposeB: true }),
  );
  return [...cases, ...epilogueCases(padding)];
}

/** Bias, activation, gate and residual fused into a product. */
function epilogueCases(padding: number): StepCase[] {
  const [batch, m, n, k] = [2, 9, 22, 31];
  const make = (
    name: string,
    epilogue: Expression,
    views: (b: StepBuilder, shape: Shape) => { inputs: View[]; output: View },
    shape: Shape = [batch, m, n],
  ): StepCase => {
    const b = new StepBuilder(padding);
    const operands = product(b, { m, n, k, batch });
    const { inputs: epilogueInputs, output } = views(b, shape);
    const step = {
      kind: "matmul",
      batch,
      m,
      n,
      k,
      ...operands,
      output,
      epilogue,
      epilogueInputs,
    } as const;
    return b.build(`epilogue: ${name}`, step, productTolerance(k) + transcendental);
  };
  const bias = (b: StepBuilder, shape: Shape): View => b.input(broadcast([1, 1, n], shape));
  const z = load(2);
  const w = load(3);
  return [
    make("scale", multiply(x, constant(0.125)), (b, shape) => ({
      inputs: [],
      output: b.output(shape),
    })),
    make("bias", add(x, y), (b, shape) => ({ inputs: [bias(b, shape)], output: b.output(shape) })),
    make("bias, wide rank", add(x, y), (b) => ({
      inputs: [b.input(broadcast([1, 1, 1, n], [2, 3, 3, n]))],
      output: b.output([2, 3, 3, n]),
    }), [2, 3, 3, n]),
    make("bias per row", add(x, y), (b, shape) => ({
      inputs: [b.input(broadcast([batch, m, 1], shape))],
      output: b.output(shape),
    })),
    make(
      "bias and logistic gate",
      multiply(add(x, y), unary("sigmoid", add(x, y))),
      (b, shape) => ({
        inputs: [bias(b, shape)],
        output: b.output(shape),
      }),
    ),
    make("bias, gate and residual", add(w, multiply(z, add(x, y))), (b, shape) => ({
      inputs: [bias(b, shape), b.input(broadcast([batch, 1, n], shape)), b.input(shape)],
      output: b.output(shape),
    })),
    make("residual in place", add(y, x), (b, shape) => {
      const output = b.updated(shape);
      return { inputs: [output], output };
    }),
    make("transposed residual", add(y, x), (b, shape) => ({
      inputs: [b.input(transposed([batch, n, m], [0, 2, 1]))],
      output: b.output(shape),
    })),
  ];
}
