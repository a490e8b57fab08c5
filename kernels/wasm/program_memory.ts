/**
 * Where the buffers of a program lie in the shared memory, and which of them belong to it.
 *
 * @module
 */
import type { DeviceBuffer } from "../device.ts";
import { bytesToWrite, contentsOf } from "../host_data.ts";
import type { MatmulStep } from "../ops/matmul/step.ts";
import {
  packableFactor,
  packedElements,
  type PackedWeight,
  packedWeights,
  weightName,
} from "../ops/matmul/weights.ts";
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
  /** How often the contents have changed. */
  version = 0;

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
    this.version++;
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

/** A weight that is packed before a program runs. */
export interface PlacedWeight extends PackedWeight {
  /** Where it is packed. */
  readonly address: number;
  readonly source: WasmBuffer;
  /** Version of the source that was packed. */
  version?: number;
}

/** The addresses of a program's buffers, and the memory it owns. */
export class ProgramMemory {
  /** Weights that are packed before the program runs, by their names. */
  readonly #weights = new Map<string, PlacedWeight>();
  /** States that the program writes. */
  readonly #written = new Set<WasmBuffer>();
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
      for (const [key, weight] of packedWeights(program)) this.#placeWeight(key, weight);
    } catch (error) {
      this.release();
      throw error;
    }
  }

  #placeWeight(key: string, weight: PackedWeight): void {
    const { name } = this.program.buffers[weight.b.buffer];
    const { address } = this.#own(`${name}, packed`, "f32", packedElements(weight));
    this.#weights.set(key, { ...weight, address, source: this.buffer(name) });
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

  /** The weights that are packed before the program runs. */
  get packedWeights(): readonly PlacedWeight[] {
    return [...this.#weights.values()];
  }

  /** Whether a weight has changed since the last call: all have to be packed again. */
  takeChanges(): boolean {
    const changed = this.packedWeights.filter(({ version, source }) => version !== source.version);
    for (const weight of changed) weight.version = weight.source.version;
    return changed.length > 0;
  }

  /** To be called when the program has run: states that it writes have changed. */
  noteRun(): void {
    for (const buffer of this.#written) buffer.version++;
  }

  /** As `WasmContext.packedWeight`. */
  packedWeight(step: MatmulStep): number | undefined {
    const factor = packableFactor(step);
    return factor && this.#weights.get(weightName(factor))?.address;
  }

  /** As `WasmContext.address`. */
  address(view: View, form: OperandForm): number {
    const buffer = this.program.buffers[view.buffer];
    checkOperand(view, form, buffer);
    if (form.written && buffer.kind === "state") this.#written.add(this.buffer(buffer.name));
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
