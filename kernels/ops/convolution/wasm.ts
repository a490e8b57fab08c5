/**
 * Convolutions in WebAssembly: sizes of blocks, and division over the threads.
 *
 * Sizes of blocks that decide in which order numbers are summed depend on the step alone.
 *
 * @module
 */
import { elementCount } from "../../shape.ts";
import type { Lanes } from "../../wasm/emit/assembler.ts";
import type { View } from "../../view.ts";
import type { Call, WasmContext, WasmLowering } from "../../wasm/lowering.ts";
import {
  blockSize,
  chunks,
  largestSize,
  type Range,
  type Rectangle,
  splitGrid,
} from "../../wasm/split.ts";
import { type ElementwiseKernel, rowsKernel } from "../elementwise/wasm.ts";
import { panelColumns, tileColumns, tileRows } from "../matmul/wasm_micro.ts";
import type { ConvolutionStep, ConvolutionWeightGradientStep, Triple, Windows } from "./step.ts";
import {
  type ConvolutionKernel,
  convolutionName,
  emitConvolution,
  type KernelLayout,
  scratchLayout,
} from "./wasm_forward.ts";
import { emitWinogradGradient, winogradGradientLayout } from "./wasm_winograd_gradient.ts";
import { emitWinograd, tilePlaces, tileSide, winogradLayout } from "./wasm_winograd.ts";
import {
  emitWeightGradient,
  gradientScratchLayout,
  type WeightGradientKernel,
  weightGradientName,
} from "./wasm_weight_gradient.ts";
import { blocksOfFrame, slabSizes, type WindowBlocks } from "./wasm_windows.ts";

/** Numbers of a slab: it stays in the second-level cache. */
const maximumSlab = 2 ** 17;

/** Numbers of the packed kernel, and of the sums of a weight's gradient. */
const maximumPanels = 2 ** 20;
const maximumSums = 2 ** 17;

/** Channels of a block of a weight's gradient. */
const maximumRows = 96;
const maximumColumns = 64;

/** Time to pack a number, in multiply-adds. */
const packingCost = 8;

/** Fewer multiply-adds than this are not worth a further thread. */
const multiplyAddsPerThread = 65536;

/** Windows of a block, and of one of its lines, at most; multiples of `unit`. */
interface BlockLimits {
  readonly windows: number;
  readonly width: number;
  readonly unit: number;
}

/** How a convolution is carried out. */
interface Method extends BlockLimits {
  readonly name: string;
  readonly emit: typeof emitConvolution;
  readonly scratchBytes: (kernel: ConvolutionKernel, lanes: Lanes) => number;
  /** Terms of the products, and numbers of a packed column, for each channel and kernel. */
  readonly terms: (kernel: Triple) => number;
  readonly packed: (kernel: Triple) => number;
  /** Most terms that are summed in registers: panels of that depth stay in a close cache. */
  readonly maximumDepth: number;
}

const direct: Method = {
  name: "direct",
  emit: emitConvolution,
  scratchBytes: (kernel, lanes) => scratchLayout(kernel, lanes).end,
  terms: elementCount,
  packed: elementCount,
  maximumDepth: 1152,
  windows: 256,
  width: 256,
  unit: 1,
};

const winograd: Method = {
  name: "winograd",
  emit: emitWinograd,
  scratchBytes: (kernel, lanes) => winogradLayout(kernel, lanes).end,
  terms: ([frames]) => frames,
  packed: ([frames]) => tilePlaces * frames,
  maximumDepth: 256,
  windows: 100,
  width: 16,
  unit: tileSide,
};

/**
 * Whether Winograd's method saves work: enough channels to be worth the transforms, and few tiles
 * that reach beyond a frame. What it depends on is the same for one frame and for many.
 */
function suitsWinograd(
  { strides }: Windows,
  [, lines, width]: readonly number[],
  sizes: readonly number[],
  channels: readonly number[],
): boolean {
  const covered = sizes.map((size) => Math.ceil(size / tileSide) * tileSide);
  return lines === 3 && width === 3 && strides[1] === 1 && strides[2] === 1 &&
    Math.min(...channels) >= 16 && elementCount(sizes) >= 64 &&
    elementCount(covered) <= 1.4 * elementCount(sizes);
}

