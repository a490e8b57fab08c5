/**
 * The three passes of attention in one form, so that each variant of the kernels is written once.
 *
 * All walk over the score matrix of a head, by rows that an invocation or workgroup owns and
 * columns that it visits one after the other, and never store it:
 *
 * | pass | rows | columns | s = scores | t | sums over columns |
 * | --- | --- | --- | --- | --- | --- |
 * | forward | queries | keys | Q K^T | | output += p V |
 * | gradient of queries | queries | keys | Q K^T | dO V^T | dQ += ds K |
 * | gradients of keys, values | keys | queries | K Q^T | V dO^T | dV += p^T dO, dK += ds^T Q |
 *
 * Forward, p is an online softmax (running maximum and denominator, Dao et al. 2022). Backward,
 * p = exp(scale s - logSumExp) and ds = p (t - rowDot), with the statistics of each query packed
 * into one `vec2<f32>` by a preceding kernel: (logSumExp, rowDot). One binding for them and a copy of the
 * biases behind them, and one for everything about segments (`wgsl_segments.ts`), keep the gradient
 * within eight whatever shares a buffer.
 *
 * @module
 */
import { elementCount } from "../../shape.ts";
import type { View } from "../../view.ts";
import type { Binding } from "../../webgpu/lowering.ts";
import { affine, BindingTable, linearKernel } from "../../webgpu/emit/wgsl.ts";
import { mathFunctions } from "../../webgpu/emit/wgsl_math.ts";
import { type BiasTable, biasTable } from "./relative_bias.ts";
import type { AttentionGradientStep, AttentionOperands, AttentionStep } from "./step.ts";
import { biasFunctions, sumBiasGradient } from "./wgsl_bias.ts";
import { columnGroups, headFunctions, type HeadTensor, isAligned } from "./wgsl_heads.ts";
import { type BoundKernel, segmentFunctions, type SegmentTable } from "./wgsl_segments.ts";

/** Dot products of every row of one tensor with every column of another. */
export interface Product {
  readonly row: string;
  readonly column: string;
}

/** Rows or columns of the score matrix. */
export type Side = "row" | "column";

/** `output[row] = factor * sum over columns of weight * tensor[column]`. */
export interface WeightedSum {
  /** `p`: probability; `ds`: gradient of the scaled score. */
  readonly weight: "p" | "ds";
  readonly column: string;
  readonly output: string;
  readonly factor: number;
}

/** What a variant needs to emit the kernel of one pass. */
export interface AttentionPass {
  /**
   * Bindings and functions: `<tensor>Row`, `<tensor>Load`, `<tensor>Store` (see `wgsl_heads.ts`);
   * forward `storeLogSumExp(n, h, t, maximum, denominator)`, backward `statisticsOf(n, h, t)`;
   * with segments `rowSegment(n, t)`, `columnSegment(n, t)` and `visibleColumns(n, row)` (see
   * `wgsl_segments.ts`); with biases `placeOf(t)` and `biasOf(h, row, column)` (see `wgsl_bias.ts`).
   */
  readonly declarations: string;
  readonly bindings: readonly Binding[];
  readonly batch: number;
  readonly heads: number;
  readonly rowCount: number;
  readonly columnCount: number;
  /** Groups of four columns of a head. */
  readonly groups: number;
  /** Whether all groups are loaded as one `vec4<f32>`. */
  readonly aligned: boolean;
  /** Factor on the dot products of `scores`. */
  readonly scale: number;
  readonly segmented: boolean;
  readonly biased: boolean;
  readonly scores: Product;
  /** The product t; present in the gradient passes. */
  readonly probabilityGradients?: Product;
  /** Which side of the matrix has statistics; absent forward. */
  readonly statistics?: Side;
  readonly sums: readonly WeightedSum[];
}

/** The table of segments, and the buffer it is in. */
export interface StoredSegments {
  readonly table: SegmentTable;
  readonly buffer: number;
}

/** What a pass uses besides its operands. */
export interface PassResources {
  /** Whether WGSL's type `f16` may be used. */
  readonly halves: boolean;
  readonly segments?: StoredSegments;
}

/** What a gradient pass uses besides its operands. */
export interface GradientResources extends PassResources {
  /** A buffer of `statisticsElements`. */
  readonly statistics: number;
}

/** The forward pass. */
export function forwardPass(step: AttentionStep, resources: PassResources): AttentionPass {
  const table = new BindingTable(resources);
  const heads = headFunctions(table, [
    { name: "query", view: step.query, access: "read" },
    { name: "key", view: step.key, access: "read" },
    { name: "value", view: step.value, access: "read" },
    { name: "output", view: step.output, access: "write" },
  ]);
  const functions = heads + logSumExpFunction(table, step) +
    bindSegments(table, resources.segments, "query") + bindBias(table, step.bias);
  return {
    ...common(step),
    declarations: table.declarations() + functions,
    bindings: table.bindings,
    rowCount: step.query.shape[1],
    columnCount: step.key.shape[1],
    scores: { row: "query", column: "key" },
    sums: [{ weight: "p", column: "value", output: "output", factor: 1 }],
  };
}

