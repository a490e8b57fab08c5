/**
 * Philox 4x32-10 in WebAssembly, four blocks at a time: lane i of a vector belongs to block b + i,
 * so that the rounds need no shuffling but for the halves of the products, and one transpose at the
 * end puts the sixteen numbers in order. See `base/philox.ts` for the definition.
 *
 * @module
 */
import { elementCount } from "../../shape.ts";
import type { FunctionBuilder, Local, ModuleBuilder } from "../../wasm/emit/assembler.ts";
import { storeRow, transpose } from "../../wasm/emit/lanes.ts";
import type { WasmLowering } from "../../wasm/lowering.ts";
import { cosine, logarithm, sine } from "../../wasm/emit/math.ts";
import { splitEvenly, splitPhase } from "../../wasm/split.ts";
import type { RandomStep } from "./step.ts";

const rounds = 10;
const multipliers = [0xd2511f53, 0xcd9e8d57] as const;
const weyl = [0x9e3779b9, 0xbb67ae85] as const;

/** Elements of one group: four blocks of four words. */
const groupElements = 16;

interface RandomKernel {
  readonly distribution: RandomStep["distribution"];
  readonly stream: number;
  /** Elements of a row. */
  readonly width: number;
}

/** Sets `high` and `low` to the halves of the unsigned products of `x` with a constant. */
function wideMultiply(
  f: FunctionBuilder,
  x: Local,
  multiplier: number,
  high: Local,
  low: Local,
): void {
  f.get(x).i32x4Const(multiplier).i64x2ExtmulLowI32x4U().set(low);
  f.get(x).i32x4Const(multiplier).i64x2ExtmulHighI32x4U().set(high);
  f.withLocals(["v128"], (first) => {
    f.get(low).set(first);
    f.get(first).get(high).i32x4Shuffle([0, 2, 4, 6]).set(low);
    f.get(first).get(high).i32x4Shuffle([1, 3, 5, 7]).set(high);
  });
}

/** Replaces four counters by four words of random bits; `key` is left alone. */
function philox(f: FunctionBuilder, counter: readonly Local[], key: readonly Local[]): void {
  let [c0, c1, c2, c3] = counter;
  f.withLocals(["v128", "v128", "v128", "v128"], (key0, key1, high, low) => {
    f.get(key[0]).set(key0).get(key[1]).set(key1);
    for (let round = 0; round < rounds; round++) {
      wideMultiply(f, c0, multipliers[0], high, low);
      f.get(high).get(c3).v128Xor().get(key1).v128Xor().set(c3);
      f.get(low).set(c0);
      wideMultiply(f, c2, multipliers[1], high, low);
      f.get(high).get(c1).v128Xor().get(key0).v128Xor().set(c1);
      f.get(low).set(c2);
      // New counter: (high1 ^ c1 ^ key0, low1, high0 ^ c3 ^ key1, low0), by renaming.
      [c0, c1, c2, c3] = [c1, c2, c3, c0];
      f.get(key0).i32x4Const(weyl[0]).i32x4Add().set(key0);
      f.get(key1).i32x4Const(weyl[1]).i32x4Add().set(key1);
    }
  });
  // The renaming has come round by rounds mod 4 places; put the words where the caller has them.
  const words = [c0, c1, c2, c3];
  words.forEach((word) => f.get(word));
  [...counter].reverse().forEach((word) => f.set(word));
}

/** Words to uniform deviates in [0, 1), in place. */
function toUniform(f: FunctionBuilder, word: Local): void {
  f.get(word).i32Const(8).i32x4ShrU().f32x4ConvertI32x4S().f32x4Const(2 ** -24).f32x4Mul()
    .set(word);
}

/** Two words to two normal deviates, in place. */
function toNormals(f: FunctionBuilder, word0: Local, word1: Local): void {
  f.get(word0).i32Const(8).i32x4ShrU().i32x4Const(1).i32x4Add().f32x4ConvertI32x4S();
  f.f32x4Const(2 ** -24).f32x4Mul();
  logarithm(f).f32x4Const(-2).f32x4Mul().f32x4Sqrt().set(word0);
  // The signed shift takes whole turns off: angles in [-pi, pi) have smaller rounding errors.
  f.get(word1).i32Const(8).i32x4ShrS().f32x4ConvertI32x4S();
  f.f32x4Const(2 * Math.PI * 2 ** -24).f32x4Mul().set(word1);
  f.withLocals(["v128"], (radius) => {
    f.get(word0).set(radius).get(word1);
    cosine(f).get(radius).f32x4Mul().set(word0);
    f.get(word1);
    sine(f).get(radius).f32x4Mul().set(word1);
  });
}

