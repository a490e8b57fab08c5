/**
 * Cases for attention and its gradient.
 *
 * @module
 */
import type { View } from "../../../kernels/view.ts";
import { contiguousStrides, elementCount, type Shape } from "../../../kernels/shape.ts";
import { interpret } from "../../reference/interpreter.ts";
import { type Layout, StepBuilder, type StepCase, unitRoundoff } from "./builder.ts";

/** Sizes of an attention step and how its operands are stored. */
export interface Form {
  readonly batch?: number;
  readonly queries: number;
  readonly keys?: number;
  readonly heads?: number;
  readonly width: number;
  /** `packed`: slices of (N, T, 3, H, D); `headMajor`: (N, H, T, D) seen as (N, T, H, D). */
  readonly layout?: "plain" | "packed" | "headMajor";
  /** Segment ids of the queries and of the keys, taken cyclically over (N, T). */
  readonly segments?: readonly [queries: readonly number[], keys: readonly number[]];
  /** Sizes of the window that queries and keys are: with a table of relative biases. */
  readonly window?: readonly number[];
  /** Multiplies the queries: large scores make the softmax sharp. */
  readonly magnitude?: number;
}

/** Ids of a packed sequence: images of the given lengths one after the other, then padding. */
function packed(lengths: readonly number[], padding = 0): number[] {
  return [
    ...lengths.flatMap((length, image) => new Array<number>(length).fill(image)),
    ...new Array<number>(padding).fill(-1),
  ];
}

/** Ids 0 .. count - 1, one a query: what attention pooling asks with. */
const probes = (count: number): number[] => Array.from({ length: count }, (_, id) => id);

/** Self-attention of a sequence of ids. */
function within(ids: readonly number[]): Pick<Form, "queries" | "segments"> {
  return { queries: ids.length, segments: [ids, ids] };
}

/** Uneven images, one of a single token, some longer than any block. */
const uneven = packed([40, 1, 13, 150, 90, 2, 31], 21);

/** Self-attention in a window. */
const windowed = (...window: number[]): Pick<Form, "queries" | "window"> => ({
  queries: window.reduce((product, size) => product * size, 1),
  window,
});

/** Ids of a video of 90 tokens, then of a stack of images, whose tokens see themselves only. */
const mixed = Array.from({ length: 180 }, (_, token) => Math.max(token - 89, 0));

const biasedForms: Form[] = [
  { ...windowed(1), width: 3, heads: 2 },
  { ...windowed(3, 2, 3), width: 16, heads: 3, batch: 2, layout: "packed" },
  { ...windowed(3, 4, 8), width: 24, layout: "packed" },
  // Rows of windows that are no whole vectors, runs that blocks cut; several blocks of keys.
  { ...windowed(2, 5, 13), width: 8 },
  { ...windowed(520), width: 1 },
  { ...windowed(2, 1, 3, 5), width: 17, heads: 2, layout: "headMajor", batch: 2, magnitude: 20 },
  { ...windowed(2, 5, 9), width: 20, batch: 2, segments: [mixed, mixed] },
  // Segments that begin and end within runs; the last one sees nothing.
  {
    ...windowed(3, 5, 7),
    width: 9,
    heads: 3,
    segments: [packed([20, 31, 44], 10), packed([33, 20, 52])],
  },
];

