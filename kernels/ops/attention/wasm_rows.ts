/**
 * Row kernels of attention in WebAssembly: everything around the matrix products. Score tiles live
 * in scratch memory with rows padded to whole vectors; what stands in the padding is never used.
 *
 * @module
 */
import type { FunctionBuilder, Local, ModuleBuilder } from "../../wasm/assembler.ts";
import { forEachVector, loadRow, storeRow, throughMemory, vectorBytes } from "../../wasm/lanes.ts";
import {
  boundedExponential,
  exponential,
  horizontalMaximum,
  horizontalSum,
  logarithm,
} from "../../wasm/math.ts";

/** A vector of a score row: `tail` when only the lanes of the tail mask belong to it. */
interface ScoreVector {
  readonly offset: number;
  readonly tail: boolean;
  readonly slot: number;
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
  body: (vector: ScoreVector) => void,
  afterPairs: () => void = () => {},
): void {
  const advance = (bytes: number): void => {
    for (const pointer of pointers) f.increment(pointer, bytes);
  };
  f.withLocals(["i32"], (left) => {
    f.get(count).i32Const(4).i32ShrU().set(left);
    f.repeat(left, () => {
      f.forVectors(4, (slot) => body({ offset: 16 * slot, tail: false, slot }));
      advance(64);
    });
    afterPairs();
    f.get(count).i32Const(2).i32ShrU().i32Const(3).i32And().set(left);
    f.repeat(left, () => {
      body({ offset: 0, tail: false, slot: 0 });
      advance(16);
    });
    f.get(count).i32Const(3).i32And().if(() => body({ offset: 0, tail: true, slot: 1 }));
  });
}

/** Sets `mask` to the lanes of a row of `count` elements that its last, partial vector holds. */
function setTailMask(f: FunctionBuilder, count: Local, mask: Local): void {
  f.i32x4Const(0, 1, 2, 3).get(count).i32Const(3).i32And().i32x4Splat().i32x4LtS().set(mask);
}

/** Which lanes of a score row count: those of the row, and with segments those of equal id. */
interface Mask {
  /** Whether any lane of this vector may be masked. */
  applies(vector: ScoreVector): boolean;
  /** Pushes the mask. */
  push(vector: ScoreVector): void;
}

function scoreMask(
  f: FunctionBuilder,
  tailMask: Local,
  segments?: { readonly own: Local; readonly others: Local },
): Mask {
  return {
    applies: ({ tail }) => tail || segments !== undefined,
    push({ offset, tail }) {
      if (segments) f.get(segments.others).v128Load(offset).get(segments.own).i32x4Eq();
      if (tail) f.get(tailMask);
      if (segments && tail) f.v128And();
    },
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
    const mask = scoreMask(f, tailMask, segmented ? { own, others } : undefined);
    // The padding at the end of the row has room for two vectors.
    const fuseLanes = (): void =>
      throughMemory(f, lanes, scores, stride - lanes.length * vectorBytes);
    const restart = (): readonly Local[] => {
      f.get(scores).set(pointer);
      if (!segmented) return [pointer];
      f.get(keySegments).set(others);
      return [pointer, others];
    };
    setTailMask(f, keys, tailMask);
    f.repeat(rows, () => {
      if (segmented) f.get(querySegments).v128Load32Splat().set(own);
      for (const lane of lanes) f.f32x4Const(-Infinity).set(lane);
      walkScores(f, keys, restart(), (vector) => {
        const lane = lanes[vector.slot % 2];
        f.get(lane).get(pointer).v128Load(vector.offset).f32x4Const(scale).f32x4Mul();
        if (mask.applies(vector)) {
          f.f32x4Const(-Infinity);
          mask.push(vector);
          f.v128LaneSelect();
        }
        f.f32x4Pmax().set(lane);
      }, fuseLanes);
      f.get(lanes[0]).get(lanes[1]).f32x4Pmax();
      horizontalMaximum(f).set(maximum);
      if (!single) {
        f.get(first).i32Eqz().if(() => {
          f.get(maximum).get(state).f32Load(0).f32Max().set(maximum);
        });
      }
      // A row that has seen no key yet keeps the reference 0, so that no infinities are subtracted.
      f.f32Const(0).get(maximum).get(maximum).f32Const(-Infinity).f32Eq().select();
      f.f32Neg().f32x4Splat().set(negatedMaximum);

      for (const lane of lanes) f.f32x4Const(0).set(lane);
      walkScores(f, keys, restart(), (vector) => {
        const total = lanes[vector.slot % 2];
        f.get(pointer).v128Load(vector.offset).f32x4Const(scale).get(negatedMaximum);
        boundedExponential(f.f32x4MultiplyAdd());
        if (mask.applies(vector)) {
          mask.push(vector);
          f.v128And();
        }
        f.withLocals(["v128"], (weight) => {
          f.set(weight).storeVector(pointer, vector.offset, () => f.get(weight));
          f.get(total).get(weight).f32x4Add().set(total);
        });
      }, fuseLanes);
      f.get(lanes[0]).get(lanes[1]).f32x4Add();
      horizontalSum(f).set(sum);

      f.f32Const(0).set(keep).f32Const(1).set(gain);
      if (!single) {
        f.get(first).i32Eqz().if(() => {
          f.get(state).f32Load(0).f32x4Splat().get(negatedMaximum).f32x4Add();
          exponential(f).f32x4ExtractLane(0).set(keep);
          f.get(sum).get(keep).get(state).f32Load(4).f32Mul().f32Add().set(sum);
        });
        f.get(state).get(maximum).f32Store(0).get(state).get(sum).f32Store(4);
        f.increment(state, 8);
      }
      f.get(last).if(() => {
        f.f32Const(0).f32Const(1).get(sum).f32Div().get(sum).f32Const(0).f32Eq().select();
        f.set(gain).get(keep).get(gain).f32Mul().set(keep);
        f.get(logSumExp).get(sum).f32x4Splat();
        logarithm(f).get(negatedMaximum).f32x4Sub().f32x4ExtractLane(0).f32Store();
      });
      f.get(factors).get(keep).f32Store(0).get(factors).get(gain).f32Store(4);
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
      f.get(factors).v128Load32Splat(0).set(keep).get(factors).v128Load32Splat(4).set(gain);
      const write = (again: boolean): void =>
        forEachVector(f, width, [tile, result], 4, (vector, [from, to]) => {
          storeRow(f, to, vector, () => {
            loadRow(f, from, vector);
            f.get(gain);
            if (!again) {
              f.f32x4Mul();
              return;
            }
            loadRow(f, to, vector);
            f.get(keep).f32x4Mul().f32x4MultiplyAdd();
          });
        });
      f.get(first).if(() => write(false), () => write(true));
      f.increment(tile, tileStride).increment(result, resultStride).increment(factors, 8);
    });
    return f;
  });
}

