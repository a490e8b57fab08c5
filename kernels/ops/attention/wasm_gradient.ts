/**
 * The backward pass of attention for one head, as one generated function.
 *
 * Tiles of scores are formed transposed, keys as rows and queries as columns: then the softmax
 * statistics of the queries lie along the vectors, the weights P^T and the score gradients dS^T are
 * ready as left operands of `dV = P^T dO` and `dK = dS^T Q`, and only `dQ = dS K` needs a
 * transposed copy. The loop over blocks of queries is outside, the one over blocks of keys inside;
 * sums over blocks are added in that fixed order, dQ in scratch memory, dK and dV in the results.
 * With segments a block of queries visits only the range of keys that it may see
 * (`wasm_segments.ts`); dK and dV are cleared before, since nobody may visit some of their rows.
 *
 * Where there are fewer heads than threads, two kinds of calls share the work instead: some compute
 * dK and dV for a range of keys, some dQ for a range of queries. Both form the score tiles, which
 * makes seven products instead of five.
 *
 * @module
 */
import type { FunctionBuilder, Lanes, Local, ModuleBuilder } from "../../wasm/emit/assembler.ts";
import { integer } from "../../wasm/emit/integers.ts";
import { assign, branchWhen, call, kept, type Operand } from "../../wasm/emit/values.ts";
import { defineBlock, panelElements } from "../matmul/wasm_micro.ts";
import { definePackColumns, definePackRows, definePackTransposed } from "../matmul/wasm_pack.ts";
import { elementCount } from "../../shape.ts";
import type { BiasTable } from "./relative_bias.ts";
import { collectBias, prepareBias, spreadBias, takeBias } from "./wasm_bias.ts";
import { scoreGradientRows, writeRows } from "./wasm_rows.ts";
import { defineBlockLength, defineVisibleKeys } from "./wasm_segments.ts";
import {
  advance,
  inWholeVectors,
  scratchAddress,
  ScratchLayout,
  tileRowElements,
  wholeVectors,
} from "./wasm_scratch.ts";

/** Which results a call computes. */
export type GradientPart = "all" | "keys" | "queries";

/** What the function is specialised to; strides are bytes from row to row. */
export interface GradientKernel {
  readonly part: GradientPart;
  readonly width: number;
  readonly scale: number;
  readonly segmented: boolean;
  /** Absent without relative biases; with them, a call has a head to itself. */
  readonly bias?: BiasTable;
  /** Whether the gradient of the biases is asked for. */
  readonly biasGradient?: boolean;
  readonly queryStride: number;
  readonly keyStride: number;
  readonly valueStride: number;
  readonly outputGradientStride: number;
  readonly queryGradientStride: number;
  readonly keyGradientStride: number;
  readonly valueGradientStride: number;
  readonly blocks: GradientBlocks;
}

/** Sizes of blocks. */
export interface GradientBlocks {
  readonly queries: number;
  readonly keys: number;
}

/** Where things are in the scratch area, in bytes. */
export function gradientScratch(
  { width, bias }: Pick<GradientKernel, "width" | "bias">,
  blocks: GradientBlocks,
  lanes: Lanes,
) {
  const columns = wholeVectors(width);
  const queries = wholeVectors(blocks.queries);
  const keys = wholeVectors(blocks.keys);
  const layout = new ScratchLayout();
  return {
    queryColumns: layout.take(panelElements(queries, width, lanes)),
    gradientColumns: layout.take(panelElements(queries, width, lanes)),
    queryPanels: layout.take(panelElements(width, queries, lanes)),
    gradientPanels: layout.take(panelElements(width, queries, lanes)),
    keyPanels: layout.take(panelElements(width, keys, lanes)),
    weights: layout.take(keys * tileRowElements(queries)),
    scoreGradients: layout.take(keys * tileRowElements(queries)),
    transposed: layout.take(queries * tileRowElements(keys)),
    keyTile: layout.take(keys * columns),
    queryTile: layout.take(queries * columns),
    bias: takeBias(layout, bias),
    biasGradient: takeBias(layout, bias).entries,
    bytes: layout.bytes,
  };
}

