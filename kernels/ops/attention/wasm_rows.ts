/**
 * Row kernels of attention in WebAssembly: everything around the matrix products. Score tiles live
 * in scratch memory with rows padded to whole vectors; what stands in the padding is never used.
 *
 * @module
 */
import {
  type FunctionBuilder,
  type Local,
  type ModuleBuilder,
  vectorElements,
} from "../../wasm/emit/assembler.ts";
import {
  forEachVector,
  type RowVector,
  throughMemory,
  vectorBytes,
} from "../../wasm/emit/lanes.ts";
import { and, eachLane, integer, integers } from "../../wasm/emit/integers.ts";
import {
  boundedExponential,
  exponential,
  horizontalMaximum,
  horizontalSum,
  logarithm,
} from "../../wasm/emit/math.ts";
import {
  add,
  applied,
  assign,
  firstLane,
  larger,
  multiply,
  multiplyAdd,
  negate,
  type Operand,
  row,
  scalar,
  select,
  splat,
  spread,
  store,
  storeScalar,
  subtract,
  when,
  withVector,
} from "../../wasm/emit/values.ts";

/** A vector of a score row, whole thanks to the padding. */
interface ScoreVector extends RowVector {
  /** Whether only the lanes of the tail mask belong to the row. */
  readonly tail: boolean;
}

/**
 * Walks a row of `count` scores (a run-time number). The pointers are moved along; the last vector
 * may be partial.
 *
 * @param afterPairs Emitted once, where vectors no longer come in pairs.
 */
function walkScores(
  f: FunctionBuilder,
  count: Local,
  pointers: readonly Local[],
  body: (at: ScoreVector) => void,
  afterPairs: () => void = () => {},
): void {
  const visit = (slot: number, offset: number, tail = false): void =>
    body({ lanes: vectorElements, offset, slot, tail });
  const advance = (bytes: number): void => {
    for (const pointer of pointers) f.increment(pointer, bytes);
  };
  f.withLocals(["i32"], (left) => {
    assign(f, left, integer.shiftRight(count, 4));
    f.repeat(left, () => {
      f.forVectors(4, (slot) => visit(slot, vectorBytes * slot));
      advance(64);
    });
    afterPairs();
    assign(f, left, integer.and(integer.shiftRight(count, 2), 3));
    f.repeat(left, () => {
      visit(0, 0);
      advance(16);
    });
    when(f, integer.and(count, 3), () => visit(1, 0, true));
  });
}

/** Sets `mask` to the lanes of a row of `count` elements that its last, partial vector holds. */
export function setTailMask(f: FunctionBuilder, count: Local, mask: Local): void {
  assign(f, mask, integers.less(eachLane(0, 1, 2, 3), integers.spread(integer.and(count, 3))));
}

/**
 * Which lanes of a score row count: those of the row, and with segments those of equal id; undefined
 * when all do.
 */
type Mask = (at: ScoreVector) => Operand | undefined;

function scoreMask(
  tailMask: Local,
  segments?: { readonly own: Local; readonly others: Local },
): Mask {
  return (at) => {
    const inRow = at.tail ? tailMask : undefined;
    if (!segments) return inRow;
    const seen = integers.equal(row(segments.others, at), segments.own);
    return inRow ? and(seen, inRow) : seen;
  };
}

/** Choices a softmax kernel is specialised to. */
export interface SoftmaxKernel {
  readonly scale: number;
  /** Bytes from one row of scores to the next. */
  readonly stride: number;
  readonly segmented: boolean;
  /** All keys are in one block: no running maximum is kept. */
  readonly single: boolean;
}

/**
 * (scores, rows, keys, first, last, querySegments, keySegments, state, factors, logSumExp):
 * replaces rows of raw scores by weights `exp(scale score - maximum)`.
 *
 * `state` holds the running maximum and sum of every row over the blocks of keys; `factors` gets,
 * for every row, the factor for what was summed up before and the factor for this block's part.
 * In the last block they include the division by the sum, and `logSumExp` is written.
 */
