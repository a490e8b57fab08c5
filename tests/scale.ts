/**
 * How much the tests of crashes, damaged files, long runs and emulated GPUs do: enough for every run
 * of the suite, or, for `deno task soak`, as much as a night allows.
 *
 * @module
 */
import type { DeviceKind } from "../kernels/device.ts";
import { webgpu } from "../kernels/webgpu/kind.ts";

/** Whether `deno task soak` is running. */
export const soaking: boolean = Deno.env.get("TESSERA_SOAK") === "1";

/** A number of repetitions. */
export const scale = (usual: number, inSoak: number): number => soaking ? inSoak : usual;

/**
 * Whether a device takes fewer cases in a usual run: one that is emulated on the processor compiles
 * some 0.2 s for each kernel, a hundred times as long as it runs.
 */
export async function takesFewerCases(kind: DeviceKind = webgpu): Promise<boolean> {
  return !soaking && (await kind.probe()).software;
}
