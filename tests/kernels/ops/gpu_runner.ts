/**
 * Runs the dispatches of single lowerings on a WebGPU device that has nothing but the limits every
 * implementation guarantees, with a context of the test's choice: so the kernels for GPUs are tested
 * on software adapters as well.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { HostArray, StoredArray } from "../../../kernels/shape.ts";
import type { Program } from "../../../kernels/program.ts";
import type { Dispatch, WebGPUContext } from "../../../kernels/webgpu/lowering.ts";
import { loweringOf } from "../../../kernels/webgpu/lowerings.ts";

/** What a context can be told. */
export interface ContextChoice {
  readonly software: boolean;
  /** Variant of every family of kernels. */
  readonly variant?: string;
}

/** Contents of buffers by name. */
export type Contents = ReadonlyMap<string, StoredArray>;

/** A program of one or a few steps in GPU memory. */
export class LoadedProgram {
  readonly #passes: { pipeline: GPUComputePipeline; group: GPUBindGroup; dispatch: Dispatch }[] =
    [];
  readonly #buffers: GPUBuffer[];

  private constructor(readonly device: GPUDevice, readonly program: Program) {
    this.#buffers = program.buffers.map(({ elements }) => this.#createBuffer(4 * elements));
  }

  /** Lowers the steps and compiles their kernels; validation errors are thrown. */
  static async load(
    device: GPUDevice,
    program: Program,
    choice: ContextChoice,
  ): Promise<LoadedProgram> {
    const loaded = new LoadedProgram(device, program);
    device.pushErrorScope("validation");
    const context = loaded.#context(choice);
    for (const step of program.steps) {
      for (const dispatch of loweringOf(step)(step, context)) loaded.#add(dispatch);
    }
    const error = await device.popErrorScope();
    if (error) throw new Error(`${program.name}: ${error.message}`);
    return loaded;
  }

  /** Overwrites buffers. */
  write(contents: Contents): void {
    for (const [name, data] of contents) {
      const index = this.program.buffers.findIndex((buffer) => buffer.name === name);
      this.device.queue.writeBuffer(this.#buffers[index], 0, data as StoredArray & BufferSource);
    }
  }

  /** Queues all dispatches `times` times. */
  run(times = 1): void {
    const encoder = this.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (let i = 0; i < times; i++) {
      for (const { pipeline, group, dispatch } of this.#passes) {
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, group);
        pass.dispatchWorkgroups(...dispatch.workgroups);
      }
    }
    pass.end();
    this.device.queue.submit([encoder.finish()]);
  }

  /** Reads a buffer back. */
  async read(name: string): Promise<HostArray> {
    const index = this.program.buffers.findIndex((buffer) => buffer.name === name);
    const { size } = this.#buffers[index];
    const staging = this.device.createBuffer({
      size,
      usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
    });
    const encoder = this.device.createCommandEncoder();
    encoder.copyBufferToBuffer(this.#buffers[index], 0, staging, 0, size);
    this.device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    const bytes = staging.getMappedRange().slice(0);
    staging.destroy();
    return this.program.buffers[index].dtype === "i32"
      ? new Int32Array(bytes)
      : new Float32Array(bytes);
  }

  destroy(): void {
    for (const buffer of this.#buffers) buffer.destroy();
  }

  #createBuffer(size: number): GPUBuffer {
    const { STORAGE, UNIFORM, COPY_SRC, COPY_DST } = GPUBufferUsage;
    return this.device.createBuffer({ size, usage: STORAGE | UNIFORM | COPY_SRC | COPY_DST });
  }

  #context({ software, variant }: ContextChoice): WebGPUContext {
    return {
      limits: this.device.limits,
      software,
      halves: false,
      scratch: (bytes) => this.#buffers.push(this.#createBuffer(bytes)) - 1,
      constant: (data) => {
        const buffer = this.#createBuffer(data.byteLength);
        this.device.queue.writeBuffer(buffer, 0, data as Uint32Array<ArrayBuffer>);
        return this.#buffers.push(buffer) - 1;
      },
      variant: () => variant,
    };
  }

  #add(dispatch: Dispatch): void {
    const { bindings, code, label, workgroups } = dispatch;
    const buffers = bindings.map((binding) => binding.buffer);
    assert.equal(new Set(buffers).size, buffers.length, `${label}: a buffer is bound twice`);
    assert.ok(bindings.length <= 8, `${label}: ${bindings.length} bindings`);
    assert.ok(Math.max(...workgroups) <= 65535, `${label}: ${workgroups} workgroups`);
    const layout = this.device.createBindGroupLayout({
      label,
      entries: bindings.map(({ access }, binding) => ({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type: access === "write" ? "storage" as const : "read-only-storage" as const },
      })),
    });
    const pipeline = this.device.createComputePipeline({
      label,
      layout: this.device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module: this.device.createShaderModule({ label, code }) },
    });
    const group = this.device.createBindGroup({
      label,
      layout,
      entries: buffers.map((buffer, binding) => ({
        binding,
        resource: { buffer: this.#buffers[buffer] },
      })),
    });
    this.#passes.push({ pipeline, group, dispatch });
  }
}
