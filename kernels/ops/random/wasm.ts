/**
 * Philox 4x32-10 in WebAssembly, four blocks at a time: lane i of a vector belongs to block b + i,
 * so that the rounds need no shuffling but for the halves of the products, and one transpose at the
 * end puts the sixteen numbers in order. See `base/philox.ts` for the definition.
 *
 * @module
 */
import { elementCount } from "../../shape.ts";
import type { FunctionBuilder, Local, ModuleBuilder } from "../../wasm/emit/assembler.ts";
import { eachLane, integer, integers, xor } from "../../wasm/emit/integers.ts";
import { transpose } from "../../wasm/emit/lanes.ts";
import {
  applied,
  assign,
  multiply,
  shuffle,
  splat,
  squareRoot,
  store,
  when,
  withVector,
} from "../../wasm/emit/values.ts";
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
  assign(f, low, integers.productsOfFirst(x, multiplier));
  assign(f, high, integers.productsOfLast(x, multiplier));
  withVector(f, low, (first) => {
    assign(f, low, shuffle(first, high, [0, 2, 4, 6]));
    assign(f, high, shuffle(first, high, [1, 3, 5, 7]));
  });
}

/** Replaces four counters by four words of random bits; `key` is left alone. */
function philox(f: FunctionBuilder, counter: readonly Local[], key: readonly Local[]): void {
  let [c0, c1, c2, c3] = counter;
  f.withLocals(["v128", "v128", "v128", "v128"], (key0, key1, high, low) => {
    assign(f, key0, key[0]);
    assign(f, key1, key[1]);
    for (let round = 0; round < rounds; round++) {
      wideMultiply(f, c0, multipliers[0], high, low);
      assign(f, c3, xor(xor(high, c3), key1));
      assign(f, c0, low);
      wideMultiply(f, c2, multipliers[1], high, low);
      assign(f, c1, xor(xor(high, c1), key0));
      assign(f, c2, low);
      // New counter: (high1 ^ c1 ^ key0, low1, high0 ^ c3 ^ key1, low0), by renaming.
      [c0, c1, c2, c3] = [c1, c2, c3, c0];
      assign(f, key0, integers.add(key0, weyl[0]));
      assign(f, key1, integers.add(key1, weyl[1]));
    }
  });
  // The renaming has come round by rounds mod 4 places; put the words where the caller has them.
  const words = [c0, c1, c2, c3];
  words.forEach((word) => f.get(word));
  [...counter].reverse().forEach((word) => f.set(word));
}

/** Words to uniform deviates in [0, 1), in place. */
function toUniform(f: FunctionBuilder, word: Local): void {
  assign(f, word, multiply(integers.toFloats(integers.shiftRight(word, 8)), 2 ** -24));
}

/** Two words to two normal deviates, in place. */
function toNormals(f: FunctionBuilder, word0: Local, word1: Local): void {
  const steps = integers.add(integers.shiftRight(word0, 8), 1);
  const uniform = multiply(integers.toFloats(steps), 2 ** -24);
  assign(f, word0, squareRoot(multiply(applied(logarithm, uniform), -2)));
  // The signed shift takes whole turns off: angles in [-pi, pi) have smaller rounding errors.
  const turns = integers.toFloats(integers.shiftRightSigned(word1, 8));
  assign(f, word1, multiply(turns, 2 * Math.PI * 2 ** -24));
  withVector(f, word0, (radius) => {
    assign(f, word0, multiply(applied(cosine, word1), radius));
    assign(f, word1, multiply(applied(sine, word1), radius));
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
    store(f, target, { lanes, offset: 16 * slot, slot }, vectors[slot]);
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
  key.forEach((word, i) => assign(f, word, splat(seed, 4 * i)));
  f.repeat(rowCount, () => {
    assign(f, target, integer.add(integer.shiftLeft(begin, 2), output));
    assign(f, element, begin);
    f.forRange(element, end, groupElements, () => {
      const block = integers.spread(integer.shiftRight(element, 2));
      assign(f, words[0], integers.add(block, eachLane(0, 1, 2, 3)));
      assign(f, words[1], splat(rows));
      assign(f, words[2], splat(draw));
      assign(f, words[3], eachLane(kernel.stream));
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
  const last = (): void => storeGroup(f, target, vectors, rest);
  when(f, integer.less(element, width - rest), whole, last);
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