const segmentedForms: Form[] = [
  { ...within(uneven), width: 17, heads: 3 },
  { ...within(uneven), width: 72, layout: "packed" },
  { ...within(packed([5, 1, 7, 3, 1], 2)), width: 3, batch: 3 },
  // Sequences of a batch that are packed differently.
  {
    queries: 97,
    batch: 2,
    width: 16,
    heads: 2,
    segments: [
      [...packed([33, 64]), ...packed([1, 50, 40], 6)],
      [...packed([33, 64]), ...packed([1, 50, 40], 6)],
    ],
  },
  { ...within(packed([1100], 30)), width: 1 },
  { ...within(packed([64, 64, 64, 64])), width: 64 },
  // Padding first, ids descending, ids in no order, ids that alternate.
  { ...within(packed([60, 20, 70], 35).reverse()), width: 8 },
  { ...within(Array.from({ length: 131 }, (_, t) => (t * t * 7 + t) % 5)), width: 16, heads: 2 },
  { ...within(Array.from({ length: 300 }, (_, t) => t % 2)), width: 3 },
  // Windows: runs of sixteen tokens, every fourth of which belongs to the same one.
  { ...within(Array.from({ length: 96 }, (_, t) => (t >> 4) % 4)), width: 16, layout: "packed" },
  // Attention pooling; the last three probes have no image.
  { queries: 10, keys: uneven.length, width: 16, segments: [probes(10), uneven] },
  { queries: 1, keys: 70, width: 3, heads: 3, segments: [[2], packed([30, 21, 19])] },
  { queries: 30, keys: 1, width: 16, segments: [probes(30), [29]] },
  // Cross-attention of two packings with other lengths; image 1 has no keys, image 3 no queries.
  {
    queries: 150,
    keys: 95,
    width: 17,
    heads: 3,
    segments: [
      [...packed([70, 40, 25]), ...new Array(15).fill(4)],
      [...new Array(20).fill(0), ...new Array(31).fill(2), ...new Array(9).fill(3), 4, 4].concat(
        new Array(33).fill(-1),
      ),
    ],
  },
  // Ids that are far apart and negative ones that are no padding.
  { queries: 40, keys: 33, width: 16, segments: [[-7, 2147483647, -2147483648], [2147483647, -7]] },
];

const forms: Form[] = [
  { queries: 1, width: 1 },
  { queries: 1, keys: 17, width: 16 },
  { queries: 17, keys: 1, width: 16 },
  { queries: 3, width: 64, heads: 2 },
  { queries: 17, width: 16, heads: 3, batch: 2 },
  { queries: 64, width: 64, heads: 2 },
  { queries: 7, keys: 33, width: 72 },
  { queries: 61, keys: 19, width: 1 },
  { queries: 16, width: 80, batch: 3 },
  { queries: 130, keys: 67, width: 17 },
  { queries: 5, keys: 1100, width: 16 },
  { queries: 600, keys: 6, width: 8 },
  { queries: 17, width: 16, heads: 3, batch: 2, layout: "packed" },
  { queries: 33, width: 72, heads: 2, layout: "packed" },
  { queries: 9, keys: 21, width: 64, heads: 2, batch: 2, layout: "headMajor" },
  { queries: 20, width: 16, magnitude: 60 },
  { queries: 8, width: 16, heads: 2, segments: [[0], [0]] },
  { queries: 17, width: 16, heads: 2, batch: 2, segments: [[0, 0, 1, 2, 1], [0, 0, 1, 2, 1]] },
  // Query segment 5 has no key at all.
  { queries: 12, keys: 19, width: 72, heads: 2, segments: [[0, 5, 1], [0, 1, 1, 2]] },
  { queries: 66, keys: 35, width: 16, batch: 2, segments: [[-1, 0, 1, 7], [1, 0, -1, 3, 1]] },
  { queries: 7, keys: 5, width: 16, segments: [[1], [2]] },
  {
    queries: 24,
    width: 16,
    heads: 3,
    layout: "packed",
    segments: [[0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2], [0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2]],
    magnitude: 30,
  },
  // Keys of a query's own segment begin only after more than a thousand foreign ones.
  {
    queries: 2,
    keys: 1200,
    width: 16,
    segments: [[1, 0], Array.from({ length: 1200 }, (_, j) => j < 1150 ? 0 : 1)],
  },
  ...segmentedForms,
  ...biasedForms,
];

function describe(form: Form): string {
  const { batch = 1, queries, keys = queries, heads = 1, width, layout = "plain" } = form;
  return `${layout} N ${batch} Tq ${queries} Tk ${keys} H ${heads} D ${width}` +
    `${form.segments ? " segments" : ""}${form.window ? ` window ${form.window}` : ""}` +
    `${form.magnitude ? " sharp" : ""}`;
}

type Make = (layout: Shape | Layout, map?: (x: number) => number) => View;

