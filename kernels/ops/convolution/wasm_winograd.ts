/**
 * Convolution with kernels of 3 x 3 places and stride 1 by Winograd's minimal filtering F(2 x 2, 3 x 3)
 * (Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2016, section 4.1): 16
 * multiplications in place of 36 for two by two positions.
 *
 * A tile of the input, four by four positions, is transformed by sums and differences, so are the
 * kernel's numbers; the sum over channels is then one matrix product for each of the 16 places of a
 * tile, with tiles as rows; its results are transformed back to two by two positions. Frames of the
 * kernel are summed in the products, like channels.
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
import { forEachVector, type RowVector, vectorBytes, wholeVector } from "../../wasm/emit/lanes.ts";
import {
  add,
  assign,
  call,
  load,
  multiply,
  row,
  store,
  subtract,
  type Value,
  when,
  withVector,
} from "../../wasm/emit/values.ts";
import { defineBlock, panelElements, panelShift } from "../matmul/wasm_micro.ts";
import { nextColumnsOfPanel, packingSlack, setClampedRows } from "../matmul/wasm_pack.ts";
import { applyEpilogue, type ConvolutionKernel, loadPlaces } from "./wasm_forward.ts";
import { type BlockPlace, callFillSlab, forEachBlock, placed, slabSizes } from "./wasm_windows.ts";

/** Places of a transformed tile. */
export const tilePlaces = 16;

/** Positions of the output along a side of a tile. */
export const tileSide = 2;

/** Tiles along a side of a block, the last one perhaps in part. */
export const tilesAlong = (positions: Local): Value =>
  integer.shiftRight(integer.add(positions, 1), 1);

/** Numbers of the largest block: tiles, and terms of their products. */
function sizesOf({ blocks, channels }: ConvolutionKernel): { tiles: number; depth: number } {
  const tiles = Math.ceil(blocks.lines / tileSide) * Math.ceil(blocks.width / tileSide);
  return { tiles, depth: blocks.kernel[0] * channels };
}

/**
 * Distance of the planes that hold one place of a tile each, which are written and read side by side:
 * far from a power of two, so that they do not meet in the same few lines of the cache.
 */
export const planeDistance = (bytes: number): number => Math.ceil(bytes / 4096) * 4096 + 320;

/** Distances of planes: of all tiles, of the kernel, and of all products. */
function planeBytes(kernel: ConvolutionKernel, lanes: Lanes) {
  const { tiles, depth } = sizesOf(kernel);
  return {
    tiles: planeDistance(4 * tiles * depth),
    kernel: planeDistance(4 * panelElements(kernel.columnBlock, depth, lanes)),
    products: planeDistance(4 * tiles * kernel.columnBlock),
  };
}

/** Where things lie in the scratch memory, in bytes from its start. */
export function winogradLayout(
  kernel: ConvolutionKernel,
  lanes: Lanes,
): { tiles: number; products: number; unused: number; slab: number; end: number } {
  const roundUp = (bytes: number) => Math.ceil(bytes / 64) * 64;
  const planes = planeBytes(kernel, lanes);
  const slabNumbers = slabSizes(kernel.blocks).reduce((a, b) => a * b) * kernel.channels;
  const tiles = roundUp(tilePlaces * planes.kernel + packingSlack);
  const products = roundUp(tiles + tilePlaces * planes.tiles + packingSlack);
  const unused = roundUp(products + tilePlaces * planes.products + packingSlack);
  const slab = roundUp(unused + 4 * kernel.columnBlock + packingSlack);
  return { tiles, products, unused, slab, end: roundUp(slab + 4 * slabNumbers + packingSlack) };
}