export function softmaxRows(module: ModuleBuilder, kernel: SoftmaxKernel): FunctionBuilder {
  const { scale, stride, segmented, single } = kernel;
  const name = `attention softmax ${scale} ${stride} ${segmented} ${single}`;
  return module.define(name, () => {
    const f = module.function(name, new Array<"i32">(10).fill("i32"), []);
    const [scores, rows, keys, first, last] = f.parameters;
    const [querySegments, keySegments, state, factors, logSumExp] = f.parameters.slice(5);
    const [tailMask, own, negatedMaximum] = f.locals("v128", 3);
    const lanes = f.locals("v128", 2);
    const [pointer, others] = f.locals("i32", 2);
    const [maximum, sum, keep, gain] = f.locals("f32", 4);
    const mask = scoreMask(tailMask, segmented ? { own, others } : undefined);
    // The padding at the end of the row has room for two vectors.
    const fuseLanes = (): void =>
      throughMemory(f, lanes, scores, stride - lanes.length * vectorBytes);
    const restart = (): readonly Local[] => {
      assign(f, pointer, scores);
      if (!segmented) return [pointer];
      assign(f, others, keySegments);
      return [pointer, others];
    };
    setTailMask(f, keys, tailMask);
    f.repeat(rows, () => {
      if (segmented) assign(f, own, splat(querySegments));
      for (const lane of lanes) assign(f, lane, -Infinity);
      walkScores(f, keys, restart(), (at) => {
        const lane = lanes[at.slot % 2];
        const [score, visible] = [multiply(row(pointer, at), scale), mask(at)];
        assign(f, lane, larger(lane, visible ? select(visible, score, -Infinity) : score));
      }, fuseLanes);
      assign(f, maximum, applied(horizontalMaximum, larger(lanes[0], lanes[1])));
      if (!single) {
        when(f, integer.isZero(first), () => {
          assign(f, maximum, scalar.maximum(maximum, scalar.load(state)));
        });
      }
      // A row that has seen no key yet keeps the reference 0, so that no infinities are subtracted.
      const reference = scalar.select(scalar.equal(maximum, -Infinity), 0, maximum);
      assign(f, negatedMaximum, spread(scalar.negate(reference)));

      for (const lane of lanes) assign(f, lane, 0);
      walkScores(f, keys, restart(), (at) => {
        const [total, visible] = [lanes[at.slot % 2], mask(at)];
        const score = multiplyAdd(row(pointer, at), scale, negatedMaximum);
        const power = applied(boundedExponential, score);
        withVector(f, visible ? and(power, visible) : power, (weight) => {
          store(f, pointer, at, weight);
          assign(f, total, add(total, weight));
        });
      }, fuseLanes);
      assign(f, sum, applied(horizontalSum, add(lanes[0], lanes[1])));

      assign(f, keep, 0);
      assign(f, gain, 1);
      if (!single) {
        when(f, integer.isZero(first), () => {
          const change = add(spread(scalar.load(state)), negatedMaximum);
          assign(f, keep, firstLane(applied(exponential, change)));
          assign(f, sum, scalar.add(sum, scalar.multiply(keep, scalar.load(state, 4))));
        });
        storeScalar(f, state, 0, maximum);
        storeScalar(f, state, 4, sum);
        f.increment(state, 8);
      }
      when(f, last, () => {
        assign(f, gain, scalar.select(scalar.equal(sum, 0), 0, scalar.divide(1, sum)));
        assign(f, keep, scalar.multiply(keep, gain));
        const logarithmOfSum = applied(logarithm, spread(sum));
        storeScalar(f, logSumExp, 0, firstLane(subtract(logarithmOfSum, negatedMaximum)));
      });
      storeScalar(f, factors, 0, keep);
      storeScalar(f, factors, 4, gain);
      f.increment(factors, 8).increment(scores, stride).increment(logSumExp, 4);
      if (segmented) f.increment(querySegments, 4);
    });
    return f;
  });
}

/** Choices a kernel that writes rows of results is specialised to. */
export interface WriteKernel {
  readonly width: number;
  /** Bytes from row to row of the scratch tile and of the result. */
  readonly tileStride: number;
  readonly resultStride: number;
}

/** (tile, result, rows, factors, first): `result = keep result + gain tile`, `gain tile` at first. */
export function mergeRows(module: ModuleBuilder, kernel: WriteKernel): FunctionBuilder {
  const { width, tileStride, resultStride } = kernel;
  const name = `attention merge ${width} ${tileStride} ${resultStride}`;
  return module.define(name, () => {
    const f = module.function(name, new Array<"i32">(5).fill("i32"), []);
    const [tile, result, rows, factors, first] = f.parameters;
    const [keep, gain] = f.locals("v128", 2);
    f.repeat(rows, () => {
      assign(f, keep, splat(factors, 0));
      assign(f, gain, splat(factors, 4));
      const write = (again: boolean): void =>
        forEachVector(f, width, [tile, result], 4, (at, [from, to]) => {
          const part = row(from, at);
          const before = multiply(row(to, at), keep);
          store(f, to, at, again ? multiplyAdd(part, gain, before) : multiply(part, gain));
        });
      when(f, first, () => write(false), () => write(true));
      f.increment(tile, tileStride).increment(result, resultStride).increment(factors, 8);
    });
    return f;
  });
}

