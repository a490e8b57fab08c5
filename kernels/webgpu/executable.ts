/**
 * A program on a WebGPU device: everything is decided and allocated when it is loaded, so that a
 * run only records the dispatches into one pass and submits it.
 *
 * @module
 */
import type { DeviceBuffer, Executable } from "../device.ts";
import type { Program } from "../program.ts";
import type { ErrorWatch } from "./errors.ts";
import type { Binding, Dispatch, WebGPUContext } from "./lowering.ts";
import { loweringOf } from "./lowerings.ts";
import type { PipelineCache } from "./pipelines.ts";
import type { Recorder } from "./recorder.ts";
import { type Allocator, ProgramTensors } from "./tensors.ts";

/** What an executable needs of its device. */
export interface DeviceParts extends Allocator {
  readonly device: GPUDevice;
  readonly watch: ErrorWatch;
  readonly pipelines: PipelineCache;
  /** Everything of a lowering's context that does not depend on the program. */
  readonly context: Pick<WebGPUContext, "limits" | "software" | "halves" | "variant">;
  /** The recording that goes on, if any. */
  recorder(): Recorder | undefined;
}

/** A dispatch, ready to be recorded. */
interface Recorded {
  /** Position of its step in the program. */
  readonly step: number;
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  /** First bytes of the uniform windows. */
  readonly offsets: readonly number[];
  readonly workgroups: readonly [number, number, number];
}

/** Loads a program: see `Device.load`. */
export async function loadProgram(
  parts: DeviceParts,
  program: Program,
  bindings: ReadonlyMap<string, DeviceBuffer>,
): Promise<Executable> {
  const tensors = new ProgramTensors(parts, program);
  try {
    tensors.allocate(bindings);
    const steps = lowerSteps(parts, program, tensors);
    const dispatches = steps.flat();
    const stepOf = steps.flatMap((own, step) => own.map(() => step));
    tensors.finish();
    const pipelines = await Promise.all(dispatches.map((d) => parts.pipelines.pipeline(d)));
    const groups = new BindGroups(parts, tensors);
    const recorded = dispatches.map((dispatch, index): Recorded => ({
      step: stepOf[index],
      pipeline: pipelines[index],
      bindGroup: groups.of(dispatch),
      offsets: dispatch.bindings.flatMap(({ access, offset = 0 }) =>
        access === "uniform" ? [offset] : []
      ),
      workgroups: dispatch.workgroups,
    }));
    await parts.watch.settle();
    return new WebGPUExecutable(parts, program, tensors, recorded);
  } catch (error) {
    tensors.destroy();
    throw error;
  }
}

/** The dispatches of every step. */
function lowerSteps(parts: DeviceParts, program: Program, tensors: ProgramTensors): Dispatch[][] {
  const context: WebGPUContext = {
    ...parts.context,
    scratch: (bytes) => tensors.scratch(bytes),
    constant: (data) => tensors.constant(data),
  };
  return program.steps.map((step) => {
    tensors.beginStep();
    const dispatches = loweringOf(step)(step, context);
    for (const dispatch of dispatches) checkGrid(dispatch, parts.context.limits);
    return dispatches;
  });
}

function checkGrid({ label, workgroups }: Dispatch, limits: WebGPUContext["limits"]): void {
  const most = limits.maxComputeWorkgroupsPerDimension;
  if (workgroups.some((count) => count < 1 || count > most)) {
    throw new RangeError(
      `kernel "${label}": a grid of ${
        workgroups.join(" x ")
      } workgroups; each must be in 1..${most}`,
    );
  }
}

/** Makes bind groups; dispatches that differ only in their windows share one. */
class BindGroups {
  readonly #parts: DeviceParts;
  readonly #tensors: ProgramTensors;
  readonly #groups = new Map<string, GPUBindGroup>();
  readonly #numbers = new Map<GPUBuffer, number>();

  constructor(parts: DeviceParts, tensors: ProgramTensors) {
    this.#parts = parts;
    this.#tensors = tensors;
  }

