/**
 * Chooses between variants of a kernel by trying them: which is fastest depends on the adapter by
 * factors of ten. The first program that needs a choice pays about a second; the choices are kept in
 * one small file for each adapter. A file that is missing, broken or cannot be written only means
 * measuring again.
 *
 * @module
 */
import { join } from "node:path";
import {
  type MatmulFamily,
  matmulFamilyName,
  matmulFamilyOf,
  type MatmulSizeClass,
  matmulVariants,
} from "../ops/matmul/wgsl.ts";
import type { MatmulStep } from "../ops/matmul/step.ts";
import type { BufferSpecification, Program } from "../program.ts";
import type { FloatType } from "../shape.ts";
import type { AdapterInformation } from "./adapter.ts";
import { type DeviceParts, loadProgram } from "./executable.ts";
import { Memory, WebGPUBuffer } from "./memory.ts";

/** To be raised when kernels change so much that old measurements no longer hold. */
const version = 3;

/** Milliseconds that runs must take to be compared: several times the host's polling interval. */
const longEnough = 60;

/** Product sizes that stand for their class: m, n, k. */
const samples: Readonly<Record<MatmulSizeClass, readonly [number, number, number]>> = {
  thin: [8, 1152, 384],
  small: [72, 72, 72],
  large: [256, 384, 384],
};

/** Settings of the tuner. */
export interface TunerOptions {
  /** Folder for measured choices; `$XDG_CACHE_HOME/tessera` or `~/.cache/tessera` otherwise. */
  readonly cacheFolder?: string;
  /**
   * Variants by family, e.g. `{ matmul: "tiles", reduce: "groups" }`; these are not measured. The
   * environment variable `TESSERA_MATMUL_VARIANT` does the same for matrix products.
   */
  readonly variants?: Readonly<Record<string, string>>;
}

/** What a tuner file holds. */
interface TunerFile {
  readonly version: number;
  readonly adapter: string;
  /** Variant by family. */
  readonly choices: Readonly<Record<string, string>>;
}

/** Knows, or finds out, the variant for each family of kernels. */
export class Tuner {
  readonly #orders: Readonly<Record<string, string>>;
  readonly #adapter: string;
  readonly #file: string | undefined;
  #choices: Record<string, string> | undefined;
  #working: Promise<unknown> = Promise.resolve();

  constructor(adapter: AdapterInformation, options: TunerOptions) {
    const matmul = environment("TESSERA_MATMUL_VARIANT");
    this.#orders = { ...(matmul ? { matmul } : {}), ...options.variants };
    this.#adapter = [adapter.vendor, adapter.architecture, adapter.description].join(" ").trim();
    const folder = options.cacheFolder ?? defaultCacheFolder();
    const slug = this.#adapter.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
    this.#file = folder && join(folder, `webgpu-${slug}.json`);
  }

  /** The variant of a family that was ordered or measured, if any. */
  variant(family: string): string | undefined {
    return this.#orders[family] ?? this.#choices?.[family];
  }

  /** Makes the choices that a program needs. */
  async prepare(program: Program, parts: DeviceParts): Promise<void> {
    const work = this.#working.then(() => this.#prepare(program, parts));
    this.#working = work.catch(() => {});
    await work;
  }

  async #prepare(program: Program, parts: DeviceParts): Promise<void> {
    if (this.#orders.matmul) return;
    const families = new Map(
      program.steps.flatMap((step) => step.kind === "matmul" ? matmulFamilyOf(step) ?? [] : [])
        .map((family) => [matmulFamilyName(family), family]),
    );
    const missing = () => [...families].filter(([name]) => !this.variant(name));
    if (missing().length === 0) return;
    this.#choices ??= await this.#readFile();
    if (missing().length === 0) return;
    for (const [name, family] of missing()) {
      this.#choices[name] = await fastestMatmul(family, parts);
    }
    await this.#writeFile();
  }

