/**
 * Runs programs as the CPU device does, thread after thread, and watches every access of the
 * generated code: a step may read its operands (and a little past their ends), write the elements of
 * its results, use the scratch memory it asked for, and nothing else; no two threads may write the
 * same element between two barriers.
 *
 * @module
 */
import assert from "node:assert/strict";
import { lowerPacking } from "../../../kernels/ops/matmul/wasm.ts";
import { packedElements } from "../../../kernels/ops/matmul/weights.ts";
import type { Program } from "../../../kernels/program.ts";
import { elementBytes, type StoredArray } from "../../../kernels/shape.ts";
import { type View, viewSpan } from "../../../kernels/view.ts";
import { type Lanes, ModuleBuilder } from "../../../kernels/wasm/emit/assembler.ts";
import type { Call, Phase, WasmContext } from "../../../kernels/wasm/lowering.ts";
import { lowerStep } from "../../../kernels/wasm/lowerings.ts";
import { scratchBytes, SharedMemory } from "../../../kernels/wasm/memory.ts";
import { type OperandForm, readOverrun } from "../../../kernels/wasm/operand.ts";
import { ProgramMemory } from "../../../kernels/wasm/program_memory.ts";
import { controlBytes } from "../../../kernels/wasm/threads/team.ts";
import { indices, position } from "../../reference/memory.ts";
import { watchModule } from "./watch.ts";

/** Bytes from address 0 on that are watched; programs of tests fit. */
const watchedBytes = 2 ** 26;
const wordBytes = 4;
const cacheLine = 64;

const mayRead = 1;
const mayWrite = 2;

/** Memory and threads for watched runs of one program after another. */
export class WatchedMemory {
  readonly #memory = new SharedMemory(controlBytes);
  readonly #scratch: readonly number[];
  /** What the current step may do with each word. */
  readonly #permissions = new Uint8Array(watchedBytes / wordBytes);
  /** The turn in which each word was last written; every thread has one turn in every phase. */
  readonly #writer = new Uint32Array(watchedBytes / wordBytes);
  #granted: [word: number, words: number][] = [];
  #turn = 0;

