/**
 * Mathematical functions in WGSL with the accuracy of single precision.
 *
 * WGSL's built-ins may be poor (`cos` is only promised 2^-11 absolute on [-pi, pi], `exp` loses
 * digits in proportion to its argument), and they differ between drivers. These are range
 * reductions by constants of few bits (Cody and Waite, so that products with small integers are
 * exact whether or not the driver fuses multiply and add) followed by short polynomials (the
 * coefficients of Moshier's Cephes, single precision).
 *
 * Every function exists for a scalar (`width` 1, e.g. `sine1(x: f32) -> f32`) and for four at once
 * (`width` 4, `sine4(x: vec4<f32>) -> vec4<f32>`).
 *
 * @module
 */

/** Elements a piece of WGSL handles at once: `f32` or `vec4<f32>`. */
export type Width = 1 | 4;

/** Functions of the library. In WGSL the name is followed by the width: `exponential4`. */
export type MathFunction = "exponential" | "logarithm" | "sine" | "cosine" | "sigmoid";

const functionNames: readonly MathFunction[] = [
  "exponential",
  "logarithm",
  "sine",
  "cosine",
  "sigmoid",
];

/** Whether an operation's name is a function of the library. */
export function isMathFunction(name: string): name is MathFunction {
  return (functionNames as readonly string[]).includes(name);
}

/** The WGSL type of a vector of `width` scalars. */
export function vectorType(scalar: "f32" | "i32" | "u32" | "bool", width: Width): string {
  return width === 1 ? scalar : `vec4<${scalar}>`;
}

/**
 * WGSL text of the functions named in `used`, and of those they call.
 *
 * Accuracy: about 2 units in the last place for `exponential`, `logarithm` and `sigmoid`; absolute
 * error below 1e-7 for `sine` and `cosine` while |x| <= 1e5. Not-a-number passes through;
 * `exponential` gives 0 and infinity where it under- and overflows.
 */
export function mathFunctions(used: Iterable<MathFunction>, width: Width = 1): string {
  const wanted = new Set(used);
  if (wanted.has("sigmoid")) wanted.add("exponential");
  const types: Types = {
    f: vectorType("f32", width),
    i: vectorType("i32", width),
    u: vectorType("u32", width),
    width,
  };
  const circular = wanted.has("sine") || wanted.has("cosine") ? circularFunction(types) : "";
  return circular + functionNames.filter((name) => wanted.has(name))
    .map((name) => emitters[name](types)).join("");
}

interface Types {
  readonly f: string;
  readonly i: string;
  readonly u: string;
  readonly width: Width;
}

const emitters: Record<MathFunction, (types: Types) => string> = {
  exponential: exponentialFunction,
  logarithm: logarithmFunction,
  sine: ({ f, i, width }) =>
    `fn sine${width}(x: ${f}) -> ${f} { return circular${width}(x, ${i}(0)); }\n`,
  cosine: ({ f, i, width }) =>
    `fn cosine${width}(x: ${f}) -> ${f} { return circular${width}(x, ${i}(1)); }\n`,
  // exp(-|x|) cannot overflow, and both halves keep their relative accuracy.
  sigmoid: ({ f, width }) =>
    `fn sigmoid${width}(x: ${f}) -> ${f} {
  let e = exponential${width}(-abs(x));
  return select(${f}(1.0), e, x < ${f}(0.0)) / (${f}(1.0) + e);
}
`,
};

/** `c0 + x (c1 + x (c2 + ...))` in Horner's form. */
function polynomial(x: string, coefficients: readonly number[]): string {
  return coefficients.reduceRight(
    (inner, coefficient) => inner === "" ? `${coefficient}` : `(${inner} * ${x} + ${coefficient})`,
    "",
  );
}

/** High part of ln 2 with 9 significant bits, so that products with exponents are exact. */
const ln2High = 0.693359375;
const ln2Low = -2.12194440e-4;

