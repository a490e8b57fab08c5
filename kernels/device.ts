/**
 * What the engine asks of a device, and what is known of each kind before one is open. The kinds
 * there are stand in `devices.ts`.
 *
 * @module
 */
import type { Profiler } from "./profile.ts";
import type { Program } from "./program.ts";
import type { DType, FloatType, HostArray, StoredArray } from "./shape.ts";

/** Memory on a device that outlives a run: parameters, moments, inputs. */
export interface DeviceBuffer {
  /** For messages. */
  readonly name: string;
  /** Element type. */
  readonly dtype: DType;
  /** Size in elements. */
  readonly elements: number;
  /**
   * Overwrites the contents from `offset` (in elements). An `f16` buffer is written whole, from
   * 32-bit floats, which are rounded to nearest (ties to even; beyond 65,504 to infinity), or from
   * a Float16Array, whose bits are taken over.
   */
  write(data: StoredArray, offset?: number): void;
  /** Reads everything back, after all work that was submitted before. */
  read(): Promise<HostArray>;
  /** Frees the memory. Using the buffer afterwards is an error. */
  destroy(): void;
}

/** A program with its memory in place, ready to be replayed. */
export interface Executable {
  /**
   * Runs every step once. On WebGPU the work is only queued (one submit a run); reading a buffer, or
   * `Device.finish`, waits for it. Errors of the device surface there at the latest.
   */
  run(): void;
  /** The buffer bound to an input, state or output of the program. */
  buffer(name: string): DeviceBuffer;
  /** Frees the temporaries, constants and outputs (not the states that were handed in). */
  destroy(): void;
}

/** A device: memory plus the ability to run programs. */
export interface Device {
  /** What is known of all devices of its kind. */
  readonly kind: DeviceKind;
  /** One line for people: adapter or processor, threads, instruction set. */
  readonly description: string;
  /** Vectors of the processor that it computes with; absent where there is no choice. */
  readonly vectors?: VectorWidth;
  /** How the results of operations are kept between them; `f32` where absent. */
  readonly activations?: FloatType;
  /** Bytes allocated on the device at this moment, by this library. */
  readonly allocatedBytes: number;
  /** Highest value of `allocatedBytes` so far. */
  readonly peakBytes: number;
  /** Allocates a buffer filled with zeros. `elements` must be at least 1. */
  createBuffer(name: string, dtype: DType, elements: number): DeviceBuffer;
  /**
   * Prepares a program: generates and compiles its kernels and allocates its memory.
   * `bindings` maps names of inputs and states to existing buffers of the same size and dtype
   * (names that the program does not have are ignored, so that programs can share one map);
   * the others are allocated (filled with zeros) and owned by the executable.
   */
  load(program: Program, bindings?: ReadonlyMap<string, DeviceBuffer>): Promise<Executable>;
  /** Records what is run from now on, until the result is asked for; absent where it cannot. */
  profile?(): Profiler;
  /** Waits until all submitted work is done and reports what went wrong, naming kernel or buffer. */
  finish(): Promise<void>;
  /** Ends worker threads, frees everything. */
  close(): void;
}

/** How wide the vectors are that a device on the processor computes with. Results do not depend on it. */
export interface VectorWidth {
  /** 128 or 256. */
  readonly bits: number;
  /** Why it is that: a clause without a full stop. */
  readonly reason: string;
}

/** The width and its reason in one clause: `256-bit: ...`. */
export function describeVectors({ bits, reason }: VectorWidth): string {
  return `${bits}-bit: ${reason}`;
}

/** A kind of device: what can be said without opening one. */
export interface DeviceKind {
  /** On the command line, in messages and in results. */
  readonly name: string;
  /** Fewest runs after which a program runs at its final speed. */
  readonly warmUpRuns: number;
  /** Shortest time in ms that is long beside the cost of waiting for a result. */
  readonly sampleMilliseconds: number;
  /** Allocations are counted in multiples of as many bytes. */
  readonly allocationUnit: number;
  /** Threads on the processor, as many as the user says; absent where there are none to choose. */
  readonly threads?: {
    /** Memory in bytes that each thread has for itself. */
    readonly scratchBytes: number;
  };
  /** Sizes in bytes of the allocations that hold a program's temporaries. */
  temporaries(program: Program): readonly number[];
  /** Looks for the device on this machine. */
  probe(): Promise<Availability>;
  /** Whether it can keep activations in half precision on this machine. */
  keepsHalves(): Promise<boolean>;
  /** How much memory it has to offer on this machine. */
  limits(): Promise<MemoryLimits>;
  /** Everything that is worth reporting of it on this machine. */
  report(): Promise<DeviceReport>;
}

/** What this machine offers of a kind of device. */
export interface Availability {
  /** Whether one can be opened. */
  readonly available: boolean;
  /** Whether it emulates other hardware on the processor, which is slow. */
  readonly software: boolean;
  /** Why it is taken where nobody asks for a device, or passed over: a clause without a full stop. */
  readonly reason: string;
}

/** What a program's memory must stay within, in bytes. */
export interface MemoryLimits {
  /** All allocations together; absent where the device does not say. */
  readonly total?: number;
  /** One allocation. */
  readonly buffer: number;
  /** Whose limits these are. */
  readonly owner: string;
}

/** A kind of device on this machine, for people and for programs. */
export interface DeviceReport {
  /** A few lines for each device of the kind. */
  readonly devices: readonly (readonly string[])[];
  /** The same and more, as JSON. */
  readonly facts: unknown;
}

/** How a device is to work. What a device does not know of, it leaves aside. */
export interface DeviceOptions {
  /** Threads of a device on the processor; one a core by default. */
  readonly threads?: number;
  /** No relaxed multiply-add on wasm: the same bits on every processor. */
  readonly strictMath?: boolean;
  /** How the results of operations are kept between them, `f32` by default; `f16` on GPUs that can. */
  readonly activations?: FloatType;
  /** The same bits for a sample on wasm whatever the size of its batch. */
  readonly batchInvariant?: boolean;
}