  constructor(readonly threads: number, readonly lanes: Lanes) {
    this.#scratch = Array.from(
      { length: threads },
      (_, thread) => this.#memory.allocate(`scratch ${thread}`, scratchBytes),
    );
  }

  /**
   * Runs a program once.
   *
   * @returns the contents of the states
   * @throws RangeError when the program is refused
   * @throws assert.AssertionError for an access that the step must not make
   */
  async run(
    program: Program,
    contents: Iterable<readonly [name: string, data: StoredArray]>,
    states: Iterable<string>,
  ): Promise<Map<string, ArrayLike<number>>> {
    const memory = new ProgramMemory(this.#memory, program, new Map());
    try {
      for (const [name, data] of contents) memory.buffer(name).write(data);
      this.#runLowered(memory, (context) => {
        for (const { address } of memory.packedWeights) {
          this.#grantWeight(memory, address, mayWrite);
        }
        return [lowerPacking(memory.packedWeights, context)];
      });
      for (const step of program.steps) {
        this.#runLowered(memory, (context) => lowerStep(step, context));
      }
      return await read(memory, states);
    } finally {
      memory.release();
    }
  }

  #runLowered(memory: ProgramMemory, lower: (context: WasmContext) => readonly Phase[]): void {
    this.#revoke();
    const module = new ModuleBuilder({ relaxed: true, lanes: this.lanes });
    const phases = lower(this.#context(memory, module));
    const watched = new WebAssembly.Module(watchModule(module.bytes()));
    let running: Call | undefined;
    const watch = (address: number, offset: number, bytes: number, writes: number): void => {
      const start = (address >>> 0) + offset;
      if (this.#touch(start, bytes, writes === 1)) return;
      const access = `${writes ? "writes" : "reads"} ${bytes} bytes at ${start}`;
      assert.fail(`${running?.function} (${running?.arguments}) ${access}`);
    };
    const env = { memory: this.#memory.memory, watch };
    const kernels = new WebAssembly.Instance(watched, { env }).exports;
    for (const phase of phases) {
      this.#runPhase(phase, (call) => {
        running = call;
        (kernels[call.function] as (...args: number[]) => void)(...call.arguments);
      });
    }
  }

  #runPhase(phase: Phase, call: (call: Call) => void): void {
    assert.equal(phase.length, this.threads);
    // Turns of a phase are those above the first multiple of the number of threads.
    this.#turn = (Math.floor(this.#turn / this.threads) + 1) * this.threads;
    phase.forEach((calls, thread) => {
      if (thread > 0) this.#turn++;
      calls.forEach(call);
    });
  }

  #context(memory: ProgramMemory, module: ModuleBuilder): WasmContext {
    return {
      threads: this.threads,
      relaxed: true,
      lanes: this.lanes,
      batchInvariant: false,
      scratchBytes,
      define: (name, emit) => void module.define(name, emit),
      address: (view, form) => this.#grantOperand(memory, view, form),
      packedWeight: (step) => this.#grantWeight(memory, memory.packedWeight(step), mayRead),
      scratch: (thread, bytes) => {
        this.#grant(this.#scratch[thread], bytes, mayRead | mayWrite);
        this.#grant(this.#scratch[thread] + bytes, readOverrun, mayRead);
        return this.#scratch[thread];
      },
    };
  }

  #grantOperand(memory: ProgramMemory, view: View, form: OperandForm): number {
    const first = memory.address(view, form);
    const { name, elements } = memory.program.buffers[view.buffer];
    const bytes = elementBytes[view.dtype];
    for (const index of indices(view.shape)) {
      const at = position(view, index);
      // Said by nobody else: otherwise a wrong view would grant what lies beside its buffer.
      assert.ok(at >= 0 && at < elements, `element ${at} of buffer ${name}, which has ${elements}`);
      if (form.written) this.#grant(first + bytes * (at - view.offset), bytes, mayWrite);
    }
    this.#grant(first, bytes * viewSpan(view) + readOverrun, mayRead);
    // The last vector of a whole buffer may fill its last cache line.
    if (form.written && form.layout === "buffer") {
      this.#grant(first, Math.ceil(bytes * elements / cacheLine) * cacheLine, mayWrite);
    }
    return first;
  }

  #grantWeight(
    memory: ProgramMemory,
    address: number | undefined,
    permission: number,
  ): number | undefined {
    const weight = memory.packedWeights.find((one) => one.address === address);
    if (weight) this.#grant(weight.address, 4 * packedElements(weight), permission);
    return address;
  }

  #grant(address: number, bytes: number, permission: number): void {
    const [start, end] = [
      Math.floor(address / wordBytes),
      Math.ceil((address + bytes) / wordBytes),
    ];
    assert.ok(end <= this.#permissions.length, "a test's program is too large to be watched");
    for (let word = start; word < end; word++) this.#permissions[word] |= permission;
    this.#granted.push([start, end]);
  }

  #revoke(): void {
    for (const [start, end] of this.#granted) this.#permissions.fill(0, start, end);
    this.#granted = [];
  }

  /** Whether the running thread may make an access. */
  #touch(address: number, bytes: number, writes: boolean): boolean {
    const needed = writes ? mayWrite : mayRead;
    const [start, end] = [
      Math.floor(address / wordBytes),
      Math.ceil((address + bytes) / wordBytes),
    ];
    for (let word = start; word < end; word++) {
      // Past the watched memory there is no permission: undefined.
      if (!(this.#permissions[word] & needed)) return false;
      if (!writes) continue;
      const writer = this.#writer[word];
      const phaseStart = this.#turn - this.#turn % this.threads;
      if (writer >= phaseStart && writer !== this.#turn) return false;
      this.#writer[word] = this.#turn;
    }
    return true;
  }
}

async function read(
  memory: ProgramMemory,
  names: Iterable<string>,
): Promise<Map<string, ArrayLike<number>>> {
  const contents = new Map<string, ArrayLike<number>>();
  for (const name of names) contents.set(name, await memory.buffer(name).read());
  return contents;
}
