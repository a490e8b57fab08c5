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
import { storeRow, transpose, vectorBytes } from "../../wasm/emit/lanes.ts";
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
    f.get(rowEnd).get(rowStart).i32Sub().set(this.#rows);
    f.get(columnEnd).get(columnStart).i32Sub().set(this.#columns);
    f.get(scratch).i32Const(this.#place.gradient).i32Add().set(this.#gradient);
    f.get(scratch).i32Const(this.#place.sums).i32Add().set(this.#sums);
    for (const [address, channel] of [[input, columnStart], [gradient, rowStart]]) {
      f.get(address).get(channel).i32Const(4).i32Mul().i32Add().set(address);
    }
    const pushSlab = () => void f.get(scratch).i32Const(this.#place.slab).i32Add();
    const panel = panelColumns(f.module.lanes);
    f.withLocals(["i32", "i32"], (end, panels) => {
      f.i32Const(blockCount).set(end);
      f.get(this.#columns).i32Const(panel - 1).i32Add().i32Const(panel).i32DivU().set(panels);
      forEachBlock(f, blocks, this.#block, end, (place) => {
        callFillSlab(f, blocks, { panel, exact: false }, place, input, pushSlab, panels);
        this.#packGradient(place);
        this.#storeRuns(place);
        this.#multiply(pushSlab);
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
      f.get(gradient);
      [image, frame, line, position].forEach((place, axis) => {
        f.get(place).i32Const(4 * gradientStrides[axis]).i32Mul().i32Add();
      });
      f.set(source).get(this.#gradient).set(target).get(lines).set(counter);
      // What is written past the end of a line is overwritten by the next one.
      f.repeat(counter, () => {
        f.get(source).i32Const(4 * gradientStrides[3]).get(target);
        f.i32Const(gradientRowBytes(this.kernel)).get(width).get(this.#rows);
        f.call(definePackTransposed(f.module));
        f.increment(source, 4 * gradientStrides[2]);
        f.get(target).get(width).i32Const(4).i32Mul().i32Add().set(target);
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
      f.i32Const(strides[1] * slabWidth * rowBytes);
      f.get(width).i32Const(strides[2] * rowBytes).i32Mul().i32Sub().set(moveB);
      storeRunsTable(f, scratch, {
        length: width,
        panelBytes: this.#slab.reduce((product, size) => product * size) * rowBytes,
        loops: [{ count: lines, moveA: 0, moveB }, { count: 1, moveA: 0, moveB: 0 }],
      });
    });
  }

  /** One product for every place of the kernel. */
  #multiply(slab: () => void): void {
    const { f, kernel: { blocks: { kernel, strides }, rowBlock, columnBlock, columns } } = this;
    const scratch = f.parameters[4];
    const rowBytes = 1 << panelShift(f.module.lanes);
    const [, slabLines, slabWidth] = this.#slab;
    const runs = { listed: false, panelStep: strides[2] };
    const product = defineBlock(f.module, { runs, lastLanes: columns % vectorElements });
    f.withLocals(["i32", "i32", "i32", "i32", "i32"], (b, sums, frames, lines, places) => {
      slab();
      f.set(b).get(this.#sums).set(sums).i32Const(kernel[0]).set(frames);
      f.repeat(frames, () => {
        f.i32Const(kernel[1]).set(lines);
        f.repeat(lines, () => {
          f.i32Const(kernel[2]).set(places);
          f.repeat(places, () => {
            f.get(this.#gradient).i32Const(gradientRowBytes(this.kernel)).get(b);
            f.get(sums).i32Const(4 * columnBlock).get(this.#rows).get(this.#columns).get(scratch);
            f.get(this.#block).call(product);
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
    f.get(rowEnd).get(rowStart).i32Sub().set(rows).get(columnEnd).get(columnStart).i32Sub();
    f.set(count).i32Const(0).set(row).forRange(row, rows, 1, () => {
      f.get(sums).get(row).i32Const(4 * columnBlock).i32Mul().i32Add().set(source);
      f.get(output).get(rowStart).get(row).i32Add().i32Const(columns).i32Mul();
      f.get(columnStart).i32Add().i32Const(4 * planes.length).i32Mul().i32Add().set(target);
      f.i32Const(0).set(column).forRange(column, count, vectorElements, () => {
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
        f.get(source).v128Load(4 * rowBlock * columnBlock * plane).set(vector);
      });
      transpose(f, block);
      f.get(target).set(pointer);
      block.forEach((vector, i) => {
        f.get(column).i32Const(i).i32Add().get(count).i32LtU().if(() => {
          storeRow(f, pointer, { lanes, offset: 4 * first, slot: 0 }, () => f.get(vector));
        });
        f.increment(pointer, 4 * planes.length);
      });
    }
  });
}
