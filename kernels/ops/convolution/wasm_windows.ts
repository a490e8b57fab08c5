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
import { address, copyMemory, fillMemory, integer } from "../../wasm/emit/integers.ts";
import { forEachVector } from "../../wasm/emit/lanes.ts";
import {
  assign,
  call,
  type Operand,
  row,
  store,
  type Value,
  when,
} from "../../wasm/emit/values.ts";
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
    assign(f, target, integer.multiply(integer.remainder(number, base), unit));
    assign(f, number, integer.divide(number, base));
  };
  f.forRange(start, end, 1, () => {
    assign(f, number, start);
    digit(across, blocks.width, position);
    digit(down, blocks.lines, line);
    digit(blocks.output[0], 1, frame);
    assign(f, image, number);
    assign(f, lines, integer.subtract(blocks.output[1], line));
    setWithin(f, lines, blocks.lines);
    assign(f, width, integer.subtract(blocks.output[2], position));
    setWithin(f, width, blocks.width);
    body({ image, frame, line, position, lines, width });
  });
}

/** The address of an element whose indices are given along every axis. */
export const placed = (
  base: Local,
  indices: readonly Operand[],
  strides: readonly number[],
): Operand => address(base, ...indices.map((index, axis) => [index, 4 * strides[axis]] as const));

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
  target: Value,
  panels: Local | number,
): void {
  const { strides, before, inputStrides } = blocks;
  const start = address(input, [image, 4 * inputStrides[0]]);
  const corner = [frame, line, position].map((place, axis) =>
    integer.subtract(integer.multiply(place, strides[axis]), before[axis])
  );
  call(f, defineFillSlab(f.module, blocks, channels), start, ...corner, target, panels);
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
    const [frame, line, frames, lines, left, inside, right, start] = f.locals("i32", 8);
    const zeros = (positions: Local | number): void => {
      const bytes = integer.multiply(positions, 4 * panel);
      when(f, positions, () => {
        fillMemory(f, target, 0, bytes);
        assign(f, target, integer.add(target, bytes));
      });
    };
    const copy = (): void => {
      const places = [frame, line, integer.add(position, left)];
      assign(f, start, placed(input, places, inputStrides.slice(1)));
      if (exact && inputStrides[3] === panel) copyLine(f, start, target, inside, 4 * panel);
      else copyPositions(f, start, target, inside, panel, inputStrides[3]);
    };
    splitLine(f, position, sizes[2], slab[2], { left, inside, right });
    f.repeat(panels, () => {
      assign(f, frame, firstFrame);
      assign(f, frames, slab[0]);
      f.repeat(frames, () => {
        assign(f, line, firstLine);
        assign(f, lines, slab[1]);
        f.repeat(lines, () => {
          const inFrame = integer.less(frame, sizes[0]);
          when(f, integer.and(inFrame, integer.less(line, sizes[1])), () => {
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
  assign(f, left, integer.subtract(0, first));
  setWithin(f, left, count);
  assign(f, inside, integer.subtract(count, left));
  assign(f, right, integer.add(first, count - size));
  setWithin(f, right, inside);
  assign(f, inside, integer.subtract(inside, right));
}

/** Brings a signed number into the range from 0 to `limit`. */
function setWithin(f: FunctionBuilder, number: Local, limit: Local | number): void {
  assign(f, number, integer.select(integer.greaterSigned(number, 0), number, 0));
  assign(f, number, integer.select(integer.lessSigned(number, limit), number, limit));
}

function copyLine(
  f: FunctionBuilder,
  start: Local,
  target: Local,
  positions: Local,
  positionBytes: number,
): void {
  f.withLocals(["i32"], (bytes) => {
    assign(f, bytes, integer.multiply(positions, positionBytes));
    copyMemory(f, target, start, bytes);
    assign(f, target, integer.add(target, bytes));
  });
}

function copyPositions(
  f: FunctionBuilder,
  start: Local,
  target: Local,
  positions: Local,
  channels: number,
  stride: number,
): void {
  f.withLocals(["i32"], (counter) => {
    assign(f, counter, positions);
    f.repeat(counter, () => {
      forEachVector(f, channels, [start, target], 4, (at, [from, to]) => {
        store(f, to, at, row(from, at));
      });
      f.increment(start, 4 * stride).increment(target, 4 * channels);
    });
  });
}
