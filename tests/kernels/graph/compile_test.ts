/** Passes from graph to program: merging, fusion, views, states. */
import assert from "node:assert/strict";
import { compile } from "../../../kernels/graph/compile.ts";
import { makeGraph } from "../../../kernels/graph/graph.ts";
import { attention } from "../../../kernels/ops/attention/op.ts";
import { add, geluTanh, multiply, square, subtract } from "../../../kernels/ops/elementwise/op.ts";
import { linear, matmul } from "../../../kernels/ops/matmul/op.ts";
import {
  concatenate,
  permute,
  reshape,
  slice,
  split,
  transpose,
} from "../../../kernels/ops/movement/op.ts";
import { mean, reduceSum } from "../../../kernels/ops/reduce/op.ts";
import type { Program, Step } from "../../../kernels/program.ts";
import { input, state, type Tensor } from "../../../kernels/tensor.ts";
import { interpret } from "../../reference/interpreter.ts";

function program(outputs: Record<string, Tensor>): Program {
  return compile(makeGraph("test", { outputs }));
}

const kinds = (steps: readonly Step[]): string[] => steps.map(({ kind }) => kind);

Deno.test("a chain of element-wise operations is one step", () => {
  const [x, y] = [input("x", [3, 5]), input("y", [5])];
  const out = subtract(square(add(x, y)), multiply(x, 2));
  assert.deepEqual(kinds(program({ out }).steps), ["elementwise"]);
});

Deno.test("bias, activation, gate and residual go into the product's epilogue", () => {
  const x = input("x", [2, 3, 4]);
  const product = linear(x, input("w", [4, 4]), input("b", [4]));
  const out = add(x, multiply(input("gate", [2, 1, 4]), geluTanh(product)));
  const { steps } = program({ out });
  assert.deepEqual(kinds(steps), ["matmul"]);
  assert.equal(steps[0].kind === "matmul" && steps[0].epilogueInputs.length, 3);
});

Deno.test("a product that something else reads is not swallowed", () => {
  const product = matmul(input("x", [2, 3]), input("w", [3, 4]));
  const { steps } = program({ product, out: square(product) });
  assert.deepEqual(kinds(steps), ["matmul", "elementwise"]);
});

Deno.test("a mean of squared differences is one reduction", () => {
  const out = mean(square(subtract(input("x", [4, 6]), input("y", [4, 6]))), [1]);
  assert.deepEqual(kinds(program({ out }).steps), ["reduce"]);
});

Deno.test("equal nodes are computed once", () => {
  const x = input("x", [3, 3]);
  const out = add(reduceSum(matmul(x, x), [0]), reduceSum(transpose(matmul(x, x)), [1]));
  assert.equal(kinds(program({ out }).steps).filter((kind) => kind === "matmul").length, 1);
});

Deno.test("attention reads heads out of a packed projection without copies", () => {
  const packed = reshape(linear(input("x", [2, 5, 6]), input("w", [18, 6])), [2, 5, 3, 2, 3]);
  const [q, k, v] = split(packed, 3, 2).map((part) => reshape(part, [2, 5, 2, 3]));
  const out = reshape(attention(q, k, v), [2, 5, 6]);
  const { steps } = program({ out });
  // The last step copies into the output's own buffer, because a view cannot be written to.
  assert.deepEqual(kinds(steps).slice(0, 2), ["matmul", "attention"]);
});

Deno.test("parts of a concatenation are written where they belong", () => {
  const [x, y] = [input("x", [2, 3]), input("y", [2, 1])];
  const { steps } = program({ out: concatenate([square(x), add(y, 1)], 1) });
  assert.deepEqual(kinds(steps), ["elementwise", "elementwise"]);
  const results = interpret(
    program({ out: concatenate([square(x), add(y, 1)], 1) }),
    new Map([["x", [1, 2, 3, 4, 5, 6]], ["y", [7, 8]]]),
  );
  assert.deepEqual([...results.get("out")!], [1, 4, 9, 8, 16, 25, 36, 9]);
});