/** (tile, result, rows, again): `result = tile`, or `result += tile`. */
export function writeRows(module: ModuleBuilder, kernel: WriteKernel): FunctionBuilder {
  const { width, tileStride, resultStride } = kernel;
  const name = `attention write ${width} ${tileStride} ${resultStride}`;
  return module.define(name, () => {
    const f = module.function(name, new Array<"i32">(4).fill("i32"), []);
    const [tile, result, rows, again] = f.parameters;
    f.repeat(rows, () => {
      const write = (again: boolean): void =>
        forEachVector(f, width, [tile, result], 4, (at, [from, to]) => {
          const part = row(from, at);
          store(f, to, at, again ? add(part, row(to, at)) : part);
        });
      when(f, again, () => write(true), () => write(false));
      f.increment(tile, tileStride).increment(result, resultStride);
    });
    return f;
  });
}

/** (result, rows): `result = 0`; rows of `width` elements, `stride` bytes apart. */
export function clearRows(
  module: ModuleBuilder,
  { width, stride }: { readonly width: number; readonly stride: number },
): FunctionBuilder {
  const name = `attention clear ${width} ${stride}`;
  return module.define(name, () => {
    const f = module.function(name, ["i32", "i32"], []);
    const [result, rows] = f.parameters;
    f.repeat(rows, () => {
      forEachVector(f, width, [result], 4, (at, [to]) => store(f, to, at, 0));
      f.increment(result, stride);
    });
    return f;
  });
}

/** Choices of the gradient's row kernel. */
export interface ScoreGradientKernel {
  readonly scale: number;
  readonly stride: number;
  readonly segmented: boolean;
}

/**
 * (scores, gradients, rows, queries, logSumExp, rowDot, keySegments, querySegments), rows are keys,
 * columns queries: replaces scores by `P = exp(scale score - logSumExp)` and the gradients of P
 * by those of the scores before scaling, `P (dP - rowDot) scale`.
 */
export function scoreGradientRows(
  module: ModuleBuilder,
  kernel: ScoreGradientKernel,
): FunctionBuilder {
  const { scale, stride, segmented } = kernel;
  const name = `attention score gradient ${scale} ${stride} ${segmented}`;
  return module.define(name, () => {
    const f = module.function(name, new Array<"i32">(8).fill("i32"), []);
    const [scores, gradients, rows, queries, logSumExp, rowDot] = f.parameters;
    const [keySegments, querySegments] = f.parameters.slice(6);
    const [own, weight] = f.locals("v128", 2);
    const [score, gradient, normalizer, dot, others] = f.locals("i32", 5);
    f.repeat(rows, () => {
      const walked: [Local, Local][] = [
        [scores, score],
        [gradients, gradient],
        [logSumExp, normalizer],
        [rowDot, dot],
      ];
      if (segmented) {
        assign(f, own, splat(keySegments));
        walked.push([querySegments, others]);
      }
      for (const [start, pointer] of walked) assign(f, pointer, start);
      walkScores(f, queries, walked.map(([, pointer]) => pointer), (at) => {
        const power = applied(
          boundedExponential,
          multiplyAdd(row(score, at), scale, negate(row(normalizer, at))),
        );
        assign(f, weight, segmented ? and(power, integers.equal(row(others, at), own)) : power);
        store(f, score, at, weight);
        const centred = subtract(row(gradient, at), row(dot, at));
        store(f, gradient, at, multiply(multiply(centred, weight), scale));
      });
      f.increment(scores, stride).increment(gradients, stride);
      if (segmented) f.increment(keySegments, 4);
    });
    return f;
  });
}

/** (output, gradient, rows, result): sums over the row of output * gradient. */
export function rowDots(
  module: ModuleBuilder,
  kernel: { readonly width: number; readonly strides: readonly [number, number] },
): FunctionBuilder {
  const { width, strides } = kernel;
  const name = `attention row dots ${width} ${strides.join(" ")}`;
  return module.define(name, () => {
    const f = module.function(name, new Array<"i32">(4).fill("i32"), []);
    const [output, gradient, rows, result] = f.parameters;
    const sums = f.locals("v128", 2);
    f.repeat(rows, () => {
      for (const sum of sums) assign(f, sum, 0);
      forEachVector(f, width, [output, gradient], 4, (at, [x, y]) => {
        const sum = sums[at.slot % 2];
        assign(f, sum, multiplyAdd(row(x, at), row(y, at), sum));
      });
      storeScalar(f, result, 0, applied(horizontalSum, add(sums[0], sums[1])));
      f.increment(output, strides[0]).increment(gradient, strides[1]).increment(result, 4);
    });
    return f;
  });
}