/** What the gradient passes do not have in common. */
type GradientPart =
  & Required<Pick<AttentionPass, "scores" | "probabilityGradients" | "statistics">>
  & Pick<AttentionPass, "sums">;

/** A gradient pass; the rows of the score matrix are the queries or the keys. */
function gradientPass(
  step: AttentionGradientStep,
  resources: GradientResources,
  rows: "query" | "key",
  part: GradientPart,
): AttentionPass {
  const { statistics, segments } = resources;
  const table = new BindingTable(resources);
  const written = part.sums.map(({ output }): HeadTensor => ({
    name: output,
    view: step[output as "queryGradient" | "keyGradient" | "valueGradient"],
    access: "write",
  }));
  const functions = headFunctions(table, [...operandTensors(step), ...written]) +
    statisticsFunctions(table, step, statistics, rows) + bindSegments(table, segments, rows);
  return {
    ...common(step),
    declarations: table.declarations() + functions,
    bindings: table.bindings,
    rowCount: step[rows].shape[1],
    columnCount: step[rows === "query" ? "key" : "query"].shape[1],
    ...part,
  };
}

/** The gradient of the queries. */
export function queryGradientPass(
  step: AttentionGradientStep,
  resources: GradientResources,
): AttentionPass {
  return gradientPass(step, resources, "query", {
    scores: { row: "query", column: "key" },
    probabilityGradients: { row: "outputGradient", column: "value" },
    statistics: "row",
    sums: [{ weight: "ds", column: "key", output: "queryGradient", factor: step.scale }],
  });
}

/** The gradients of keys and values. */
export function keyValueGradientPass(
  step: AttentionGradientStep,
  resources: GradientResources,
): AttentionPass {
  return gradientPass(step, resources, "key", {
    scores: { row: "key", column: "query" },
    probabilityGradients: { row: "value", column: "outputGradient" },
    statistics: "column",
    sums: [
      { weight: "p", column: "outputGradient", output: "valueGradient", factor: 1 },
      { weight: "ds", column: "query", output: "keyGradient", factor: step.scale },
    ],
  });
}

/** What each of the batch adds to the gradient of the biases, one invocation an entry. */
export function biasGradientKernel(
  step: AttentionGradientStep,
  resources: GradientResources,
  { bias, biasGradient }: { readonly bias: BiasTable; readonly biasGradient: View },
): BoundKernel {
  const [batch, , heads] = step.query.shape;
  const { statistics, segments } = resources;
  const table = new BindingTable(resources);
  const functions = headFunctions(table, operandTensors(step)) +
    statisticsFunctions(table, step, statistics, "query") +
    bindSegments(table, segments, "query");
  const target = table.use(biasGradient.buffer, "write");
  const { groups, scale, segmented } = common(step);
  const sum = sumBiasGradient({ bias, heads, groups, scale, segmented });
  const kernel = linearKernel(
    batch * heads * bias.entries,
    table.declarations() + functions,
    `${sum}\n${target}[index + ${biasGradient.offset}u] = sum;`,
  );
  return { ...kernel, bindings: table.bindings };
}

/** Elements, `vec2<f32>`, of the statistics of all queries and of the biases behind them. */
export function statisticsElements({ query, bias }: AttentionGradientStep): number {
  return queryCount(query) + biasPairs(bias);
}

/** Queries of all heads. */
const queryCount = ({ shape: [batch, queries, heads] }: View): number => batch * queries * heads;

/** Pairs in which the biases of all heads are stored. */
const biasPairs = (bias: View | undefined): number =>
  bias ? Math.ceil(elementCount(bias.shape) / 2) : 0;

/**
 * The kernel before the gradient passes: statistics of every query, one invocation a query, and a copy
 * of the biases, one for two of them.
 */
