/**
 * Where the buffers of a program lie in the shared memory, and which of them belong to it.
 *
 * @module
 */
import type { DeviceBuffer } from "../device.ts";
import { bytesToWrite, contentsOf } from "../host_data.ts";
import type { BufferSpecification, Program } from "../program.ts";
import {
  type DType,
  elementBytes,
  type HostArray,
  type StoredArray,
  storedBytes,
} from "../shape.ts";
import type { View } from "../view.ts";
import type { SharedMemory } from "./memory.ts";
import { checkOperand, type OperandForm } from "./operand.ts";

/** A tensor in the shared memory. */
export class WasmBuffer implements DeviceBuffer {
  #address: number | undefined;

  constructor(
    readonly memory: SharedMemory,
    readonly name: string,
    readonly dtype: DType,
    readonly elements: number,
  ) {
    this.#address = memory.allocate(name, storedBytes(dtype, elements));
  }

  get address(): number {
    if (this.#address === undefined) throw new Error(`buffer ${this.name} has been destroyed`);
    return this.#address;
  }

  get #bytes(): Uint8Array<ArrayBufferLike> {
    return this.memory.bytes(this.address, storedBytes(this.dtype, this.elements));
  }

  write(data: StoredArray, offset = 0): void {
    this.#bytes.set(bytesToWrite(this, data, offset), elementBytes[this.dtype] * offset);
  }

  read(): Promise<HostArray> {
    const bytes = new Uint8Array(this.#bytes);
    return Promise.resolve(contentsOf(this, bytes.buffer));
  }

  destroy(): void {
    this.memory.release(this.address);
    this.#address = undefined;
  }
}

/** The addresses of a program's buffers, and the memory it owns. */
export class ProgramMemory {
  readonly #owned: WasmBuffer[] = [];
  /** Buffers that were handed in, which others may destroy. */
  readonly #bound: WasmBuffer[] = [];
  readonly #addresses: number[] = [];
  readonly #named = new Map<string, WasmBuffer>();

  constructor(
    readonly memory: SharedMemory,
    readonly program: Program,
    bindings: ReadonlyMap<string, DeviceBuffer>,
  ) {
    try {
      const arena = program.arenaBytes > 0
        ? this.#own(`temporaries of ${program.name}`, "f32", Math.ceil(program.arenaBytes / 4))
        : undefined;
      for (const specification of program.buffers) {
        this.#addresses.push(
          specification.kind === "temporary"
            ? this.#placeTemporary(specification, arena)
            : this.#place(specification, bindings).address,
        );
      }
    } catch (error) {
      this.release();
      throw error;
    }
  }

  #own(name: string, dtype: DType, elements: number): WasmBuffer {
    const buffer = new WasmBuffer(this.memory, name, dtype, elements);
    this.#owned.push(buffer);
    return buffer;
  }

  #placeTemporary(specification: BufferSpecification, arena: WasmBuffer | undefined): number {
    const { name, dtype, elements, arenaOffset } = specification;
    // A temporary that lies in the memory of another one is named by no step.
    if (arenaOffset === undefined) return NaN;
    const end = arenaOffset + storedBytes(dtype, elements);
    if (!arena || !(arenaOffset >= 0 && end <= this.program.arenaBytes)) {
      throw new RangeError(
        `buffer ${name}: bytes ${arenaOffset} to ${end} of an arena of ${this.program.arenaBytes}`,
      );
    }
    return arena.address + arenaOffset;
  }

  #place(
    { name, kind, dtype, elements, data }: BufferSpecification,
    bindings: ReadonlyMap<string, DeviceBuffer>,
  ): WasmBuffer {
    if (kind === "constant") {
      const buffer = this.#own(name, dtype, elements);
      buffer.write(data!);
      return buffer;
    }
    const bound = kind === "output" ? undefined : bindings.get(name);
    const buffer = bound
      ? this.#bind(name, dtype, elements, bound)
      : this.#own(name, dtype, elements);
    this.#named.set(name, buffer);
    return buffer;
  }

  #bind(name: string, dtype: DType, elements: number, bound: DeviceBuffer): WasmBuffer {
    if (!(bound instanceof WasmBuffer) || bound.memory !== this.memory) {
      throw new RangeError(`${name}: the bound buffer belongs to another device`);
    }
    if (bound.dtype !== dtype || bound.elements !== elements) {
      throw new RangeError(
        `${name}: bound to ${bound.elements} elements of ${bound.dtype}, ` +
          `needs ${elements} of ${dtype}`,
      );
    }
    this.#bound.push(bound);
    return bound;
  }

  /**
   * Makes sure that everything the program touches is still there: what a destroyed buffer held may
   * belong to another one by now.
   *
   * @throws Error naming a destroyed buffer
   */
  check(): void {
    for (const buffer of this.#bound) void buffer.address;
  }

  /** As `WasmContext.address`. */
  address(view: View, form: OperandForm): number {
    const buffer = this.program.buffers[view.buffer];
    checkOperand(view, form, buffer);
    const start = this.#addresses[view.buffer];
    if (Number.isNaN(start)) throw new RangeError(`buffer ${buffer.name} has no memory`);
    return start + elementBytes[buffer.dtype] * view.offset;
  }

  buffer(name: string): WasmBuffer {
    const buffer = this.#named.get(name);
    if (!buffer) {
      throw new RangeError(`program ${this.program.name} has no input, state or output ${name}`);
    }
    return buffer;
  }

  release(): void {
    for (const buffer of this.#owned.splice(0)) buffer.destroy();
  }
}
