/**
 * Generated code touches nothing but the operands of its step, with the bounds checks of the engine
 * or without them.
 *
 * @module
 */
import assert from "node:assert/strict";
import { casesOf } from "../steps/cases.ts";
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
