/**
 * Matrix products in WebAssembly: choice of method and block sizes, and division over the threads.
 *
 * With many rows, b is packed into panels, or has been before the program ran (`weights.ts`); with
 * few, packing would cost as much as the product, and b is read in place (columns in half precision
 * are widened first, some at a time). The methods sum in different orders, so a batch-invariant
 * device always packs. Threads get boxes of the result; the grid of boxes is the one with the lowest
 * estimated time of its largest box, packing included.
 *
 * @module
 */
import { contiguousStrides, elementCount, formatShape, type Shape } from "../../shape.ts";
import type { View } from "../../view.ts";
import type { Call, Phase, WasmContext } from "../../wasm/lowering.ts";
import type { OperandForm } from "../../wasm/operand.ts";
import {
  blockSize,
  chunks,
  largestSize,
  type Range,
  splitEvenly,
  splitGrid,
} from "../../wasm/split.ts";
import { type ElementwiseKernel, rowsKernel } from "../elementwise/wasm.ts";
import type { MatmulStep, MatrixView } from "./step.ts";
import { dotColumns } from "./wasm_dot.ts";
import {
  emitMatmul,
  type MatmulKernel,
  matmulName,
  type MatrixLayout,
  type Method,
  packsA,
  scratchLayout,
} from "./wasm_driver.ts";
import { panelElements, tileColumns, tileRows } from "./wasm_micro.ts";
import { definePackColumns, packColumnsName, widenedColumnBytes } from "./wasm_pack.ts";
import { keepsOutput, packedDepthBlock, type PackedWeight, rowsReadInPlace } from "./weights.ts";

/** Directly read rows of b are few enough for the hardware to prefetch them all. */
const maximumDirectDepthBlock = 32;
const maximumRowBlock = 144;
const maximumColumnBlock = 1024;

/** Elements of b that are packed at a time: a quarter of a second-level cache. */
const packedBlockElements = 65536;

/** Elements of b's columns that are widened at a time: little enough to stay in a close cache. */
const widenedElements = 8192;

/** Time to pack an element, in multiply-adds. */
const packingCost = 8;

/** Fewer multiply-adds than this are not worth a further thread. */
const multiplyAddsPerThread = 65536;

/** The part of a product that one thread computes. */
interface Box {
  readonly batches: Range;
  readonly rows: Range;
  readonly columns: Range;
}

/** Turns a product into one phase. */
export function lowerMatmul(step: MatmulStep, context: WasmContext): Phase[] {
  const weight = context.packedWeight(step);
  const method = weight !== undefined ? "prepared" : chooseMethod(step, context);
  const boxes = divide(step, method, context);
  const kernel = planBlocks(step, method, boxes, context);
  const name = matmulName(kernel);
  context.define(name, (module) => emitMatmul(module, name, kernel));
  const addresses = operandAddresses(step, context, weight);
  const { end: bytes } = scratchLayout(kernel, context.lanes);
  const range = ({ start, end }: Range) => [start, end];
  const phase: Phase = Array.from({ length: context.threads }, (_, thread) => {
    const box = boxes[thread];
    if (!box) return [];
    const ranges = [box.batches, box.rows, box.columns].flatMap(range);
    return [{
      function: name,
      arguments: [...ranges, context.scratch(thread, bytes), ...addresses],
    }];
  });
  return [phase];
}

/**
 * Addresses of a, b, the output and the epilogue's operands.
 *
 * @param weight where b lies packed
 */
function operandAddresses(step: MatmulStep, context: WasmContext, weight?: number): number[] {
  const { batch, m, n, k, output } = step;
  const { shape } = output;
  if (elementCount(shape) !== batch * m * n || shape.at(-1) !== n) {
    throw new RangeError(`matmul: ${batch} products of ${m} x ${n} into ${formatShape(shape)}`);
  }
  return [
    context.address(factorView(step.a, [batch, m, k]), { shape: [batch, m, k] }),
    weight ?? context.address(factorView(step.b, [batch, k, n]), rightForm([batch, k, n])),
    context.address(output, { shape, layout: "contiguous", written: true }),
    ...step.epilogueInputs.map((view) => context.address(view, { shape })),
  ];
}

/** How generated code reads a right factor. */
function rightForm(shape: Shape): OperandForm {
  return { shape, halves: true };
}

/**
 * Packs weights before the steps that read them.
 *
 * @param weights with the addresses of what they are packed into; a thread packs whole weights, since
 * packing writes a little behind each
 */
export function lowerPacking(
  weights: readonly (PackedWeight & { readonly address: number })[],
  context: WasmContext,
): Phase {
  const loads = new Array<number>(context.threads).fill(0);
  const phase = loads.map((): Call[] => []);
  for (const weight of [...weights].sort((x, y) => y.n * y.k - x.n * x.k)) {
    const thread = loads.indexOf(Math.min(...loads));
    loads[thread] += weight.n * weight.k;
    phase[thread].push(...packingCalls(weight, context));
  }
  return phase;
}