Deno.test("a reshape that no stride can express is copied first", () => {
  const x = input("x", [2, 3]);
  const out = multiply(reshape(permute(x, [1, 0]), [2, 3]), 1.5);
  const results = interpret(program({ out }), new Map([["x", [1, 2, 3, 4, 5, 6]]]));
  assert.deepEqual([...results.get("out")!], [1, 4, 2, 5, 3, 6].map((v) => v * 1.5));
});

Deno.test("a state is updated in place, after everything that reads it", () => {
  const x = state("x", [3]);
  const graph = makeGraph("test", {
    outputs: { before: multiply(x, 10) },
    updates: [{ state: x, value: add(x, 1) }],
  });
  const compiled = compile(graph);
  assert.deepEqual(kinds(compiled.steps), ["elementwise", "elementwise"]);
  const results = interpret(compiled, new Map(), new Map([["x", [1, 2, 3]]]));
  assert.deepEqual([...results.get("x")!], [2, 3, 4]);
  assert.deepEqual([...results.get("before")!], [10, 20, 30]);
});

Deno.test("states may be exchanged: updates see the old values", () => {
  const [a, b] = [state("a", [2]), state("b", [2])];
  const graph = makeGraph("swap", { updates: [{ state: a, value: b }, { state: b, value: a }] });
  const states = new Map([["a", [1, 2]], ["b", [3, 4]]]);
  const results = interpret(compile(graph), new Map(), states);
  assert.deepEqual([...results.get("a")!], [3, 4]);
  assert.deepEqual([...results.get("b")!], [1, 2]);
});

Deno.test("updates that read each other's states see the old values", () => {
  const [a, b] = [state("a", [2]), state("b", [2])];
  const graph = makeGraph("mix", {
    updates: [{ state: a, value: add(a, b) }, { state: b, value: subtract(a, b) }],
  });
  const results = interpret(
    compile(graph),
    new Map(),
    new Map([["a", [1, 2]], ["b", [10, 20]]]),
  );
  assert.deepEqual([...results.get("a")!], [11, 22]);
  assert.deepEqual([...results.get("b")!], [-9, -18]);
});

Deno.test("one tensor may be two outputs, and an input may be an output", () => {
  const x = input("x", [2]);
  const twice = multiply(x, 2);
  const results = interpret(
    program({ a: twice, b: twice, same: x, part: slice(x, 0, 1, 1) }),
    new Map([["x", [3, 4]]]),
  );
  assert.deepEqual([...results.get("a")!], [6, 8]);
  assert.deepEqual([...results.get("b")!], [6, 8]);
  assert.deepEqual([...results.get("same")!], [3, 4]);
  assert.deepEqual([...results.get("part")!], [4]);
});

Deno.test("shape errors name the operation and both shapes", () => {
  const [x, y] = [input("x", [2, 3]), input("y", [4, 5])];
  assert.throws(() => add(x, y), /elementwise: \(2, 3\) and \(4, 5\) do not broadcast/);
  assert.throws(() => matmul(x, y), /matmul: \(2, 3\) and \(4, 5\) do not fit/);
  assert.throws(() => reshape(x, [4]), /reshape: \(2, 3\) does not fit \(4\)/);
  assert.throws(() => slice(x, 1, 2, 2), /slice: \[2, 4\) is outside axis 1 of \(2, 3\)/);
  assert.throws(() => concatenate([x, y], 0), /concatenate: \(4, 5\) does not continue \(2, 3\)/);
  assert.throws(() => input("z", [2, 0]), /\(2, 0\) has a size that is not at least 1/);
  assert.throws(() => input("z", [2 ** 16, 2 ** 15]), /more than 2\^30 elements/);
});

