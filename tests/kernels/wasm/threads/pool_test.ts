/** The thread pool: order of phases, errors, idleness, end of the process. */
import assert from "node:assert/strict";
import { ModuleBuilder } from "../../../../kernels/wasm/emit/assembler.ts";
import type { Phase } from "../../../../kernels/wasm/lowering.ts";
import { SharedMemory } from "../../../../kernels/wasm/memory.ts";
import { ThreadPool } from "../../../../kernels/wasm/threads/pool.ts";
import { controlBytes } from "../../../../kernels/wasm/threads/team.ts";

/** add(target, source): target += source; plus one function that traps and one that never ends. */
function testModule(): WebAssembly.Module {
  const module = new ModuleBuilder({ relaxed: false, lanes: 4 });
  const add = module.function("add", ["i32", "i32"], []);
  const [target, source] = add.parameters;
  add.get(target).get(target).i32Load().get(source).i32Load().i32Add().i32Store();
  module.function("trap", [], []).unreachable();
  const forever = module.function("forever", [], []);
  forever.loop((again) => void forever.branch(again));
  return new WebAssembly.Module(module.bytes());
}

const describePhase = (phase: number) => `phase ${phase}`;

async function withPool(
  threads: number,
  body: (pool: ThreadPool, memory: SharedMemory) => Promise<void>,
  stallSeconds?: number,
): Promise<void> {
  const memory = new SharedMemory(controlBytes);
  const pool = new ThreadPool(memory.memory, threads, stallSeconds);
  try {
    await body(pool, memory);
  } finally {
    pool.close();
  }
}

/** Every phase, thread t adds its neighbour's number to its own slot of the next row. */
function neighbourPhases(threads: number, rows: number, base: number): Phase[] {
  const slot = (row: number, thread: number) => base + 4 * (row * threads + thread % threads);
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: threads }, (_, thread) => [
      { function: "add", arguments: [slot(row + 1, thread), slot(row, thread)] },
      { function: "add", arguments: [slot(row + 1, thread), slot(row, thread + 1)] },
    ]));
}

for (const threads of [1, 2, 3]) {
  Deno.test(`phases see everything written before, ${threads} threads`, async () => {
    await withPool(threads, async (pool, memory) => {
      const rows = 25;
      const base = memory.allocate("rows", 4 * threads * (rows + 1));
      const numbers = new Int32Array(memory.memory.buffer, base, threads * (rows + 1));
      const program = await pool.load(
        testModule(),
        neighbourPhases(threads, rows, base),
        describePhase,
      );
      for (let run = 0; run < 200; run++) {
        numbers.fill(0);
        numbers.fill(1, 0, threads);
        pool.run(program);
        assert.deepEqual(
          [...numbers.slice(rows * threads)],
          new Array(threads).fill(2 ** rows),
        );
      }
    });
  });

  Deno.test(`a trap ends the run with an error that names it, ${threads} threads`, async () => {
    await withPool(threads, async (pool) => {
      const quiet: Phase = Array.from({ length: threads }, () => []);
      const trapping = quiet.map((_, thread) =>
        thread === threads - 1 ? [{ function: "trap", arguments: [] }] : []
      );
      const program = await pool.load(testModule(), [quiet, trapping, quiet], describePhase);
      assert.throws(() => pool.run(program), /phase 1: function trap: unreachable \(thread/);
      assert.throws(() => pool.run(program), /function trap/);
      await assert.rejects(pool.load(testModule(), [], describePhase), /function trap/);
    });
  });
}

Deno.test("a thread that does not come back ends the run with an error", async () => {
  await withPool(2, async (pool) => {
    const phases: Phase[] = [[[], [{ function: "forever", arguments: [] }]]];
    const program = await pool.load(testModule(), phases, describePhase);
    assert.throws(() => pool.run(program), /phase 0: no thread has made progress for 0.3 s/);
  }, 0.3);
});

Deno.test("programs can be loaded one after another and at once", async () => {
  await withPool(2, async (pool, memory) => {
    const base = memory.allocate("rows", 4 * 2 * 4);
    const numbers = new Int32Array(memory.memory.buffer, base, 8);
    const programs = await Promise.all(
      [1, 2, 3].map((rows) =>
        pool.load(testModule(), neighbourPhases(2, rows, base), describePhase)
      ),
    );
    for (const [index, program] of programs.entries()) {
      numbers.fill(0);
      numbers.fill(1, 0, 2);
      pool.run(program);
      assert.equal(numbers[2 * (index + 1)], 2 ** (index + 1));
      pool.forget(program);
    }
    const last = await pool.load(testModule(), neighbourPhases(2, 1, base), describePhase);
    pool.run(last);
  });
});

Deno.test("a closed pool refuses to run", async () => {
  const memory = new SharedMemory(controlBytes);
  const pool = new ThreadPool(memory.memory, 2);
  const program = await pool.load(testModule(), [], describePhase);
  pool.close();
  assert.throws(() => pool.run(program), /closed/);
});

Deno.test("the allocator reuses and merges freed memory", () => {
  const memory = new SharedMemory(controlBytes);
  const [a, b, c] = [100, 200, 300].map((bytes) => memory.allocate("x", bytes));
  assert.equal(a % 64, 0);
  assert.equal(memory.allocatedBytes, 600);
  new Int32Array(memory.memory.buffer, b, 50).fill(7);
  memory.release(a);
  memory.release(b);
  assert.equal(memory.allocate("y", 350), a);
  assert.ok(new Int32Array(memory.memory.buffer, a, 80).every((value) => value === 0));
  memory.release(a);
  memory.release(c);
  assert.equal(memory.allocatedBytes, 0);
  assert.equal(memory.peakBytes, 650);
  assert.throws(
    () => memory.allocate("weights", 2 ** 33),
    /out of memory: weights needs 8192.0 MiB/,
  );
  const high = memory.allocate("almost everything", 2 ** 31 + 2 ** 30);
  const end = memory.allocate("the end", 2 ** 20);
  assert.ok(end > 2 ** 31);
  new Float32Array(memory.memory.buffer, end, 4).set([1, 2, 3, 4]);
  memory.release(high);
});
