/**
 * The CPU device: programs as generated WebAssembly on a pool of threads over one shared memory.
 *
 * Loading a program does all the thinking: every step is lowered to phases of calls, the functions
 * they name are emitted into one module, compiled, and linked on every thread. A run only walks the
 * lists of calls.
 *
 * @module
 */
import os from "node:os";
import type { Device, DeviceBuffer, Executable, VectorWidth } from "../device.ts";
import type { Profile, Profiler } from "../profile.ts";
import type { Program } from "../program.ts";
import type { DType } from "../shape.ts";
import { type Lanes, ModuleBuilder } from "./emit/assembler.ts";
import { wasm } from "./kind.ts";
import { lowerPacking } from "../ops/matmul/wasm.ts";
import type { Phase, WasmContext } from "./lowering.ts";
import { lowerStep } from "./lowerings.ts";
import { scratchBytes, SharedMemory } from "./memory.ts";
import { type PooledProgram, ThreadPool } from "./threads/pool.ts";
import { fasterLanes, type LanesChoice, supportsRelaxedSimd, vectorWidth } from "./probe.ts";
import { ProgramMemory, WasmBuffer } from "./program_memory.ts";
import { Recorder } from "./threads/recorder.ts";
import { clock, controlBytes } from "./threads/team.ts";

/** Choices for the CPU device. */
export interface WasmDeviceOptions {
  /** Number of threads, the calling one included; all processors when absent. */
  readonly threads?: number;
  /** Never use relaxed SIMD: products and sums are rounded one by one, alike on every machine. */
  readonly strictMath?: boolean;
  /**
   * Sum every product in one order whatever its number of rows, so that the result for a sample has
   * the same bits in a batch of any size. Makes products with few rows slower.
   */
  readonly batchInvariant?: boolean;
  /**
   * Elements that kernels work on at a time: 4, one 128-bit vector; 8, pairs of vectors that V8's
   * revectorizer makes 256-bit ones where its flags are set; `auto`, whichever is faster here.
   * The results have the same bits.
   */
  readonly lanes?: Lanes | "auto";
  /** Seconds without any progress after which a run is given up. */
  readonly stallSeconds?: number;
}

/** The processor's name, where the permission to ask for it has been given. */
function processorName(): string {
  const permission = Deno.permissions.querySync({ name: "sys", kind: "cpus" });
  return (permission.state === "granted" && os.cpus()[0]?.model.trim()) || "CPU";
}

/**
 * Opens the CPU device.
 *
 * @throws RangeError when the number of threads is not at least 1.
 */
export function createWasmDevice(options: WasmDeviceOptions = {}): Promise<WasmDevice> {
  return Promise.try(() => {
    const threads = options.threads ?? navigator.hardwareConcurrency;
    const relaxed = !options.strictMath && supportsRelaxedSimd();
    const { lanes = "auto" } = options;
    const choice = lanes === "auto" ? fasterLanes() : { lanes, reason: "as asked for" };
    return new WasmDevice(threads, relaxed, choice, options);
  });
}

/** The CPU as a device; made by {@link createWasmDevice}. */
class WasmDevice implements Device {
  readonly kind = wasm;
  /** Elements that kernels work on at a time. */
  readonly lanes: Lanes;
  /** Why it is that number: a clause without a full stop. */
  readonly lanesReason: string;
  readonly description: string;
  readonly #memory = new SharedMemory(controlBytes);
  readonly #pool: ThreadPool;
  readonly #scratch: readonly number[];
  readonly #batchInvariant: boolean;
  readonly #peakGflops: number | undefined;
  #recorder: Recorder | undefined;

