/**
 * The part of the input that a block of windows sees, brought into a thread's scratch memory.
 *
 * A block is some lines of one frame of the output. Its slab holds the frames, lines and positions
 * that its windows reach, with the zeros around the input written out, so that a place of the kernel
 * is a constant distance in it and no window is special. It is far smaller than the unfolded input:
 * every number is in it once.
 *
 * @module
 */
import type { FunctionBuilder, Local, ModuleBuilder } from "../../wasm/emit/assembler.ts";
import { forEachVector, loadRow, storeRow } from "../../wasm/emit/lanes.ts";
import type { Triple, Windows } from "./step.ts";

/** How a convolution's windows are cut into blocks. */
export interface WindowBlocks extends Windows {
  readonly kernel: Triple;
  /** Frames, lines and positions of the input. */
  readonly input: Triple;
  /** Elements between images, frames, lines and positions of the input. */
  readonly inputStrides: readonly number[];
  /** Frames, lines and positions of the output. */
  readonly output: Triple;
  /** Lines of a block, and positions of each; less at the ends of a frame and of a line. */
  readonly lines: number;
  readonly width: number;
}

/** Blocks along the lines and along the positions of a frame. */
export function blocksOfFrame({ output, lines, width }: WindowBlocks): [number, number] {
  return [Math.ceil(output[1] / lines), Math.ceil(output[2] / width)];
}

/** Frames, lines and positions of a slab. */
export function slabSizes({ kernel, strides, lines, width }: WindowBlocks): Triple {
  return [
    kernel[0],
    (lines - 1) * strides[1] + kernel[1],
    (width - 1) * strides[2] + kernel[2],
  ];
}

/** A block in generated code. */
export interface BlockPlace {
  readonly image: Local;
  readonly frame: Local;
  /** First line and position of the output. */
  readonly line: Local;
  readonly position: Local;
  /** How many. */
  readonly lines: Local;
  readonly width: Local;
}

/** Emits a loop over the blocks with numbers from `start` to `end`, counted through all images. */
export function forEachBlock(
  f: FunctionBuilder,
  blocks: WindowBlocks,
  start: Local,
  end: Local,
  body: (place: BlockPlace) => void,
): void {
  const [down, across] = blocksOfFrame(blocks);
  const [image, frame, line, position, lines, width, number] = f.locals("i32", 7);
  const digit = (base: number, unit: number, target: Local): void => {
    f.get(number).i32Const(base).i32RemU().i32Const(unit).i32Mul().set(target);
    f.get(number).i32Const(base).i32DivU().set(number);
  };
  f.forRange(start, end, 1, () => {
    f.get(start).set(number);
    digit(across, blocks.width, position);
    digit(down, blocks.lines, line);
    digit(blocks.output[0], 1, frame);
    f.get(number).set(image);
    f.i32Const(blocks.output[1]).get(line).i32Sub().set(lines);
    setWithin(f, lines, blocks.lines);
    f.i32Const(blocks.output[2]).get(position).i32Sub().set(width);
    setWithin(f, width, blocks.width);
    body({ image, frame, line, position, lines, width });
  });
}

/** How a slab holds channels: panels one behind the other, in each all positions. */
export interface SlabChannels {
  /** Channels of a panel. */
  readonly panel: number;
  /** Whether the input must not be read past the panel's channels. */
  readonly exact: boolean;
}

/**
 * Fills the slab of a block.
 *
 * @param input address of the first channel wanted at the first position of the input
 * @param panels how many panels of channels
 */
export function callFillSlab(
  f: FunctionBuilder,
  blocks: WindowBlocks,
  channels: SlabChannels,
  { image, frame, line, position }: BlockPlace,
  input: Local,
  target: () => void,
  panels: Local | number,
): void {
  const { strides, before, inputStrides } = blocks;
  f.get(input).get(image).i32Const(4 * inputStrides[0]).i32Mul().i32Add();
  [frame, line, position].forEach((place, axis) => {
    f.get(place).i32Const(strides[axis]).i32Mul().i32Const(before[axis]).i32Sub();
  });
  target();
  f.value(panels).call(defineFillSlab(f.module, blocks, channels));
}

