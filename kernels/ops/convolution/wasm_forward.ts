/**
 * Convolution as a product of matrices that are nowhere written out: rows of the left one are windows
 * of a slab of the input, columns of the right one the kernel's numbers for a channel of the output.
 *
 * Channels come last, so a window reads as many runs of neighbours as the kernel has lines: the tiles
 * of the matrix product walk their depth in such runs, with the rows of a tile taken from a list. The
 * kernel is packed into panels once a call and meets all windows of the call's blocks.
 *
 * @module
 */
import type { FunctionBuilder, Lanes, Local, ModuleBuilder } from "../../wasm/emit/assembler.ts";
import { vectorElements } from "../../wasm/emit/assembler.ts";
import { address, integer, storeInteger } from "../../wasm/emit/integers.ts";
import { transpose, vectorBytes, wholeVector } from "../../wasm/emit/lanes.ts";
import { assign, call, load, type Operand, store, type Value } from "../../wasm/emit/values.ts";
import { type ElementwiseKernel, elementwiseName, emitElementwise } from "../elementwise/wasm.ts";
import {
  defineBlock,
  panelElements,
  panelShift,
  runsTableBytes,
  storeRunsTable,
} from "../matmul/wasm_micro.ts";
import { nextColumnsOfPanel, packingSlack, setClampedRows } from "../matmul/wasm_pack.ts";
import {
  type BlockPlace,
  callFillSlab,
  forEachBlock,
  placed,
  slabSizes,
  type WindowBlocks,
} from "./wasm_windows.ts";

/** What a convolution is specialised to. */
export interface ConvolutionKernel {
  readonly blocks: WindowBlocks;
  /** Channels of the input that a call sums over. */
  readonly channels: number;
  readonly weight: KernelLayout;
  /** Columns of the whole output, and of the largest call. */
  readonly columns: number;
  readonly columnBlock: number;
  /** Elements between images, frames, lines and positions of the output. */
  readonly outputStrides: readonly number[];
  /** Applied to finished blocks; operand 0 is the convolution, the last operand the output. */
  readonly epilogue?: ElementwiseKernel;
}

/** Distances in the weight, in elements. */
export interface KernelLayout {
  /** Of the places of the kernel from the first one stored, in the order of the windows. */
  readonly places: readonly number[];
  readonly channelStride: number;
  readonly columnStride: number;
}

/** Where things lie in the scratch memory, in bytes from its start. */
export function scratchLayout(
  { blocks, channels, weight, columnBlock }: ConvolutionKernel,
  lanes: Lanes,
): { list: number; panels: number; slab: number; end: number } {
  const roundUp = (bytes: number) => Math.ceil(bytes / 64) * 64;
  const depth = weight.places.length * channels;
  const positions = slabSizes(blocks).reduce((product, size) => product * size);
  const list = roundUp(runsTableBytes);
  const panels = roundUp(list + 8 * blocks.lines * blocks.width);
  const slab = roundUp(panels + 4 * panelElements(columnBlock, depth, lanes) + packingSlack);
  return { list, panels, slab, end: roundUp(slab + 4 * positions * channels + packingSlack) };
}

/** The name of a convolution's function. */
export function convolutionName({ epilogue, ...rest }: ConvolutionKernel): string {
  return `convolution_${JSON.stringify(rest)}${epilogue ? elementwiseName(epilogue) : ""}`;
}

/**
 * Emits `(blockStart, End, columnStart, End, accumulate, scratch, input, weight, output, ...epilogue
 * inputs)`, with the addresses of the first elements of the channels that are summed over.
 */
export function emitConvolution(
  module: ModuleBuilder,
  name: string,
  kernel: ConvolutionKernel,
): FunctionBuilder {
  const extra = kernel.epilogue ? kernel.epilogue.nest.strides.length - 2 : 0;
  const f = module.function(name, new Array(9 + extra).fill("i32"), []);
  new Driver(f, kernel).emit();
  return f;
}

class Driver {
  readonly #place;
  readonly #slab: readonly [number, number, number];
  readonly #columns: Local;
  readonly #runs: Local;
  readonly #list: Local;
  readonly #panels: Local;