function packingCalls(
  { b, n, k, depthBlock, address }: PackedWeight & { readonly address: number },
  context: WasmContext,
): Call[] {
  context.define(packColumnsName("f32"), (module) => definePackColumns(module));
  const source = context.address(factorView(b, [1, k, n]), rightForm([1, k, n]));
  return chunks({ start: 0, end: k }, depthBlock).map(({ start, end }) => ({
    function: packColumnsName("f32"),
    arguments: [
      source + 4 * start,
      4 * b.columnStride,
      address + 4 * panelElements(n, start, context.lanes),
      end - start,
      n,
    ],
  }));
}

/** A factor as a view of its matrices. */
function factorView(factor: MatrixView, shape: Shape): View {
  const { batchStride, rowStride, columnStride, ...place } = factor;
  if (rowStride !== 1 && columnStride !== 1) {
    throw new RangeError(`matmul: strides ${rowStride} and ${columnStride}, of which none is 1`);
  }
  return { ...place, shape, strides: [batchStride, rowStride, columnStride] };
}

function chooseMethod(
  { m, k, b }: MatmulStep,
  { batchInvariant, scratchBytes }: WasmContext,
): Method {
  if (batchInvariant) return "packed";
  const inPlace = b.dtype === "f32";
  if (b.columnStride === 1) return inPlace && m <= rowsReadInPlace ? "direct" : "packed";
  const fits = inPlace || dotColumns(8) * widenedColumnBytes(k) <= scratchBytes / 2;
  return m <= rowsReadInPlace && fits ? "dot" : "packed";
}

/** Chooses block sizes for the largest box. */
function planBlocks(
  step: MatmulStep,
  method: Method,
  boxes: readonly Box[],
  { scratchBytes, lanes, relaxed }: WasmContext,
): MatmulKernel {
  const { m, n, k } = step;
  // Boxes of small products may be empty.
  const rows = largestSize(boxes.map((box) => box.rows));
  const columns = largestSize(boxes.map((box) => box.columns));
  const layout = ({ batchStride, rowStride, columnStride, dtype }: MatrixLayout) => ({
    batchStride,
    rowStride,
    columnStride,
    dtype,
  });
  const keeps = keepsOutput(step);
  const depthBlock = method === "dot" || keeps
    ? k
    : method === "direct"
    ? blockSize(k, maximumDirectDepthBlock, 8)
    : packedDepthBlock(step);
  // Neither packed block may take more than a share of the scratch memory.
  const fitting = (share: number, unit: number) =>
    Math.max(unit, Math.floor(scratchBytes / share / (4 * depthBlock) / unit) * unit);
  const widens = method === "dot" && step.b.dtype === "f16";
  const maximumColumns = widens
    ? widenedElements / k
    : method === "packed"
    ? packedBlockElements / depthBlock
    : maximumColumnBlock;
  const [rowUnit, unit] = [tileRows(relaxed), tileColumns(lanes)];
  const columnBlock = method === "packed" || method === "prepared" || widens || keeps
    ? blockSize(columns, Math.min(maximumColumns, fitting(2, unit)), unit)
    : columns;
  const kernel: MatmulKernel = {
    m,
    n,
    k,
    a: layout(step.a),
    b: layout(step.b),
    method,
    rowBlock: blockSize(rows, Math.min(maximumRowBlock, fitting(4, rowUnit)), rowUnit),
    columnBlock,
    depthBlock,
    keepsOutput: keeps,
    epilogue: epilogueKernel(step, keeps ? columnBlock : n),
  };
  if (scratchLayout(kernel, lanes).end > scratchBytes) {
    throw new RangeError(`matmul: blocks of ${m} x ${n} x ${k} exceed the scratch memory`);
  }
  return kernel;
}

/** The epilogue as an element-wise kernel over rows of a product with a given distance of rows. */
function epilogueKernel(step: MatmulStep, productRow: number): ElementwiseKernel | undefined {
  if (!step.epilogue) return undefined;
  const { shape } = step.output;
  return rowsKernel(step.epilogue, shape, [
    contiguousStrides([...shape.slice(0, -1), productRow]),
    ...step.epilogueInputs.map((view) => view.strides),
    contiguousStrides(shape),
  ]);
}

/** Divides the result into at most one box a thread. */
function divide(
  step: MatmulStep,
  method: Method,
  { threads, lanes, relaxed }: WasmContext,
): Box[] {
  const { batch, m, n, k } = step;
  const whole = (end: number): Range => ({ start: 0, end });
  const workers = Math.min(threads, Math.ceil(batch * m * n * k / multiplyAddsPerThread));
  if (batch % workers === 0 || batch >= 4 * workers) {
    return splitEvenly(batch, workers)
      .map((batches) => ({ batches, rows: whole(m), columns: whole(n) }));
  }
  const unit = method === "dot" ? dotColumns(lanes) : tileColumns(lanes);
  return splitGrid(
    { size: m, unit: tileRows(relaxed) },
    { size: n, unit },
    workers,
    (rows, columns) => boxCost(step, method, rows, columns),
  ).map((box) => ({ ...box, batches: whole(batch) }));
}

/** Estimated time of a box, in multiply-adds per unit of depth. */
function boxCost(step: MatmulStep, method: Method, rows: number, columns: number): number {
  const packedElements = (method === "packed" ? columns : 0) + (packsA(step) ? rows : 0);
  return rows * columns + packingCost * packedElements;
}
