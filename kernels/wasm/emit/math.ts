/**
 * Vector versions of elementary functions, as instruction sequences.
 *
 * Every emitter takes four single-precision numbers from the stack and leaves four. The shared
 * pattern: reduce the argument to a short interval, evaluate a minimax polynomial (fitted for this
 * file in double precision, weighted by the relative error of the result), undo the reduction by
 * arithmetic on exponent bits. The reductions subtract multiples of constants that are split so
 * short that every product is exact even without fused multiply-add, so that relaxed and plain SIMD
 * give the same accuracy.
 *
 * @module
 */
import type { FunctionBuilder, Local } from "./assembler.ts";
import { and, integers, or, xor } from "./integers.ts";
import {
  add,
  andNot,
  applied,
  assign,
  divide,
  equal,
  firstLane,
  greater,
  kept,
  larger,
  less,
  maximum,
  multiply,
  multiplyAdd,
  negate,
  negativeMultiplyAdd,
  onStack,
  type Operand,
  push,
  select,
  shuffle,
  smaller,
  subtract,
  type Value,
  withVector,
} from "./values.ts";

/** Adding 1.5 * 2^23 rounds to a whole number and leaves it in the low bits of the mantissa. */
const roundingMagic = 12582912;

/** ln 2 as a number of 9 bits and the rest. */
const ln2High = 0.693359375;
const ln2Low = -2.1219444170128554e-4;

/** Smallest normal number. */
const smallestNormal = 2 ** -126;

/** Horner's rule, coefficients by ascending power: the polynomial's value at `x`. */
function polynomial(x: Local, coefficients: readonly number[]): Operand {
  return coefficients.reduceRight<Operand | undefined>(
    (value, coefficient) => value === undefined ? coefficient : multiplyAdd(value, x, coefficient),
    undefined,
  )!;
}

/** (exp(r) - 1 - r) / r^2 for |r| <= 0.3472; relative error of exp 3e-9. */
const exponentialCoefficients = [
  0.4999999338,
  0.1666651963,
  0.0416683998,
  0.0083688377,
  0.0013814347,
];

/** exp(x) overflows above this and is flushed to zero below the other. */
const exponentialMaximum = 88.72283;
const exponentialMinimum = -87.33654;

/**
 * x -> exp(x), about one unit in the last place; infinity above 88.7228, and 0 below -87.3365, where
 * the result would be a (slow) denormal number.
 */
export function exponential(f: FunctionBuilder): FunctionBuilder {
  return exponentialWithin(f, (value, x, temporary) => {
    assign(f, temporary, value);
    return select(greater(x, exponentialMaximum), Infinity, temporary);
  });
}

/** As `exponential` for numbers that are not above 88.7228; meaningless for others. */
export function boundedExponential(f: FunctionBuilder): FunctionBuilder {
  return exponentialWithin(f, (value) => value);
}

/** @param limit Replaces the result where `x` is too large. */
function exponentialWithin(
  f: FunctionBuilder,
  limit: (value: Value, x: Local, temporary: Local) => Value,
): FunctionBuilder {
  return f.withLocals(["v128", "v128", "v128"], (x, shifted, r) => {
    f.set(x);
    assign(f, shifted, multiplyAdd(x, Math.LOG2E, roundingMagic));
    // r = x - n ln 2, with n = shifted - magic.
    assign(f, r, subtract(shifted, roundingMagic));
    assign(f, r, negativeMultiplyAdd(r, ln2Low, negativeMultiplyAdd(r, ln2High, x)));
    const power = multiplyAdd(polynomial(r, exponentialCoefficients), multiply(r, r), r);
    // Times 2^n: n sits in the low bits of `shifted` and is added to the exponent field.
    const scaled = integers.add(add(power, 1), integers.shiftLeft(shifted, 23));
    push(f, andNot(limit(scaled, x, r), less(x, exponentialMinimum)));
  });
}

/** (log(1 + f) - f + f^2 / 2) / f^3 for 1 + f between sqrt(1/2) and sqrt(2). */
const logarithmCoefficients = [
  0.3333333171,
  -0.2500082106,
  0.2000122667,
  -0.1662335648,
  0.1420176247,
  -0.1316019505,
  0.1276155036,
  -0.0763442991,
];

/** Bits of sqrt(1/2), where the mantissa interval starts. */
const rootHalfBits = 0x3f3504f3;

/** x -> natural logarithm; -infinity at 0, not-a-number below, denormal numbers included. */
export function logarithm(f: FunctionBuilder): FunctionBuilder {
  return f.withLocals(["v128", "v128", "v128", "v128"], (x, exponent, r, square) => {
    const denormal = square;
    f.set(x);
    assign(f, denormal, less(x, smallestNormal));
    const normal = kept(r, select(denormal, multiply(x, 2 ** 23), x));
    const fromRootHalf = integers.subtract(normal, rootHalfBits);
    assign(f, exponent, integers.shiftRightSigned(fromRootHalf, 23));
    assign(f, r, subtract(integers.subtract(r, integers.shiftLeft(exponent, 23)), 1));
    const ofDenormal = and(denormal, 23);
    assign(f, exponent, integers.toFloats(integers.subtract(exponent, ofDenormal)));
    assign(f, square, multiply(r, r));
    // log x = n ln2High + (r + (n ln2Low + r^3 q - r^2 / 2)): small terms first.
    const cube = multiply(r, square);
    const small = multiply(exponent, ln2Low);
    withVector(f, multiplyAdd(polynomial(r, logarithmCoefficients), cube, small), (sum) => {
      assign(f, sum, add(negativeMultiplyAdd(0.5, square, sum), r));
      // Infinity and not-a-number give themselves, zero -infinity, negative numbers all ones (a NaN).
      assign(f, r, select(less(x, Infinity), multiplyAdd(exponent, ln2High, sum), x));
    });
    push(f, or(select(equal(x, 0), -Infinity, r), less(x, 0)));
  });
}

