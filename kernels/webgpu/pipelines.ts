/**
 * Compiled kernels of a device, found again by their text.
 *
 * @module
 */
import type { ErrorWatch } from "./errors.ts";
import type { Access, Dispatch } from "./lowering.ts";

/** Compiles WGSL once and keeps the result for the life of the device. */
export class PipelineCache {
  readonly #device: GPUDevice;
  readonly #watch: ErrorWatch;
  readonly #pipelines = new Map<string, Promise<GPUComputePipeline>>();
  readonly #layouts = new Map<string, GPUBindGroupLayout>();

  constructor(device: GPUDevice, watch: ErrorWatch) {
    this.#device = device;
    this.#watch = watch;
  }

  /** Number of kernels compiled so far. */
  get size(): number {
    return this.#pipelines.size;
  }

  /** The layout of bindings with these accesses, shared by all kernels that have them. */
  layout(accesses: readonly Access[]): GPUBindGroupLayout {
    const key = accesses.join();
    const known = this.#layouts.get(key);
    if (known) return known;
    const entries = accesses.map((access, binding): GPUBindGroupLayoutEntry => ({
      binding,
      visibility: GPUShaderStage.COMPUTE,
      buffer: bufferLayouts[access],
    }));
    const layout = this.#watch.guard(
      `bindings (${key})`,
      () => this.#device.createBindGroupLayout({ label: key, entries }),
    );
    this.#layouts.set(key, layout);
    return layout;
  }

  /**
   * The pipeline of a dispatch.
   *
   * @throws Error naming the kernel when its text or its layout is refused
   */
  pipeline({ label, code, bindings }: Dispatch): Promise<GPUComputePipeline> {
    const accesses = bindings.map(({ access }) => access);
    const key = `${accesses.join()}\n${code}`;
    let pipeline = this.#pipelines.get(key);
    if (!pipeline) {
      pipeline = this.#compile(label, code, this.layout(accesses));
      this.#pipelines.set(key, pipeline);
    }
    return pipeline;
  }

  #compile(label: string, code: string, layout: GPUBindGroupLayout): Promise<GPUComputePipeline> {
    return this.#watch.guard(`kernel "${label}"`, () => {
      const module = this.#device.createShaderModule({ label, code });
      return this.#device.createComputePipelineAsync({
        label,
        layout: this.#device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module, entryPoint: "main" },
      });
    }).catch((error: unknown) => {
      this.#watch.fail(`kernel "${label}": ${error instanceof Error ? error.message : error}`);
      this.#watch.check();
      throw error;
    });
  }
}

const bufferLayouts: Record<Access, GPUBufferBindingLayout> = {
  read: { type: "read-only-storage" },
  write: { type: "storage" },
  uniform: { type: "uniform", hasDynamicOffset: true },
};
