/**
 * The memory of one loaded program: its tensors, the buffers that temporaries share in turn, and
 * what lowerings ask for besides (scratch memory and constant tables).
 *
 * Bindings name a buffer by number: first the program's buffers, then whatever was added while the
 * steps were lowered.
 *
 * @module
 */
import type { DeviceBuffer } from "../device.ts";
import type { BufferSpecification, Program } from "../program.ts";
import type { DType } from "../shape.ts";
import { type Memory, WebGPUBuffer } from "./memory.ts";

/** What allocation needs of a device. */
export interface Allocator {
  readonly memory: Memory;
  readonly queue: GPUQueue;
  createBuffer(name: string, dtype: DType, elements: number): WebGPUBuffer;
}

/** The memory of a program. */
export class ProgramTensors {
  readonly #allocator: Allocator;
  readonly #program: Program;
  readonly #named = new Map<string, WebGPUBuffer>();
  readonly #buffers: (GPUBuffer | undefined)[] = [];
  readonly #constants = new Map<string, number>();
  /** Scratch requests: binding number to position in the step that asked. */
  readonly #scratchPositions = new Map<number, number>();
  readonly #scratchBytes: number[] = [];
  readonly #scratchOfStep: number[] = [];
  readonly #owned: { destroy(): void }[] = [];

  constructor(allocator: Allocator, program: Program) {
    this.#allocator = allocator;
    this.#program = program;
  }

  /** Takes over the tensors in `bindings` that the program knows and allocates all others. */
  allocate(bindings: ReadonlyMap<string, DeviceBuffer>): void {
    const { buffers, slots, name } = this.#program;
    const shared = slots.map((bytes, slot) => this.#own(`temporaries ${slot} of "${name}"`, bytes));
    for (const specification of buffers) {
      const { kind, slot } = specification;
      this.#buffers.push(
        kind === "temporary"
          ? slot === undefined ? undefined : shared[slot]
          : this.#persistent(specification, bindings.get(specification.name)).gpu,
      );
    }
  }

  #own(what: string, bytes: number): GPUBuffer {
    const { memory } = this.#allocator;
    const buffer = memory.allocate(what, bytes);
    this.#owned.push({ destroy: () => memory.free(buffer) });
    return buffer;
  }

  #persistent(specification: BufferSpecification, bound?: DeviceBuffer): WebGPUBuffer {
    const { name, kind, dtype, elements, data } = specification;
    let buffer: WebGPUBuffer;
    if (bound && (kind === "input" || kind === "state")) {
      buffer = checkBound(specification, bound);
    } else {
      buffer = this.#allocator.createBuffer(name, dtype, elements);
      this.#owned.push(buffer);
    }
    if (data) buffer.write(data);
    if (kind !== "constant") this.#named.set(name, buffer);
    return buffer;
  }

  /** To be called before each step is lowered: scratch memory is good for one step. */
  beginStep(): void {
    this.#scratchOfStep.length = 0;
  }

  /** Number of a scratch buffer of at least `bytes` that the steps use in turn. */
  scratch(bytes: number): number {
    const position = this.#scratchOfStep.length;
    const number = this.#buffers.push(undefined) - 1;
    this.#scratchOfStep.push(number);
    this.#scratchPositions.set(number, position);
    this.#scratchBytes[position] = Math.max(this.#scratchBytes[position] ?? 0, bytes);
    return number;
  }

  /** Number of a buffer that holds `data`. */
  constant(data: Uint32Array): number {
    const key = data.join();
    const known = this.#constants.get(key);
    if (known !== undefined) return known;
    const buffer = this.#own(`table of "${this.#program.name}"`, data.byteLength);
    this.#allocator.queue.writeBuffer(buffer, 0, data as Uint32Array<ArrayBuffer>);
    const number = this.#buffers.push(buffer) - 1;
    this.#constants.set(key, number);
    return number;
  }

  /** Allocates the scratch memory, once all steps are lowered. */
  finish(): void {
    const scratch = this.#scratchBytes.map((bytes, position) =>
      this.#own(`scratch ${position} of "${this.#program.name}"`, bytes)
    );
    for (const [number, position] of this.#scratchPositions) {
      this.#buffers[number] = scratch[position];
    }
  }

  /** The buffer a binding names. */
  buffer(number: number): GPUBuffer {
    const buffer = this.#buffers[number];
    if (!buffer) throw new Error(`program "${this.#program.name}": buffer ${number} has no memory`);
    return buffer;
  }

  /** Name of a buffer, for messages. */
  nameOf(number: number): string {
    return this.#program.buffers[number]?.name ?? `scratch ${number}`;
  }

  /** The tensor of an input, state or output. */
  named(name: string): WebGPUBuffer {
    const buffer = this.#named.get(name);
    if (!buffer) {
      const known = [...this.#named.keys()].slice(0, 8).join(", ");
      throw new RangeError(
        `program "${this.#program.name}" has no tensor "${name}" (it has ${known})`,
      );
    }
    return buffer;
  }

  /** Throws when one of the tensors can no longer be used. */
  check(): void {
    for (const buffer of this.#named.values()) buffer.check();
  }

  /** Frees what the program owns. */
  destroy(): void {
    for (const item of this.#owned.splice(0)) item.destroy();
  }
}

function checkBound(
  { name, dtype, elements }: BufferSpecification,
  bound: DeviceBuffer,
): WebGPUBuffer {
  if (!(bound instanceof WebGPUBuffer)) {
    throw new RangeError(`tensor "${name}": the buffer bound to it is on another device`);
  }
  if (bound.dtype !== dtype || bound.elements !== elements) {
    throw new RangeError(
      `tensor "${name}" needs ${elements} elements of ${dtype}; the buffer bound to it has ` +
        `${bound.elements} of ${bound.dtype}`,
    );
  }
  bound.check();
  return bound;
}