/** (tile, result, rows, add): `result = tile`, or `result += tile`. */
export function writeRows(module: ModuleBuilder, kernel: WriteKernel): FunctionBuilder {
  const { width, tileStride, resultStride } = kernel;
  const name = `attention write ${width} ${tileStride} ${resultStride}`;
  return module.define(name, () => {
    const f = module.function(name, new Array<"i32">(4).fill("i32"), []);
    const [tile, result, rows, add] = f.parameters;
    f.repeat(rows, () => {
      const write = (again: boolean): void =>
        forEachVector(f, width, [tile, result], 4, (vector, [from, to]) => {
          storeRow(f, to, vector, () => {
            loadRow(f, from, vector);
            if (!again) return;
            loadRow(f, to, vector);
            f.f32x4Add();
          });
        });
      f.get(add).if(() => write(true), () => write(false));
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
      forEachVector(f, width, [result], 4, (vector, [to]) => {
        storeRow(f, to, vector, () => f.f32x4Const(0));
      });
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
        f.get(keySegments).v128Load32Splat().set(own);
        walked.push([querySegments, others]);
      }
      for (const [start, pointer] of walked) f.get(start).set(pointer);
      walkScores(f, queries, walked.map(([, pointer]) => pointer), ({ offset }) => {
        f.get(score).v128Load(offset).f32x4Const(scale);
        f.get(normalizer).v128Load(offset).f32x4Neg().f32x4MultiplyAdd();
        boundedExponential(f);
        if (segmented) f.get(others).v128Load(offset).get(own).i32x4Eq().v128And();
        f.set(weight).storeVector(score, offset, () => f.get(weight));
        f.storeVector(gradient, offset, () => {
          f.get(gradient).v128Load(offset).get(dot).v128Load(offset).f32x4Sub();
          f.get(weight).f32x4Mul().f32x4Const(scale).f32x4Mul();
        });
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
      for (const sum of sums) f.f32x4Const(0).set(sum);
      forEachVector(f, width, [output, gradient], 4, (vector, [x, y]) => {
        const sum = sums[vector.slot % 2];
        loadRow(f, x, vector);
        loadRow(f, y, vector);
        f.get(sum).f32x4MultiplyAdd().set(sum);
      });
      f.get(result).get(sums[0]).get(sums[1]).f32x4Add();
      horizontalSum(f).f32Store();
      f.increment(output, strides[0]).increment(gradient, strides[1]).increment(result, 4);
    });
    return f;
  });
}