/** Turns a convolution into one phase. */
export const lowerConvolution: WasmLowering<ConvolutionStep> = (step, context) => {
  const [input, kernelStart, result, ...extra] = operandAddresses(step, context);
  const { weight, output } = step;
  const { lanes } = context;
  const [channels, columns] = weight.shape.slice(3);
  const sizes = triple(weight.shape);
  const suits = suitsWinograd(step, sizes, output.shape.slice(2, 4), [channels, columns]);
  const method = suits ? winograd : direct;
  const partSize = blockSize(channels, method.maximumDepth / method.terms(sizes), 1);
  const blocks = windowBlocks(step, step.input, output, sizes, partSize, method);
  const boxes = divide(step, blocks, context);
  const columnBlock = blockSize(
    largestSize(boxes.map((box) => box.columns)),
    maximumPanels / (method.packed(sizes) * partSize),
    tileColumns(lanes),
  );
  const calls = chunks({ start: 0, end: channels }, partSize).map((part): PartCall => {
    const kernel: ConvolutionKernel = {
      blocks,
      channels: part.end - part.start,
      weight: kernelLayout(step),
      columns,
      columnBlock,
      outputStrides: output.strides.slice(0, 4),
      epilogue: part.end === channels ? epilogueKernel(step) : undefined,
    };
    const name = `${method.name} ${convolutionName(kernel)}`;
    context.define(name, (module) => method.emit(module, name, kernel));
    const bytes = method.scratchBytes(kernel, lanes);
    const addresses = [
      input + 4 * part.start,
      kernelStart + 4 * part.start * weight.strides[3],
      result,
      ...kernel.epilogue ? extra : [],
    ];
    return (thread, windows, range) => ({
      function: name,
      arguments: [
        ...[windows.start, windows.end, range.start, range.end, part.start > 0 ? 1 : 0],
        ...[context.scratch(thread, bytes), ...addresses],
      ],
    });
  });
  const phase = Array.from({ length: context.threads }, (_, thread): Call[] => {
    const box = boxes[thread];
    if (!box || box.rows.start === box.rows.end) return [];
    return chunks(box.columns, columnBlock)
      .flatMap((range) => calls.map((call) => call(thread, box.rows, range)));
  });
  return [phase];
};

/** A call for some of the channels that are summed over: blocks of windows, and columns. */
type PartCall = (thread: number, windows: Range, columns: Range) => Call;

/** Addresses of input, weight, output and the epilogue's operands. */
function operandAddresses(step: ConvolutionStep, context: WasmContext): number[] {
  const { input, weight, output, epilogueInputs } = step;
  const { shape } = output;
  const inputShape = [shape[0], ...input.shape.slice(1, 4), weight.shape[3]];
  return [
    context.address(input, { shape: inputShape, layout: "rows" }),
    context.address(weight, { shape: [...weight.shape.slice(0, 4), shape[4]] }),
    context.address(output, { shape, layout: "rows", written: true }),
    ...epilogueInputs.map((view) => context.address(view, { shape })),
  ];
}

/** Distances in the weight; a flipped kernel is packed back to front. */
function kernelLayout({ weight, flipped }: ConvolutionStep): KernelLayout {
  const { shape: [frames, lines, width], strides } = weight;
  const count = (size: number): number[] => Array.from({ length: size }, (_, i) => i);
  const places = count(frames).flatMap((t) =>
    count(lines).flatMap((y) =>
      count(width).map((x) => t * strides[0] + y * strides[1] + x * strides[2])
    )
  );
  return {
    places: flipped ? places.reverse() : places,
    channelStride: strides[3],
    columnStride: strides[4],
  };
}

function epilogueKernel(
  { epilogue, epilogueInputs, output }: ConvolutionStep,
): ElementwiseKernel | undefined {
  const strides = [output, ...epilogueInputs, output].map((view) => view.strides);
  return epilogue && rowsKernel(epilogue, output.shape, strides);
}

/** Divides the blocks of windows (rows) and the columns of the output over the threads. */
function divide(
  { weight, output }: ConvolutionStep,
  blocks: WindowBlocks,
  { threads, lanes }: WasmContext,
): Rectangle[] {
  const depth = elementCount(weight.shape.slice(0, 4));
  const multiplyAdds = elementCount(output.shape) * depth;
  return splitGrid(
    { size: output.shape[0] * blocksOfImage(blocks), unit: 1 },
    { size: output.shape[4], unit: tileColumns(lanes) },
    Math.min(threads, Math.ceil(multiplyAdds / multiplyAddsPerThread)),
    (rows, columns) => columns * (rows * blocks.lines * blocks.width + packingCost),
  );
}

/** The first three of some sizes. */
const triple = ([a, b, c]: readonly number[]): Triple => [a, b, c];

