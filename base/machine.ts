/**
 * The machine line: what has to be known about a computer to read a timing made on it.
 *
 * @module
 */
import os from "node:os";

/** Which Tessera is measured. */
export interface Build {
  /** Version of Tessera. */
  readonly tessera: string;
  /** Commit of the checkout, if known. */
  readonly commit?: string;
}

/** A computer and the software below the measurement. */
export interface Machine extends Build {
  /** The processor's name; "unknown processor" where it may not be asked for. */
  readonly cpu: string;
  /** Logical processors. */
  readonly cores: number;
  /** Operating system and instruction set. */
  readonly system: string;
  /** Version of Deno. */
  readonly deno: string;
  /** Version of V8. */
  readonly v8: string;
}

/** Describes this computer. */
export function describeMachine({ tessera, commit }: Build): Machine {
  return {
    cpu: processorName(),
    cores: navigator.hardwareConcurrency,
    system: `${Deno.build.os} ${Deno.build.arch}`,
    deno: Deno.version.deno,
    v8: Deno.version.v8,
    tessera,
    commit,
  };
}

function processorName(): string {
  // `/proc/cpuinfo` would need every permission there is; this needs one.
  const { state } = Deno.permissions.querySync({ name: "sys", kind: "cpus" });
  return (state === "granted" && os.cpus()[0]?.model.trim()) || "unknown processor";
}

/** A machine on one line. */
export function machineLine({ cpu, cores, system, deno, v8, tessera, commit }: Machine): string {
  const source = commit ? ` (${commit.slice(0, 12)})` : "";
  const count = `${cores} core${cores === 1 ? "" : "s"}`;
  return `${cpu}, ${count}, ${system}; tessera ${tessera}${source}, Deno ${deno}, V8 ${v8}`;
}
