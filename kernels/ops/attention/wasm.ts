/**
 * Attention and its gradient in WebAssembly: the work is divided into tasks of one head each (parts
 * of one where there are few heads), and every task is one call of a generated function that loops
 * over blocks of queries and keys (`wasm_forward.ts`, `wasm_gradient.ts`). The matrix products are
 * those of the matmul family.
 *
 * @module
 */
import type { View } from "../../view.ts";
import type { Call, Phase, WasmContext, WasmLowering } from "../../wasm/lowering.ts";
import type { AttentionGradientStep, AttentionOperands, AttentionStep } from "./step.ts";
import {
  emitGradient,
  type GradientBlocks,
  type GradientKernel,
  type GradientPart,
  gradientScratch,
} from "./wasm_gradient.ts";
import { type BiasTable, biasTable } from "./relative_bias.ts";
import { writeBiasGradient } from "./wasm_bias.ts";
import { clearRows, rowDots } from "./wasm_rows.ts";
import { segmentedCallQueries } from "./wasm_segments.ts";
import { chunks, type Range, splitEvenly, splitPhase } from "../../wasm/split.ts";
import {
  emitForward,
  type ForwardBlocks,
  type ForwardKernel,
  forwardScratch,
} from "./wasm_forward.ts";

/** A call keeps at least this many queries: packing the keys costs as much as some rows. */
const smallestPart = 32;

/** Upper limits of block sizes; the tile of scores should stay in the second-level cache. */
const largestForwardBlocks = { queries: 72, keys: 512 };

/** Upper limits of block sizes for the gradient, which keeps more tiles at a time. */
const largestGradientBlocks = { queries: 256, keys: 66 };

/** Blocks have the size that fits in the widest form: it decides which bits result. */
const widest = 8;

/** Work of one call: queries (or keys) of one head. */
interface Task {
  readonly batch: number;
  readonly head: number;
  readonly range: Range;
}

/** Bytes from one row to the next. */
function rowStride(view: View): number {
  return view.shape[1] === 1 ? 0 : 4 * view.strides[1];
}

/** Byte address of what an operand holds for row `row` of the head of a task. */
type RowAddress = (task: Task, row: number) => number;

/** Rows of a (N, length, H, D) operand. */
function headRows(
  context: WasmContext,
  { query }: AttentionOperands,
  view: View,
  length: number,
  written = false,
): RowAddress {
  const [batch, , heads, width] = query.shape;
  const shape = [batch, length, heads, width];
  const first = context.address(view, { shape, layout: "rows", written });
  const { strides } = view;
  return (task, row) =>
    first + 4 * (task.batch * strides[0] + row * strides[1] + task.head * strides[2]);
}

/** Elements of a contiguous (N, H, Tq) operand. */
function headValues(
  context: WasmContext,
  { query }: AttentionOperands,
  view: View,
  written = false,
): RowAddress {
  const [batch, queries, heads] = query.shape;
  const shape = [batch, heads, queries];
  const first = context.address(view, { shape, layout: "contiguous", written });
  return (task, row) => first + 4 * ((task.batch * heads + task.head) * queries + row);
}

/** Ids of a contiguous (N, length) operand; address 0 where there are no segments. */
function segmentIds(
  context: WasmContext,
  { query }: AttentionOperands,
  view: View | undefined,
  length: number,
): RowAddress {
  if (!view) return () => 0;
  const shape = [query.shape[0], length];
  const first = context.address(view, { shape, layout: "contiguous" });
  return ({ batch }, row) => first + 4 * (batch * length + row);
}

/** The biases of the head of a task; address 0 where there are none. */
function headBiases(
  context: WasmContext,
  { bias }: AttentionOperands,
): (task: Task) => number {
  if (!bias) return () => 0;
  const first = context.address(bias, { shape: bias.shape, layout: "contiguous" });
  const { entries } = biasTable(bias);
  return ({ head }) => first + 4 * head * entries;
}

/**
 * One task a head, or several equal ranges of `length` rows a head when there are so few heads that
 * threads would wait for each other.
 */