export function statisticsKernel(
  step: AttentionGradientStep,
  resources: GradientResources,
): BoundKernel {
  const [, queries, heads] = step.query.shape;
  const table = new BindingTable(resources);
  const tensors = headFunctions(table, [
    { name: "output", view: step.output, access: "read" },
    { name: "outputGradient", view: step.outputGradient, access: "read" },
  ]);
  const logSumExp = table.use(step.logSumExp.buffer, "read", "u32");
  const rowDots = table.use(step.rowDot.buffer, "write");
  const target = table.use(resources.statistics, "write", "vec2<f32>");
  const copy = copyBiases(table, step, target);
  const { code, workgroups } = linearKernel(
    statisticsElements(step),
    table.declarations() + tensors,
    `${copy}let t = index % ${queries}u;
let h = (index / ${queries}u) % ${heads}u;
let n = index / ${queries * heads}u;
let outputAt = outputRow(n, t, h);
let gradientAt = outputGradientRow(n, t, h);
var sum = vec4<f32>();
for (var d = 0u; d < ${columnGroups(step.query)}u; d++) {
sum = fma(outputLoad(outputAt, d), outputGradientLoad(gradientAt, d), sum);
}
let rowDot = dot(sum, vec4<f32>(1.0));
${rowDots}[index + ${step.rowDot.offset}u] = rowDot;
let saved = ${logSumExp}[index + ${step.logSumExp.offset}u];
// Minus infinity marks a query that sees no key: exp(score - largest) makes its probabilities 0.
let finite = select(saved, ${largestFloatBits}, saved == ${minusInfinityBits});
${target}[index] = vec2<f32>(bitcast<f32>(finite), rowDot);`,
  );
  return { code, workgroups, bindings: table.bindings };
}

/** Code for the invocations after those of the queries, which copy two biases each. */
function copyBiases(table: BindingTable, step: AttentionGradientStep, target: string): string {
  if (!step.bias) return "";
  const array = table.use(step.bias.buffer, "read");
  const { offset, shape } = step.bias;
  const entry = (e: string): string => `${array}[${affine(offset, [e], [1])}]`;
  return `if (index >= ${queryCount(step.query)}u) {
let e = 2u * (index - ${queryCount(step.query)}u);
${target}[index] = vec2<f32>(${entry("e")}, ${entry(`min(e + 1u, ${elementCount(shape) - 1}u)`)});
return;
}
`;
}

/** Bits of -infinity: WGSL may not compute with it, but may store it. */
const minusInfinityBits = "0xff800000u";

/** Bits of the largest finite number. */
const largestFloatBits = "0x7f7fffffu";

function operandTensors(step: AttentionGradientStep): HeadTensor[] {
  return [
    { name: "query", view: step.query, access: "read" },
    { name: "key", view: step.key, access: "read" },
    { name: "value", view: step.value, access: "read" },
    { name: "outputGradient", view: step.outputGradient, access: "read" },
  ];
}

/** Fields that all passes of a step share. */
function common(step: AttentionOperands) {
  return {
    batch: step.query.shape[0],
    heads: step.query.shape[2],
    groups: columnGroups(step.query),
    aligned: [step.query, step.key, step.value].every(isAligned),
    scale: step.scale,
    segmented: step.querySegments !== undefined,
    biased: step.bias !== undefined,
  };
}

function logSumExpFunction(table: BindingTable, { logSumExp, query }: AttentionStep): string {
  const array = table.use(logSumExp.buffer, "write", "u32");
  const [, queries, heads] = query.shape;
  const index = affine(logSumExp.offset, ["n", "h", "t"], [heads * queries, queries, 1]);
  return mathFunctions(["logarithm"]) +
    `fn storeLogSumExp(n: u32, h: u32, t: u32, maximum: f32, denominator: f32) {
let bits = bitcast<u32>(maximum + logarithm1(max(denominator, 1.0)));
${array}[${index}] = select(bits, ${minusInfinityBits}, denominator == 0.0);
}
`;
}

/** Binds the statistics, and with them the biases. */
function statisticsFunctions(
  table: BindingTable,
  { query, bias }: AttentionGradientStep,
  statistics: number,
  rows: "query" | "key",
): string {
  const array = table.use(statistics, "read", "vec2<f32>");
  const [, queries, heads] = query.shape;
  const entry = (e: string): string => `${array}[${queryCount(query)}u + ${e} / 2u][${e} % 2u]`;
  return `${
    bias ? biasFunctions(biasTable(bias), entry, rows) : ""
  }fn statisticsOf(n: u32, h: u32, t: u32) -> vec2<f32> {
return ${array}[${affine(0, ["n", "h", "t"], [heads * queries, queries, 1])}];
}
`;
}

/** Binds the biases for a pass whose rows are queries. */
function bindBias(table: BindingTable, bias: View | undefined): string {
  if (!bias) return "";
  const array = table.use(bias.buffer, "read");
  return biasFunctions(
    biasTable(bias),
    (e) => `${array}[${affine(bias.offset, [e], [1])}]`,
    "query",
  );
}

/** Binds the table of segments and gives the functions that read it. */
function bindSegments(
  table: BindingTable,
  segments: StoredSegments | undefined,
  rows: "query" | "key",
): string {
  if (!segments) return "";
  const array = table.use(segments.buffer, "read", "u32");
  return segmentFunctions(array, segments.table, rows);
}

/** `line(0)`, `line(1)`, ... up to `count` lines. */
export function repeat(count: number, line: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => line(index)).join("\n");
}

/** The one or two products of a pass: the scores first. */
export function products({ scores, probabilityGradients }: AttentionPass): Product[] {
  return probabilityGradients ? [scores, probabilityGradients] : [scores];
}
