/**
 * Cases for element-wise steps and reductions.
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
import type { View } from "../../../kernels/view.ts";
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
    make("one column of wider rows", (b) => ({
      inputs: [b.input([21, 1]), b.input([21, 1])],
      output: b.output({ shape: [21, 1], strides: [3, 1], offset: 1, elements: 63 }),
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
  const make = (
    name: string,
    kept: Parameters<StepBuilder["output"]>[0],
    views: (b: StepBuilder) => View[],
  ): StepCase => {
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
    make("over rows of many columns", [87], (b) => [
      b.input(transposed([500, 87], [1, 0])),
      b.input(transposed([500, 87], [1, 0])),
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
    make(
      "to one column of wider rows",
      { shape: [21, 1], strides: [3, 1], offset: 1, elements: 63 },
      (b) => [b.input([21, 1, 9]), b.input([21, 1, 9])],
    ),
    make(
      "over rows, to one column of wider rows",
      { shape: [21, 1], strides: [3, 1], offset: 1, elements: 63 },
      (b) => [
        b.input(transposed([9, 21, 1], [1, 2, 0])),
        b.input(transposed([9, 21, 1], [1, 2, 0])),
      ],
    ),
    make("slices", [5], (b) => [
      b.input({ shape: [5, 7], strides: [19, 1], offset: 3, elements: 95 }),
      b.input({ shape: [5, 7], strides: [70, 2], offset: 1, elements: 350 }),
    ]),
  ];
}

/** Whole buffers of many sizes, from one element to several cache lines a thread; exact. */
export function widenCases(padding: number): StepCase[] {
  return [1, 2, 3, 17, 64, 1000, 40_001].map((size) => {
    const b = new StepBuilder(0);
    const shape = [size + padding];
    const step = { kind: "widen", input: b.halves(shape), output: b.output(shape) } as const;
    return b.build(`(${shape})`, step, 0);
  });
}