  async #readFile(): Promise<Record<string, string>> {
    try {
      const content: TunerFile = JSON.parse(await Deno.readTextFile(this.#file!));
      if (content.version !== version || content.adapter !== this.#adapter) return {};
      return Object.fromEntries(
        Object.entries(content.choices).filter(([, variant]) => matmulVariants.includes(variant)),
      );
    } catch {
      return {};
    }
  }

  /** Writes under another name first, so that nobody reads half a file. */
  async #writeFile(): Promise<void> {
    if (!this.#file) return;
    // Another process may have measured other families meanwhile.
    const choices = { ...await this.#readFile(), ...this.#choices };
    const content: TunerFile = { version, adapter: this.#adapter, choices };
    const temporary = `${this.#file}.${crypto.randomUUID()}`;
    try {
      await Deno.mkdir(join(this.#file, ".."), { recursive: true });
      await Deno.writeTextFile(temporary, JSON.stringify(content, null, 2));
      await Deno.rename(temporary, this.#file);
    } catch {
      await Deno.remove(temporary).catch(() => {});
    }
  }
}

/** The variant that multiplies the family's sample fastest. */
async function fastestMatmul(family: MatmulFamily, parts: DeviceParts): Promise<string> {
  let best = { variant: matmulVariants[0], time: Infinity };
  for (const variant of matmulVariants) {
    const time = await timeMatmul(sampleProgram(family), variant, parts);
    if (time < best.time) best = { variant, time };
  }
  return best.variant;
}

/** Milliseconds a run, in memory that is not counted as the user's. */
async function timeMatmul(program: Program, variant: string, parts: DeviceParts): Promise<number> {
  const { device, watch, queue } = parts;
  const memory = new Memory(device, watch);
  const executable = await loadProgram(
    {
      ...parts,
      memory,
      context: { ...parts.context, variant: () => variant },
      createBuffer: (name, dtype, elements) =>
        new WebGPUBuffer({ name, dtype, elements }, { queue, memory, watch }),
    },
    program,
    new Map(),
  );
  const timeRuns = async (runs: number): Promise<number> => {
    const start = performance.now();
    for (let run = 0; run < runs; run++) executable.run();
    await watch.orFailure(queue.onSubmittedWorkDone());
    await watch.settle();
    return performance.now() - start;
  };
  try {
    await timeRuns(1); // The driver compiles at first use.
    let runs = 1;
    let time = await timeRuns(runs);
    while (time < longEnough) {
      runs *= 4;
      time = await timeRuns(runs);
    }
    return time / runs;
  } finally {
    executable.destroy();
    memory.freeAll();
  }
}

/** A product of activations and weights, which are in single precision. */
function sampleProgram(family: MatmulFamily): Program {
  const [m, n, k] = samples[family.sizeClass];
  const { type } = family;
  const buffer = (name: string, dtype: FloatType, elements: number): BufferSpecification => ({
    ...{ name, kind: "input", dtype, elements },
  });
  const step: MatmulStep = {
    kind: "matmul",
    ...{ batch: 1, m, n, k },
    a: { buffer: 0, offset: 0, batchStride: 0, rowStride: k, columnStride: 1, dtype: type },
    b: { buffer: 1, offset: 0, batchStride: 0, rowStride: 1, columnStride: k, dtype: "f32" },
    output: { buffer: 2, offset: 0, shape: [m, n], strides: [n, 1], dtype: type },
    epilogueInputs: [],
  };
  return {
    name: `tuning ${matmulFamilyName(family)}`,
    buffers: [buffer("a", type, m * k), buffer("b", "f32", k * n), buffer("c", type, m * n)],
    steps: [step],
    arenaBytes: 0,
    slots: [],
  };
}

/** An environment variable, if it is set and may be read. */
function environment(name: string): string | undefined {
  try {
    return Deno.env.get(name) || undefined;
  } catch {
    return undefined;
  }
}

/** `$XDG_CACHE_HOME/tessera`, or the usual place of the system. */
function defaultCacheFolder(): string | undefined {
  const caches = environment("XDG_CACHE_HOME") ?? environment("LOCALAPPDATA");
  if (caches) return join(caches, "tessera");
  const home = environment("HOME") ?? environment("USERPROFILE");
  return home && join(home, ".cache", "tessera");
}
