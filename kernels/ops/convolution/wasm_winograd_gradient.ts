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
import { forEachVector, loadRow, storeRow, vectorBytes } from "../../wasm/emit/lanes.ts";
import { defineBlock, panelColumns } from "../matmul/wasm_micro.ts";
import { definePackTransposed, packingSlack } from "../matmul/wasm_pack.ts";
import { storeSums, type WeightGradientKernel } from "./wasm_weight_gradient.ts";
import {
  loadTile,
  planeDistance,
  tilePlaces,
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
    f.get(rowEnd).get(rowStart).i32Sub().set(this.#rows);
    f.get(columnEnd).get(columnStart).i32Sub().set(this.#columns);
    for (const [channels, panels] of this.#panelled()) {
      f.get(channels).i32Const(this.#panel - 1).i32Add().i32Const(this.#panel).i32DivU();
      f.set(panels);
    }
    for (const [address, channel] of [[input, columnStart], [gradient, rowStart]]) {
      f.get(address).get(channel).i32Const(4).i32Mul().i32Add().set(address);
    }
    const channels = { panel: this.#panel, exact: false };
    f.withLocals(["i32"], (end) => {
      f.i32Const(blockCount).set(end);
      forEachBlock(f, blocks, this.#block, end, (place) => {
        const [inputSlab, gradientSlab] = [this.#place.inputSlab, this.#place.gradientSlab]
          .map((offset) => () => this.#scratch(offset));
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

  #panelled(): [Local, Local][] {
    return [[this.#rows, this.#rowPanels], [this.#columns, this.#columnPanels]];
  }

  /** Pushes an address in the scratch memory. */
  #scratch(offset: number): void {
    this.f.get(this.f.parameters[4]).i32Const(offset).i32Add();
  }

  #countTiles({ lines, width }: BlockPlace): void {
    const { f } = this;
    for (const [tiles, size] of [[this.#down, lines], [this.#across, width]]) {
      f.get(size).i32Const(1).i32Add().i32Const(1).i32ShrU().set(tiles);
    }
    f.get(this.#down).get(this.#across).i32Mul().set(this.#tiles);
  }

  /** Visits the tiles of a panel, `from` at their first position, `to` at their place. */
  #forEachTile(
    slabWidth: number,
    start: () => void,
    to: Local,
    visit: (from: Local) => void,
  ): void {
    const { f } = this;
    const positionBytes = 4 * this.#panel;
    f.withLocals(["i32", "i32", "i32", "i32"], (line, from, y, x) => {
      start();
      f.set(line).get(this.#down).set(y).repeat(y, () => {
        f.get(line).set(from).get(this.#across).set(x).repeat(x, () => {
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
      this.#scratch(this.#place.gradientSlab);
      f.set(slab);
      this.#scratch(this.#place.rows);
      f.set(rows).get(this.#rowPanels).set(counter).repeat(counter, () => {
        this.#scratch(this.#place.panel);
        f.set(to);
        this.#forEachTile(width, () => f.get(slab), to, (from) => {
          this.#transformGradientTile(from, to);
        });
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
          loadRow(f, from, { ...vector, offset: vector.offset + 4 * this.#panel * position });
          f.set(tile[place]);
        }
        const spread = (a: Local, b: Local, c: Local, d: Local): void => {
          f.get(a).get(b).f32x4Sub().set(c).f32x4Const(0).get(b).f32x4Sub().set(d);
          f.get(a).get(b).f32x4Add().set(b);
        };
        for (let x = 0; x < tileSide; x++) spread(tile[x], tile[4 + x], tile[8 + x], tile[12 + x]);
        for (let y = 0; y < 4; y++) {
          spread(tile[4 * y], tile[4 * y + 1], tile[4 * y + 2], tile[4 * y + 3]);
        }
        tile.forEach((number, place) => {
          const offset = vector.offset + place * this.#sizes.panel;
          storeRow(f, to, { ...vector, offset }, () => f.get(number));
        });
      });
    });
  }

  /** Tiles of a panel's channels as rows of tiles. */
  #transposePanel(rows: Local): void {
    const { f } = this;
    f.withLocals(["i32", "i32", "i32", "i32"], (source, target, places, channels) => {
      this.#scratch(this.#place.panel);
      f.set(source).get(rows).set(target).i32Const(this.#panel).set(channels);
      f.i32Const(tilePlaces).set(places).repeat(places, () => {
        f.get(source).i32Const(4 * this.#panel).get(target).i32Const(this.#sizes.gradientRow);
        f.get(this.#tiles).get(channels).call(definePackTransposed(f.module));
        f.increment(source, this.#sizes.panel).increment(target, this.#sizes.rows);
      });
    });
  }

  /** Adds the products of a block to the sums of every frame of the kernel. */
  #addFrames(): void {
    const { f, kernel: { blocks: { kernel } } } = this;
    const [, lines, width] = this.#slab;
    f.withLocals(["i32", "i32", "i32"], (slab, sums, frames) => {
      this.#scratch(this.#place.inputSlab);
      f.set(slab);
      this.#scratch(this.#place.sums);
      f.set(sums).i32Const(kernel[0]).set(frames).repeat(frames, () => {
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
      f.get(frame).set(slab);
      this.#scratch(this.#place.columns);
      f.set(to).get(this.#columnPanels).set(counter).repeat(counter, () => {
        this.#forEachTile(this.#slab[2], () => f.get(slab), to, (from) => {
          forEachVector(f, numbers, [from, to], unroll, (vector, [source, target]) => {
            loadTile(f, source, vector, 4 * numbers * this.#slab[2], 4 * numbers, (tile) => {
              transformInputTile(f, tile);
              tile.forEach((number, place) => {
                const offset = vector.offset + place * this.#sizes.columns;
                storeRow(f, target, { ...vector, offset }, () => f.get(number));
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
      this.#scratch(this.#place.rows);
      f.set(a);
      this.#scratch(this.#place.columns);
      f.set(b).i32Const(tilePlaces).set(places).repeat(places, () => {
        f.get(a).i32Const(this.#sizes.gradientRow).get(b).get(sums).i32Const(4 * columnBlock);
        f.get(this.#rows).get(this.#columns).get(this.#tiles).get(this.#block).call(product);
        f.increment(a, this.#sizes.rows).increment(b, this.#sizes.columns);
        f.increment(sums, this.#sizes.sums);
      });
    });
  }

  /** G^T U G in place, in the first 9 of the 16 planes of every frame; then they are stored. */
  #finish(): void {
    const { f, kernel, kernel: { blocks: { kernel: [frames] }, columnBlock } } = this;
    f.withLocals(["i32", "i32", "i32", "i32"], (sums, pointer, count, counter) => {
      this.#scratch(this.#place.sums);
      f.tee(sums).set(pointer).i32Const(frames).set(counter).repeat(counter, () => {
        f.get(this.#rows).i32Const(columnBlock / vectorElements).i32Mul().set(count);
        f.repeat(count, () => {
          this.#finishVector(pointer);
          f.increment(pointer, vectorBytes);
        });
        f.get(pointer).i32Const(tilePlaces * this.#sizes.sums).i32Add();
        f.get(this.#rows).i32Const(4 * columnBlock).i32Mul().i32Sub().set(pointer);
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
        f.get(pointer).v128Load(place * this.#sizes.sums).set(number);
      });
      const gather = (a: Local, b: Local, c: Local, d: Local): void => {
        f.withLocals(["v128", "v128"], (sum, difference) => {
          f.get(b).get(c).f32x4Add().f32x4Const(0.5).f32x4Mul().set(sum);
          f.get(b).get(c).f32x4Sub().f32x4Const(0.5).f32x4Mul().set(difference);
          f.get(a).get(sum).f32x4Add().set(a).get(difference).set(b);
          f.get(sum).get(d).f32x4Add().set(c);
        });
      };
      for (let x = 0; x < 4; x++) gather(tile[x], tile[4 + x], tile[8 + x], tile[12 + x]);
      for (let y = 0; y < 3; y++) {
        gather(tile[4 * y], tile[4 * y + 1], tile[4 * y + 2], tile[4 * y + 3]);
        for (let x = 0; x < 3; x++) {
          const offset = (3 * y + x) * this.#sizes.sums;
          f.get(pointer).get(tile[4 * y + x]).v128Store(offset);
        }
      }
    });
  }
}