function headTasks(step: AttentionOperands, length: number, threads: number): Task[] {
  const [batch, , heads] = step.query.shape;
  const wanted = threads === 1 ? 1 : Math.ceil((2 * threads) / (batch * heads));
  const parts = Math.max(1, Math.min(wanted, Math.floor(length / smallestPart)));
  return Array.from({ length: batch * heads }, (_, i) => i).flatMap((i) =>
    splitEvenly(length, parts).map((range) => ({
      batch: Math.floor(i / heads),
      head: i % heads,
      range,
    }))
  );
}

/**
 * Tasks of the queries of every head. With segments they do not depend on the number of threads:
 * a query's result has the same bits only where it is computed in the same block.
 */
function queryTasks(step: AttentionOperands, threads: number): Task[] {
  const queries = step.query.shape[1];
  if (!step.querySegments) return headTasks(step, queries, threads);
  return headTasks(step, 1, threads).flatMap(({ batch, head }) =>
    callRanges(step).map((range) => ({ batch, head, range }))
  );
}

/** All queries of a head, divided into those of one call where there are segments. */
function callRanges({ query, querySegments }: AttentionOperands): Range[] {
  const queries = query.shape[1];
  return chunks({ start: 0, end: queries }, querySegments ? segmentedCallQueries : queries);
}

/** A block size of at most `limit` that divides `length` into nearly equal blocks. */
function evenBlock(length: number, limit: number, unit: number): number {
  const blocks = Math.ceil(length / limit);
  return Math.ceil(length / blocks / unit) * unit;
}

/** Distributes tasks over the threads. */
function taskPhase(
  tasks: readonly Task[],
  context: WasmContext,
  scratchBytes: number,
  calls: (task: Task, scratch: number) => Call | readonly Call[],
): Phase {
  return splitPhase(
    splitEvenly(tasks.length, context.threads),
    ({ start, end }, thread) => {
      const scratch = context.scratch(thread, scratchBytes);
      return tasks.slice(start, end).flatMap((task) => calls(task, scratch));
    },
  );
}

/** Block sizes that fit the scratch memory. */
function forwardBlocks(
  kernel: Omit<ForwardKernel, "blocks">,
  callQueries: number,
  scratchBytes: number,
): ForwardBlocks {
  const { keys } = kernel;
  const queries = evenBlock(callQueries, largestForwardBlocks.queries, 6);
  for (let limit = largestForwardBlocks.keys; limit >= 4; limit = Math.floor(limit / 2)) {
    const blocks = { queries, keys: evenBlock(keys, limit, 4), callQueries };
    if (forwardScratch(kernel, blocks, widest).bytes <= scratchBytes) return blocks;
  }
  throw new RangeError(`attention: ${describe(kernel)} need more scratch memory`);
}

/** What takes scratch memory. */
function describe({ width, bias }: { readonly width: number; readonly bias?: BiasTable }): string {
  return `heads of width ${width}${bias ? ` with ${bias.entries} biases` : ""}`;
}

/** Scaled dot-product attention. */
export const lowerAttention: WasmLowering<AttentionStep> = (step, context) => {
  const { query, key, value, output, logSumExp, querySegments, keySegments, scale, bias } = step;
  const [, queries, , width] = query.shape;
  const keys = key.shape[1];
  const rows = (view: View, length: number) => headRows(context, step, view, length);
  const ids = (view: View | undefined, length: number) => segmentIds(context, step, view, length);
  const [q, k, v] = [rows(query, queries), rows(key, keys), rows(value, keys)];
  const o = headRows(context, step, output, queries, true);
  const lse = headValues(context, step, logSumExp, true);
  const [queryIds, keyIds] = [ids(querySegments, queries), ids(keySegments, keys)];
  const biases = headBiases(context, step);
  const tasks = queryTasks(step, context.threads);
  const callQueries = Math.max(...tasks.map(({ range }) => range.end - range.start));
  const form = {
    width,
    keys,
    scale,
    segmented: querySegments !== undefined,
    bias: bias && biasTable(bias),
    queryStride: rowStride(query),
    keyStride: rowStride(key),
    valueStride: rowStride(value),
    outputStride: rowStride(output),
  };
  const blocks = forwardBlocks(form, callQueries, context.scratchBytes);
  const kernel: ForwardKernel = { ...form, blocks };
  const name = `attention ${JSON.stringify(kernel)}`;
  context.define(name, (module) => emitForward(module, name, kernel));
  const call = (task: Task, scratch: number): Call => {
    const { start, end } = task.range;
    return {
      function: name,
      arguments: [
        q(task, start),
        k(task, 0),
        v(task, 0),
        o(task, start),
        lse(task, start),
        queryIds(task, start),
        keyIds(task, 0),
        biases(task),
        start,
        end - start,
        scratch,
      ],
    };
  };
  const { bytes } = forwardScratch(kernel, blocks, context.lanes);
  return [taskPhase(tasks, context, bytes, call)];
};

