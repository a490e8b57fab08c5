/**
 * Memory of a WebGPU device: buffers that are counted, checked against the limits before they are
 * made, and read back through one small window of host memory that is used again and again.
 *
 * @module
 */
import type { DeviceBuffer } from "../device.ts";
import { bytesToWrite, contentsOf } from "../host_data.ts";
import {
  type DType,
  elementBytes,
  type HostArray,
  type StoredArray,
  storedBytes,
} from "../shape.ts";
import type { ErrorWatch } from "./errors.ts";

/** Bytes of the window for reading back (host memory, not counted as the device's). */
const windowBytes = 16 * 2 ** 20;

/** Buffers have multiples of as many bytes, so that they can be read as `vec4`s. */
export const allocationUnit = 16;

/** Size of a buffer on the device. */
function roundedBytes(bytes: number): number {
  return Math.ceil(bytes / allocationUnit) * allocationUnit;
}

/** Allocates, counts and frees buffers. */
export class Memory {
  readonly #device: GPUDevice;
  readonly #watch: ErrorWatch;
  readonly #sizes = new Map<GPUBuffer, number>();
  #window: GPUBuffer | undefined;
  #reading: Promise<unknown> = Promise.resolve();
  #allocated = 0;
  #peak = 0;

  constructor(device: GPUDevice, watch: ErrorWatch) {
    this.#device = device;
    this.#watch = watch;
  }

  /** Bytes of all buffers that live now, as rounded. */
  get allocatedBytes(): number {
    return this.#allocated;
  }

  /** Highest value of `allocatedBytes` so far. */
  get peakBytes(): number {
    return this.#peak;
  }

  /**
   * Allocates `bytes` (rounded up), filled with zeros.
   *
   * @param what names the tensor in messages
   * @throws RangeError when the buffer is larger than the device allows
   */
  allocate(what: string, bytes: number): GPUBuffer {
    const size = roundedBytes(bytes);
    this.#checkSize(what, size);
    const { STORAGE, UNIFORM, COPY_SRC, COPY_DST } = GPUBufferUsage;
    const usage = STORAGE | UNIFORM | COPY_SRC | COPY_DST;
    const buffer = this.#watch.guard(
      `${what} (${size} bytes)`,
      () => this.#device.createBuffer({ label: what, size, usage }),
    );
    this.#sizes.set(buffer, size);
    this.#allocated += size;
    this.#peak = Math.max(this.#peak, this.#allocated);
    return buffer;
  }

  #checkSize(what: string, size: number): void {
    for (const limit of ["maxBufferSize", "maxStorageBufferBindingSize"] as const) {
      const most = this.#device.limits[limit];
      if (size > most) {
        throw new RangeError(
          `${what}: ${size} bytes are more than the ${most} bytes this adapter allows (${limit})`,
        );
      }
    }
  }

  /** Frees a buffer; freeing it twice does nothing. */
  free(buffer: GPUBuffer): void {
    const size = this.#sizes.get(buffer);
    if (size === undefined) return;
    this.#sizes.delete(buffer);
    this.#allocated -= size;
    buffer.destroy();
  }

  /** Frees everything. */
  freeAll(): void {
    for (const buffer of [...this.#sizes.keys()]) this.free(buffer);
    this.#window?.destroy();
  }

  /** Reads the first `bytes` of a buffer, one caller after the other. */
  read(buffer: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
    const result = this.#reading.then(() => this.#copyOut(buffer, bytes));
    this.#reading = result.catch(() => {});
    return result;
  }

  async #copyOut(buffer: GPUBuffer, bytes: number): Promise<ArrayBuffer> {
    await this.#watch.settle();
    const { MAP_READ, COPY_DST } = GPUBufferUsage;
    const window = this.#window ??= this.#watch.guard(
      "window for reading back",
      () => this.#device.createBuffer({ size: windowBytes, usage: MAP_READ | COPY_DST }),
    );
    const result = new ArrayBuffer(bytes);
    for (let start = 0; start < bytes; start += windowBytes) {
      const length = Math.min(windowBytes, bytes - start);
      this.#watch.guard(`reading ${buffer.label}`, () => {
        const encoder = this.#device.createCommandEncoder();
        encoder.copyBufferToBuffer(buffer, start, window, 0, length);
        this.#device.queue.submit([encoder.finish()]);
      });
      await this.#watch.settle();
      await this.#watch.orFailure(window.mapAsync(GPUMapMode.READ, 0, length));
      new Uint8Array(result, start, length).set(new Uint8Array(window.getMappedRange(0, length)));
      window.unmap();
    }
    await this.#watch.settle();
    return result;
  }
}

/** A persistent tensor on a WebGPU device. */
export class WebGPUBuffer implements DeviceBuffer {
  readonly name: string;
  readonly dtype: DType;
  readonly elements: number;
  /** The memory itself, for binding. */
  readonly gpu: GPUBuffer;
  readonly #queue: GPUQueue;
  readonly #memory: Memory;
  readonly #watch: ErrorWatch;
  #destroyed = false;

  constructor(
    { name, dtype, elements }: { name: string; dtype: DType; elements: number },
    { queue, memory, watch }: { queue: GPUQueue; memory: Memory; watch: ErrorWatch },
  ) {
    if (!Number.isInteger(elements) || elements < 1) {
      throw new RangeError(`tensor "${name}": ${elements} is not a number of elements`);
    }
    this.name = name;
    this.dtype = dtype;
    this.elements = elements;
    this.#queue = queue;
    this.#memory = memory;
    this.#watch = watch;
    this.gpu = memory.allocate(`tensor "${name}"`, storedBytes(dtype, elements));
  }

  /** Throws when the device has failed or the buffer is gone. */
  check(): void {
    this.#watch.check();
    if (this.#destroyed) throw new Error(`tensor "${this.name}" was destroyed`);
  }

  write(data: StoredArray, offset = 0): void {
    this.check();
    const bytes = bytesToWrite(this, data, offset) as Uint8Array<ArrayBuffer>;
    this.#queue.writeBuffer(this.gpu, elementBytes[this.dtype] * offset, bytes);
  }

  async read(): Promise<HostArray> {
    this.check();
    const { dtype, elements } = this;
    return contentsOf(this, await this.#memory.read(this.gpu, storedBytes(dtype, elements)));
  }

  destroy(): void {
    this.#destroyed = true;
    this.#memory.free(this.gpu);
  }
}
