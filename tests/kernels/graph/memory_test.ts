/** The static memory plan: nothing that is alive is overwritten, and the peak is what is stated. */
import assert from "node:assert/strict";
import { compile } from "../../../kernels/graph/compile.ts";
import { touchedBuffers } from "../../../kernels/graph/memory.ts";
import type { Program } from "../../../kernels/program.ts";
import { ditTrainingGraph } from "../../../models/dit/step.ts";
import { loadConfig } from "../../golden.ts";

async function trainingProgram(): Promise<Program> {
  const config = await loadConfig("dit-latent");
  return compile(ditTrainingGraph(config, { batchSize: 3, labelDropout: 0.1, clipNorm: 1 }));
}

/** First and last step that touch each temporary. */
function lifetimes({ buffers, steps }: Program): Map<number, { first: number; last: number }> {
  const found = new Map<number, { first: number; last: number }>();
  steps.forEach((step, index) => {
    for (const buffer of touchedBuffers(step)) {
      if (buffers[buffer].kind !== "temporary") continue;
      const known = found.get(buffer);
      if (known) known.last = index;
      else found.set(buffer, { first: index, last: index });
    }
  });
  return found;
}

function pairsAliveTogether(program: Program): [number, number][] {
  const lives = [...lifetimes(program)];
  return lives.flatMap(([a, lifeA], index) =>
    lives.slice(index + 1)
      .filter(([, lifeB]) => lifeA.first <= lifeB.last && lifeB.first <= lifeA.last)
      .map(([b]): [number, number] => [a, b])
  );
}

Deno.test("temporaries that are alive together have separate places in the arena", async () => {
  const program = await trainingProgram();
  const range = (index: number) => {
    const { arenaOffset, elements } = program.buffers[index];
    assert(arenaOffset !== undefined && arenaOffset % 64 === 0);
    return { start: arenaOffset, end: arenaOffset + 4 * elements };
  };
  const pairs = pairsAliveTogether(program);
  assert(pairs.length > 100);
  for (const [a, b] of pairs) {
    const [x, y] = [range(a), range(b)];
    assert(x.end <= y.start || y.end <= x.start, `buffers ${a} and ${b} overlap`);
  }
  const ends = [...lifetimes(program).keys()].map((index) => range(index).end);
  assert.equal(program.arenaBytes, Math.ceil(Math.max(...ends) / 64) * 64);
});

Deno.test("temporaries that are alive together have different slots, and fit them", async () => {
  const program = await trainingProgram();
  for (const [a, b] of pairsAliveTogether(program)) {
    assert.notEqual(program.buffers[a].slot, program.buffers[b].slot);
  }
  for (const index of lifetimes(program).keys()) {
    const { slot, elements } = program.buffers[index];
    assert(program.slots[slot!] >= 4 * elements);
  }
});

Deno.test("the arena is close to the largest sum of what is alive at one step", async () => {
  const program = await trainingProgram();
  const lives = [...lifetimes(program)];
  const alive = program.steps.map((_, step) =>
    lives.filter(([, { first, last }]) => first <= step && step <= last)
      .reduce((sum, [buffer]) => sum + 4 * program.buffers[buffer].elements, 0)
  );
  const lowerBound = Math.max(...alive);
  assert(program.arenaBytes <= 1.15 * lowerBound, `${program.arenaBytes} for ${lowerBound}`);
});