  constructor(readonly f: FunctionBuilder, readonly kernel: ConvolutionKernel) {
    this.#place = scratchLayout(kernel, f.module.lanes);
    this.#slab = slabSizes(kernel.blocks);
    [this.#columns, this.#runs, this.#list, this.#panels] = f.locals("i32", 4);
  }

  emit(): void {
    const { f, kernel: { blocks, channels } } = this;
    const [blockStart, blockEnd, columnStart, columnEnd, , scratch, input] = f.parameters;
    assign(f, this.#columns, integer.subtract(columnEnd, columnStart));
    assign(f, this.#runs, scratch);
    assign(f, this.#list, integer.add(scratch, this.#place.list));
    assign(f, this.#panels, integer.add(scratch, this.#place.panels));
    this.#storeRuns();
    this.#packKernel();
    const slab = integer.add(scratch, this.#place.slab);
    forEachBlock(f, blocks, blockStart, blockEnd, (place) => {
      callFillSlab(f, blocks, { panel: channels, exact: true }, place, input, slab, 1);
      this.#listWindows(place, slab);
      this.#multiply(place);
      applyEpilogue(f, this.kernel, place);
    });
  }

  get #depth(): number {
    return this.kernel.weight.places.length * this.kernel.channels;
  }

  /** A run is a line of the kernel; from line to line, and from frame to frame, the slab is jumped
   * over, while the panels go on. */
  #storeRuns(): void {
    const { f, kernel: { blocks: { kernel }, channels } } = this;
    const [, lines, width] = this.#slab;
    storeRunsTable(f, this.#runs, {
      length: kernel[2] * channels,
      panelBytes: this.#depth << panelShift(f.module.lanes),
      loops: [
        { count: kernel[1], moveA: 4 * (width - kernel[2]) * channels, moveB: 0 },
        { count: kernel[0], moveA: 4 * (lines - kernel[1]) * width * channels, moveB: 0 },
      ],
    });
  }

  #packKernel(): void {
    const { f, kernel: { channels, weight } } = this;
    const [, , columnStart, , , , , source] = f.parameters;
    const first = address(source, [columnStart, 4 * weight.columnStride]);
    const pack = definePackKernel(f.module, channels, weight);
    call(f, pack, first, this.#panels, this.#columns);
  }

  /** Lists the windows of a block: addresses of what they see, and of what becomes of it. */
  #listWindows({ image, frame, line, position, lines, width }: BlockPlace, slab: Value): void {
    const { f, kernel: { blocks: { strides }, channels, outputStrides } } = this;
    const output = f.parameters[8];
    const windowBytes = 4 * strides[2] * channels;
    const lineBytes = 4 * strides[1] * this.#slab[2] * channels;
    f.withLocals(["i32", "i32", "i32", "i32", "i32", "i32", "i32"], (...locals) => {
      const [entry, y, x, lineIn, lineOut, windowIn, windowOut] = locals;
      assign(f, entry, this.#list);
      assign(f, lineIn, slab);
      assign(f, lineOut, placed(output, [image, frame, line, position], outputStrides));
      assign(f, y, lines);
      f.repeat(y, () => {
        assign(f, windowIn, lineIn);
        assign(f, windowOut, lineOut);
        assign(f, x, width);
        f.repeat(x, () => {
          storeInteger(f, entry, 0, windowIn);
          storeInteger(f, entry, 4, windowOut);
          f.increment(entry, 8);
          f.increment(windowIn, windowBytes).increment(windowOut, 4 * outputStrides[3]);
        });
        f.increment(lineIn, lineBytes).increment(lineOut, 4 * outputStrides[2]);
      });
    });
  }

  #multiply({ lines, width }: BlockPlace): void {
    const { f, kernel: { columns } } = this;
    const [, , columnStart, , accumulate] = f.parameters;
    const runs = { listed: true, panelStep: 1 };
    const product = defineBlock(f.module, { runs, lastLanes: columns % vectorElements });
    const [place, rows] = [integer.multiply(columnStart, 4), integer.multiply(lines, width)];
    const sizes = [rows, this.#columns, this.#runs, accumulate];
    call(f, product, this.#list, 8, this.#panels, place, 0, ...sizes);
  }
}

/** Applies the epilogue to the lines of a block, in a function with a convolution's parameters. */
export function applyEpilogue(
  f: FunctionBuilder,
  { epilogue, blocks: { output: sizes } }: ConvolutionKernel,
  { image, frame, line, position, lines, width }: BlockPlace,
): void {
  if (!epilogue) return;
  const name = elementwiseName(epilogue);
  const apply = f.module.define(name, (module) => emitElementwise(module, name, epilogue));
  const [columnStart, columnEnd] = f.parameters.slice(2);
  const [output, ...extra] = f.parameters.slice(8);
  f.withLocals(["i32", "i32"], (row, counter) => {
    const first = [frame, line, position].reduce<Operand>(
      (number, place, axis) => integer.add(integer.multiply(number, sizes[axis]), place),
      image,
    );
    assign(f, row, first);
    assign(f, counter, lines);
    f.repeat(counter, () => {
      const rows = [row, integer.add(row, width)];
      call(f, apply, ...rows, columnStart, columnEnd, output, ...extra, output);
      f.increment(row, sizes[2]);
    });
  });
}

/**
 * Emits `(source, target, columns)`: the numbers of some columns and all channels of a call into
 * panels, place by place of the kernel, channel by channel.
 */
function definePackKernel(
  module: ModuleBuilder,
  channels: number,
  { places, channelStride, columnStride }: KernelLayout,
): FunctionBuilder {
  const key = `pack_kernel_${channels}_${places}_${channelStride}_${columnStride}`;
  return module.define(key, (_, name) => {
    const f = module.function(name, new Array(3).fill("i32"), []);
    const [source, target, columns] = f.parameters;
    const { lanes } = module;
    const [column, stride, depth, output, counter] = f.locals("i32", 5);
    const pointers = f.locals("i32", lanes);
    const rowOfPanel = 1 << panelShift(lanes);
    assign(f, stride, 4 * columnStride);
    assign(f, depth, places.length * channels);
    f.forRange(column, columns, lanes, () => {
      setClampedRows(f, pointers, source, column, columns, stride);
      assign(f, output, target);
      assign(f, counter, channels);
      f.repeat(counter, () => {
        for (const group of neighbours(places)) {
          packPlaces(
            f,
            pointers,
            group,
            output,
            (place) => rowOfPanel * places.indexOf(place) * channels,
          );
        }
        for (const pointer of pointers) f.increment(pointer, 4 * channelStride);
        f.increment(output, rowOfPanel);
      });
      nextColumnsOfPanel(f, target, column, depth);
    });
    return f;
  });
}

/** Places of the kernel in groups that one vector covers, in ascending order. */
function neighbours(places: readonly number[]): number[][] {
  const groups: number[][] = [];
  for (const place of [...places].sort((a, b) => a - b)) {
    const last = groups.at(-1);
    if (last && place < last[0] + vectorElements) last.push(place);
    else groups.push([place]);
  }
  return groups;
}

/** Moves a group of places of as many columns as there are pointers to some bytes from `output`. */
function packPlaces(
  f: FunctionBuilder,
  pointers: readonly Local[],
  group: readonly number[],
  output: Local,
  bytes: (place: number) => number,
): void {
  f.forVectors(pointers.length / vectorElements, (vector) => {
    const four = pointers.slice(vectorElements * vector, vectorElements * (vector + 1));
    loadGroup(f, four, group, (place, value) => {
      store(f, output, wholeVector(bytes(place) + vectorBytes * vector), value);
    });
  });
}

/** Visits the numbers of four columns at the places of a group. */
function loadGroup(
  f: FunctionBuilder,
  columns: readonly Local[],
  group: readonly number[],
  visit: (place: number, value: Local) => void,
): void {
  f.withLocals(["v128", "v128", "v128", "v128"], (...block) => {
    block.forEach((row, i) => assign(f, row, load(columns[i], 4 * group[0])));
    transpose(f, block);
    for (const place of group) visit(place, block[place - group[0]]);
  });
}

/** Loads the numbers of four columns at some places of the kernel. */
export function loadPlaces(
  f: FunctionBuilder,
  columns: readonly Local[],
  places: readonly number[],
  targets: readonly Local[],
): void {
  for (const group of neighbours(places)) {
    loadGroup(f, columns, group, (place, value) => {
      assign(f, targets[places.indexOf(place)], value);
    });
  }
}
