/**
 * The shared linear memory of the device and the allocator that divides it.
 *
 * All tensors, arenas and scratch areas live in one WebAssembly memory, so that an address is all
 * that a kernel needs. The whole 4 GiB are reserved at the start: the operating system commits pages
 * when they are first touched, and a memory that never grows never invalidates the views of other
 * threads.
 *
 * @module
 */
import { TooLargeError } from "../shape.ts";
import { maximumPages } from "./emit/assembler.ts";

const pageBytes = 65536;

/** Bytes there are for everything together: 4 GiB but for the last page, which stays unused. */
export const addressableBytes = (maximumPages - 1) * pageBytes;

/** Private scratch memory of every thread: packed panels, score tiles. */
export const scratchBytes = 8 * 2 ** 20;

/** Every allocation starts at a multiple of a cache line. */
const alignment = 64;

interface Block {
  start: number;
  end: number;
}

/** A process may be denied the full reservation (containers with a limit on address space). */
function reserve(): WebAssembly.Memory {
  for (let pages = maximumPages; pages >= 4096; pages /= 2) {
    try {
      return new WebAssembly.Memory({ initial: pages, maximum: maximumPages, shared: true });
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  }
  throw new RangeError("cannot reserve 256 MiB of shared WebAssembly memory");
}

/** "1.5 MiB" for messages. */
function formatBytes(bytes: number): string {
  return bytes < 2 ** 20 ? `${bytes} bytes` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

/** First-fit allocator over one shared memory; free blocks are kept sorted and merged. */
export class SharedMemory {
  readonly memory: WebAssembly.Memory;
  readonly #free: Block[];
  /** Memory from here on was never handed out and is still zero. */
  #untouched: number;
  #allocated = 0;
  #peak = 0;
  readonly #sizes = new Map<number, number>();

  /** @param reservedBytes Size of an area at address 0 that is not handed out. */
  constructor(reservedBytes: number) {
    this.memory = reserve();
    // The last page stays unused, so that the end of a block is always below 2^32.
    this.#free = [{ start: reservedBytes, end: this.memory.buffer.byteLength - pageBytes }];
    this.#untouched = reservedBytes;
  }

  /** Sum of the sizes of all live allocations, in bytes. */
  get allocatedBytes(): number {
    return this.#allocated;
  }

  /** Highest value of `allocatedBytes` so far. */
  get peakBytes(): number {
    return this.#peak;
  }

  /**
   * Allocates `bytes`, filled with zeros, and returns the byte address (up to 2^32).
   *
   * @throws RangeError naming `what` when no free block is large enough.
   */
  allocate(what: string, bytes: number): number {
    const size = Math.ceil(bytes / alignment) * alignment;
    const position = this.#free.findIndex((block) => block.end - block.start >= size);
    if (position < 0) this.#fail(what, bytes);
    const block = this.#free[position];
    const address = block.start;
    block.start += size;
    if (block.start === block.end) this.#free.splice(position, 1);
    this.#sizes.set(address, bytes);
    this.#allocated += bytes;
    this.#peak = Math.max(this.#peak, this.#allocated);
    this.#clear(address, address + size);
    return address;
  }

  #clear(start: number, end: number): void {
    const used = Math.min(end, this.#untouched);
    if (start < used) new Uint8Array(this.memory.buffer, start, used - start).fill(0);
    this.#untouched = Math.max(this.#untouched, end);
  }

  #fail(what: string, bytes: number): never {
    const largest = Math.max(0, ...this.#free.map((block) => block.end - block.start));
    const total = this.memory.buffer.byteLength;
    throw new TooLargeError(
      `out of memory: ${what} needs ${formatBytes(bytes)}; ${formatBytes(this.#allocated)} of ` +
        `${formatBytes(total)} are in use, the largest free block has ${formatBytes(largest)}`,
    );
  }

  /** Gives an allocation back. */
  release(address: number): void {
    const bytes = this.#sizes.get(address);
    if (bytes === undefined) throw new Error(`address ${address} is not allocated`);
    this.#sizes.delete(address);
    this.#allocated -= bytes;
    const freed = { start: address, end: address + Math.ceil(bytes / alignment) * alignment };
    const next = this.#free.findIndex((block) => block.start > address);
    const position = next < 0 ? this.#free.length : next;
    this.#free.splice(position, 0, freed);
    this.#mergeWithNext(position);
    if (position > 0) this.#mergeWithNext(position - 1);
  }

  #mergeWithNext(position: number): void {
    const [block, next] = [this.#free[position], this.#free[position + 1]];
    if (!next || block.end !== next.start) return;
    block.end = next.end;
    this.#free.splice(position + 1, 1);
  }

  /** A view of the bytes at an address. */
  bytes(address: number, length: number): Uint8Array<ArrayBufferLike> {
    return new Uint8Array(this.memory.buffer, address, length);
  }
}
