/**
 * How a step becomes WebAssembly: generated functions and, for every thread, a list of calls.
 *
 * All decisions (blocking, split over threads, addresses) are taken once on the host when a program
 * is loaded. A thread only walks its list of calls, with a barrier after every phase, so that
 * workers know nothing of operations.
 *
 * @module
 */
import type { Step } from "../program.ts";
import type { View } from "../view.ts";
import type { MatmulStep } from "../ops/matmul/step.ts";
import type { FunctionBuilder, Lanes, ModuleBuilder } from "./emit/assembler.ts";
import type { OperandForm } from "./operand.ts";

/** One call of a generated function. Addresses are byte addresses in the shared memory. */
export interface Call {
  readonly function: string;
  readonly arguments: readonly number[];
  /** Position of the step in its program; set when lowered steps become a program. */
  readonly step?: number;
}

/** What all threads do between two barriers: `phase[thread]` is the list of calls of a thread. */
export type Phase = readonly (readonly Call[])[];

/** What a lowering may use. */
export interface WasmContext {
  readonly threads: number;
  /** False: plain SIMD (multiply then add); true: relaxed SIMD instructions may be emitted. */
  readonly relaxed: boolean;
  /** Elements that kernels work on at a time; must not change any bits of the results. */
  readonly lanes: Lanes;
  /** Whether a row of a product must have the same bits whatever other rows there are. */
  readonly batchInvariant: boolean;
  /**
   * Byte address of the first element of a view, of which generated code may touch the elements of
   * the form and nothing else.
   *
   * @throws RangeError when the view has another form or leaves its buffer
   */
  address(view: View, form: OperandForm): number;
  /**
   * Byte address of a thread's private scratch area, 64-byte aligned, of which `bytes` may be used.
   *
   * @throws RangeError when there are fewer
   */
  scratch(thread: number, bytes: number): number;
  /** Size of each scratch area in bytes. */
  readonly scratchBytes: number;
  /**
   * Byte address of the packed weight that a product finds; undefined when it packs its right factor
   * itself.
   */
  packedWeight(step: MatmulStep): number | undefined;
  /**
   * Makes sure that the program's module holds the function `name`, emitting it on first use.
   * The name must determine the code: put every specialised constant into it.
   */
  define(name: string, emit: (module: ModuleBuilder, name: string) => FunctionBuilder): void;
}

/** Turns one step into phases. */
export type WasmLowering<S extends Step = Step> = (step: S, context: WasmContext) => Phase[];