/** Emits `(input, frame, line, position, target, panels)`, places of the input that may lie outside. */
function defineFillSlab(
  module: ModuleBuilder,
  blocks: WindowBlocks,
  { panel, exact }: SlabChannels,
): FunctionBuilder {
  const { input: sizes, inputStrides } = blocks;
  const slab = slabSizes(blocks);
  const key = `slab_${panel}_${exact}_${slab}_of_${sizes}_${inputStrides.slice(1)}`;
  return module.define(key, (_, name) => {
    const f = module.function(name, new Array(6).fill("i32"), []);
    const [input, firstFrame, firstLine, position, target, panels] = f.parameters;
    const [frame, line, frames, lines, left, inside, right, row] = f.locals("i32", 8);
    const zeros = (positions: Local | number): void => {
      f.value(positions).if(() => {
        f.get(target).i32Const(0).value(positions).i32Const(4 * panel).i32Mul().memoryFill();
        f.get(target).value(positions).i32Const(4 * panel).i32Mul().i32Add().set(target);
      });
    };
    const copy = (): void => {
      f.get(input).get(frame).i32Const(4 * inputStrides[1]).i32Mul().i32Add();
      f.get(line).i32Const(4 * inputStrides[2]).i32Mul().i32Add();
      f.get(position).get(left).i32Add().i32Const(4 * inputStrides[3]).i32Mul().i32Add().set(row);
      if (exact && inputStrides[3] === panel) copyLine(f, row, target, inside, 4 * panel);
      else copyPositions(f, row, target, inside, panel, inputStrides[3]);
    };
    splitLine(f, position, sizes[2], slab[2], { left, inside, right });
    f.repeat(panels, () => {
      f.get(firstFrame).set(frame).i32Const(slab[0]).set(frames);
      f.repeat(frames, () => {
        f.get(firstLine).set(line).i32Const(slab[1]).set(lines);
        f.repeat(lines, () => {
          f.get(frame).i32Const(sizes[0]).i32LtU().get(line).i32Const(sizes[1]).i32LtU().i32And();
          f.if(() => {
            zeros(left);
            copy();
            zeros(right);
          }, () => zeros(slab[2]));
          f.increment(line, 1);
        });
        f.increment(frame, 1);
      });
      f.increment(input, 4 * panel);
    });
    return f;
  });
}

/** How many of `count` positions from `first` on lie before, in and behind a line of `size`. */
function splitLine(
  f: FunctionBuilder,
  first: Local,
  size: number,
  count: number,
  { left, inside, right }: { left: Local; inside: Local; right: Local },
): void {
  f.i32Const(0).get(first).i32Sub().set(left);
  setWithin(f, left, count);
  f.i32Const(count).get(left).i32Sub().set(inside);
  f.get(first).i32Const(count - size).i32Add().set(right);
  setWithin(f, right, inside);
  f.get(inside).get(right).i32Sub().set(inside);
}

/** Brings a signed number into the range from 0 to `limit`. */
function setWithin(f: FunctionBuilder, number: Local, limit: Local | number): void {
  f.get(number).i32Const(0).get(number).i32Const(0).i32GtS().select().set(number);
  f.get(number).value(limit).get(number).value(limit).i32LtS().select().set(number);
}

function copyLine(
  f: FunctionBuilder,
  row: Local,
  target: Local,
  positions: Local,
  positionBytes: number,
): void {
  f.withLocals(["i32"], (bytes) => {
    f.get(positions).i32Const(positionBytes).i32Mul().set(bytes);
    f.get(target).get(row).get(bytes).memoryCopy();
    f.get(target).get(bytes).i32Add().set(target);
  });
}

function copyPositions(
  f: FunctionBuilder,
  row: Local,
  target: Local,
  positions: Local,
  channels: number,
  stride: number,
): void {
  f.withLocals(["i32"], (counter) => {
    f.get(positions).set(counter);
    f.repeat(counter, () => {
      forEachVector(f, channels, [row, target], 4, (vector, [from, to]) => {
        storeRow(f, to, vector, () => loadRow(f, from, vector));
      });
      f.increment(row, 4 * stride).increment(target, 4 * channels);
    });
  });
}
