/**
 * Gradient of a convolution with respect to its weight as products of matrices that are nowhere
 * written out: for every place of the kernel, rows are channels of the output, columns those of the
 * input, and the sum runs over positions.
 *
 * The gradient of the output is packed by rows, the input as a slab in panels of neighbouring
 * channels, in which the places of the kernel are a constant distance apart. A call sums a block of
 * rows and columns for all places in scratch memory, over all positions in their order, and stores it
 * in the order of the weight at the end: so the sums do not depend on the number of threads.
 *
 * @module
 */
import {
  type FunctionBuilder,
  type Lanes,
  type Local,
  type ModuleBuilder,
  vectorElements,
} from "../../wasm/emit/assembler.ts";
import { address, integer } from "../../wasm/emit/integers.ts";
import { transpose, vectorBytes } from "../../wasm/emit/lanes.ts";
import { assign, call, load, store, type Value, when } from "../../wasm/emit/values.ts";
import {
  defineBlock,
  panelColumns,
  panelShift,
  runsTableBytes,
  storeRunsTable,
} from "../matmul/wasm_micro.ts";
import { definePackTransposed, packingSlack } from "../matmul/wasm_pack.ts";
import {
  type BlockPlace,
  callFillSlab,
  forEachBlock,
  placed,
  slabSizes,
  type WindowBlocks,
} from "./wasm_windows.ts";

/** What the gradient of a weight is specialised to. */
export interface WeightGradientKernel {
  readonly blocks: WindowBlocks;
  /** Blocks of positions in all images. */
  readonly blockCount: number;
  /** Elements between images, frames, lines and positions of the gradient of the output. */
  readonly gradientStrides: readonly number[];
  /** Channels of the input. */
  readonly columns: number;
  /** Rows and columns of the largest call. */
  readonly rowBlock: number;
  readonly columnBlock: number;
}

/** Columns of the input in a slab: whole panels. */
function slabColumns(columns: number, lanes: Lanes): number {
  return Math.ceil(columns / panelColumns(lanes)) * panelColumns(lanes);
}

const placesOf = ({ blocks: { kernel } }: WeightGradientKernel): number =>
  kernel[0] * kernel[1] * kernel[2];

/** Bytes of a row of the packed gradient: all positions of a block, and what packing adds. */
function gradientRowBytes({ blocks: { lines, width } }: WeightGradientKernel): number {
  return 4 * (Math.ceil(lines * width / 4) * 4 + 4);
}

/** Where things lie in the scratch memory, in bytes from its start. */
export function gradientScratchLayout(
  kernel: WeightGradientKernel,
  lanes: Lanes,
): { gradient: number; sums: number; slab: number; end: number } {
  const { blocks, rowBlock, columnBlock } = kernel;
  const roundUp = (bytes: number) => Math.ceil(bytes / 64) * 64;
  const positions = slabSizes(blocks).reduce((product, size) => product * size);
  const rows = Math.ceil(rowBlock / 4) * 4;
  const gradient = roundUp(runsTableBytes);
  const sums = roundUp(gradient + rows * gradientRowBytes(kernel) + packingSlack);
  const slab = roundUp(sums + 4 * placesOf(kernel) * rowBlock * columnBlock + packingSlack);
  const end = roundUp(slab + 4 * positions * slabColumns(columnBlock, lanes) + packingSlack);
  return { gradient, sums, slab, end };
}

/** The name of the function for the gradient of a weight. */
export const weightGradientName = (kernel: WeightGradientKernel): string =>
  `weight_gradient_${JSON.stringify(kernel)}`;

/**
 * Emits `(rowStart, End, columnStart, End, scratch, input, gradient, output)`, with the addresses of
 * the operands' first elements.
 */
export function emitWeightGradient(
  module: ModuleBuilder,
  name: string,
  kernel: WeightGradientKernel,
): FunctionBuilder {
  const f = module.function(name, new Array(8).fill("i32"), []);
  new Driver(f, kernel).emit();
  return f;
}

