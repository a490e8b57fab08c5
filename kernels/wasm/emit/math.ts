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

/** Adding 1.5 * 2^23 rounds to a whole number and leaves it in the low bits of the mantissa. */
const roundingMagic = 12582912;

/** ln 2 as a number of 9 bits and the rest. */
const ln2High = 0.693359375;
const ln2Low = -2.1219444170128554e-4;

/** Smallest normal number. */
const smallestNormal = 2 ** -126;

/** Horner's rule, coefficients by ascending power: leaves the polynomial's value at `x`. */
function polynomial(f: FunctionBuilder, x: Local, coefficients: readonly number[]): void {
  const descending = [...coefficients].reverse();
  f.f32x4Const(descending[0]);
  for (const coefficient of descending.slice(1)) {
    f.get(x).f32x4Const(coefficient).f32x4MultiplyAdd();
  }
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
  return exponentialWithin(f, (x, r) => {
    f.set(r);
    f.f32x4Const(Infinity).get(r).get(x).f32x4Const(exponentialMaximum).f32x4Gt()
      .v128LaneSelect();
  });
}

/** As `exponential` for numbers that are not above 88.7228; meaningless for others. */
export function boundedExponential(f: FunctionBuilder): FunctionBuilder {
  return exponentialWithin(f, () => {});
}

/** @param limit Replaces the result on the stack where `x` is too large. */
function exponentialWithin(
  f: FunctionBuilder,
  limit: (x: Local, temporary: Local) => void,
): FunctionBuilder {
  return f.withLocals(["v128", "v128", "v128"], (x, shifted, r) => {
    f.set(x);
    f.get(x).f32x4Const(Math.LOG2E).f32x4Const(roundingMagic).f32x4MultiplyAdd().set(shifted);
    // r = x - n ln 2, with n = shifted - magic.
    f.get(shifted).f32x4Const(roundingMagic).f32x4Sub().set(r);
    f.get(r).f32x4Const(ln2Low);
    f.get(r).f32x4Const(ln2High).get(x).f32x4NegativeMultiplyAdd();
    f.f32x4NegativeMultiplyAdd().set(r);
    polynomial(f, r, exponentialCoefficients);
    f.get(r).get(r).f32x4Mul().get(r).f32x4MultiplyAdd().f32x4Const(1).f32x4Add();
    // Times 2^n: n sits in the low bits of `shifted` and is added to the exponent field.
    f.get(shifted).i32Const(23).i32x4Shl().i32x4Add();
    limit(x, r);
    f.get(x).f32x4Const(exponentialMinimum).f32x4Lt().v128AndNot();
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
    f.get(x).f32x4Const(smallestNormal).f32x4Lt().set(denormal);
    f.get(x).f32x4Const(2 ** 23).f32x4Mul().get(x).get(denormal).v128LaneSelect().tee(r);
    f.i32x4Const(rootHalfBits).i32x4Sub().i32Const(23).i32x4ShrS().set(exponent);
    f.get(r).get(exponent).i32Const(23).i32x4Shl().i32x4Sub();
    f.f32x4Const(1).f32x4Sub().set(r);
    f.get(exponent).get(denormal).i32x4Const(23).v128And().i32x4Sub().f32x4ConvertI32x4S()
      .set(exponent);
    f.get(r).get(r).f32x4Mul().set(square);
    polynomial(f, r, logarithmCoefficients);
    // log x = n ln2High + (r + (n ln2Low + r^3 q - r^2 / 2)): small terms first.
    f.get(r).get(square).f32x4Mul();
    f.get(exponent).f32x4Const(ln2Low).f32x4Mul().f32x4MultiplyAdd();
    f.withLocals(["v128"], (sum) => {
      f.set(sum).f32x4Const(0.5).get(square).get(sum).f32x4NegativeMultiplyAdd();
      f.get(r).f32x4Add().set(sum);
      f.get(exponent).f32x4Const(ln2High).get(sum).f32x4MultiplyAdd();
    });
    // Infinity and not-a-number give themselves, zero -infinity, negative numbers all ones (a NaN).
    f.get(x).get(x).f32x4Const(Infinity).f32x4Lt().v128LaneSelect().set(r);
    f.f32x4Const(-Infinity).get(r).get(x).f32x4Const(0).f32x4Eq().v128LaneSelect();
    f.get(x).f32x4Const(0).f32x4Lt().v128Or();
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
    f.get(r).f32x4Const(2 / Math.PI).f32x4Const(roundingMagic).f32x4MultiplyAdd().set(shifted);
    f.get(shifted).f32x4Const(roundingMagic).f32x4Sub().set(square);
    for (const piece of halfPiPieces) {
      f.get(square).f32x4Const(piece).get(r).f32x4NegativeMultiplyAdd().set(r);
    }
    f.get(r).f32x4Const(reducedMaximum).f32x4Pmin().f32x4Const(-reducedMaximum).f32x4Pmax().tee(r);
    f.get(r).f32x4Mul().set(square);
    polynomial(f, square, sineCoefficients);
    f.get(square).get(r).f32x4Mul().get(r).f32x4MultiplyAdd().set(sine);
    polynomial(f, square, cosineCoefficients);
    f.get(square).f32x4Mul().f32x4Const(-0.5).f32x4Add().get(square).f32x4Const(1)
      .f32x4MultiplyAdd().set(cosine);
    body(sine, cosine, shifted);
  });
}