/** Cuts the windows of every frame of an output into blocks whose slabs are not too large. */
function windowBlocks(
  { strides, before }: Windows,
  input: View,
  output: View,
  kernel: Triple,
  channels: number,
  limits: BlockLimits,
): WindowBlocks {
  const [frames, height, width] = output.shape.slice(1);
  const blocksOf = (windows: number): WindowBlocks => {
    const blockWidth = blockSize(width, Math.min(windows, limits.width), limits.unit);
    return {
      kernel,
      strides,
      before,
      input: triple(input.shape.slice(1)),
      inputStrides: input.strides.slice(0, 4),
      output: [frames, height, width],
      lines: blockSize(height, Math.floor(windows / blockWidth), limits.unit),
      width: blockWidth,
    };
  };
  for (let windows = limits.windows;; windows = Math.ceil(windows / 2)) {
    const blocks = blocksOf(windows);
    if (windows === 1 || elementCount(slabSizes(blocks)) * channels <= maximumSlab) return blocks;
  }
}

/** Blocks of all frames of an image. */
function blocksOfImage(blocks: WindowBlocks): number {
  return elementCount([blocks.output[0], ...blocksOfFrame(blocks)]);
}

/** How the gradient of a weight is carried out. */
interface GradientMethod extends BlockLimits {
  readonly name: string;
  readonly emit: typeof emitWeightGradient;
  readonly scratchBytes: (kernel: WeightGradientKernel, lanes: Lanes) => number;
  /** Sums that are kept for a row and a column. */
  readonly sums: (kernel: Triple) => number;
}

const directGradient: GradientMethod = {
  name: "direct",
  emit: emitWeightGradient,
  scratchBytes: (kernel, lanes) => gradientScratchLayout(kernel, lanes).end,
  sums: elementCount,
  windows: 256,
  width: 256,
  unit: 1,
};

const winogradGradient: GradientMethod = {
  name: "winograd",
  emit: emitWinogradGradient,
  scratchBytes: (kernel, lanes) => winogradGradientLayout(kernel, lanes).end,
  sums: ([frames]) => tilePlaces * frames,
  windows: 100,
  width: 16,
  unit: tileSide,
};

/** Turns the gradient of a weight into one phase. */
export const lowerConvolutionWeightGradient: WasmLowering<ConvolutionWeightGradientStep> = (
  step,
  context,
) => {
  const { input, outputGradient, output } = step;
  const { lanes, threads } = context;
  const rowUnit = tileRows(context.relaxed);
  const [rows, columns, ...kernelSizes] = output.shape;
  const [images, ...windows] = outputGradient.shape.slice(0, 4);
  const sizes = triple(kernelSizes);
  const places = elementCount(sizes);
  const suits = suitsWinograd(step, sizes, windows.slice(1), [rows, columns]);
  const method = suits ? winogradGradient : directGradient;
  const columnBlock = blockSize(columns, maximumColumns, panelColumns(lanes));
  const fitting = Math.max(rowUnit, maximumSums / method.sums(sizes) / columnBlock);
  const blocks = windowBlocks(step, input, outputGradient, sizes, maximumColumns, method);
  const kernel: WeightGradientKernel = {
    blocks,
    blockCount: images * blocksOfImage(blocks),
    gradientStrides: outputGradient.strides.slice(0, 4),
    columns,
    rowBlock: blockSize(rows, Math.min(maximumRows, fitting), rowUnit),
    columnBlock,
  };
  const name = `${method.name} ${weightGradientName(kernel)}`;
  context.define(name, (module) => method.emit(module, name, kernel));
  const bytes = method.scratchBytes(kernel, lanes);
  const addresses = [
    context.address(input, {
      shape: [images, ...input.shape.slice(1, 4), columns],
      layout: "rows",
    }),
    context.address(outputGradient, { shape: [images, ...windows, rows], layout: "rows" }),
    context.address(output, { shape: output.shape, layout: "contiguous", written: true }),
  ];
  const multiplyAdds = elementCount(outputGradient.shape) * columns * places;
  const boxes = splitGrid(
    { size: rows, unit: rowUnit },
    { size: columns, unit: tileColumns(lanes) },
    Math.min(threads, Math.ceil(multiplyAdds / multiplyAddsPerThread)),
    (boxRows, boxColumns) => places * boxRows * boxColumns + packingCost * (boxRows + boxColumns),
  );
  const phase = Array.from({ length: threads }, (_, thread): Call[] => {
    const box = boxes[thread];
    if (!box) return [];
    return chunks(box.rows, kernel.rowBlock).flatMap((r) =>
      chunks(box.columns, columnBlock).map((c) => ({
        function: name,
        arguments: [r.start, r.end, c.start, c.end, context.scratch(thread, bytes), ...addresses],
      }))
    );
  });
  return [phase];
};
