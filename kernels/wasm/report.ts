/**
 * What WebAssembly can do on this machine.
 *
 * @module
 */
import { describeVectors, type DeviceReport, type VectorWidth } from "../device.ts";
import { fasterLanes, vectorWidth } from "./probe.ts";

/** What WebAssembly offers. */
export interface WasmFeatures {
  /** Logical processors: the default number of worker threads. */
  readonly threads: number;
  readonly simd: boolean;
  /** Multiply-add in one instruction, where the processor has it. */
  readonly relaxedSimd: boolean;
  /** Whether memory can be shared between threads. */
  readonly sharedMemory: boolean;
  /** The vectors that kernels compute with, and why. */
  readonly vectors: VectorWidth;
}

/** Tries what WebAssembly can do. */
export function report(): DeviceReport {
  const features = findFeatures();
  const lines = [describeFeatures(features), describeVectors(features.vectors)];
  return { devices: [lines], facts: features };
}

/** The features in one line. */
export function describeFeatures(
  { threads, simd, relaxedSimd, sharedMemory }: Omit<WasmFeatures, "vectors">,
): string {
  const instructions = relaxedSimd ? "relaxed SIMD" : simd ? "SIMD" : "no SIMD";
  const memory = sharedMemory ? "shared memory" : "no shared memory";
  return `${threads} threads, ${instructions}, ${memory}`;
}

/** Whether the engine knows the instructions of `code`, which leaves one value on the stack. */
function validates(code: readonly number[]): boolean {
  const body = [0, ...code, 0x1a, 0x0b];
  return WebAssembly.validate(
    Uint8Array.of(
      ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      ...[1, 4, 1, 0x60, 0, 0],
      ...[3, 2, 1, 0],
      ...[10, body.length + 2, 1, body.length, ...body],
    ),
  );
}

function findFeatures(): WasmFeatures {
  const vector = [0x41, 0, 0xfd, 0x11]; // i32.const 0, i32x4.splat
  const relaxedMultiplyAdd = [0xfd, 0x85, 0x02];
  return {
    threads: navigator.hardwareConcurrency,
    simd: validates(vector),
    relaxedSimd: validates([...vector, ...vector, ...vector, ...relaxedMultiplyAdd]),
    sharedMemory: typeof SharedArrayBuffer === "function",
    vectors: vectorWidth(fasterLanes()),
  };
}