  constructor(
    readonly threads: number,
    readonly relaxed: boolean,
    { lanes, reason, gflops }: LanesChoice,
    { batchInvariant = false, stallSeconds }: WasmDeviceOptions,
  ) {
    this.lanes = lanes;
    this.lanesReason = reason;
    this.#batchInvariant = batchInvariant;
    this.#peakGflops = gflops && threads * gflops;
    this.#pool = new ThreadPool(this.#memory.memory, threads, stallSeconds);
    this.#scratch = Array.from(
      { length: threads },
      (_, thread) => this.#memory.allocate(`scratch memory of thread ${thread}`, scratchBytes),
    );
    const instructions = relaxed ? "SIMD with relaxed multiply-add" : "strict SIMD";
    const count = `${threads} thread${threads === 1 ? "" : "s"}`;
    this.description = `${processorName()}, ${count}, WebAssembly ${instructions}`;
  }

  get vectors(): VectorWidth {
    return vectorWidth({ lanes: this.lanes, reason: this.lanesReason });
  }

  get allocatedBytes(): number {
    return this.#memory.allocatedBytes;
  }

  get peakBytes(): number {
    return this.#memory.peakBytes;
  }

  createBuffer(name: string, dtype: DType, elements: number): DeviceBuffer {
    if (!Number.isInteger(elements) || elements < 1) {
      throw new RangeError(`buffer ${name} cannot have ${elements} elements`);
    }
    return new WasmBuffer(this.#memory, name, dtype, elements);
  }

  async load(
    program: Program,
    bindings: ReadonlyMap<string, DeviceBuffer> = new Map(),
  ): Promise<Executable> {
    const memory = new ProgramMemory(this.#memory, program, bindings);
    try {
      const module = new ModuleBuilder({ relaxed: this.relaxed, lanes: this.lanes });
      const context = this.#context(module, memory);
      const { phases, describePhase } = lowerProgram(program, context);
      const packing = lowerPacking(memory.packedWeights, context);
      const compiled = await WebAssembly.compile(module.bytes());
      const pooled = await this.#pool.load(compiled, phases, describePhase);
      const packer = memory.packedWeights.length > 0
        ? await this.#pool.load(compiled, [packing], () => `weights of ${program.name}`)
        : undefined;
      return new WasmExecutable(this, pooled, packer, memory);
    } catch (error) {
      memory.release();
      throw error;
    }
  }

  #context(module: ModuleBuilder, memory: ProgramMemory): WasmContext {
    return {
      threads: this.threads,
      relaxed: this.relaxed,
      lanes: this.lanes,
      batchInvariant: this.#batchInvariant,
      address: (view, form) => memory.address(view, form),
      packedWeight: (step) => memory.packedWeight(step),
      scratch: (thread, bytes) => this.#scratchArea(thread, bytes),
      scratchBytes,
      define: (name, emit) => void module.define(name, emit),
    };
  }

  #scratchArea(thread: number, bytes: number): number {
    if (!(bytes <= scratchBytes)) {
      throw new RangeError(
        `${bytes} bytes of scratch memory are needed, ${scratchBytes} are there`,
      );
    }
    return this.#scratch[thread];
  }

  /**
   * Records when the threads work on which step, until the result is asked for.
   *
   * @throws Error while another recording goes on
   */
  profile(): Profiler {
    if (this.#recorder) throw new Error("the device is profiled already");
    const recorder = new Recorder(this.#memory, this.threads);
    this.#recorder = recorder;
    this.#pool.record(recorder.address);
    const stop = (): Profile => {
      this.#pool.record(0);
      this.#recorder = undefined;
      return { threads: this.threads, peakGflops: this.#peakGflops, ...recorder.stop() };
    };
    return { stop: () => Promise.resolve(stop()) };
  }

  /** Packs the weights of a program for its executable. */
  pack(packer: PooledProgram): void {
    this.#pool.run(packer);
  }

  /** Runs a program for its executable. */
  run(program: Program, pooled: PooledProgram): void {
    const recorder = this.#recorder;
    if (!recorder) return this.#pool.run(pooled);
    const start = clock();
    this.#pool.run(pooled);
    recorder.collect(program, pooled.steps, start);
  }

  /** Lets go of a program. */
  forget(pooled: PooledProgram): void {
    this.#pool.forget(pooled);
  }

  finish(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {
    this.#pool.close();
  }
}

class WasmExecutable implements Executable {
  readonly #device: WasmDevice;
  readonly #memory: ProgramMemory;
  #pooled: PooledProgram | undefined;
  /** Packs the weights. */
  readonly #packer: PooledProgram | undefined;

  constructor(
    device: WasmDevice,
    pooled: PooledProgram,
    packer: PooledProgram | undefined,
    memory: ProgramMemory,
  ) {
    this.#device = device;
    this.#pooled = pooled;
    this.#packer = packer;
    this.#memory = memory;
  }

  run(): void {
    const { program } = this.#memory;
    if (!this.#pooled) throw new Error(`program ${program.name} has been destroyed`);
    this.#memory.check();
    if (this.#packer && this.#memory.takeChanges()) this.#device.pack(this.#packer);
    this.#device.run(program, this.#pooled);
    this.#memory.noteRun();
  }

  buffer(name: string): DeviceBuffer {
    return this.#memory.buffer(name);
  }

  destroy(): void {
    if (!this.#pooled) return;
    for (const pooled of [this.#pooled, this.#packer]) if (pooled) this.#device.forget(pooled);
    this.#pooled = undefined;
    this.#memory.release();
  }
}

/** Lowers all steps to one list of phases, remembering which step each phase came from. */
function lowerProgram(
  program: Program,
  context: WasmContext,
): { phases: Phase[]; describePhase: (phase: number) => string } {
  const phases: Phase[] = [];
  const firstSteps: number[] = [];
  program.steps.forEach((step, index) => {
    for (const lowered of lowerStep(step, context)) {
      const phase = lowered.map((calls) => calls.map((call) => ({ ...call, step: index })));
      const last = phases.at(-1);
      if (last && onlyFirstThread(last) && onlyFirstThread(phase)) {
        // One thread sees its own writes: no barrier needed in between.
        phases[phases.length - 1] = last.map((calls, thread) => [...calls, ...phase[thread]]);
      } else {
        phases.push(phase);
        firstSteps.push(index);
      }
    }
  });
  const describePhase = (phase: number) => {
    const first = firstSteps[phase];
    const next = Math.max(first + 1, firstSteps[phase + 1] ?? program.steps.length);
    const kinds = program.steps.slice(first, next).map((step) => step.kind).join(", ");
    const steps = next - first === 1 ? `step ${first}` : `steps ${first} to ${next - 1}`;
    return `program ${program.name}, ${steps} (${kinds})`;
  };
  return { phases, describePhase };
}

function onlyFirstThread(phase: Phase): boolean {
  return phase.every((calls, thread) => thread === 0 || calls.length === 0);
}