/** Views (N, T, H, D) of the three operands (or of their gradients), in the layout of the form. */
function triple(
  b: StepBuilder,
  form: Form,
  make: Make,
): { query: View; key: View; value: View } {
  const { batch = 1, queries, keys = queries, heads = 1, width } = form;
  if (form.layout === "packed") {
    const packedShape = [batch, queries, 3, heads, width];
    const strides = contiguousStrides(packedShape);
    const slice = (part: number): Layout => ({
      shape: [batch, queries, heads, width],
      strides: strides.filter((_, axis) => axis !== 2),
      offset: part * strides[2],
      elements: elementCount(packedShape),
    });
    const query = make(slice(0));
    return { query, key: b.alias(query, slice(1)), value: b.alias(query, slice(2)) };
  }
  const layout = (length: number): Layout => ({
    shape: [batch, length, heads, width],
    strides: form.layout === "headMajor"
      ? [heads * length * width, width, length * width, 1]
      : contiguousStrides([batch, length, heads, width]),
  });
  const query = make(layout(queries), (x) => x * (form.magnitude ?? 1));
  return { query, key: make(layout(keys)), value: make(layout(keys)) };
}

function operands(b: StepBuilder, form: Form) {
  const { batch = 1, queries, keys = queries, heads = 1, width } = form;
  const sharp = form.layout === "packed" ? form.magnitude ?? 1 : 1;
  const segments = form.segments && {
    querySegments: b.integers([batch, queries], form.segments[0]),
    keySegments: b.integers([batch, keys], form.segments[1]),
  };
  const views = triple(b, form, (layout, map) => b.input(layout, map));
  const bias = form.window && b.input([heads, ...entries(form.window)], (x) => 2 * x);
  return { ...views, ...segments, bias, scale: sharp / Math.sqrt(width) };
}

/** Entries of a table along each axis of a window. */
const entries = (window: readonly number[]): number[] => window.map((size) => 2 * size - 1);

/** Two chained products, an exponential whose argument carries the first one's error. */
function tolerance(form: Form, factor: number): number {
  const terms = Math.max(form.width, form.keys ?? form.queries, form.queries);
  // The gradient of a bias is a sum over queries of differences that cancel out where one sees one key.
  if (form.window && form.segments) factor *= 2;
  return factor * (form.magnitude ? 8 : 1) * (8 + 2 * Math.sqrt(terms)) * unitRoundoff;
}

/** One case of the forward step. */
export function attentionCase(padding: number, form: Form): StepCase {
  const { batch = 1, queries, heads = 1, width } = form;
  const b = new StepBuilder(padding);
  const step = {
    kind: "attention",
    ...operands(b, form),
    output: b.output([batch, queries, heads, width]),
    logSumExp: b.output([batch, heads, queries]),
  } as const;
  return b.build(describe(form), step, tolerance(form, 1));
}

/** Attention. */
export function attentionCases(padding: number): StepCase[] {
  return forms.map((form) => attentionCase(padding, form));
}

/** One case of the gradient; `output` and `logSumExp` come from the reference. */
export function attentionGradientCase(padding: number, form: Form): StepCase {
  const { batch = 1, queries, heads = 1, width } = form;
  const forward = attentionCase(padding, form);
  // The states of the forward case, in the order of their creation.
  const [output, logSumExp] = [...interpret(forward.program, forward.inputs).values()]
    .map((padded) => padded.slice(padding, padded.length - padding));
  const b = new StepBuilder(padding);
  const inputs = operands(b, form);
  const gradients = {
    output: b.values([batch, queries, heads, width], output),
    logSumExp: b.values([batch, heads, queries], logSumExp),
    outputGradient: b.input([batch, queries, heads, width]),
    rowDot: b.output([batch, heads, queries]),
  };
  const { query, key, value } = triple(b, form, (layout) => b.output(layout));
  const biasGradient = form.window && b.output([batch, heads, ...entries(form.window)]);
  const step = {
    kind: "attentionGradient",
    ...inputs,
    ...gradients,
    queryGradient: query,
    keyGradient: key,
    valueGradient: value,
    biasGradient,
  } as const;
  return b.build(describe(form), step, tolerance(form, 2));
}

/** Gradients of attention. */
export function attentionGradientCases(padding: number): StepCase[] {
  return forms.map((form) => attentionGradientCase(padding, form));
}
