/**
 * Gradient of a kernel of 3 x 3 places by Winograd's method: the derivative of the trilinear form that
 * `wasm_winograd.ts` computes, in which kernel and output have changed places. Tiles of the input are
 * transformed as there, tiles of two by two positions of the gradient by the transpose of the output's
 * transform; sums over tiles are one matrix product for each of the 16 places of a tile; and at the
 * end the transpose of the kernel's transform makes 9 places of these.
 *
 * @module
 */
import type { FunctionBuilder, Lanes, Local, ModuleBuilder } from "../../wasm/emit/assembler.ts";
import { vectorElements } from "../../wasm/emit/assembler.ts";
import { address, integer } from "../../wasm/emit/integers.ts";
import { forEachVector, vectorBytes, wholeVector } from "../../wasm/emit/lanes.ts";
import {
  add,
  assign,
  call,
  kept,
  load,
  multiply,
  row,
  store,
  subtract,
  type Value,
} from "../../wasm/emit/values.ts";
import { defineBlock, panelColumns } from "../matmul/wasm_micro.ts";
import { definePackTransposed, packingSlack } from "../matmul/wasm_pack.ts";
import { storeSums, type WeightGradientKernel } from "./wasm_weight_gradient.ts";
import {
  loadTile,
  planeDistance,
  tilePlaces,
  tilesAlong,
  tileSide,
  transformInputTile,
} from "./wasm_winograd.ts";
import {
  type BlockPlace,
  callFillSlab,
  forEachBlock,
  slabSizes,
  type WindowBlocks,
} from "./wasm_windows.ts";

/** Tiles of the largest block. */
const tilesOf = ({ lines, width }: WindowBlocks): number =>
  Math.ceil(lines / tileSide) * Math.ceil(width / tileSide);

/** The gradient of the output as an input whose windows are single positions. */
function gradientBlocks({ blocks, gradientStrides }: WeightGradientKernel): WindowBlocks {
  return {
    ...blocks,
    kernel: [1, 1, 1],
    strides: [1, 1, 1],
    before: [0, 0, 0],
    input: blocks.output,
    inputStrides: gradientStrides,
  };
}

/** Sizes in bytes of what is kept for one place of a tile, and of what comes before that. */
function sizesOf(kernel: WeightGradientKernel, lanes: Lanes) {
  const { blocks, rowBlock, columnBlock } = kernel;
  const tiles = tilesOf(blocks);
  const panel = panelColumns(lanes);
  const positions = slabSizes(blocks).reduce((a, b) => a * b);
  // Transposing writes whole blocks of four.
  const gradientRow = 4 * (Math.ceil(tiles / 4) * 4 + 4);
  const inputPanels = Math.ceil(columnBlock / panel);
  const gradientPanels = Math.ceil(rowBlock / panel);
  return {
    gradientRow,
    /** Rows of transformed gradients. */
    rows: planeDistance(gradientPanels * Math.max(panel, 4) * gradientRow),
    /** Transformed tiles of the input. */
    columns: planeDistance(4 * tiles * inputPanels * panel),
    sums: 4 * rowBlock * columnBlock,
    /** Transformed gradients of a panel, before they are rows. */
    panel: planeDistance(4 * tiles * panel),
    inputSlab: 4 * positions * inputPanels * panel,
    gradientSlab: 4 * blocks.lines * blocks.width * gradientPanels * panel,
  };
}

/** Where things lie in the scratch memory, in bytes from its start. */
export function winogradGradientLayout(kernel: WeightGradientKernel, lanes: Lanes) {
  const sizes = sizesOf(kernel, lanes);
  const [frames] = kernel.blocks.kernel;
  let end = 0;
  const place = (bytes: number): number => {
    const start = end;
    end += Math.ceil((bytes + packingSlack) / 64) * 64;
    return start;
  };
  const sums = place(frames * tilePlaces * sizes.sums);
  const rows = place(tilePlaces * sizes.rows);
  const columns = place(tilePlaces * sizes.columns);
  const panel = place(tilePlaces * sizes.panel);
  const inputSlab = place(sizes.inputSlab);
  const gradientSlab = place(sizes.gradientSlab);
  return { sums, rows, columns, panel, inputSlab, gradientSlab, end };
}

