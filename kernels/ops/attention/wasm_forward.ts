/**
 * The forward pass of attention for some queries of one head, as one generated function.
 *
 * Keys and values are packed a block at a time; for every block of queries a tile of scores is
 * formed by a matrix product, turned into softmax weights in place, and multiplied with the values.
 * Where all keys fit one block the softmax is exact at once; otherwise running maxima and sums are
 * kept, and the partial results in the output are rescaled from block to block (online softmax).
 * Scratch memory is bounded by the block sizes, not by the lengths.
 *
 * Without segments the loop over blocks of keys is outside, so that every key is packed once. With
 * segments the loop over blocks of queries is outside, and each packs only the keys that it may see
 * (`wasm_segments.ts`).
 *
 * @module
 */
import type { FunctionBuilder, Lanes, Local, ModuleBuilder } from "../../wasm/emit/assembler.ts";
import { integer } from "../../wasm/emit/integers.ts";
import { assign, branchWhen, call, kept, type Operand } from "../../wasm/emit/values.ts";
import { defineBlock, panelElements } from "../matmul/wasm_micro.ts";
import { definePackColumns, definePackRows } from "../matmul/wasm_pack.ts";
import {
  advance,
  inWholeVectors,
  scratchAddress,
  ScratchLayout,
  tileRowElements,
  wholeVectors,
} from "./wasm_scratch.ts";
import { mergeRows, softmaxRows } from "./wasm_rows.ts";
import { defineBlockLength, defineVisibleKeys } from "./wasm_segments.ts";
import type { BiasTable } from "./relative_bias.ts";
import { prepareBias, spreadBias, takeBias } from "./wasm_bias.ts";

/** What the function is specialised to; strides are bytes from row to row. */
export interface ForwardKernel {
  readonly width: number;
  readonly keys: number;
  readonly scale: number;
  readonly segmented: boolean;
  /** Absent without relative biases. */
  readonly bias?: BiasTable;
  readonly queryStride: number;
  readonly keyStride: number;
  readonly valueStride: number;
  readonly outputStride: number;
  readonly blocks: ForwardBlocks;
}

/** Sizes of blocks. */
export interface ForwardBlocks {
  readonly queries: number;
  readonly keys: number;
  /** Most queries of one call. */
  readonly callQueries: number;
}

/** Where things are in the scratch area, in bytes. */
export function forwardScratch(
  { width, bias }: Pick<ForwardKernel, "width" | "bias">,
  blocks: ForwardBlocks,
  lanes: Lanes,
) {
  const columns = wholeVectors(width);
  const keys = wholeVectors(blocks.keys);
  const layout = new ScratchLayout();
  return {
    keyPanels: layout.take(panelElements(keys, width, lanes)),
    valuePanels: layout.take(panelElements(width, keys, lanes)),
    scores: layout.take(blocks.queries * tileRowElements(blocks.keys)),
    tile: layout.take(blocks.queries * columns),
    factors: layout.take(2 * blocks.queries),
    state: layout.take(2 * blocks.callQueries),
    bias: takeBias(layout, bias),
    bytes: layout.bytes,
  };
}

/**
 * Emits (query, key, value, output, logSumExp, querySegments, keySegments, bias, firstQuery, queries,
 * scratch): addresses of the first row of each operand and of the head's biases, place of the first
 * query in its window, number of queries, address of the scratch area.
 */