/** exp(x) = 2^n exp(r), |r| <= ln(2) / 2; the power of two in two factors, as n may exceed 127. */
function exponentialFunction({ f, i, u, width }: Types): string {
  const series = polynomial("r", [
    5.0000001201e-1,
    1.6666665459e-1,
    4.1665795894e-2,
    8.3334519073e-3,
    1.3981999507e-3,
    1.9875691500e-4,
  ]);
  return `fn exponential${width}(x: ${f}) -> ${f} {
  let bounded = clamp(x, ${f}(-104.0), ${f}(89.0));
  let n = round(bounded * 1.4426950408889634);
  let r = (bounded - n * ${ln2High}) - n * (${ln2Low});
  let y = ${series} * (r * r) + r + 1.0;
  let half = ${i}(n) >> ${u}(1u);
  let rest = ${i}(n) - half;
  let low = bitcast<${f}>((half + ${i}(127)) << ${u}(23u));
  let high = bitcast<${f}>((rest + ${i}(127)) << ${u}(23u));
  return select(x, y * low * high, x == x);
}
`;
}

/** ln(x) = n ln 2 + ln(m), m in [sqrt(1/2), sqrt(2)); 0, negatives, infinity and NaN are patched. */
function logarithmFunction({ f, i, u, width }: Types): string {
  const series = polynomial("r", [
    3.3333331174e-1,
    -2.4999993993e-1,
    2.0000714765e-1,
    -1.6668057665e-1,
    1.4249322787e-1,
    -1.2420140846e-1,
    1.1676998740e-1,
    -1.1514610310e-1,
    7.0376836292e-2,
  ]);
  return `fn logarithm${width}(x: ${f}) -> ${f} {
  let tiny = x < ${f}(1.1754944e-38);
  let bits = bitcast<${i}>(select(x, x * 8388608.0, tiny));
  let shifted = bits - ${i}(0x3f3504f3);
  let n = ${f}(shifted >> ${u}(23u)) - select(${f}(0.0), ${f}(23.0), tiny);
  let r = bitcast<${f}>((shifted & ${i}(0x007fffff)) + ${i}(0x3f3504f3)) - 1.0;
  let z = r * r;
  let y = r * z * ${series} + n * (${ln2Low}) - 0.5 * z;
  var result = (r + y) + n * ${ln2High};
  let infinite = bitcast<${f}>((bits & ${i}(0)) | ${i}(0x7f800000));
  let invalid = bitcast<${f}>((bits & ${i}(0)) | ${i}(0x7fc00000));
  result = select(result, -infinite, x == ${f}(0.0));
  result = select(result, invalid, x < ${f}(0.0));
  return select(result, x, !(x < infinite));
}
`;
}

/**
 * sin(x + quarters pi / 2). Three parts of pi / 2 have 8 significant bits each: their products with
 * the quadrant, a whole number below 2^16, are exact.
 */
function circularFunction({ f, i, u, width }: Types): string {
  const sine = polynomial("z", [-1.6666654611e-1, 8.3321608736e-3, -1.9515295891e-4]);
  const cosine = polynomial("z", [
    4.166664568298827e-2,
    -1.388731625493765e-3,
    2.443315711809948e-5,
  ]);
  const [p1, p2, p3, p4] = halfPiParts();
  return `fn circular${width}(x: ${f}, quarters: ${i}) -> ${f} {
  let n = round(x * 0.6366197723675814);
  let r = (((x - n * ${p1}) - n * ${p2}) - n * ${p3}) - n * ${p4};
  let z = r * r;
  let quadrant = ${i}(n) + quarters;
  let s = ${sine} * (z * r) + r;
  let c = ${cosine} * (z * z) - 0.5 * z + 1.0;
  let value = select(s, c, (quadrant & ${i}(1)) != ${i}(0));
  return bitcast<${f}>(bitcast<${i}>(value) ^ ((quadrant & ${i}(2)) << ${u}(30u)));
}
`;
}

/** pi / 2 as a sum: three parts of 8 significant bits, then the rest. */
function halfPiParts(): number[] {
  let rest = Math.PI / 2;
  const parts: number[] = [];
  for (let part = 0; part < 3; part++) {
    const unit = 2 ** (Math.floor(Math.log2(rest)) - 7);
    parts.push(Math.floor(rest / unit) * unit);
    rest -= parts[part];
  }
  // Math.PI / 2 lacks the digits below 2^-53: 6.123e-17, far below what matters here.
  return [...parts, Math.fround(rest)];
}
