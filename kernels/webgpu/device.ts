/**
 * The WebGPU device: see `../device.ts` for what it promises.
 *
 * Nothing outside the specification's default limits is needed; what the adapter allows beyond them
 * is asked for, so that large tensors fit.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";
import type { Device, DeviceBuffer, Executable } from "../device.ts";
import type { Profiler } from "../profile.ts";
import type { Program } from "../program.ts";
import type { DType, FloatType } from "../shape.ts";
import {
  type AdapterInformation,
  copyLimits,
  describeAdapter,
  halfFeature,
  limitNames,
  NoAdapterError,
  probeAdapter,
  requestAdapter,
} from "./adapter.ts";
import { ErrorWatch } from "./errors.ts";
import { type DeviceParts, loadProgram } from "./executable.ts";
import { webgpu } from "./kind.ts";
import { Memory, WebGPUBuffer } from "./memory.ts";
import { PipelineCache } from "./pipelines.ts";
import { Recorder } from "./recorder.ts";
import { Tuner, type TunerOptions } from "./tuner.ts";

export { type AdapterInformation, probeAdapter };

/** What profiles need of an adapter. */
const timestamps: GPUFeatureName = "timestamp-query";

/** Settings of a WebGPU device. */
export interface WebGPUOptions extends TunerOptions {
  readonly powerPreference?: GPUPowerPreference;
  /** How the results of operations are kept between them; `f32` by default. */
  readonly activations?: FloatType;
  /** Ask for the specification's default limits even where the adapter has more. */
  readonly specFloor?: boolean;
}

/**
 * Makes a device on the machine's WebGPU adapter.
 *
 * @throws NoAdapterError when there is no adapter
 * @throws InputError when activations are to be in half precision, which the adapter does not write
 */
export async function createWebGPUDevice(options: WebGPUOptions = {}): Promise<WebGPUDevice> {
  const adapter = await requestAdapter(options.powerPreference);
  if (!adapter) {
    throw new NoAdapterError(
      "no WebGPU adapter found; install a Vulkan driver (Debian: mesa-vulkan-drivers) " +
        "or use --device wasm",
    );
  }
  const information = describeAdapter(adapter);
  const requiredLimits: Record<string, number> = {};
  if (!options.specFloor) {
    for (const name of limitNames) requiredLimits[name] = adapter.limits[name];
  }
  const requiredFeatures = [timestamps, halfFeature].filter((name) => adapter.features.has(name));
  const device = await adapter.requestDevice({
    label: "tessera",
    requiredLimits,
    requiredFeatures: options.specFloor ? [] : requiredFeatures,
  });
  if (options.activations === "f16" && !device.features.has(halfFeature)) {
    device.destroy();
    throw new InputError(
      `activations in f16: ${information.description} does not offer the WebGPU feature ` +
        `${halfFeature}; take f32`,
    );
  }
  return new WebGPUDevice(device, information, options);
}

/** A device on a WebGPU adapter. */
export class WebGPUDevice implements Device {
  readonly kind = webgpu;
  readonly description: string;
  readonly activations: FloatType;
  /** The adapter below the device. */
  readonly adapter: AdapterInformation;
  /** The device itself, for tests that break it. */
  readonly gpu: GPUDevice;
  /** Starts a recording; absent where the adapter writes down no times. */
  readonly profile?: () => Profiler;
  readonly #watch: ErrorWatch;
  readonly #memory: Memory;
  readonly #parts: DeviceParts;
  readonly #tuner: Tuner;
  #recorder: Recorder | undefined;

  constructor(gpu: GPUDevice, adapter: AdapterInformation, options: WebGPUOptions) {
    this.gpu = gpu;
    this.adapter = adapter;
    this.activations = options.activations ?? "f32";
    const { software, description: name } = adapter;
    const halves = options.activations === "f16" ? ", activations in f16" : "";
    this.description = `WebGPU, ${name}${software ? " (software)" : ""}${halves}`;
    if (gpu.features.has(timestamps)) this.profile = () => this.#record();
    this.#watch = new ErrorWatch(gpu);
    this.#memory = new Memory(gpu, this.#watch);
    this.#tuner = new Tuner(adapter, options);
    this.#parts = {
      device: gpu,
      queue: gpu.queue,
      watch: this.#watch,
      memory: this.#memory,
      pipelines: new PipelineCache(gpu, this.#watch),
      context: {
        limits: copyLimits(gpu.limits),
        software: adapter.software,
        halves: gpu.features.has(halfFeature),
        variant: (family) => this.#tuner.variant(family),
      },
      createBuffer: (name, dtype, elements) => this.createBuffer(name, dtype, elements),
      recorder: () => this.#recorder,
    };
  }

  get allocatedBytes(): number {
    return this.#memory.allocatedBytes;
  }

  get peakBytes(): number {
    return this.#memory.peakBytes;
  }

  createBuffer(name: string, dtype: DType, elements: number): WebGPUBuffer {
    this.#watch.check();
    const { queue } = this.gpu;
    const owner = { queue, memory: this.#memory, watch: this.#watch };
    return new WebGPUBuffer({ name, dtype, elements }, owner);
  }

  async load(
    program: Program,
    bindings: ReadonlyMap<string, DeviceBuffer> = new Map(),
  ): Promise<Executable> {
    this.#watch.check();
    await this.#tuner.prepare(program, this.#parts);
    return await loadProgram(this.#parts, program, bindings);
  }

  /**
   * Records when the GPU begins and ends each step, which makes a pass of its own of every step.
   *
   * @throws Error while another recording goes on
   */
  #record(): Profiler {
    if (this.#recorder) throw new Error("the device is profiled already");
    const recorder = new Recorder(this.gpu);
    this.#recorder = recorder;
    return {
      stop: async () => {
        this.#recorder = undefined;
        await this.finish();
        return await recorder.stop();
      },
    };
  }

  async finish(): Promise<void> {
    await this.#watch.settle();
    await this.#watch.orFailure(this.gpu.queue.onSubmittedWorkDone());
    await this.#watch.settle();
  }

  close(): void {
    this.#watch.fail("the WebGPU device was closed");
    this.#memory.freeAll();
    this.gpu.destroy();
  }
}