/** Pushes the mask of lanes whose quadrant number is odd. */
function oddQuadrant(f: FunctionBuilder, quadrant: Local): void {
  f.get(quadrant).i32Const(31).i32x4Shl().i32Const(31).i32x4ShrS();
}

/** Flips the sign of the top of the stack in the lanes where bit 1 of the quadrant sum is set. */
function applyQuadrantSign(f: FunctionBuilder, quadrant: Local, shift: 0 | 1): void {
  f.get(quadrant);
  if (shift) f.i32x4Const(shift).i32x4Add();
  f.i32Const(30).i32x4Shl().i32x4Const(-0x80000000).v128And().v128Xor();
}

/** x -> sin(x), absolute error about 1e-7 for |x| up to 1e5. */
export function sine(f: FunctionBuilder): FunctionBuilder {
  return trigonometric(f, (sine, cosine, quadrant) => {
    f.get(cosine).get(sine);
    oddQuadrant(f, quadrant);
    f.v128LaneSelect();
    applyQuadrantSign(f, quadrant, 0);
  });
}

/** x -> cos(x), absolute error about 1e-7 for |x| up to 1e5. */
export function cosine(f: FunctionBuilder): FunctionBuilder {
  return trigonometric(f, (sine, cosine, quadrant) => {
    f.get(sine).get(cosine);
    oddQuadrant(f, quadrant);
    f.v128LaneSelect();
    applyQuadrantSign(f, quadrant, 1);
  });
}

/** x -> 1 / (1 + exp(-x)). */
export function sigmoid(f: FunctionBuilder): FunctionBuilder {
  f.f32x4Neg();
  exponential(f).f32x4Const(1).f32x4Add();
  return f.withLocals(["v128"], (denominator) => {
    f.set(denominator).f32x4Const(1).get(denominator).f32x4Div();
  });
}

/** Vector -> scalar f32: the sum of the four lanes, as (0 + 2) + (1 + 3). */
export function horizontalSum(f: FunctionBuilder): FunctionBuilder {
  return horizontal(f, () => f.f32x4Add());
}

/** Vector -> scalar f32: the largest lane; not-a-number when any lane is. */
export function horizontalMaximum(f: FunctionBuilder): FunctionBuilder {
  return horizontal(f, () => f.f32x4Max());
}

function horizontal(f: FunctionBuilder, combine: () => void): FunctionBuilder {
  return f.withLocals(["v128"], (v) => {
    f.tee(v).get(v).get(v).i32x4Shuffle([2, 3, 2, 3]);
    combine();
    f.tee(v).get(v).get(v).i32x4Shuffle([1, 1, 1, 1]);
    combine();
    f.f32x4ExtractLane(0);
  });
}
