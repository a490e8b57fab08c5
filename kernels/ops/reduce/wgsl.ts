/**
 * Reductions in WGSL, in one or two passes.
 *
 * `threads`: one invocation an output, or several that each reduce a slice into scratch memory
 * followed by a pass that combines the slices. No barriers, so it suits software adapters, and sums
 * over outer axes everywhere, as neighbouring invocations read neighbouring elements.
 * `groups`: one workgroup an output, for reductions along contiguous memory on real hardware.
 *
 * Long sums are sums of partial sums: the error grows with the length of the parts.
 *
 * @module
 */
import { constant, type Expression, load } from "../../expression.ts";
import { contiguousStrides, elementCount, formatShape } from "../../shape.ts";
import type { Dispatch, WebGPUContext, WebGPULowering } from "../../webgpu/lowering.ts";
import {
  bindOperands,
  companionSpace,
  type IterationSpace,
  iterationSpace,
  type Operand,
  pointCount,
} from "../../webgpu/emit/operands.ts";
import {
  BindingTable,
  expressionFunctions,
  gridOf,
  linearKernel,
  type RenderedExpression,
  renderExpression,
  vectorType,
  viewAddresses,
} from "../../webgpu/emit/wgsl.ts";
import type { ReduceStep } from "./step.ts";

/** Terms that are summed before their sum is added to the total. */
const partLength = 64;

/** Invocations of a workgroup that reduces one output. */
const groupSize = 128;

/** Lowers a reduction to one or two dispatches. */
export const lowerReduce: WebGPULowering<ReduceStep> = (step, context) => {
  const variant = context.variant("reduce") ?? preferredVariant(step, context);
  if (variant === "groups") return [inGroups(step, context)];
  if (variant === "threads") return inThreads(step, context);
  throw new RangeError(`reduce has no variant "${variant}" (it has threads and groups)`);
};

function preferredVariant(step: ReduceStep, { software }: WebGPUContext): string {
  const innermost = step.inputs.map((view) => view.strides.at(-1) ?? 0);
  const contiguous = innermost.includes(1) && innermost.every((stride) => stride <= 1);
  return !software && contiguous && termCount(step) >= groupSize ? "groups" : "threads";
}

/** Sizes of the axes that are reduced. */
function reducedShape({ inputs, output }: ReduceStep): readonly number[] {
  return inputs[0]?.shape.slice(output.shape.length) ?? [];
}

function termCount(step: ReduceStep): number {
  return elementCount(reducedShape(step));
}

/** The two spaces of a reduction: axes that stay and axes that go; at most one is four wide. */
interface Spaces {
  readonly operands: readonly Operand[];
  readonly outer: IterationSpace;
  readonly inner: IterationSpace;
  /** The results are vectors; otherwise the terms may be. */
  readonly across: boolean;
}

function findSpaces(step: ReduceStep, target: Operand, along: "either" | "inner"): Spaces {
  const rank = step.output.shape.length;
  const innerShape = reducedShape(step);
  const operands = [...step.inputs, target];
  const outerParts = operands.map((o) => ({ ...o, strides: o.strides.slice(0, rank) }));
  // The target does not move along the reduced axes.
  const innerParts = operands.map((o, position) => ({
    ...o,
    offset: 0,
    strides: position < step.inputs.length ? o.strides.slice(rank) : innerShape.map(() => 0),
  }));
  const strides = (parts: readonly Operand[]): number[][] => parts.map((o) => [...o.strides]);
  const outer = iterationSpace(step.output.shape, outerParts, { aligned: strides(innerParts) });
  if (outer.width === 4 && along === "either") {
    return { operands, outer, inner: companionSpace(outer, innerShape, innerParts), across: true };
  }
  const aligned = outerParts.map((o) => [...o.strides, o.offset]);
  const inner = iterationSpace(innerShape, innerParts, { aligned });
  const across = false;
  return { operands, outer: companionSpace(inner, step.output.shape, outerParts), inner, across };
}

/** WGSL of a reduction that does not depend on how the terms are shared out. */
interface Pieces {
  readonly type: string;
  readonly identity: string;
  /** Coordinates of the output with the number `outerIndex`. */
  readonly outerStatements: string;
  /** Adds the terms `from`, `from + stride`, ... below `to` to the variable `total`. */
  accumulate(from: string, to: string, stride: number): string;
  combine(a: string, b: string): string;
  /** Statement that stores a result. */
  store(value: string): string;
}

function makePieces(
  step: ReduceStep,
  { operands, outer, inner }: Spaces,
  table: BindingTable,
  outerIndex: string,
  slice?: string,
): Pieces {
  const target = operands.length - 1;
  const type = vectorType("f32", inner.width);
  const sum = step.operator === "sum";
  const identity = sum ? `${type}(0.0)` : `${type}(-infinity())`;
  const combine = (a: string, b: string): string => sum ? `${a} + ${b}` : `max(${a}, ${b})`;
  const { statements, addresses } = viewAddresses(inner.shape, inner.views, "r", "y");
  const extra = addresses.map((address, o) => o === target ? slice : address);
  const bound = bindOperands(table, outer, operands, outerIndex, { writes: [target], extra });
  const term = renderExpression(step.expression, bound.load, { width: inner.width });
  const accumulate = (from: string, to: string, stride: number): string =>
    `for (var part = ${from}; part < ${to}; part += ${partLength * stride}u) {
let stop = min(part + ${partLength * stride}u, ${to});
var partial = ${identity};
for (var r = part; r < stop; r += ${stride}u) {
${statements}
${term.statements}
partial = ${combine("partial", term.value)};
}
total = ${combine("total", "partial")};
}`;
  return {
    type,
    identity,
    accumulate,
    combine,
    outerStatements: bound.statements,
    store: (value) => bound.store(target, value),
  };
}