/** Emits a function with the parameters of `emitWeightGradient`. */
export function emitWinogradGradient(
  module: ModuleBuilder,
  name: string,
  kernel: WeightGradientKernel,
): FunctionBuilder {
  const f = module.function(name, new Array(8).fill("i32"), []);
  new Driver(f, kernel).emit();
  return f;
}

class Driver {
  readonly #sizes;
  readonly #place;
  readonly #slab: readonly [number, number, number];
  readonly #panel: number;
  readonly #rows: Local;
  readonly #columns: Local;
  readonly #rowPanels: Local;
  readonly #columnPanels: Local;
  readonly #down: Local;
  readonly #across: Local;
  readonly #tiles: Local;
  readonly #block: Local;

  constructor(readonly f: FunctionBuilder, readonly kernel: WeightGradientKernel) {
    const { lanes } = f.module;
    this.#sizes = sizesOf(kernel, lanes);
    this.#place = winogradGradientLayout(kernel, lanes);
    this.#slab = slabSizes(kernel.blocks);
    this.#panel = panelColumns(lanes);
    [
      this.#rows,
      this.#columns,
      this.#rowPanels,
      this.#columnPanels,
      this.#down,
      this.#across,
      this.#tiles,
      this.#block,
    ] = f.locals("i32", 8);
  }

