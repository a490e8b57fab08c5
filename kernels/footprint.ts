/**
 * What programs allocate on a device, found out without one: their memory plan is known once they are
 * compiled, and a device uses exactly that plan.
 *
 * @module
 */
import type { DeviceKind } from "./device.ts";
import type { BufferSpecification, Program } from "./program.ts";
import { storedBytes } from "./shape.ts";

/** One allocation of a program. */
export interface Allocation {
  /** What it is for. */
  readonly role: BufferSpecification["kind"];
  /** Name of the buffer, or what its temporaries are called. */
  readonly name: string;
  /** Bytes asked for. */
  readonly bytes: number;
}

/** Bytes that a device counts for an allocation of so many. */
export function allocatedBytes(bytes: number, { allocationUnit: unit }: DeviceKind): number {
  return Math.ceil(bytes / unit) * unit;
}

/**
 * What loading a program allocates.
 *
 * @param bound names of states that are there already
 */
export function programAllocations(
  program: Program,
  kind: DeviceKind,
  bound: ReadonlySet<string>,
): Allocation[] {
  const temporaries = kind.temporaries(program).map((bytes): Allocation => ({
    role: "temporary",
    name: `temporaries of ${program.name}`,
    bytes,
  }));
  const buffers = program.buffers
    .filter(({ kind: role, name }) =>
      role !== "temporary" && !(role === "state" && bound.has(name))
    )
    .map(({ kind: role, name, dtype, elements }): Allocation => ({
      role,
      name,
      bytes: storedBytes(dtype, elements),
    }));
  return [...temporaries, ...buffers];
}