/** Reduces the four lanes of `total` where they are terms, and applies `finish` if it is given. */
function result(spaces: Spaces, pieces: Pieces, finish?: Expression): RenderedExpression {
  const lanes = spaces.inner.width === 4 && !spaces.across;
  const { combine } = pieces;
  const value = lanes
    ? combine(`(${combine("total.x", "total.y")})`, `(${combine("total.z", "total.w")})`)
    : "total";
  const width = lanes ? 1 : spaces.inner.width;
  const statements = `let reduced = ${value};`;
  if (!finish) return { statements, value: "reduced" };
  const finished = renderExpression(finish, () => "reduced", { width, prefix: "f" });
  return { statements: `${statements}\n${finished.statements}`, value: finished.value };
}

/** Functions called by the term (as wide as the terms) and by `finish`. */
function functionsOf(step: ReduceStep, { inner, across }: Spaces): string {
  const identity = step.operator === "maximum" ? [constant(-Infinity)] : [];
  return across
    ? expressionFunctions([step.expression, step.finish, ...identity], inner.width)
    : expressionFunctions([step.expression, ...identity], inner.width, [step.finish]);
}

function labelOf({ operator, inputs, output }: ReduceStep): string {
  return `reduce ${operator} ${formatShape(inputs[0]?.shape ?? [])} to ${
    formatShape(output.shape)
  }`;
}

/** One invocation an output, or a slice of an output. */
function inThreads(step: ReduceStep, context: WebGPUContext): Dispatch[] {
  const whole = findSpaces(step, step.output, "either");
  const slices = sliceCount(whole, context);
  if (slices === 1) return [threadPass(step, whole, 1, context)];
  const outputs = elementCount(step.output.shape);
  const scratch = context.scratch(4 * outputs * slices);
  const strides = contiguousStrides(step.output.shape);
  const target: Operand = { buffer: scratch, dtype: "f32", offset: 0, strides };
  const combineSlices: ReduceStep = {
    ...step,
    inputs: [{
      ...target,
      shape: [...step.output.shape, slices],
      strides: [...strides, outputs],
    }],
    expression: load(0),
  };
  return [
    threadPass(step, findSpaces(step, target, "either"), slices, context),
    threadPass(combineSlices, findSpaces(combineSlices, step.output, "either"), 1, context),
  ];
}

/** In how many slices each output is reduced, so that there is work for all invocations. */
function sliceCount({ outer, inner }: Spaces, { software }: WebGPUContext): number {
  const wanted = Math.ceil((software ? 128 : 16384) / pointCount(outer));
  return Math.max(1, Math.min(wanted, Math.floor(pointCount(inner) / partLength)));
}

function threadPass(
  step: ReduceStep,
  spaces: Spaces,
  slices: number,
  context: WebGPUContext,
): Dispatch {
  const table = new BindingTable(context, context);
  const outputs = pointCount(spaces.outer);
  const terms = pointCount(spaces.inner);
  const sliced = slices > 1;
  const pieces = makePieces(step, spaces, table, "o", sliced ? `s * ${outputs}u` : undefined);
  const { statements, value } = result(spaces, pieces, sliced ? undefined : step.finish);
  const length = Math.ceil(terms / slices);
  const range = sliced
    ? `let s = index / ${outputs}u;
let o = index % ${outputs}u;
let begin = s * ${length}u;
let end = min(begin + ${length}u, ${terms}u);`
    : "let o = index;";
  const [from, to] = sliced ? ["begin", "end"] : ["0u", `${terms}u`];
  const body = `${range}
${pieces.outerStatements}
var total = ${pieces.identity};
${pieces.accumulate(from, to, 1)}
${statements}
${pieces.store(value)}`;
  const declarations = table.declarations(context.limits.maxStorageBuffersPerShaderStage) +
    functionsOf(step, spaces);
  const kernel = linearKernel(outputs * slices, declarations, body);
  return { label: labelOf(step), bindings: table.bindings, ...kernel };
}

/** One workgroup an output: its invocations take the terms in turn, then a tree in shared memory. */
function inGroups(step: ReduceStep, context: WebGPUContext): Dispatch {
  const spaces = findSpaces(step, step.output, "inner");
  const table = new BindingTable(context, context);
  const outputs = pointCount(spaces.outer);
  const { workgroups, groupIndex } = gridOf(outputs);
  const pieces = makePieces(step, spaces, table, "o");
  const { statements, value } = result(spaces, pieces, step.finish);
  const declarations = table.declarations(context.limits.maxStorageBuffersPerShaderStage) +
    functionsOf(step, spaces);
  // Workgroups beyond the last output repeat it, as barriers must be reached by all alike.
  const code = `${declarations}
var<workgroup> totals: array<${pieces.type}, ${groupSize}>;
@compute @workgroup_size(${groupSize})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
let o = min(${groupIndex}, ${outputs - 1}u);
${pieces.outerStatements}
var total = ${pieces.identity};
${pieces.accumulate("lane", `${pointCount(spaces.inner)}u`, groupSize)}
totals[lane] = total;
workgroupBarrier();
for (var half = ${groupSize / 2}u; half > 0u; half /= 2u) {
if (lane < half) { totals[lane] = ${pieces.combine("totals[lane]", "totals[lane + half]")}; }
workgroupBarrier();
}
if (lane > 0u) { return; }
total = totals[0];
${statements}
${pieces.store(value)}
}
`;
  return { label: labelOf(step), code, bindings: table.bindings, workgroups };
}
