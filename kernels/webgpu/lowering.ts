/**
 * How a step becomes WebGPU work: WGSL text specialised to the step's shapes, the buffers it binds
 * and the size of the grid.
 *
 * @module
 */
import type { Step } from "../program.ts";

/** How a dispatch uses a buffer. */
export type Access = "read" | "write" | "uniform";

/** One binding of a dispatch: `@group(0) @binding(position in the list)`. */
export interface Binding {
  /**
   * Index into `Program.buffers`, or an index handed out by `WebGPUContext.scratch` or
   * `WebGPUContext.constant`.
   */
  readonly buffer: number;
  /**
   * `read` is `var<storage, read>`, `write` is `var<storage, read_write>`, `uniform` is a window of
   * at most 64 KiB. A buffer appears once in a dispatch, except as several uniform windows.
   */
  readonly access: Access;
  /**
   * First byte of a uniform window (a multiple of 256, 0 when absent). It is set when the dispatch
   * is recorded, so that dispatches which differ only in their windows share one bind group.
   */
  readonly offset?: number;
  /** Bytes of a uniform window: required there, absent elsewhere. */
  readonly size?: number;
}

/** One compute dispatch. Equal `code` means one shared pipeline, so keep offsets out of names. */
export interface Dispatch {
  /** For messages: the step kind and its shapes. */
  readonly label: string;
  /** WGSL with one entry point `main`; begins with the declarations of its `BindingTable`, if any. */
  readonly code: string;
  readonly bindings: readonly Binding[];
  /** At most 65,535 in each dimension. */
  readonly workgroups: readonly [number, number, number];
}

/** What a lowering may use. */
export interface WebGPUContext {
  readonly limits: {
    readonly maxStorageBuffersPerShaderStage: number;
    readonly maxComputeInvocationsPerWorkgroup: number;
    readonly maxComputeWorkgroupStorageSize: number;
    readonly maxComputeWorkgroupsPerDimension: number;
  };
  /** The adapter is a software renderer: prefer wide register tiles to workgroup memory. */
  readonly software: boolean;
  /** Whether WGSL's type `f16` may be used. */
  readonly halves: boolean;
  /** Scratch memory of at least `bytes`, good until the step ends; an index for `Binding.buffer`. */
  scratch(bytes: number): number;
  /** A buffer that holds `data` for ever; an index for `Binding.buffer`. Equal data are shared. */
  constant(data: Uint32Array): number;
  /** Name of the variant the tuner (or the user) chose for a family of kernels, if any. */
  variant(family: string): string | undefined;
}

/** Turns one step into dispatches, which run in order. */
export type WebGPULowering<S extends Step = Step> = (step: S, context: WebGPUContext) => Dispatch[];