  emit(): void {
    const { f, kernel, kernel: { blocks, blockCount } } = this;
    const [rowStart, rowEnd, columnStart, columnEnd, , input, gradient] = f.parameters;
    assign(f, this.#rows, integer.subtract(rowEnd, rowStart));
    assign(f, this.#columns, integer.subtract(columnEnd, columnStart));
    const panels = (channels: Local): Value =>
      integer.divide(integer.add(channels, this.#panel - 1), this.#panel);
    assign(f, this.#rowPanels, panels(this.#rows));
    assign(f, this.#columnPanels, panels(this.#columns));
    for (const [operand, channel] of [[input, columnStart], [gradient, rowStart]]) {
      assign(f, operand, address(operand, [channel, 4]));
    }
    const channels = { panel: this.#panel, exact: false };
    f.withLocals(["i32"], (end) => {
      assign(f, end, blockCount);
      forEachBlock(f, blocks, this.#block, end, (place) => {
        const inputSlab = this.#scratch(this.#place.inputSlab);
        const gradientSlab = this.#scratch(this.#place.gradientSlab);
        callFillSlab(f, blocks, channels, place, input, inputSlab, this.#columnPanels);
        const single = gradientBlocks(kernel);
        callFillSlab(f, single, channels, place, gradient, gradientSlab, this.#rowPanels);
        this.#countTiles(place);
        this.#transformGradient();
        this.#addFrames();
      });
    });
    this.#finish();
  }

  /** An address in the scratch memory. */
  #scratch(offset: number): Value {
    return integer.add(this.f.parameters[4], offset);
  }

  #countTiles({ lines, width }: BlockPlace): void {
    const { f } = this;
    assign(f, this.#down, tilesAlong(lines));
    assign(f, this.#across, tilesAlong(width));
    assign(f, this.#tiles, integer.multiply(this.#down, this.#across));
  }

  /** Visits the tiles of a panel, `from` at their first position, `to` at their place. */
  #forEachTile(
    slabWidth: number,
    start: Local,
    to: Local,
    visit: (from: Local) => void,
  ): void {
    const { f } = this;
    const positionBytes = 4 * this.#panel;
    f.withLocals(["i32", "i32", "i32", "i32"], (line, from, y, x) => {
      assign(f, line, start);
      assign(f, y, this.#down);
      f.repeat(y, () => {
        assign(f, from, line);
        assign(f, x, this.#across);
        f.repeat(x, () => {
          visit(from);
          f.increment(from, tileSide * positionBytes).increment(to, positionBytes);
        });
        f.increment(line, tileSide * slabWidth * positionBytes);
      });
    });
  }

  /** Rows of all places of a tile, one a channel, from the slab of the gradient. */
  #transformGradient(): void {
    const { f, kernel: { blocks: { lines, width } } } = this;
    const panelBytes = 4 * this.#panel * lines * width;
    f.withLocals(["i32", "i32", "i32", "i32"], (slab, to, counter, rows) => {
      assign(f, slab, this.#scratch(this.#place.gradientSlab));
      assign(f, rows, this.#scratch(this.#place.rows));
      assign(f, counter, this.#rowPanels);
      f.repeat(counter, () => {
        assign(f, to, this.#scratch(this.#place.panel));
        this.#forEachTile(width, slab, to, (from) => this.#transformGradientTile(from, to));
        this.#transposePanel(rows);
        f.increment(slab, panelBytes).increment(rows, this.#panel * this.#sizes.gradientRow);
      });
    });
  }

  /** A z A^T, the channels of a panel. */
  #transformGradientTile(source: Local, target: Local): void {
    const { f, kernel: { blocks: { width } } } = this;
    const unroll = f.module.lanes / vectorElements;
    forEachVector(f, this.#panel, [source, target], unroll, (vector, [from, to]) => {
      f.withLocals(new Array(tilePlaces).fill("v128"), (...tile) => {
        for (const place of [0, 1, 4, 5]) {
          const position = Math.floor(place / 4) * width + place % 4;
          const offset = vector.offset + 4 * this.#panel * position;
          assign(f, tile[place], row(from, { ...vector, offset }));
        }
        const spread = (a: Local, b: Local, c: Local, d: Local): void => {
          assign(f, c, subtract(a, b));
          assign(f, d, subtract(0, b));
          assign(f, b, add(a, b));
        };
        for (let x = 0; x < tileSide; x++) spread(tile[x], tile[4 + x], tile[8 + x], tile[12 + x]);
        for (let y = 0; y < 4; y++) {
          spread(tile[4 * y], tile[4 * y + 1], tile[4 * y + 2], tile[4 * y + 3]);
        }
        tile.forEach((number, place) => {
          const offset = vector.offset + place * this.#sizes.panel;
          store(f, to, { ...vector, offset }, number);
        });
      });
    });
  }

  /** Tiles of a panel's channels as rows of tiles. */
  #transposePanel(rows: Local): void {
    const { f } = this;
    f.withLocals(["i32", "i32", "i32", "i32"], (source, target, places, channels) => {
      const [from, to] = [[source, 4 * this.#panel], [target, this.#sizes.gradientRow]];
      assign(f, source, this.#scratch(this.#place.panel));
      assign(f, target, rows);
      assign(f, channels, this.#panel);
      assign(f, places, tilePlaces);
      f.repeat(places, () => {
        call(f, definePackTransposed(f.module), ...from, ...to, this.#tiles, channels);
        f.increment(source, this.#sizes.panel).increment(target, this.#sizes.rows);
      });
    });
  }

  /** Adds the products of a block to the sums of every frame of the kernel. */
  #addFrames(): void {
    const { f, kernel: { blocks: { kernel } } } = this;
    const [, lines, width] = this.#slab;
    f.withLocals(["i32", "i32", "i32"], (slab, sums, frames) => {
      assign(f, slab, this.#scratch(this.#place.inputSlab));
      assign(f, sums, this.#scratch(this.#place.sums));
      assign(f, frames, kernel[0]);
      f.repeat(frames, () => {
        this.#transformInput(slab);
        this.#multiply(sums);
        f.increment(slab, 4 * lines * width * this.#panel);
      });
    });
  }

  #transformInput(frame: Local): void {
    const { f } = this;
    const panelBytes = 4 * this.#slab.reduce((a, b) => a * b) * this.#panel;
    const unroll = f.module.lanes / vectorElements;
    const numbers = this.#panel;
    f.withLocals(["i32", "i32", "i32"], (slab, to, counter) => {
      assign(f, slab, frame);
      assign(f, to, this.#scratch(this.#place.columns));
      assign(f, counter, this.#columnPanels);
      f.repeat(counter, () => {
        this.#forEachTile(this.#slab[2], slab, to, (from) => {
          forEachVector(f, numbers, [from, to], unroll, (vector, [source, target]) => {
            loadTile(f, source, vector, 4 * numbers * this.#slab[2], 4 * numbers, (tile) => {
              transformInputTile(f, tile);
              tile.forEach((number, place) => {
                const offset = vector.offset + place * this.#sizes.columns;
                store(f, target, { ...vector, offset }, number);
              });
            });
          });
        });
        f.increment(slab, panelBytes);
      });
    });
  }

  /** One product for every place of a tile; moves `sums` on to the next frame. */
  #multiply(sums: Local): void {
    const { f, kernel: { columnBlock, columns } } = this;
    const product = defineBlock(f.module, { lastLanes: columns % vectorElements });
    f.withLocals(["i32", "i32", "i32"], (places, a, b) => {
      const operands = [a, this.#sizes.gradientRow, b, sums, 4 * columnBlock];
      const sizes = [this.#rows, this.#columns, this.#tiles, this.#block];
      assign(f, a, this.#scratch(this.#place.rows));
      assign(f, b, this.#scratch(this.#place.columns));
      assign(f, places, tilePlaces);
      f.repeat(places, () => {
        call(f, product, ...operands, ...sizes);
        f.increment(a, this.#sizes.rows).increment(b, this.#sizes.columns);
        f.increment(sums, this.#sizes.sums);
      });
    });
  }

  /** G^T U G in place, in the first 9 of the 16 planes of every frame; then they are stored. */
  #finish(): void {
    const { f, kernel, kernel: { blocks: { kernel: [frames] }, columnBlock } } = this;
    f.withLocals(["i32", "i32", "i32", "i32"], (sums, pointer, count, counter) => {
      assign(f, pointer, kept(sums, this.#scratch(this.#place.sums)));
      assign(f, counter, frames);
      f.repeat(counter, () => {
        assign(f, count, integer.multiply(this.#rows, columnBlock / vectorElements));
        f.repeat(count, () => {
          this.#finishVector(pointer);
          f.increment(pointer, vectorBytes);
        });
        const next = integer.add(pointer, tilePlaces * this.#sizes.sums);
        const walked = integer.multiply(this.#rows, 4 * columnBlock);
        assign(f, pointer, integer.subtract(next, walked));
      });
      const planes = Array.from(
        { length: 9 * frames },
        (_, place) => tilePlaces * Math.floor(place / 9) + place % 9,
      );
      storeSums(f, kernel, sums, planes);
    });
  }

  #finishVector(pointer: Local): void {
    const { f } = this;
    f.withLocals(new Array(tilePlaces).fill("v128"), (...tile) => {
      tile.forEach((number, place) => {
        assign(f, number, load(pointer, place * this.#sizes.sums));
      });
      const gather = (a: Local, b: Local, c: Local, d: Local): void => {
        f.withLocals(["v128", "v128"], (sum, difference) => {
          assign(f, sum, multiply(add(b, c), 0.5));
          assign(f, difference, multiply(subtract(b, c), 0.5));
          assign(f, a, add(a, sum));
          assign(f, b, difference);
          assign(f, c, add(sum, d));
        });
      };
      for (let x = 0; x < 4; x++) gather(tile[x], tile[4 + x], tile[8 + x], tile[12 + x]);
      for (let y = 0; y < 3; y++) {
        gather(tile[4 * y], tile[4 * y + 1], tile[4 * y + 2], tile[4 * y + 3]);
        for (let x = 0; x < 3; x++) {
          const offset = (3 * y + x) * this.#sizes.sums;
          store(f, pointer, wholeVector(offset), tile[4 * y + x]);
        }
      }
    });
  }
}