class Driver {
  readonly #place;
  readonly #slab: readonly [number, number, number];
  readonly #rows: Local;
  readonly #columns: Local;
  readonly #gradient: Local;
  readonly #sums: Local;
  readonly #block: Local;

  constructor(readonly f: FunctionBuilder, readonly kernel: WeightGradientKernel) {
    this.#place = gradientScratchLayout(kernel, f.module.lanes);
    this.#slab = slabSizes(kernel.blocks);
    [this.#rows, this.#columns, this.#gradient, this.#sums, this.#block] = f.locals("i32", 5);
  }

  emit(): void {
    const { f, kernel: { blocks, blockCount } } = this;
    const [rowStart, rowEnd, columnStart, columnEnd, scratch, input, gradient] = f.parameters;
    assign(f, this.#rows, integer.subtract(rowEnd, rowStart));
    assign(f, this.#columns, integer.subtract(columnEnd, columnStart));
    assign(f, this.#gradient, integer.add(scratch, this.#place.gradient));
    assign(f, this.#sums, integer.add(scratch, this.#place.sums));
    for (const [operand, channel] of [[input, columnStart], [gradient, rowStart]]) {
      assign(f, operand, address(operand, [channel, 4]));
    }
    const slab = integer.add(scratch, this.#place.slab);
    const panel = panelColumns(f.module.lanes);
    f.withLocals(["i32", "i32"], (end, panels) => {
      assign(f, end, blockCount);
      assign(f, panels, integer.divide(integer.add(this.#columns, panel - 1), panel));
      forEachBlock(f, blocks, this.#block, end, (place) => {
        callFillSlab(f, blocks, { panel, exact: false }, place, input, slab, panels);
        this.#packGradient(place);
        this.#storeRuns(place);
        this.#multiply(slab);
      });
    });
    const planes = Array.from({ length: placesOf(this.kernel) }, (_, place) => place);
    storeSums(f, this.kernel, this.#sums, planes);
  }

  /** Channels of the gradient as rows, the positions of a block side by side. */
  #packGradient({ image, frame, line, position, lines, width }: BlockPlace): void {
    const { f, kernel: { gradientStrides } } = this;
    const gradient = f.parameters[6];
    f.withLocals(["i32", "i32", "i32"], (source, target, counter) => {
      assign(f, source, placed(gradient, [image, frame, line, position], gradientStrides));
      assign(f, target, this.#gradient);
      assign(f, counter, lines);
      const from = [source, 4 * gradientStrides[3]] as const;
      const to = [target, gradientRowBytes(this.kernel)] as const;
      // What is written past the end of a line is overwritten by the next one.
      f.repeat(counter, () => {
        call(f, definePackTransposed(f.module), ...from, ...to, width, this.#rows);
        f.increment(source, 4 * gradientStrides[2]);
        assign(f, target, address(target, [width, 4]));
      });
    });
  }

  /** A run is a line of positions; from line to line the gradient goes on, in the slab it jumps. */
  #storeRuns({ lines, width }: BlockPlace): void {
    const { f, kernel: { blocks: { strides } } } = this;
    const scratch = f.parameters[4];
    const rowBytes = 1 << panelShift(f.module.lanes);
    const [, , slabWidth] = this.#slab;
    f.withLocals(["i32"], (moveB) => {
      const lineBytes = integer.multiply(width, strides[2] * rowBytes);
      assign(f, moveB, integer.subtract(strides[1] * slabWidth * rowBytes, lineBytes));
      storeRunsTable(f, scratch, {
        length: width,
        panelBytes: this.#slab.reduce((product, size) => product * size) * rowBytes,
        loops: [{ count: lines, moveA: 0, moveB }, { count: 1, moveA: 0, moveB: 0 }],
      });
    });
  }

  /** One product for every place of the kernel. */
  #multiply(slab: Value): void {
    const { f, kernel: { blocks: { kernel, strides }, rowBlock, columnBlock, columns } } = this;
    const scratch = f.parameters[4];
    const rowBytes = 1 << panelShift(f.module.lanes);
    const [, slabLines, slabWidth] = this.#slab;
    const runs = { listed: false, panelStep: strides[2] };
    const product = defineBlock(f.module, { runs, lastLanes: columns % vectorElements });
    f.withLocals(["i32", "i32", "i32", "i32", "i32"], (b, sums, frames, lines, places) => {
      const operands = [this.#gradient, gradientRowBytes(this.kernel), b, sums, 4 * columnBlock];
      const sizes = [this.#rows, this.#columns, scratch, this.#block];
      assign(f, b, slab);
      assign(f, sums, this.#sums);
      assign(f, frames, kernel[0]);
      f.repeat(frames, () => {
        assign(f, lines, kernel[1]);
        f.repeat(lines, () => {
          assign(f, places, kernel[2]);
          f.repeat(places, () => {
            call(f, product, ...operands, ...sizes);
            f.increment(b, rowBytes).increment(sums, 4 * rowBlock * columnBlock);
          });
          f.increment(b, (slabWidth - kernel[2]) * rowBytes);
        });
        f.increment(b, (slabLines - kernel[1]) * slabWidth * rowBytes);
      });
    });
  }
}

/**
 * Stores sums in the order of the weight, in which the places of a kernel are neighbours; in a
 * function with the parameters of `emitWeightGradient`.
 *
 * @param planes where the sums of each place of the kernel lie, in blocks of rows and columns
 */
export function storeSums(
  f: FunctionBuilder,
  kernel: WeightGradientKernel,
  sums: Local,
  planes: readonly number[],
): void {
  const { columns, columnBlock } = kernel;
  const [rowStart, rowEnd, columnStart, columnEnd, , , , output] = f.parameters;
  f.withLocals(new Array(6).fill("i32"), (...locals) => {
    const [row, rows, column, count, target, source] = locals;
    assign(f, rows, integer.subtract(rowEnd, rowStart));
    assign(f, count, integer.subtract(columnEnd, columnStart));
    assign(f, row, 0);
    f.forRange(row, rows, 1, () => {
      assign(f, source, address(sums, [row, 4 * columnBlock]));
      const rowOfWeight = integer.multiply(integer.add(rowStart, row), columns);
      const place = integer.add(rowOfWeight, columnStart);
      assign(f, target, address(output, [place, 4 * planes.length]));
      assign(f, column, 0);
      f.forRange(column, count, vectorElements, () => {
        storeColumns(f, kernel, { source, target, column, count }, planes);
        f.increment(source, vectorBytes).increment(target, vectorBytes * planes.length);
      });
    });
  });
}

/** Four columns from the sums of all places to the places of each. */
function storeColumns(
  f: FunctionBuilder,
  { rowBlock, columnBlock }: WeightGradientKernel,
  { source, target, column, count }: Readonly<Record<string, Local>>,
  planes: readonly number[],
): void {
  f.withLocals(["v128", "v128", "v128", "v128", "i32"], (...locals) => {
    const block = locals.slice(0, 4);
    const pointer = locals[4];
    for (let first = 0; first < planes.length; first += vectorElements) {
      const lanes = Math.min(vectorElements, planes.length - first);
      block.forEach((vector, i) => {
        const plane = planes[Math.min(first + i, planes.length - 1)];
        assign(f, vector, load(source, 4 * rowBlock * columnBlock * plane));
      });
      transpose(f, block);
      assign(f, pointer, target);
      block.forEach((vector, i) => {
        when(f, integer.less(integer.add(column, i), count), () => {
          store(f, pointer, { lanes, offset: 4 * first, slot: 0 }, vector);
        });
        f.increment(pointer, 4 * planes.length);
      });
    }
  });
}
