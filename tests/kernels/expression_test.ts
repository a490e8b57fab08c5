/** Scalar expressions: interning, identities, substitution, and symbolic derivatives. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  binary,
  constant,
  differentiate,
  evaluate,
  type Expression,
  load,
  loadedInputs,
  select,
  substitute,
  topological,
  unary,
  valueInputs,
} from "../../kernels/expression.ts";

const [x, y] = [load(0), load(1)];

Deno.test("equal expressions are one object", () => {
  const build = () =>
    unary("sigmoid", binary("add", binary("multiply", load(0), load(1)), load(0)));
  assert.equal(build(), build());
  assert.notEqual(binary("subtract", x, y), binary("subtract", y, x));
  assert.notEqual(constant(0), constant(-0));
});

Deno.test("identities simplify", () => {
  assert.equal(binary("add", x, constant(0)), x);
  assert.equal(binary("multiply", constant(1), x), x);
  assert.equal(binary("multiply", x, constant(0)), constant(0));
  assert.equal(binary("subtract", constant(0), x), unary("negate", x));
  assert.equal(binary("divide", x, constant(1)), x);
  assert.equal(unary("negate", unary("negate", x)), x);
  assert.equal(binary("add", constant(1), constant(2)), constant(3));
  assert.equal(select(binary("less", x, y), x, x), x);
});

Deno.test("operands of different types are refused", () => {
  assert.throws(() => binary("add", x, load(1, "i32")), /f32 and i32/);
  assert.throws(() => select(x, x, y), /select/);
});

Deno.test("integers wrap at 32 bits", () => {
  const [a, b] = [load(0, "i32"), load(1, "i32")];
  assert.equal(evaluate(binary("add", a, b), [2 ** 31 - 1, 1]), -(2 ** 31));
  assert.equal(evaluate(binary("multiply", a, b), [65537, 65537]), 131073);
});

Deno.test("substitution replaces operands everywhere", () => {
  const square = binary("multiply", x, x);
  const replaced = substitute(square, [binary("add", x, y)]);
  assert.equal(evaluate(replaced, [2, 3]), 25);
  assert.deepEqual(loadedInputs(replaced), [0, 1]);
  assert.equal(topological(replaced).length, 4);
});

/** Smooth expressions of two operands whose values stay moderate. */
const smooth: fc.Arbitrary<Expression> = fc.letrec<{ e: Expression }>((tie) => ({
  e: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom(x, y),
    fc.double({ min: -2, max: 2, noNaN: true }).map((value) => constant(value)),
    fc.tuple(fc.constantFrom("add", "subtract", "multiply"), tie("e"), tie("e"))
      .map(([op, a, b]) => binary(op as "add", a, b)),
    fc.tuple(fc.constantFrom("sigmoid", "sine", "cosine", "negate"), tie("e"))
      .map(([op, a]) => unary(op as "sine", a)),
  ),
})).e;

Deno.test("derivatives of random expressions equal central differences", () => {
  fc.assert(
    fc.property(
      smooth,
      fc.double({ min: -1, max: 1, noNaN: true }),
      fc.double({ min: -1, max: 1, noNaN: true }),
      (expression, a, b) => {
        const partials = differentiate(expression, constant(1));
        const step = 1e-5;
        for (const [index, at] of [[0, a], [1, b]]) {
          const value = (shift: number) =>
            evaluate(expression, index === 0 ? [at + shift, b] : [a, at + shift]);
          const numeric = (value(step) - value(-step)) / (2 * step);
          const partial = partials.get(index);
          const analytic = partial ? evaluate(partial, [a, b]) : 0;
          // Constants are rounded to single precision when folded.
          assert(
            Math.abs(analytic - numeric) <= 1e-5 * (1 + Math.abs(numeric) + Math.abs(analytic)),
          );
        }
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("operands that are only compared are not among those whose values reach the result", () => {
  const [a, b, c] = [load(0), load(1), load(2)];
  const chosen = select(binary("less", a, b), b, binary("multiply", c, constant(2)));
  assert.deepEqual(valueInputs(chosen), [1, 2]);
  assert.deepEqual(valueInputs(select(binary("less", a, b), constant(0), constant(1))), []);
  assert.deepEqual(valueInputs(unary("toFloat", binary("less", a, b))), []);
});
