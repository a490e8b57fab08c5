/**
 * Finding out what the machine offers before anything is built on it.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";

/** WebGPU was asked for and there is no adapter. */
export class NoAdapterError extends InputError {}

/** What activations in half precision need. */
export const halfFeature: GPUFeatureName = "shader-f16";

/** What there is to know about an adapter without making a device of it. */
export interface AdapterInformation {
  /** Name as the driver gives it, e.g. `llvmpipe (LLVM 15.0.6, 256 bits)`. */
  readonly description: string;
  readonly vendor: string;
  readonly architecture: string;
  /** What the runtime says about the adapter. */
  readonly isFallbackAdapter: boolean;
  /** The adapter draws on the processor: a fallback adapter or one of the known software drivers. */
  readonly software: boolean;
  readonly limits: Readonly<Record<LimitName, number>>;
  readonly features: readonly string[];
}

/** Limits that kernels or buffers depend on. */
export const limitNames = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxUniformBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxUniformBuffersPerShaderStage",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupStorageSize",
  "maxComputeWorkgroupsPerDimension",
] as const;

/** One of `limitNames`. */
export type LimitName = typeof limitNames[number];

/** The limits of an adapter or a device as a plain object. */
export function copyLimits(limits: GPUSupportedLimits): Record<LimitName, number> {
  const copy = {} as Record<LimitName, number>;
  for (const name of limitNames) copy[name] = limits[name];
  return copy;
}

const softwareNames = /llvmpipe|lavapipe|softpipe|swiftshader|basic render|warp/i;

/** Describes an adapter. */
export function describeAdapter(adapter: GPUAdapter): AdapterInformation {
  const { description, device, vendor, architecture, isFallbackAdapter } = adapter.info;
  const name = description || device || vendor || "unnamed adapter";
  return {
    description: name,
    vendor,
    architecture,
    isFallbackAdapter,
    software: isFallbackAdapter || softwareNames.test(name),
    limits: copyLimits(adapter.limits),
    features: [...adapter.features].sort(),
  };
}

/** Asks for an adapter; `undefined` when the machine has none. */
export async function requestAdapter(
  powerPreference?: GPUPowerPreference,
): Promise<GPUAdapter | undefined> {
  const options = powerPreference ? { powerPreference } : {};
  return await navigator.gpu?.requestAdapter(options) ?? undefined;
}

/** Describes the adapter that `createWebGPUDevice` would use; `undefined` when there is none. */
export async function probeAdapter(
  powerPreference?: GPUPowerPreference,
): Promise<AdapterInformation | undefined> {
  const adapter = await requestAdapter(powerPreference);
  return adapter && describeAdapter(adapter);
}
