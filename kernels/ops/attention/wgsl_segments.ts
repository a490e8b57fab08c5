/**
 * Segments on WebGPU: two small kernels before the passes find out, for 32 rows of the score matrix
 * at a time, which range of columns they may see, so that a pass visits nothing else. What stands
 * between is masked by ids as ever: unsorted ids cost time and change nothing.
 *
 * The first kernel takes down all ids and, for every block of 32, the lowest and the highest; the
 * second searches the other side for blocks that may hold an id in between. Ids are compared as
 * unsigned numbers: padding, usually -1, then comes last, as it does in a packed sequence. All of it
 * is in one table, so that a pass needs one binding.
 *
 * @module
 */
import type { View } from "../../view.ts";
import type { Binding } from "../../webgpu/lowering.ts";
import { affine, BindingTable, type LinearKernel, linearKernel } from "../../webgpu/emit/wgsl.ts";
import type { AttentionOperands } from "./step.ts";

/** Rows or columns of a block: a multiple of every tile of the passes. */
export const segmentBlock = 32;

/** Queries or keys in the table; places are those of first elements. */
interface SegmentSide {
  readonly name: "query" | "key";
  readonly view: View;
  readonly length: number;
  /** Blocks of one sequence. */
  readonly blocks: number;
  /** Ids (N, length). */
  readonly ids: number;
  /** Lowest and highest id of every block, (N, blocks, 2). */
  readonly bounds: number;
  /** Range of the other side that every block may see, (N, blocks, 2): first and behind the last. */
  readonly ranges: number;
}

/** Where the table has what. */
export interface SegmentTable {
  readonly batch: number;
  readonly query: SegmentSide;
  readonly key: SegmentSide;
  /** Size of the table, `u32` elements. */
  readonly elements: number;
}

/** A kernel with its bindings. */
export type BoundKernel = LinearKernel & { readonly bindings: readonly Binding[] };

/** The layout of a step's table; undefined without segments. */
export function segmentTable(step: AttentionOperands): SegmentTable | undefined {
  const { querySegments, keySegments } = step;
  if (!querySegments || !keySegments) return undefined;
  let elements = 0;
  const take = (count: number): number => {
    const first = elements;
    elements += count;
    return first;
  };
  const side = (name: "query" | "key", view: View): SegmentSide => {
    const [batch, length] = view.shape;
    const blocks = Math.ceil(length / segmentBlock);
    const [ids, bounds, ranges] = [length, 2 * blocks, 2 * blocks].map((n) => take(batch * n));
    return { name, view, length, blocks, ids, bounds, ranges };
  };
  const [query, key] = [side("query", querySegments), side("key", keySegments)];
  return { batch: querySegments.shape[0], query, key, elements };
}

/** The two kernels that fill the table in `buffer`, one invocation a block. */
export function segmentKernels(segments: SegmentTable, buffer: number): BoundKernel[] {
  const { query, key } = segments;
  const bounds = new BindingTable();
  const sources = [query, key].map((side) => copyIds(bounds, side, buffer));
  const ranges = new BindingTable();
  const array = ranges.use(buffer, "write", "u32");
  return [
    eachBlock(segments, bounds, sources),
    eachBlock(segments, ranges, [findRange(array, query, key), findRange(array, key, query)]),
  ];
}

/** A kernel that calls `queryVisit(n, block)` or `keyVisit(n, block)` for every block. */
function eachBlock(
  { batch, query, key }: SegmentTable,
  table: BindingTable,
  functions: readonly string[],
): BoundKernel {
  const blocks = query.blocks + key.blocks;
  const kernel = linearKernel(
    batch * blocks,
    table.declarations() + functions.join(""),
    `let n = index / ${blocks}u;
let block = index % ${blocks}u;
if (block < ${query.blocks}u) {
queryVisit(n, block);
} else {
keyVisit(n, block - ${query.blocks}u);
}`,
  );
  return { ...kernel, bindings: table.bindings };
}

