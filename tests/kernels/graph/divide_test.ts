/** Graphs that are run again and again, divided into what is computed once and the rest. */
import assert from "node:assert/strict";
import { compile } from "../../../kernels/graph/compile.ts";
import { divideGraph } from "../../../kernels/graph/divide.ts";
import { graphCost, graphInputs, makeGraph } from "../../../kernels/graph/graph.ts";
import { add, multiply, silu } from "../../../kernels/ops/elementwise/op.ts";
import { linear } from "../../../kernels/ops/matmul/op.ts";
import { broadcastTo, reshape } from "../../../kernels/ops/movement/op.ts";
import { input, state } from "../../../kernels/tensor.ts";
import { eachDefaultDevice } from "../../devices.ts";

/** `x <- x w + t silu(text v)`, where only x and t change. */
function stepGraph() {
  const x = state("x", [2, 3, 4]);
  const text = silu(linear(input("text", [2, 5]), state("v", [4, 5])));
  const spread = broadcastTo(reshape(text, [2, 1, 4]), [2, 3, 4]);
  const value = add(linear(x, state("w", [4, 4])), multiply(input("t", [1]), spread));
  return makeGraph("step", { updates: [{ state: x, value }] });
}

Deno.test("what stays the same and is worth it is taken out, and nothing else", () => {
  const graph = stepGraph();
  const { once, each } = divideGraph(graph, (name) => name === "t");
  assert.equal(graphCost(once!).multiplyAdds, 2 * 5 * 4);
  assert.equal(graphCost(each).multiplyAdds, 2 * 3 * 4 * 4);
  assert.deepEqual([...graphInputs(once!)], ["text"]);
  assert.deepEqual([...graphInputs(each)], ["t"]);
  const [{ state: prepared }] = once!.updates;
  assert.deepEqual(prepared.shape, [2, 4], "before it is spread over the tokens");

  const whole = divideGraph(graph, (name) => name === "t" || name === "text");
  assert.deepEqual(whole, { each: graph });
});

const values = (length: number, factor: number) =>
  Float32Array.from({ length }, (_, index) => Math.sin(factor * (index + 1)));

eachDefaultDevice("a divided graph gives the same numbers", async (device) => {
  const graph = stepGraph();
  const { once, each } = divideGraph(graph, (name) => name === "t");
  const [x, v, w, text] = [values(24, 1), values(20, 2), values(16, 3), values(10, 4)];
  const whole = await device.load(compile(graph));
  const first = await device.load(compile(once!));
  const prepared = new Map([["prepared 0", first.buffer("prepared 0")]]);
  const rest = await device.load(compile(each), prepared);
  for (
    const [program, contents] of [
      [whole, { x, v, w, text }],
      [first, { v, text }],
      [rest, { x, w }],
    ] as const
  ) {
    for (const [name, data] of Object.entries(contents)) program.buffer(name).write(data);
  }
  first.run();
  for (const t of [0.5, -2]) {
    for (const program of [whole, rest]) {
      program.buffer("t").write(Float32Array.of(t));
      program.run();
    }
    const [expected, actual] = [await whole.buffer("x").read(), await rest.buffer("x").read()];
    assert.deepEqual(actual, expected);
  }
  for (const program of [whole, rest, first]) program.destroy();
});
