/**
 * Steps on random shapes, strides, gaps and broadcasts, on one to three threads: right to within
 * rounding, and without an access beside their operands.
 *
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { binary, load } from "../../../kernels/expression.ts";
import type { Triple } from "../../../kernels/ops/convolution/step.ts";
import type { Shape } from "../../../kernels/shape.ts";
import { interpret } from "../../reference/interpreter.ts";
import { attentionCase, attentionGradientCase, type Form } from "../ops/attention_cases.ts";
import { type Layout, StepBuilder, type StepCase, unitRoundoff } from "../ops/builder.ts";
import {
  convolutionCase,
  type ConvolutionForm,
  convolutionWeightGradientCase,
  outputSizes,
} from "../ops/convolution_cases.ts";
import { relativeError } from "../ops/cases.ts";
import { plainProduct } from "../ops/matmul_cases.ts";
import { WatchedMemory } from "./watched_memory.ts";

const largestRank = 4;
const perAxis = <T>(of: fc.Arbitrary<T>) =>
  fc.array(of, { minLength: largestRank, maxLength: largestRank });

/** How a tensor lies in memory: order of the axes, unused elements between rows, repeated axes. */
const arrangements = fc.record({
  order: perAxis(fc.nat(9)),
  gaps: perAxis(fc.nat(2)),
  repeated: perAxis(fc.boolean()),
  offset: fc.nat(5),
});
type Arrangement = typeof arrangements extends fc.Arbitrary<infer T> ? T : never;

const shapes = (smallestRank: number, rank: number) =>
  fc.array(fc.integer({ min: 1, max: 9 }), { minLength: smallestRank, maxLength: rank });
const paddings = fc.constantFrom(0, 3);

/** Whether the last axis is the innermost, with stride 1, and whether no axis is repeated. */
interface Rules {
  readonly unit?: boolean;
  readonly distinct?: boolean;
}

function arrange(shape: Shape, of: Arrangement, { unit, distinct }: Rules = {}): Layout {
  const last = shape.length - 1;
  const rank = (axis: number): number => unit && axis === last ? -1 : of.order[axis];
  const fromInside = [...shape.keys()].sort((a, b) => rank(a) - rank(b));
  const strides = shape.map(() => 0);
  let span = 1;
  let end = of.offset + 1;
  fromInside.forEach((axis) => {
    const fixed = unit && axis === last;
    if (of.repeated[axis] && !distinct && !fixed) return;
    strides[axis] = span + (fixed ? 0 : of.gaps[axis]);
    end += (shape[axis] - 1) * strides[axis];
    span = strides[axis] * shape[axis];
  });
  return { shape, strides, offset: of.offset, elements: end };
}

const sum = binary("add", binary("multiply", load(0), load(1)), load(0));

const elementwise = fc.tuple(shapes(0, 4), paddings, arrangements, arrangements, arrangements)
  .map(([shape, padding, x, y, result]): StepCase => {
    const b = new StepBuilder(padding);
    const inputs = [b.input(arrange(shape, x)), b.input(arrange(shape, y))];
    const output = b.output(arrange(shape, result, { unit: true, distinct: true }));
    const step = { kind: "elementwise", inputs, expression: sum, output } as const;
    return b.build("random", step, 4 * unitRoundoff);
  });

const reduce = fc.tuple(
  shapes(0, 2),
  shapes(1, 2),
  paddings,
  arrangements,
  arrangements,
  arrangements,
  fc.constantFrom("sum" as const, "maximum" as const),
).map(([kept, reduced, padding, x, y, result, operator]): StepCase => {
  const b = new StepBuilder(padding);
  const shape = [...kept, ...reduced];
  const inputs = [b.input(arrange(shape, x)), b.input(arrange(shape, y))];
  const output = b.output(arrange(kept, result, { unit: true, distinct: true }));
  const common = { expression: sum, finish: load(0), output };
  return b.build("random", { kind: "reduce", operator, inputs, ...common }, 32 * unitRoundoff);
});

const layerNorm = fc.tuple(shapes(1, 3), paddings, arrangements, arrangements, arrangements)
  .map(([shape, padding, x, modulation, result]): StepCase => {
    const b = new StepBuilder(padding);
    const step = {
      kind: "layerNorm",
      input: b.input(arrange(shape, x, { unit: true })),
      scale: b.input(arrange(shape, modulation, { unit: true })),
      shift: b.input(arrange(shape, modulation, { unit: true })),
      epsilon: 1e-2,
      output: b.output(arrange(shape, result, { unit: true, distinct: true })),
      statistics: b.output([...shape.slice(0, -1), 2]),
    } as const;
    return b.build("random", step, 64 * unitRoundoff);
  });

