/**
 * A device that interprets programs in double precision: slow and exact, to check graphs apart from
 * kernels.
 *
 * @module
 */
import type { Device, DeviceBuffer, DeviceKind, Executable } from "../../kernels/device.ts";
import type { Program } from "../../kernels/program.ts";
import type { DType, HostArray, StoredArray } from "../../kernels/shape.ts";
import { interpret } from "./interpreter.ts";

class ReferenceBuffer implements DeviceBuffer {
  values: Float64Array;
  constructor(readonly name: string, readonly dtype: DType, readonly elements: number) {
    this.values = new Float64Array(elements);
  }
  write(data: StoredArray, offset = 0): void {
    this.values.set(this.dtype === "f16" ? Float16Array.from(data) : data, offset);
  }
  read(): Promise<HostArray> {
    const rounded = this.dtype === "i32"
      ? Int32Array.from(this.values)
      : Float32Array.from(this.values);
    return Promise.resolve(rounded);
  }
  destroy(): void {}
}

/** A device of tests alone: it has no place in the table. */
const reference: DeviceKind = {
  name: "reference",
  warmUpRuns: 1,
  sampleMilliseconds: 1,
  allocationUnit: 8,
  temporaries: () => [],
  probe: () =>
    Promise.resolve({ available: true, software: true, reason: "only tests ask for it" }),
  keepsHalves: () => Promise.resolve(false),
  limits: () => Promise.resolve({ buffer: Infinity, owner: "the reference interpreter" }),
  report: () => Promise.resolve({ devices: [["float64"]], facts: {} }),
};

/** Makes a reference device. */
export function createReferenceDevice(): Device {
  return {
    kind: reference,
    description: "reference interpreter, float64",
    allocatedBytes: 0,
    peakBytes: 0,
    createBuffer: (name, dtype, elements) => new ReferenceBuffer(name, dtype, elements),
    load: (program, bindings) => Promise.resolve(loadProgram(program, bindings ?? new Map())),
    finish: () => Promise.resolve(),
    close: () => {},
  };
}

function loadProgram(program: Program, bindings: ReadonlyMap<string, DeviceBuffer>): Executable {
  const named = program.buffers.filter(({ kind }) => kind !== "constant" && kind !== "temporary");
  const buffers = new Map(named.map(({ name, dtype, elements }) => [
    name,
    (bindings.get(name) ?? new ReferenceBuffer(name, dtype, elements)) as ReferenceBuffer,
  ]));
  const valuesOf = (kind: string) =>
    new Map(
      named.filter((b) => b.kind === kind).map(({ name }) => [name, buffers.get(name)!.values]),
    );
  return {
    run() {
      const results = interpret(program, valuesOf("input"), valuesOf("state"));
      for (const [name, values] of results) buffers.get(name)!.values = values;
    },
    buffer(name) {
      const buffer = buffers.get(name);
      if (!buffer) throw new Error(`${program.name} has no buffer named ${name}`);
      return buffer;
    },
    destroy() {},
  };
}