Deno.test("a concatenation may update the state it is made from", () => {
  const s = state("s", [4]);
  const swapped = concatenate([slice(s, 0, 2, 2), slice(s, 0, 0, 2)], 0);
  const graph = makeGraph("rotate", {
    outputs: { before: add(s, 10) },
    updates: [{
      state: s,
      value: multiply(concatenate([multiply(slice(s, 0, 2, 2), 10), slice(s, 0, 0, 2)], 0), 1),
    }],
  });
  const results = interpret(compile(graph), new Map(), new Map([["s", [1, 2, 3, 4]]]));
  assert.deepEqual([...results.get("before")!], [11, 12, 13, 14]);
  assert.deepEqual([...results.get("s")!], [30, 40, 1, 2]);
  const plain = makeGraph("rotate", { updates: [{ state: s, value: swapped }] });
  const rotated = interpret(compile(plain), new Map(), new Map([["s", [1, 2, 3, 4]]]));
  assert.deepEqual([...rotated.get("s")!], [3, 4, 1, 2]);
});

Deno.test("a part of what is computed is kept in a state as soon as its old contents are read", () => {
  const x = input("x", [2, 100]);
  // Each layer sees its last two inputs and keeps the new ones.
  const layers = ["a", "b", "c", "d"].map((name) => state(name, [1, 100]));
  let y: Tensor = x;
  const updates = layers.map((memory) => {
    const seen = concatenate([memory, multiply(y, 2)], 0);
    y = add(slice(seen, 0, 0, 2), slice(seen, 0, 1, 2));
    return { state: memory, value: slice(seen, 0, 2, 1) };
  });
  const compiled = compile(makeGraph("layers", { outputs: { y }, updates }));
  const values = (n: number) => new Array<number>(100).fill(n);
  const results = interpret(
    compiled,
    new Map([["x", [...values(1), ...values(2)]]]),
    new Map([["a", values(1)], ["b", values(0)], ["c", values(0)], ["d", values(0)]]),
  );
  const firsts = ["a", "b", "c", "d"].map((name) => results.get(name)![0]);
  assert.deepEqual(firsts, [4, 12, 36, 96]);
  assert.deepEqual([results.get("y")![0], results.get("y")![100]], [24, 120]);
  // Two layers at a time, not all four.
  assert(compiled.arenaBytes < 2.5 * 4 * 300, `${compiled.arenaBytes}`);
});

Deno.test("a state that others read at the end is changed at the end", () => {
  const [a, b] = [state("a", [1]), state("b", [1])];
  const doubled = multiply(concatenate([b, a], 0), 2);
  const graph = makeGraph("chain", {
    outputs: { before: a },
    updates: [{ state: a, value: slice(doubled, 0, 0, 1) }, { state: b, value: reshape(a, [1]) }],
  });
  const results = interpret(compile(graph), new Map(), new Map([["a", [3]], ["b", [5]]]));
  assert.deepEqual(["before", "a", "b"].map((name) => results.get(name)![0]), [3, 10, 3]);
});

Deno.test("operands whose value does not matter still give the shape", () => {
  const x = input("x", [3]);
  assert.deepEqual(multiply(x, 0).shape, [3]);
  const results = interpret(program({ out: multiply(x, 0) }));
  assert.deepEqual([...results.get("out")!], [0, 0, 0]);
});

Deno.test("graphs that cannot be meant are refused", () => {
  const [s, x] = [state("s", [2]), input("x", [2])];
  const update = (target: Tensor, value: Tensor) => () =>
    makeGraph("wrong", { updates: [{ state: target, value }] });
  assert.throws(update(x, s), /no state/);
  assert.throws(update(s, input("y", [3])), /f32 \(3\) cannot update a state of f32 \(2\)/);
  assert.throws(update(s, input("i", [2], "i32")), /i32 \(2\)/);
  const twice = [{ state: s, value: x }, { state: s, value: x }];
  assert.throws(() => makeGraph("wrong", { updates: twice }), /updated twice/);
  assert.throws(() => multiply(input("n", [2], "i32"), 0.5), /0.5 cannot be combined/);
  assert.throws(() => reduceSum(input("n", [2], "i32")), /needs f32/);
  assert.throws(() => permute(x, [0, 0]), /permute/);
  assert.throws(() => concatenate([], 0), /no parts/);
});
