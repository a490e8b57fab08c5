/**
 * What `tessera info devices` reports: WebGPU adapters and what WebAssembly can do on this CPU.
 *
 * @module
 */

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

/** What WebAssembly offers. */
export interface WasmReport {
  /** Logical processors: the default number of worker threads. */
  readonly threads: number;
  readonly simd: boolean;
  /** Multiply-add in one instruction, where the processor has it. */
  readonly relaxedSimd: boolean;
  /** Whether memory can be shared between threads. */
  readonly sharedMemory: boolean;
}

/** Everything that can compute on this machine. */
export interface DeviceReport {
  /** Best first; empty where there is none. */
  readonly webgpu: readonly AdapterReport[];
  readonly wasm: WasmReport;
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

/** Looks for all adapters and tries what WebAssembly can do. */
export async function findDevices(): Promise<DeviceReport> {
  return { webgpu: await findAdapters(), wasm: wasmFeatures() };
}

/** The report as people read it. */
export function describeDevices({ webgpu, wasm }: DeviceReport): string {
  const adapters = webgpu.length > 0 ? webgpu.map(describeAdapter) : ["webgpu  no adapter"];
  const instructions = wasm.relaxedSimd ? "relaxed SIMD" : wasm.simd ? "SIMD" : "no SIMD";
  const memory = wasm.sharedMemory ? "shared memory" : "no shared memory";
  return [...adapters, `wasm    ${wasm.threads} threads, ${instructions}, ${memory}`].join("\n");
}

function describeAdapter({ description, software, features, limits }: AdapterReport): string {
  const kind = software ? "software, slower than wasm" : "hardware";
  const present = importantFeatures.map((name) => `${features.includes(name) ? "" : "no "}${name}`);
  const lines = importantLimits.map(([name, label, bytes]) => {
    const value = limits[name];
    return `${label}: ${bytes ? describeBytes(value) : value}`;
  });
  return [`webgpu  ${description} (${kind})`, present.join(", "), ...lines].join("\n        ");
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

function wasmFeatures(): WasmReport {
  const vector = [0x41, 0, 0xfd, 0x11]; // i32.const 0, i32x4.splat
  const relaxedMultiplyAdd = [0xfd, 0x85, 0x02];
  return {
    threads: navigator.hardwareConcurrency,
    simd: validates(vector),
    relaxedSimd: validates([...vector, ...vector, ...vector, ...relaxedMultiplyAdd]),
    sharedMemory: typeof SharedArrayBuffer === "function",
  };
}