/** (sin(r) - r) / r^3 as a polynomial in r^2 for |r| <= pi / 4. */
const sineCoefficients = [-0.1666665487, 0.0083321735, -0.0001951665];

/** (cos(r) - 1 + r^2 / 2) / r^4 as a polynomial in r^2 for |r| <= pi / 4. */
const cosineCoefficients = [4.1666646747e-2, -1.3887361431e-3, 2.443772818e-5];

/**
 * pi / 2 in pieces of 8 bits, and the rest: products with quadrant numbers up to 2^16 are exact, so
 * the reduced argument is accurate up to |x| = 1e5.
 */
const halfPiPieces = [
  1.5703125,
  0.0004825592041015625,
  1.2665987014770508e-6,
  9.920936294705030e-10,
];

/** A little above pi / 4: keeps results within [-1, 1] where the reduction has lost all accuracy. */
const reducedMaximum = 0.7855;

type TrigonometricBody = (sine: Local, cosine: Local, quadrant: Local) => void;

/** Reduces the argument and gives sine and cosine of the rest, with the quadrant in the low bits. */
function trigonometric(f: FunctionBuilder, body: TrigonometricBody): FunctionBuilder {
  const types = ["v128", "v128", "v128", "v128", "v128"] as const;
  return f.withLocals(types, (r, shifted, square, sine, cosine) => {
    f.set(r);
    const turns = square;
    assign(f, shifted, multiplyAdd(r, 2 / Math.PI, roundingMagic));
    assign(f, turns, subtract(shifted, roundingMagic));
    for (const piece of halfPiPieces) assign(f, r, negativeMultiplyAdd(turns, piece, r));
    const reduced = kept(r, larger(smaller(r, reducedMaximum), -reducedMaximum));
    assign(f, square, multiply(reduced, r));
    const sineTail = polynomial(square, sineCoefficients);
    assign(f, sine, multiplyAdd(sineTail, multiply(square, r), r));
    const cosineTail = multiply(polynomial(square, cosineCoefficients), square);
    assign(f, cosine, multiplyAdd(add(cosineTail, -0.5), square, 1));
    body(sine, cosine, shifted);
  });
}

/** The mask of lanes whose quadrant number is odd. */
const oddQuadrant = (quadrant: Local): Value =>
  integers.shiftRightSigned(integers.shiftLeft(quadrant, 31), 31);

/** Flips the sign in the lanes where bit 1 of the quadrant number, or of the next one, is set. */
const withQuadrantSign = (value: Value, quadrant: Local, next: boolean): Value => {
  const number = next ? integers.add(quadrant, 1) : quadrant;
  return xor(value, and(integers.shiftLeft(number, 30), -0x80000000));
};

/** x -> sin(x), absolute error about 1e-7 for |x| up to 1e5. */
export function sine(f: FunctionBuilder): FunctionBuilder {
  return trigonometric(f, (sine, cosine, quadrant) => {
    push(f, withQuadrantSign(select(oddQuadrant(quadrant), cosine, sine), quadrant, false));
  });
}

/** x -> cos(x), absolute error about 1e-7 for |x| up to 1e5. */
export function cosine(f: FunctionBuilder): FunctionBuilder {
  return trigonometric(f, (sine, cosine, quadrant) => {
    push(f, withQuadrantSign(select(oddQuadrant(quadrant), sine, cosine), quadrant, true));
  });
}

/** x -> 1 / (1 + exp(-x)). */
export function sigmoid(f: FunctionBuilder): FunctionBuilder {
  const denominator = add(applied(exponential, negate(onStack)), 1);
  return withVector(f, denominator, (local) => push(f, divide(1, local)));
}

/** Vector -> scalar f32: the sum of the four lanes, as (0 + 2) + (1 + 3). */
export function horizontalSum(f: FunctionBuilder): FunctionBuilder {
  return horizontal(f, add);
}

/** Vector -> scalar f32: the largest lane; not-a-number when any lane is. */
export function horizontalMaximum(f: FunctionBuilder): FunctionBuilder {
  return horizontal(f, maximum);
}

function horizontal(
  f: FunctionBuilder,
  combine: (a: Operand, b: Operand) => Value,
): FunctionBuilder {
  return f.withLocals(["v128"], (v) => {
    const halves = combine(kept(v, onStack), shuffle(v, v, [2, 3, 2, 3]));
    const quarters = combine(kept(v, halves), shuffle(v, v, [1, 1, 1, 1]));
    push(f, firstLane(quarters));
  });
}