  of({ label, bindings }: Dispatch): GPUBindGroup {
    const buffers = bindings.map(({ buffer }) => this.#tensors.buffer(buffer));
    const key = bindings.map(({ access, size }, position) =>
      `${access} ${this.#number(buffers[position])} ${size}`
    ).join();
    let group = this.#groups.get(key);
    if (!group) {
      this.#checkAliases(label, bindings, buffers);
      const layout = this.#parts.pipelines.layout(bindings.map(({ access }) => access));
      const entries = bindings.map(({ size }, binding) => ({
        binding,
        resource: { buffer: buffers[binding], size },
      }));
      group = this.#parts.watch.guard(
        `bindings of kernel "${label}"`,
        () => this.#parts.device.createBindGroup({ label, layout, entries }),
      );
      this.#groups.set(key, group);
    }
    return group;
  }

  #number(buffer: GPUBuffer): number {
    const number = this.#numbers.get(buffer) ?? this.#numbers.size;
    this.#numbers.set(buffer, number);
    return number;
  }

  /** A buffer that is written may not be bound twice, although some drivers let it pass. */
  #checkAliases(label: string, bindings: readonly Binding[], buffers: readonly GPUBuffer[]): void {
    bindings.forEach(({ access, buffer }, position) => {
      if (access !== "write") return;
      const other = buffers.findIndex((b, p) => p !== position && b === buffers[position]);
      if (other < 0) return;
      const names = [buffer, bindings[other].buffer].map((b) => this.#tensors.nameOf(b));
      throw new RangeError(
        `kernel "${label}": ${names[0]} and ${names[1]} are the same memory, which is written`,
      );
    });
  }
}

class WebGPUExecutable implements Executable {
  readonly #parts: DeviceParts;
  readonly #program: Program;
  readonly #tensors: ProgramTensors;
  readonly #dispatches: readonly Recorded[];
  #state: "fresh" | "warm" | "destroyed" = "fresh";

  constructor(
    parts: DeviceParts,
    program: Program,
    tensors: ProgramTensors,
    dispatches: readonly Recorded[],
  ) {
    this.#parts = parts;
    this.#program = program;
    this.#tensors = tensors;
    this.#dispatches = dispatches;
  }

  run(): void {
    const { name } = this.#program;
    if (this.#state === "destroyed") throw new Error(`program "${name}" was destroyed`);
    this.#parts.watch.check();
    this.#tensors.check();
    if (this.#state === "warm") return this.#submit();
    // Later runs repeat this one exactly: what they break is caught as an uncaptured error.
    this.#parts.watch.guard(`program "${name}"`, () => this.#submit());
    this.#state = "warm";
  }

  #submit(): void {
    const { device } = this.#parts;
    const label = this.#program.name;
    const encoder = device.createCommandEncoder({ label });
    const recorder = this.#parts.recorder();
    if (recorder) {
      const byStep = Map.groupBy(this.#dispatches, ({ step }) => step);
      recorder.encode(encoder, this.#program, (pass, step) => encode(pass, byStep.get(step) ?? []));
    } else {
      const pass = encoder.beginComputePass({ label });
      encode(pass, this.#dispatches);
      pass.end();
    }
    device.queue.submit([encoder.finish()]);
  }

  buffer(name: string): DeviceBuffer {
    return this.#tensors.named(name);
  }

  destroy(): void {
    this.#state = "destroyed";
    this.#tensors.destroy();
  }
}

/** Puts dispatches into a pass. */
function encode(pass: GPUComputePassEncoder, dispatches: readonly Recorded[]): void {
  let current: GPUComputePipeline | undefined;
  for (const { pipeline, bindGroup, offsets, workgroups } of dispatches) {
    if (pipeline !== current) pass.setPipeline(pipeline);
    current = pipeline;
    pass.setBindGroup(0, bindGroup, offsets as number[]);
    pass.dispatchWorkgroups(...workgroups);
  }
}
