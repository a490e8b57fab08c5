/**
 * The WebGPU adapters of this machine, with what matters of their features and limits.
 *
 * @module
 */
import type { DeviceReport } from "../device.ts";

/** One WebGPU adapter. */
export interface AdapterReport {
  readonly description: string;
  /** Whether it computes on the CPU, which is slower than the wasm device. */
  readonly software: boolean;
  /** Optional features, by their WebGPU names, sorted. */
  readonly features: readonly string[];
  /** All limits of WebGPU by name; sizes in bytes. */
  readonly limits: Readonly<Record<string, number>>;
}

/** The limits that decide how large a model may be and which kernels can be used. */
const importantLimits: readonly (readonly [name: string, label: string, bytes: boolean])[] = [
  ["maxBufferSize", "largest buffer", true],
  ["maxStorageBufferBindingSize", "largest binding", true],
  ["maxComputeWorkgroupStorageSize", "workgroup memory", true],
  ["maxComputeInvocationsPerWorkgroup", "invocations a workgroup", false],
  ["maxStorageBuffersPerShaderStage", "storage buffers a kernel", false],
];

/** Features that kernels make use of. */
const importantFeatures = ["shader-f16", "timestamp-query", "subgroups"];

/** Looks for all adapters. */
export async function report(): Promise<DeviceReport> {
  const adapters = await findAdapters();
  const devices = adapters.length > 0 ? adapters.map(describeAdapter) : [["no adapter"]];
  return { devices, facts: adapters };
}

/** An adapter in a few lines. */
export function describeAdapter(
  { description, software, features, limits }: AdapterReport,
): string[] {
  const kind = software ? "software, slower than wasm" : "hardware";
  const present = importantFeatures.map((name) => `${features.includes(name) ? "" : "no "}${name}`);
  const lines = importantLimits.map(([name, label, bytes]) => {
    const value = limits[name];
    return `${label}: ${bytes ? describeBytes(value) : value}`;
  });
  return [`${description} (${kind})`, present.join(", "), ...lines];
}

function describeBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB"];
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), units.length - 1);
  return `${Number((bytes / 1024 ** power).toFixed(1))} ${units[power]}`;
}

/** The adapters that the three ways of asking lead to, each once. */
async function findAdapters(): Promise<AdapterReport[]> {
  const requests: GPURequestAdapterOptions[] = [
    { powerPreference: "high-performance" },
    { powerPreference: "low-power" },
    { forceFallbackAdapter: true },
  ];
  const reports = new Map<string, AdapterReport>();
  for (const request of requests) {
    const adapter = await navigator.gpu?.requestAdapter(request);
    if (!adapter) continue;
    const report = describe(adapter);
    reports.set(report.description, report);
  }
  return [...reports.values()];
}

function describe({ info, features, limits }: GPUAdapter): AdapterReport {
  return {
    description: info.description || `${info.vendor} ${info.device}`.trim() || "unnamed adapter",
    software: info.isFallbackAdapter,
    features: [...features].sort(),
    limits: readLimits(limits),
  };
}

/** The limits are getters of the prototype, which JSON does not see. */
function readLimits(limits: GPUSupportedLimits): Record<string, number> {
  const values: Record<string, number> = {};
  for (const name of Object.keys(Object.getOwnPropertyDescriptors(GPUSupportedLimits.prototype))) {
    const value: unknown = Reflect.get(limits, name);
    if (typeof value === "number") values[name] = value;
  }
  return values;
}