const size = (max: number) => fc.integer({ min: 1, max });

const matmul = fc.tuple(
  fc.record({
    m: size(80),
    n: size(50),
    k: size(50),
    batch: size(3),
    gap: fc.nat(5),
    transposeA: fc.boolean(),
    transposeB: fc.boolean(),
    sharedA: fc.boolean(),
    sharedB: fc.boolean(),
    half: fc.boolean(),
  }),
  paddings,
).map(([form, padding]) => plainProduct(padding, form));

const ids = fc.array(fc.integer({ min: -1, max: 3 }), { minLength: 1, maxLength: 60 });
const attentionForms: fc.Arbitrary<Form> = fc.record({
  batch: size(2),
  queries: size(90),
  keys: size(90),
  heads: size(3),
  width: size(40),
  layout: fc.constantFrom("plain", "headMajor"),
  segments: fc.option(fc.tuple(ids, ids), { nil: undefined }),
});
/** Windows of tokens, whose scores have relative biases. */
const windowForms = fc.tuple(attentionForms, fc.array(size(6), { minLength: 1, maxLength: 3 }))
  .map(([form, window]): Form => {
    const tokens = window.reduce((product, length) => product * length, 1);
    return { ...form, queries: tokens, keys: tokens, window };
  });
const allAttentionForms = fc.oneof(attentionForms, windowForms);
const attention = fc.tuple(paddings, allAttentionForms)
  .map(([padding, form]) => attentionCase(padding, form));
const attentionGradient = fc.tuple(paddings, allAttentionForms)
  .map(([padding, form]) => attentionGradientCase(padding, form));

const triples = (min: number, max: number): fc.Arbitrary<Triple> => {
  const size = fc.integer({ min, max });
  return fc.tuple(size, size, size);
};
const convolutionForms: fc.Arbitrary<ConvolutionForm> = fc.record({
  name: fc.constant("random"),
  batch: size(2),
  input: fc.tuple(size(3), size(9), size(20)),
  kernel: fc.oneof(triples(1, 3), fc.constant<Triple>([1, 3, 3])),
  strides: fc.oneof(triples(1, 2), fc.constant<Triple>([1, 1, 1])),
  before: triples(-1, 2),
  after: triples(0, 2),
  channels: fc.tuple(size(40), size(40)),
}).filter((form) => outputSizes(form).every((size) => size > 0));
const convolution = fc.tuple(paddings, convolutionForms, fc.boolean(), fc.boolean())
  .map(([padding, form, flipped, strided]) => convolutionCase(padding, form, { flipped, strided }));
const convolutionWeightGradient = fc.tuple(paddings, convolutionForms, fc.boolean())
  .map(([padding, form, strided]) => convolutionWeightGradientCase(padding, form, strided));

const tables = fc.record({
  rows: size(20),
  width: size(40),
  indices: fc.array(fc.oneof(fc.nat(19), fc.integer()), { minLength: 1, maxLength: 30 }),
  padding: paddings,
});

const gather = tables.map(({ rows, width, indices, padding }): StepCase => {
  const b = new StepBuilder(padding);
  const step = {
    kind: "gather",
    table: b.input([rows, width]),
    indices: b.integers([indices.length], indices),
    output: b.output([indices.length, width]),
  } as const;
  return b.build("random", step, 0);
});

const scatterAdd = tables.map(({ rows, width, indices, padding }): StepCase => {
  const b = new StepBuilder(padding);
  const step = {
    kind: "scatterAdd",
    indices: b.integers([indices.length], indices),
    source: b.input([indices.length, width]),
    output: b.output([rows, width]),
  } as const;
  return b.build("random", step, 8 * unitRoundoff);
});

const memories = [1, 2, 3].flatMap((threads) =>
  ([4, 8] as const).map((lanes) => new WatchedMemory(threads, lanes))
);

const kinds = {
  elementwise,
  reduce,
  layerNorm,
  matmul,
  convolution,
  convolutionWeightGradient,
  attention,
  attentionGradient,
  gather,
  scatterAdd,
};

for (const [kind, cases] of Object.entries(kinds)) {
  Deno.test(`random steps of kind ${kind} are right and touch their operands only`, async () => {
    const property = fc.asyncProperty(cases, fc.nat(memories.length - 1), async (test, choice) => {
      const { program, inputs, states, tolerance } = test;
      const contents = [...inputs, ...states];
      const results = await memories[choice].run(program, contents, states.keys());
      for (const [name, expected] of interpret(program, inputs, states)) {
        const error = relativeError(results.get(name)!, expected, 1);
        assert.ok(error <= tolerance, `${name} is off by ${error}, allowed ${tolerance}`);
      }
    });
    await fc.assert(property, { numRuns: 60 });
  });
}