/** Block sizes of the gradient that fit the scratch memory. */
function gradientBlocks(
  kernel: Pick<GradientKernel, "width" | "bias">,
  queries: number,
  keys: number,
  scratchBytes: number,
): GradientBlocks {
  for (let limit = largestGradientBlocks.queries; limit >= 4; limit = Math.floor(limit / 2)) {
    const blocks = {
      queries: evenBlock(queries, limit, 4),
      keys: evenBlock(keys, Math.min(limit, largestGradientBlocks.keys), 1),
    };
    if (gradientScratch(kernel, blocks, widest).bytes <= scratchBytes) return blocks;
  }
  throw new RangeError(`attention gradient: ${describe(kernel)} need more scratch memory`);
}

/** The phase that computes `rowDot`, divided into the same kind of tasks as the forward pass. */
function rowDotPhase(step: AttentionGradientStep, context: WasmContext): Phase {
  const { output, outputGradient, rowDot } = step;
  const [, queries, , width] = output.shape;
  const strides = [rowStride(output), rowStride(outputGradient)] as const;
  const name = `attention row dots ${width} ${strides.join(" ")}`;
  context.define(name, (module) => rowDots(module, { width, strides }));
  const [o, dO] = [output, outputGradient].map((view) => headRows(context, step, view, queries));
  const dots = headValues(context, step, rowDot, true);
  const tasks = headTasks(step, queries, context.threads);
  return taskPhase(tasks, context, 0, (task) => {
    const { start, end } = task.range;
    return {
      function: name,
      arguments: [o(task, start), dO(task, start), end - start, dots(task, start)],
    };
  });
}

/** Sets `rows` rows of a result to zero. */
function clearCall(
  context: WasmContext,
  width: number,
  stride: number,
  first: number,
  rows: number,
): Call {
  const name = `attention clear ${width} ${stride}`;
  context.define(name, (module) => clearRows(module, { width, stride }));
  return { function: name, arguments: [first, rows] };
}

/**
 * What stands around the calls of a head so that its gradients of biases are summed up in scratch
 * memory, at `sums`, and then written; undefined where nobody asks for them.
 */
function biasGradientCalls(
  { query, bias, biasGradient, scale }: AttentionGradientStep,
  context: WasmContext,
  sums: number,
): ((task: Task, scratch: number, calls: readonly Call[]) => Call[]) | undefined {
  if (!bias || !biasGradient) return undefined;
  const [batch, , heads] = query.shape;
  const table = biasTable(bias);
  const form = { shape: [batch, ...bias.shape], layout: "contiguous", written: true } as const;
  const first = context.address(biasGradient, form);
  const name = `attention bias write ${table.entries} ${scale}`;
  context.define(name, (module) => writeBiasGradient(module, name, table, scale));
  return ({ batch, head }, scratch, calls) => {
    const result = first + 4 * (batch * heads + head) * table.entries;
    return [
      clearCall(context, table.entries, 0, scratch + sums, 1),
      ...calls,
      { function: name, arguments: [scratch + sums, result] },
    ];
  };
}