/** Emits a function with the parameters of `emitConvolution`. */
export function emitWinograd(
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
  readonly #planes;
  readonly #depth: number;
  readonly #slabWidth: number;
  readonly #slabLines: number;
  readonly #columns: Local;
  readonly #tiles: Local;
  /** Tiles down and across a block. */
  readonly #down: Local;
  readonly #across: Local;

  constructor(readonly f: FunctionBuilder, readonly kernel: ConvolutionKernel) {
    this.#place = winogradLayout(kernel, f.module.lanes);
    this.#planes = planeBytes(kernel, f.module.lanes);
    this.#depth = sizesOf(kernel).depth;
    [, this.#slabLines, this.#slabWidth] = slabSizes(kernel.blocks);
    [this.#columns, this.#tiles, this.#down, this.#across] = f.locals("i32", 4);
  }

  emit(): void {
    const { f, kernel, kernel: { blocks, channels } } = this;
    const [blockStart, blockEnd, columnStart, columnEnd, , scratch, input] = f.parameters;
    assign(f, this.#columns, integer.subtract(columnEnd, columnStart));
    this.#packKernel();
    const slab = integer.add(scratch, this.#place.slab);
    forEachBlock(f, blocks, blockStart, blockEnd, (place) => {
      callFillSlab(f, blocks, { panel: channels, exact: true }, place, input, slab, 1);
      assign(f, this.#down, tilesAlong(place.lines));
      assign(f, this.#across, tilesAlong(place.width));
      assign(f, this.#tiles, integer.multiply(this.#down, this.#across));
      this.#transformInput(slab);
      this.#multiply();
      this.#transformOutput(place);
      applyEpilogue(f, kernel, place);
    });
  }

  #packKernel(): void {
    const { f, kernel } = this;
    const [, , columnStart, , , scratch, , source] = f.parameters;
    const first = address(source, [columnStart, 4 * kernel.weight.columnStride]);
    const pack = definePackTransformed(f.module, kernel, this.#planes.kernel);
    call(f, pack, first, scratch, this.#columns);
  }

  /** Tiles one behind the other, in each the frames of the kernel and their channels. */
  #transformInput(slab: Value): void {
    const { f, kernel: { blocks: { kernel }, channels } } = this;
    const [scratch] = f.parameters.slice(5);
    const frameBytes = 4 * this.#slabLines * this.#slabWidth * channels;
    f.withLocals(new Array(7).fill("i32"), (...locals) => {
      const [line, first, target, y, x, frame, source] = locals;
      assign(f, line, slab);
      assign(f, target, integer.add(scratch, this.#place.tiles));
      assign(f, y, this.#down);
      f.repeat(y, () => {
        assign(f, first, line);
        assign(f, x, this.#across);
        f.repeat(x, () => {
          assign(f, source, first);
          assign(f, frame, kernel[0]);
          f.repeat(frame, () => {
            this.#transformTile(source, target);
            f.increment(source, frameBytes).increment(target, 4 * channels);
          });
          f.increment(first, 4 * tileSide * channels);
        });
        f.increment(line, 4 * tileSide * this.#slabWidth * channels);
      });
    });
  }

  #transformTile(source: Local, target: Local): void {
    const { f, kernel: { channels } } = this;
    const unroll = f.module.lanes / vectorElements;
    forEachVector(f, channels, [source, target], unroll, (vector, [from, to]) => {
      loadTile(f, from, vector, 4 * this.#slabWidth * channels, 4 * channels, (tile) => {
        transformInputTile(f, tile);
        tile.forEach((number, place) => {
          const offset = vector.offset + place * this.#planes.tiles;
          store(f, to, { ...vector, offset }, number);
        });
      });
    });
  }

  /** One product for every place of a tile. */
  #multiply(): void {
    const { f, kernel } = this;
    const [scratch] = f.parameters.slice(5);
    const product = defineBlock(f.module, { lastLanes: kernel.columns % vectorElements });
    f.withLocals(["i32", "i32", "i32", "i32"], (places, a, b, c) => {
      const operands = [a, 4 * this.#depth, b, c, 4 * kernel.columnBlock];
      assign(f, a, integer.add(scratch, this.#place.tiles));
      assign(f, b, scratch);
      assign(f, c, integer.add(scratch, this.#place.products));
      assign(f, places, tilePlaces);
      f.repeat(places, () => {
        call(f, product, ...operands, this.#tiles, this.#columns, this.#depth, 0);
        f.increment(a, this.#planes.tiles).increment(b, this.#planes.kernel);
        f.increment(c, this.#planes.products);
      });
    });
  }

  /** A^T m A into the output; positions outside of the block go where nobody reads. */
  #transformOutput({ image, frame, line, position, lines, width }: BlockPlace): void {
    const { f, kernel: { outputStrides, columnBlock } } = this;
    const [, , columnStart, , accumulate, scratch, , , output] = f.parameters;
    f.withLocals(new Array(10).fill("i32"), (...locals) => {
      const [first, product, y, x, start, column, ...corners] = locals;
      const places = [columnStart, image, frame, line, position];
      assign(f, first, placed(output, places, [1, ...outputStrides]));
      assign(f, product, integer.add(scratch, this.#place.products));
      assign(f, y, 0);
      f.forRange(y, lines, tileSide, () => {
        assign(f, start, first);
        assign(f, x, 0);
        f.forRange(x, width, tileSide, () => {
          corners.forEach((corner, i) => {
            const [down, right] = [Math.floor(i / tileSide), i % tileSide];
            const bytes = 4 * (down * outputStrides[2] + right * outputStrides[3]);
            const inside = integer.and(
              integer.less(integer.add(y, down), lines),
              integer.less(integer.add(x, right), width),
            );
            const unused = integer.add(scratch, this.#place.unused);
            assign(f, corner, integer.select(inside, integer.add(start, bytes), unused));
          });
          assign(f, column, product);
          const write = (again: boolean) => this.#transformProducts(column, corners, again);
          when(f, accumulate, () => write(true), () => write(false));
          f.increment(product, 4 * columnBlock);
          f.increment(start, 4 * tileSide * outputStrides[3]);
        });
        f.increment(first, 4 * tileSide * outputStrides[2]);
      });
    });
  }

  /** All columns of one tile; moves the pointers on. */
  #transformProducts(product: Local, corners: readonly Local[], accumulate: boolean): void {
    const { f, kernel: { columns } } = this;
    const { lanes } = f.module;
    const turn = (count: number, last: number): void => {
      f.forVectors(count / vectorElements, (vector) => {
        const at = { lanes: last, offset: vectorBytes * vector, slot: 0 };
        this.#transformVector(product, corners, at, accumulate);
      });
      for (const pointer of [product, ...corners]) f.increment(pointer, 4 * count);
    };
    f.withLocals(["i32"], (turns) => {
      assign(f, turns, integer.divide(this.#columns, lanes));
      f.repeat(turns, () => turn(lanes, vectorElements));
    });
    if (lanes > vectorElements) {
      when(f, integer.and(this.#columns, vectorElements), () => turn(4, vectorElements));
    }
    const rest = columns % vectorElements;
    if (rest > 0) when(f, integer.and(this.#columns, 3), () => turn(4, rest));
  }

  #transformVector(
    product: Local,
    corners: readonly Local[],
    at: RowVector,
    accumulate: boolean,
  ): void {
    const { f } = this;
    f.withLocals(new Array(tilePlaces).fill("v128"), (...tile) => {
      tile.forEach((number, place) => {
        assign(f, number, load(product, at.offset + place * this.#planes.products));
      });
      const sums = (m0: Local, m1: Local, m2: Local, m3: Local): void => {
        assign(f, m0, add(add(m0, m1), m2));
        assign(f, m1, subtract(subtract(m1, m2), m3));
      };
      for (let x = 0; x < 4; x++) sums(tile[x], tile[4 + x], tile[8 + x], tile[12 + x]);
      for (let y = 0; y < tileSide; y++) {
        sums(tile[4 * y], tile[4 * y + 1], tile[4 * y + 2], tile[4 * y + 3]);
      }
      corners.forEach((corner, i) => {
        const result = tile[4 * Math.floor(i / tileSide) + i % tileSide];
        store(f, corner, at, accumulate ? add(result, row(corner, at)) : result);
      });
    });
  }
}

/** Loads the four by four positions of a tile, some channels of each, for the time of `body`. */
export function loadTile(
  f: FunctionBuilder,
  source: Local,
  channels: RowVector,
  lineBytes: number,
  positionBytes: number,
  body: (tile: readonly Local[]) => void,
): void {
  f.withLocals(new Array(tilePlaces).fill("v128"), (...tile) => {
    tile.forEach((number, place) => {
      const bytes = Math.floor(place / 4) * lineBytes + place % 4 * positionBytes;
      assign(f, number, row(source, { ...channels, offset: channels.offset + bytes }));
    });
    body(tile);
  });
}

/** B^T d B in place. */
export function transformInputTile(f: FunctionBuilder, tile: readonly Local[]): void {
  forEachLine(tile, (d0, d1, d2, d3) => {
    assign(f, d0, subtract(d0, d2));
    assign(f, d3, subtract(d1, d3));
    withVector(f, subtract(d2, d1), (difference) => {
      assign(f, d1, add(d1, d2));
      assign(f, d2, difference);
    });
  });
}

/** Visits the columns of a tile of four by four numbers, then its rows. */
function forEachLine(
  tile: readonly Local[],
  visit: (a: Local, b: Local, c: Local, d: Local) => void,
): void {
  for (let x = 0; x < 4; x++) visit(tile[x], tile[4 + x], tile[8 + x], tile[12 + x]);
  for (let y = 0; y < 4; y++) {
    visit(tile[4 * y], tile[4 * y + 1], tile[4 * y + 2], tile[4 * y + 3]);
  }
}

/**
 * Emits `(source, target, columns)`: G g G^T of some columns and all channels of a call, place by
 * place of a tile into panels of frames and channels.
 */
function definePackTransformed(
  module: ModuleBuilder,
  { channels, weight, blocks: { kernel } }: ConvolutionKernel,
  plane: number,
): FunctionBuilder {
  const { places, channelStride, columnStride } = weight;
  const key = `pack_transformed_${channels}_${places}_${channelStride}_${columnStride}_${plane}`;
  return module.define(key, (_, name) => {
    const f = module.function(name, new Array(3).fill("i32"), []);
    const [source, target, columns] = f.parameters;
    const { lanes } = module;
    const [column, stride, depth, output, counter] = f.locals("i32", 5);
    const pointers = f.locals("i32", lanes);
    const rowOfPanel = 1 << panelShift(lanes);
    assign(f, stride, 4 * columnStride);
    assign(f, depth, kernel[0] * channels);
    f.forRange(column, columns, lanes, () => {
      setClampedRows(f, pointers, source, column, columns, stride);
      assign(f, output, target);
      assign(f, counter, channels);
      f.repeat(counter, () => {
        for (let frame = 0; frame < kernel[0]; frame++) {
          f.forVectors(lanes / vectorElements, (vector) => {
            const four = pointers.slice(vectorElements * vector, vectorElements * (vector + 1));
            const ofFrame = places.slice(9 * frame, 9 * frame + 9);
            transformKernel(f, four, ofFrame, (place, value) => {
              const bytes = place * plane + rowOfPanel * frame * channels;
              store(f, output, wholeVector(bytes + vectorBytes * vector), value);
            });
          });
        }
        for (const pointer of pointers) f.increment(pointer, 4 * channelStride);
        f.increment(output, rowOfPanel);
      });
      nextColumnsOfPanel(f, target, column, depth);
    });
    return f;
  });
}

/** G g G^T of the nine places of four columns. */
function transformKernel(
  f: FunctionBuilder,
  pointers: readonly Local[],
  places: readonly number[],
  visit: (place: number, value: Local) => void,
): void {
  f.withLocals(new Array(9 + 12 + 4).fill("v128"), (...locals) => {
    const numbers = locals.slice(0, 9);
    const lines = locals.slice(9, 21);
    const results = locals.slice(21);
    loadPlaces(f, pointers, places, numbers);
    for (let x = 0; x < 3; x++) {
      transformLine(f, [numbers[x], numbers[3 + x], numbers[6 + x]], [
        ...[lines[x], lines[3 + x], lines[6 + x], lines[9 + x]],
      ]);
    }
    for (let y = 0; y < 4; y++) {
      transformLine(f, lines.slice(3 * y, 3 * y + 3), results);
      results.forEach((result, x) => visit(4 * y + x, result));
    }
  });
}

/** (a, b, c) to (a, (a + b + c) / 2, (a - b + c) / 2, c). */
function transformLine(
  f: FunctionBuilder,
  [a, b, c]: readonly Local[],
  [first, second, third, fourth]: readonly Local[],
): void {
  f.withLocals(["v128", "v128"], (outer, inner) => {
    assign(f, outer, multiply(add(a, c), 0.5));
    assign(f, inner, multiply(b, 0.5));
    assign(f, second, add(outer, inner));
    assign(f, third, subtract(outer, inner));
  });
  assign(f, first, a);
  assign(f, fourth, c);
}
