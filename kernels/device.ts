/**
 * What the engine asks of a device. Two implementations: `webgpu/device.ts`, `wasm/device.ts`.
 *
 * @module
 */
import type { Program } from "./program.ts";
import type { DType, HostArray, StoredArray } from "./shape.ts";

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
  /** Which of the two implementations it is. */
  readonly kind: "webgpu" | "wasm";
  /** One line for people: adapter or processor, threads, instruction set. */
  readonly description: string;
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
  /** Waits until all submitted work is done and reports what went wrong, naming kernel or buffer. */
  finish(): Promise<void>;
  /** Ends worker threads, frees everything. */
  close(): void;
}