/** Gradients of attention for queries, keys, values and biases. */
export const lowerAttentionGradient: WasmLowering<AttentionGradientStep> = (step, context) => {
  const { query, key, value, outputGradient, querySegments, keySegments } = step;
  const { queryGradient, keyGradient, valueGradient, biasGradient } = step;
  const [batch, queries, heads, width] = query.shape;
  const keys = key.shape[1];
  const rows = (view: View, length: number) => headRows(context, step, view, length);
  const results = (view: View, length: number) => headRows(context, step, view, length, true);
  const ids = (view: View | undefined, length: number) => segmentIds(context, step, view, length);
  const [q, dO] = [query, outputGradient].map((view) => rows(view, queries));
  const [k, v] = [key, value].map((view) => rows(view, keys));
  const dQ = results(queryGradient, queries);
  const [dK, dV] = [keyGradient, valueGradient].map((view) => results(view, keys));
  const [lse, dots] = [step.logSumExp, step.rowDot].map((view) => headValues(context, step, view));
  const [queryIds, keyIds] = [ids(querySegments, queries), ids(keySegments, keys)];
  const biases = headBiases(context, step);
  const segmented = querySegments !== undefined;
  const queryRanges = callRanges(step);
  const bias = step.bias && biasTable(step.bias);
  const kernel: Omit<GradientKernel, "part"> = {
    width,
    scale: step.scale,
    segmented,
    bias,
    biasGradient: biasGradient !== undefined,
    queryStride: rowStride(query),
    keyStride: rowStride(key),
    valueStride: rowStride(value),
    outputGradientStride: rowStride(outputGradient),
    queryGradientStride: rowStride(queryGradient),
    keyGradientStride: rowStride(keyGradient),
    valueGradientStride: rowStride(valueGradient),
    blocks: gradientBlocks({ width, bias }, queryRanges[0].end, keys, context.scratchBytes),
  };
  const call = (part: GradientPart, task: Task, i: Range, j: Range, scratch: number): Call => {
    const name = `attentionGradient ${JSON.stringify({ part, ...kernel })}`;
    context.define(name, (module) => emitGradient(module, name, { part, ...kernel }));
    return {
      function: name,
      arguments: [
        q(task, i.start),
        k(task, j.start),
        v(task, j.start),
        dO(task, i.start),
        lse(task, i.start),
        dots(task, i.start),
        queryIds(task, i.start),
        keyIds(task, j.start),
        biases(task),
        dQ(task, i.start),
        dK(task, j.start),
        dV(task, j.start),
        i.start,
        i.end - i.start,
        j.end - j.start,
        scratch,
      ],
    };
  };
  const clear = (view: View, address: RowAddress, task: Task, { start, end }: Range): Call =>
    clearCall(context, width, rowStride(view), address(task, start), end - start);
  /** All queries, against a range of keys whose gradients nobody else adds to. */
  const keyCalls = (part: GradientPart, task: Task, j: Range, scratch: number): Call[] => [
    ...(segmented ? [clear(keyGradient, dK, task, j), clear(valueGradient, dV, task, j)] : []),
    ...queryRanges.map((i) => call(part, task, i, j, scratch)),
  ];
  const allKeys = { start: 0, end: keys };
  const first = rowDotPhase(step, context);
  const place = gradientScratch(kernel, kernel.blocks, context.lanes);
  const { bytes } = place;
  const biasCalls = biasGradientCalls(step, context, place.biasGradient);
  const byQueries = queryTasks(step, context.threads);
  const byKeys = headTasks(step, keys, context.threads);
  // Five products a head rather than seven, unless threads would be idle for longer than that costs.
  const idle = Math.ceil(batch * heads / context.threads) * context.threads / (batch * heads);
  const divided = byQueries.length > batch * heads && byKeys.length > batch * heads && !bias;
  if (!divided || idle < 7 / 5) {
    const whole = headTasks(step, 1, context.threads);
    return [
      first,
      taskPhase(whole, context, bytes, (task, scratch) => {
        const calls = keyCalls("all", task, allKeys, scratch);
        return biasCalls ? biasCalls(task, scratch, calls) : calls;
      }),
    ];
  }
  return [
    first,
    taskPhase(
      byKeys,
      context,
      bytes,
      (task, scratch) => keyCalls("keys", task, task.range, scratch),
    ),
    taskPhase(
      byQueries,
      context,
      bytes,
      (task, scratch) => call("queries", task, task.range, allKeys, scratch),
    ),
  ];
};