/** Stores `elements` numbers (at most 16) at `target`. */
function storeGroup(
  f: FunctionBuilder,
  target: Local,
  vectors: readonly Local[],
  elements: number,
): void {
  for (let slot = 0; 4 * slot < elements; slot++) {
    const lanes = Math.min(4, elements - 4 * slot);
    storeRow(f, target, { lanes, offset: 16 * slot, slot }, () => f.get(vectors[slot]));
  }
}

/**
 * Emits (seed, rows, draw, output, rowCount, begin, end): elements `[begin, end)` of `rowCount` rows;
 * `begin` is a multiple of 16, and so is `end` unless it is the width.
 */
function emitRandom(module: ModuleBuilder, name: string, kernel: RandomKernel): FunctionBuilder {
  const f = module.function(name, ["i32", "i32", "i32", "i32", "i32", "i32", "i32"], []);
  const [seed, rows, draw, output, rowCount, begin, end] = f.parameters;
  const key = f.locals("v128", 2);
  const words = f.locals("v128", 4);
  const [target, element] = f.locals("i32", 2);
  f.get(seed).v128Load32Splat(0).set(key[0]).get(seed).v128Load32Splat(4).set(key[1]);
  f.repeat(rowCount, () => {
    f.get(begin).i32Const(2).i32Shl().get(output).i32Add().set(target);
    f.get(begin).set(element);
    f.forRange(element, end, groupElements, () => {
      f.get(element).i32Const(2).i32ShrU().i32x4Splat().i32x4Const(0, 1, 2, 3).i32x4Add()
        .set(words[0]);
      f.get(rows).v128Load32Splat().set(words[1]);
      f.get(draw).v128Load32Splat().set(words[2]);
      f.i32x4Const(kernel.stream).set(words[3]);
      philox(f, words, key);
      if (kernel.distribution === "uniform") words.forEach((word) => toUniform(f, word));
      else {
        toNormals(f, words[0], words[1]);
        toNormals(f, words[2], words[3]);
      }
      transpose(f, words);
      storeLast(f, target, words, element, kernel.width);
      f.increment(target, 4 * groupElements);
    });
    f.increment(rows, 4).increment(output, 4 * kernel.width);
  });
  return f;
}

/** Stores a whole group, or what is left of the row at its end. */
function storeLast(
  f: FunctionBuilder,
  target: Local,
  vectors: readonly Local[],
  element: Local,
  width: number,
): void {
  const rest = width % groupElements;
  const whole = (): void => storeGroup(f, target, vectors, groupElements);
  if (rest === 0) {
    whole();
    return;
  }
  f.get(element).i32Const(width - rest).i32LtU();
  f.if(whole, () => storeGroup(f, target, vectors, rest));
}

/** Random numbers, one stream a row; rows are divided over the threads, or else the elements. */
export const lowerRandom: WasmLowering<RandomStep> = (step, context) => {
  const { distribution, stream, output } = step;
  const [rowCount] = output.shape;
  const width = elementCount(output.shape.slice(1));
  const name = `random ${distribution} ${stream} ${width}`;
  context.define(name, (module) => emitRandom(module, name, { distribution, stream, width }));
  const seed = context.address(step.seed, { shape: [2], layout: "contiguous" });
  const rows = context.address(step.rows, { shape: [rowCount], layout: "contiguous" });
  const draw = context.address(step.draw, { shape: [] });
  const { shape } = output;
  const target = context.address(output, { shape, layout: "contiguous", written: true });
  const call = (row: number, count: number, start: number, end: number) => [{
    function: name,
    arguments: [seed, rows + 4 * row, draw, target + 4 * width * row, count, start, end],
  }];
  if (rowCount >= context.threads) {
    const ranges = splitEvenly(rowCount, context.threads);
    return [splitPhase(ranges, ({ start, end }) => call(start, end - start, 0, width))];
  }
  const ranges = splitEvenly(width, context.threads, groupElements);
  return [splitPhase(ranges, ({ start, end }) => call(0, rowCount, start, end))];
};
