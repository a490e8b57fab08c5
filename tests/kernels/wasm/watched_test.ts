/**
 * Generated code touches nothing but the operands of its step, with the bounds checks of the engine
 * or without them.
 *
 * @module
 */
import assert from "node:assert/strict";
import { compile } from "../../../kernels/graph/compile.ts";
import { goldenCase } from "../../models/golden_bits.ts";
import { casesOf } from "../ops/cases.ts";
import { WatchedMemory } from "./watched_memory.ts";

/** Aligned operands on one thread, operands that start in the middle of a vector on three. */
const choices = [
  { threads: 1, padding: 0, lanes: 4 },
  { threads: 3, padding: 3, lanes: 8 },
] as const;

for (const { threads, padding, lanes } of choices) {
  for (const [kind, make] of Object.entries(casesOf)) {
    const where = `${threads} threads, ${lanes} lanes`;
    Deno.test(`steps of kind ${kind} touch their operands only, ${where}`, async () => {
      const memory = new WatchedMemory(threads, lanes);
      for (const test of make(padding)) {
        const { name, program, inputs, states } = test;
        await assert.doesNotReject(
          async () => void await memory.run(program, [...inputs, ...states], states.keys()),
          `${kind}: ${name}`,
        );
      }
    });
  }
}

for (const name of ["dit-pixel", "navit_factorized"]) {
  Deno.test(`${name}, forward and backward, touches its operands only`, async () => {
    const { loaded: { graph, inputs, expected }, weights } = await goldenCase(name);
    const memory = new WatchedMemory(2, 8);
    const names = expected.map(({ name }) => name);
    const results = await memory.run(compile(graph), [...weights, ...inputs], names);
    assert.equal(results.size, names.length);
  });
}