/**
 * Emits (query, key, value, outputGradient, logSumExp, rowDot, querySegments, keySegments, bias,
 * queryGradient, keyGradient, valueGradient, firstQuery, queries, keys, scratch): addresses of the first
 * row of each operand and of the head's biases, place of the first query in its window, numbers of
 * queries and keys, address of the scratch area. The gradient of the biases is added to what is there.
 */
export function emitGradient(
  module: ModuleBuilder,
  name: string,
  kernel: GradientKernel,
): FunctionBuilder {
  const { part, width, scale, segmented, bias, blocks } = kernel;
  const columns = wholeVectors(width);
  const place = gradientScratch(kernel, blocks, module.lanes);
  const tileStride = 4 * tileRowElements(wholeVectors(blocks.queries));
  const transposedStride = 4 * tileRowElements(wholeVectors(blocks.keys));
  const resultStride = 4 * columns;

  const multiply = defineBlock(module, { lastLanes: 0 });
  const packColumns = definePackColumns(module);
  const packRows = definePackRows(module);
  const transpose = definePackTransposed(module);
  const scoreGradient = scoreGradientRows(module, { scale, stride: tileStride, segmented });
  const writer = (stride: number): FunctionBuilder =>
    writeRows(module, { width, tileStride: resultStride, resultStride: stride });
  const writeQueries = writer(kernel.queryGradientStride);
  const writeKeys = writer(kernel.keyGradientStride);
  const writeValues = writer(kernel.valueGradientStride);
  const f = module.function(name, new Array<"i32">(16).fill("i32"), []);
  const [query, key, value, outputGradient, logSumExp, rowDot] = f.parameters;
  const [querySegments, keySegments, biases] = f.parameters.slice(6);
  const [queryGradient, keyGradient, valueGradient] = f.parameters.slice(9);
  const [queryPlace, queries, keys, scratch] = f.parameters.slice(12);
  const [queryCount, queryVectors, keyCount, keysLeft, laterQueries, laterKeys] = f.locals(
    "i32",
    6,
  );
  const [k, v, segments, dK, dV, start, keyPlace] = f.locals("i32", 7);
  const at = (offset: number): Operand => scratchAddress(scratch, offset);
  /** Whether a block has all queries of a window. */
  const whole = !segmented && bias !== undefined && elementCount(bias.window) <= blocks.queries;
  /** Walks a tile beside a table of biases. */
  const walkBias = (kernel: FunctionBuilder, tile: number, entries: number): void => {
    const table = [at(entries), at(place.bias.places)];
    call(f, kernel, at(tile), keyCount, queryCount, keyPlace, queryPlace, ...table);
  };

  /** Packs a block of queries in the forms in which the products need it. */
  const packQueries = (): void => {
    const rows = [query, kernel.queryStride] as const;
    const gradientRows = [outputGradient, kernel.outputGradientStride] as const;
    call(f, packColumns, ...rows, at(place.queryColumns), width, queryCount);
    call(f, packColumns, ...gradientRows, at(place.gradientColumns), width, queryCount);
    if (part === "queries") return;
    call(f, packRows, ...rows, at(place.queryPanels), queryCount, width);
    call(f, packRows, ...gradientRows, at(place.gradientPanels), queryCount, width);
  };

  /** P^T and dS^T of a block of keys against the block of queries. */
  const scoreTiles = (): void => {
    if (bias) {
      const spread = spreadBias(module, bias, tileStride, whole);
      walkBias(spread, place.weights, place.bias.entries);
    }
    const [weights, gradients] = [at(place.weights), at(place.scoreGradients)];
    const multiplyRows = (
      rows: readonly [Local, number],
      panels: number,
      tile: Operand,
      accumulate: number,
    ): void => {
      const sizes = [keyCount, queryVectors, width, accumulate];
      call(f, multiply, ...rows, at(panels), tile, tileStride, ...sizes);
    };
    multiplyRows([k, kernel.keyStride], place.queryColumns, weights, bias ? 1 : 0);
    multiplyRows([v, kernel.valueStride], place.gradientColumns, gradients, 0);
    const statistics = [logSumExp, rowDot, segments, querySegments];
    call(f, scoreGradient, weights, gradients, keyCount, queryCount, ...statistics);
    if (bias && kernel.biasGradient) {
      const collect = collectBias(module, bias, tileStride, whole);
      walkBias(collect, place.scoreGradients, place.biasGradient);
    }
  };

  /** dV or dK of the block of keys: a tile times packed queries, added to the result. */
  const keyResult = (
    tile: number,
    panels: number,
    result: Local,
    write: FunctionBuilder,
  ): void => {
    const results = [at(place.keyTile), resultStride] as const;
    const sizes = [keyCount, columns, queryCount, 0];
    call(f, multiply, at(tile), tileStride, at(panels), ...results, ...sizes);
    call(f, write, at(place.keyTile), result, keyCount, laterQueries);
  };

  /** Adds the part of the block of keys to dQ of the block of queries. */
  const queryResult = (): void => {
    const rows = [at(place.transposed), transposedStride] as const;
    const results = [at(place.queryTile), resultStride] as const;
    const panels = at(place.keyPanels);
    call(f, transpose, at(place.scoreGradients), tileStride, ...rows, keyCount, queryCount);
    call(f, packRows, k, kernel.keyStride, panels, keyCount, width);
    call(f, multiply, ...rows, panels, ...results, queryCount, columns, keyCount, laterKeys);
  };

  /** Starts at the first key, or at the first that the block of queries may see. */
  const startKeys = (): void => {
    assign(f, k, key);
    assign(f, v, value);
    assign(f, segments, keySegments);
    assign(f, dK, keyGradient);
    assign(f, dV, valueGradient);
    assign(f, keysLeft, keys);
    assign(f, laterKeys, 0);
    assign(f, keyPlace, 0);
    if (!segmented) return;
    call(f, defineVisibleKeys(module), querySegments, queryCount, keySegments, keys);
    f.set(keysLeft).set(start);
    advance(f, k, start, kernel.keyStride);
    advance(f, v, start, kernel.valueStride);
    advance(f, dK, start, kernel.keyGradientStride);
    advance(f, dV, start, kernel.valueGradientStride);
    advance(f, segments, start, 4);
    advance(f, keyPlace, start, 1);
  };

  if (bias) {
    const prepare = prepareBias(module, { bias, scale, reversed: false });
    call(f, prepare, biases, at(place.bias.entries), at(place.bias.places));
  }
  // Rows of dK and dV that another block may not have visited were cleared.
  assign(f, laterQueries, segmented ? 1 : 0);
  f.loop((nextQueries) => {
    assign(f, queryCount, integer.smaller(queries, blocks.queries));
    if (segmented) {
      call(f, defineBlockLength(module), querySegments, queryCount);
      f.set(queryCount);
    }
    assign(f, queryVectors, inWholeVectors(queryCount));
    packQueries();
    startKeys();
    f.loop((nextKeys) => {
      assign(f, keyCount, integer.smaller(keysLeft, blocks.keys));
      scoreTiles();
      if (part !== "queries") {
        keyResult(place.weights, place.gradientPanels, dV, writeValues);
        keyResult(place.scoreGradients, place.queryPanels, dK, writeKeys);
      }
      if (part !== "keys") queryResult();
      f.increment(k, blocks.keys * kernel.keyStride);
      f.increment(v, blocks.keys * kernel.valueStride);
      f.increment(dK, blocks.keys * kernel.keyGradientStride);
      f.increment(dV, blocks.keys * kernel.valueGradientStride);
      f.increment(segments, 4 * blocks.keys).increment(keyPlace, blocks.keys);
      assign(f, laterKeys, 1);
      branchWhen(f, kept(keysLeft, integer.subtract(keysLeft, keyCount)), nextKeys);
    });
    if (part !== "keys") {
      call(f, writeQueries, at(place.queryTile), queryGradient, queryCount, 0);
    }
    advance(f, query, queryCount, kernel.queryStride);
    advance(f, outputGradient, queryCount, kernel.outputGradientStride);
    advance(f, queryGradient, queryCount, kernel.queryGradientStride);
    for (const rows of [logSumExp, rowDot, querySegments]) advance(f, rows, queryCount, 4);
    advance(f, queryPlace, queryCount, 1);
    assign(f, laterQueries, 1);
    branchWhen(f, kept(queries, integer.subtract(queries, queryCount)), nextQueries);
  });
  return f;
}