export function emitForward(
  module: ModuleBuilder,
  name: string,
  kernel: ForwardKernel,
): FunctionBuilder {
  const { width, keys, scale, segmented, bias, blocks } = kernel;
  const columns = wholeVectors(width);
  const place = forwardScratch(kernel, blocks, module.lanes);
  const scoreStride = 4 * tileRowElements(blocks.keys);
  const tileStride = 4 * columns;
  const single = keys <= blocks.keys;

  const packKeys = definePackColumns(module);
  const packValues = definePackRows(module);
  const multiply = defineBlock(module, { lastLanes: 0 });
  const softmax = softmaxRows(module, { scale, stride: scoreStride, segmented, single });
  const merge = mergeRows(module, { width, tileStride, resultStride: kernel.outputStride });

  const f = module.function(name, new Array<"i32">(11).fill("i32"), []);
  const [query, key, value, output, logSumExp, querySegments, keySegments] = f.parameters;
  const [biases, firstQuery, queries, scratch] = f.parameters.slice(7);
  const [keysLeft, keyCount, first, last] = f.locals("i32", 4);
  const [k, v, keyIds] = f.locals("i32", 3);
  const [q, o, lse, queryIds, state, left, rows] = f.locals("i32", 7);
  const [queryPlace, keyPlace, firstKey] = f.locals("i32", 3);
  const at = (offset: number): Operand => scratchAddress(scratch, offset);
  const biasOperands = [at(place.bias.entries), at(place.bias.places)];

  /** One tile: some queries against the packed keys. */
  const tile = (): void => {
    const scores = [at(place.scores), scoreStride] as const;
    const results = [at(place.tile), tileStride] as const;
    if (bias) {
      const spread = spreadBias(module, bias, scoreStride, single && !segmented);
      call(f, spread, at(place.scores), rows, keyCount, queryPlace, keyPlace, ...biasOperands);
    }
    const sizes = [rows, inWholeVectors(keyCount), width, bias ? 1 : 0];
    call(f, multiply, q, kernel.queryStride, at(place.keyPanels), ...scores, ...sizes);
    const softmaxOperands = [queryIds, keyIds, state, at(place.factors), lse];
    call(f, softmax, at(place.scores), rows, keyCount, first, last, ...softmaxOperands);
    call(f, multiply, ...scores, at(place.valuePanels), ...results, rows, columns, keyCount, 0);
    call(f, merge, at(place.tile), o, rows, at(place.factors), first);
  };

  /** Packs the `keysLeft` keys and values from `k` and `v` on, a block at a time. */
  const forEachKeyBlock = (body: () => void): void => {
    assign(f, first, 1);
    f.loop((next) => {
      assign(f, keyCount, integer.smaller(keysLeft, blocks.keys));
      assign(f, last, integer.atMost(keysLeft, blocks.keys));
      call(f, packKeys, k, kernel.keyStride, at(place.keyPanels), width, keyCount);
      call(f, packValues, v, kernel.valueStride, at(place.valuePanels), keyCount, width);
      body();
      f.increment(k, blocks.keys * kernel.keyStride);
      f.increment(v, blocks.keys * kernel.valueStride);
      f.increment(keyIds, 4 * blocks.keys).increment(keyPlace, blocks.keys);
      assign(f, first, 0);
      branchWhen(f, kept(keysLeft, integer.subtract(keysLeft, keyCount)), next);
    });
  };

  /** Visits the queries in blocks of at most `rows`, which `shorten` may make smaller. */
  const forEachQueryBlock = (shorten: () => void, body: () => void): void => {
    assign(f, q, query);
    assign(f, o, output);
    assign(f, lse, logSumExp);
    assign(f, queryIds, querySegments);
    assign(f, state, at(place.state));
    assign(f, left, queries);
    assign(f, queryPlace, firstQuery);
    f.loop((next) => {
      assign(f, rows, integer.smaller(left, blocks.queries));
      shorten();
      body();
      advance(f, q, rows, kernel.queryStride);
      advance(f, o, rows, kernel.outputStride);
      advance(f, lse, rows, 4);
      advance(f, queryIds, rows, 4);
      advance(f, state, rows, 8);
      advance(f, queryPlace, rows, 1);
      branchWhen(f, kept(left, integer.subtract(left, rows)), next);
    });
  };
  const firstKeys = (): void => {
    assign(f, k, key);
    assign(f, v, value);
    assign(f, keyIds, keySegments);
    assign(f, keyPlace, firstKey);
  };
  const skipKeys = (count: Local, rows: Record<"key" | "value" | "id" | "place", Local>): void => {
    advance(f, rows.key, count, kernel.keyStride);
    advance(f, rows.value, count, kernel.valueStride);
    advance(f, rows.id, count, 4);
    advance(f, rows.place, count, 1);
  };

  if (bias) {
    const prepare = prepareBias(module, { bias, scale, reversed: true });
    call(f, prepare, biases, ...biasOperands);
  }
  if (!segmented) {
    firstKeys();
    assign(f, keysLeft, keys);
    forEachKeyBlock(() => forEachQueryBlock(() => {}, tile));
    return f;
  }
  const blockLength = defineBlockLength(module);
  const visibleKeys = defineVisibleKeys(module);
  const [start, callKeys] = f.locals("i32", 2);
  // Most keys are ruled out for all queries of the call at once.
  call(f, visibleKeys, querySegments, queries, keySegments, keys);
  f.set(callKeys).set(start);
  skipKeys(start, { key, value, id: keySegments, place: firstKey });
  forEachQueryBlock(
    () => {
      call(f, blockLength, queryIds, rows);
      f.set(rows);
    },
    () => {
      call(f, visibleKeys, queryIds, rows, keySegments, callKeys);
      f.set(keysLeft).set(start);
      firstKeys();
      skipKeys(start, { key: k, value: v, id: keyIds, place: keyPlace });
      forEachKeyBlock(tile);
    },
  );
  return f;
}