/** Address of one of the pairs that the table has for every block. */
function pairAddress({ blocks }: SegmentSide, first: number): string {
  return affine(first, ["n", "block"], [2 * blocks, 2]);
}

/** Takes down the ids of a block, the lowest and the highest. */
function copyIds(table: BindingTable, side: SegmentSide, buffer: number): string {
  const { name, view, length, ids, bounds } = side;
  const source = table.use(view.buffer, "read", "i32");
  const target = table.use(buffer, "write", "u32");
  return `fn ${name}Visit(n: u32, block: u32) {
var lowest = 0xffffffffu;
var highest = 0u;
let first = block * ${segmentBlock}u;
for (var t = first; t < min(first + ${segmentBlock}u, ${length}u); t++) {
let id = bitcast<u32>(${source}[${affine(view.offset, ["n", "t"], view.strides)}]);
${target}[${affine(ids, ["n", "t"], [length, 1])}] = id;
lowest = min(lowest, id);
highest = max(highest, id);
}
let at = ${pairAddress(side, bounds)};
${target}[at] = lowest;
${target}[at + 1u] = highest;
}
`;
}

/** Finds the range of `other` that a block of `side` may see: first by blocks, then by ids. */
function findRange(array: string, side: SegmentSide, other: SegmentSide): string {
  const bounds = pairAddress(other, other.bounds);
  return `fn ${side.name}MissesBlock(lowest: u32, highest: u32, n: u32, block: u32) -> bool {
let at = ${bounds};
return ${array}[at] > highest || ${array}[at + 1u] < lowest;
}
fn ${side.name}Misses(lowest: u32, highest: u32, n: u32, t: u32) -> bool {
let id = ${array}[${affine(other.ids, ["n", "t"], [other.length, 1])}];
return id > highest || id < lowest;
}
fn ${side.name}Visit(n: u32, block: u32) {
let lowest = ${array}[${pairAddress(side, side.bounds)}];
let highest = ${array}[${pairAddress(side, side.bounds)} + 1u];
var firstBlock = 0u;
var endBlock = ${other.blocks}u;
while (firstBlock < endBlock && ${side.name}MissesBlock(lowest, highest, n, firstBlock)) {
firstBlock++;
}
while (firstBlock < endBlock && ${side.name}MissesBlock(lowest, highest, n, endBlock - 1u)) {
endBlock--;
}
var first = firstBlock * ${segmentBlock}u;
var end = min(endBlock * ${segmentBlock}u, ${other.length}u);
while (first < end && ${side.name}Misses(lowest, highest, n, first)) { first++; }
while (first < end && ${side.name}Misses(lowest, highest, n, end - 1u)) { end--; }
let at = ${pairAddress(side, side.ranges)};
${array}[at] = first;
${array}[at + 1u] = end;
}
`;
}

/**
 * WGSL for a pass: `rowSegment(n, t)`, `columnSegment(n, t)`, and `visibleColumns(n, row)`, the first
 * column that the block of rows around `row` may see and the one behind the last.
 *
 * @param array name of the table's binding
 * @param rows side of the rows; the other one is that of the columns
 */
export function segmentFunctions(
  array: string,
  table: SegmentTable,
  rows: "query" | "key",
): string {
  const row = table[rows];
  const column = rows === "query" ? table.key : table.query;
  const segmentOf = (name: string, { ids, length }: SegmentSide): string =>
    `fn ${name}Segment(n: u32, t: u32) -> u32 {
return ${array}[${affine(ids, ["n", "t"], [length, 1])}];
}
`;
  return `${segmentOf("row", row)}${segmentOf("column", column)}
fn visibleColumns(n: u32, row: u32) -> vec2<u32> {
let block = row / ${segmentBlock}u;
let at = ${pairAddress(row, row.ranges)};
return vec2<u32>(${array}[at], ${array}[at + 1u]);
}
`;
}
