/**
 * Timing on request, for `bench/peers/`: one JSON request a line, one JSON answer a line. The
 * protocol is described in `bench/peers/README.md`.
 *
 * Devices, parameters and programs stay alive between requests, as they do in the other frameworks.
 *
 * @module
 */
import process from "node:process";
import type { Device } from "../../kernels/device.ts";
import { deviceKind, deviceNames, everywhere, openDevice } from "../../kernels/devices.ts";
import type { PatchGrid } from "../../data/packing/patch_grid.ts";
import { navitConfigs } from "../../models/navit/model.ts";
import { familyOf, modelConfigByName } from "../../models/registry.ts";
import type { Build } from "../../base/machine.ts";
import { layerPasses, parseLayer, usualLayers } from "../layers.ts";
import { loadPictures } from "../packing/grids.ts";
import { loadAttention } from "../workloads/attention.ts";
import { loadCoding } from "../workloads/coding.ts";
import { loadLayer } from "../workloads/layer.ts";
import { loadForward, loadPlainStep, workloadOf } from "../workloads/model.ts";
import { describeDevice } from "./places.ts";
import { timeRuns, warmUp } from "./timing.ts";
import {
  createParameters,
  type Job,
  loadProduct,
  type ParameterBuffers,
} from "../workloads/workload.ts";

/** Side of the pictures for models that take any, in pixels. */
const pictureSide = 224;

/** What can be timed. */
const operations = [
  "forward",
  "train",
  "start",
  "product",
  "layer",
  "attention",
  "pictures",
] as const;

/** The halves of an autoencoder, which are timed from the first execution on. */
const halves = ["encode", "decode"] as const;

type Operation = (typeof operations)[number];

/** Fields that a request may have. */
type Request = Readonly<
  Partial<
    Record<
      | "op"
      | "model"
      | "batch"
      | "size"
      | "m"
      | "n"
      | "k"
      | "layer"
      | "pass"
      | "tokens"
      | "heads"
      | "width"
      | "grids"
      | "frames"
      | "threads"
      | "device",
      unknown
    >
  >
>;

/** Runs that a start is timed over. */
const firstRuns = 10;

/** What is known of a field, its default where it is absent. */
function field<T extends string | number>(value: unknown, fallback: T, name: string): T {
  if (value === undefined) return fallback;
  const fits = typeof value === typeof fallback &&
    (typeof value !== "number" || Number.isInteger(value) && value >= 1);
  if (!fits) throw new Error(`${name}: ${JSON.stringify(value)} is not valid`);
  return value as T;
}

/** Whether the gradient is asked for. */
function passOf({ pass = "forward" }: Request): (typeof layerPasses)[number] {
  const known = layerPasses.find((one) => one === pass);
  if (!known) throw new Error(`pass: ${JSON.stringify(pass)} is not valid`);
  return known;
}

/** Grids of patches: `[[rows, columns], ...]`. */
function gridsOf(value: unknown): PatchGrid[] {
  const isSize = (size: unknown) => typeof size === "number" && Number.isInteger(size) && size >= 1;
  const isGrid = (grid: unknown): grid is [number, number] =>
    Array.isArray(grid) && grid.length === 2 && grid.every(isSize);
  if (!Array.isArray(value) || value.length === 0 || !value.every(isGrid)) {
    throw new Error(`grids: ${JSON.stringify(value)} is no list of [rows, columns]`);
  }
  return value.map(([rows, columns]) => ({ rows, columns }));
}

/** Values made on first use and kept; one that cannot be made is tried again. */
class Kept<T> {
  readonly #values = new Map<string, Promise<T>>();

  get(key: string, make: () => Promise<T>): Promise<T> {
    let value = this.#values.get(key);
    if (!value) {
      value = make();
      this.#values.set(key, value);
      value.catch(() => this.#values.delete(key));
    }
    return value;
  }

  async all(): Promise<T[]> {
    const settled = await Promise.allSettled(this.#values.values());
    return settled.flatMap((result) => result.status === "fulfilled" ? [result.value] : []);
  }
}

/** Answers requests. */
class Server {
  readonly #devices = new Kept<Device>();
  readonly #parameters = new Kept<ParameterBuffers>();
  readonly #jobs = new Kept<Job>();
  readonly #codings = new Kept<() => Promise<void>>();

  readonly #build: Build;

  constructor(build: Build) {
    this.#build = build;
  }

  async answer(request: Request): Promise<Record<string, unknown>> {
    switch (request.op) {
      case "info":
        return await this.#describe();
      case "memory":
        return await this.#memory();
      default: {
        const operation = operations.find((known) => known === request.op);
        if (operation) return await this.#time(operation, request);
        const half = halves.find((known) => known === request.op);
        if (half) return await this.#code(half, request);
        const all = [...operations, ...halves].join(", ");
        throw new Error(`unknown op ${JSON.stringify(request.op)}: ${all}, memory or info`);
      }
    }
  }

  async close(): Promise<void> {
    for (const device of await this.#devices.all()) device.close();
  }

  async #describe() {
    const devices = await this.#devices.all();
    const detail = devices.map(describeDevice).join("; ") ||
      `Deno ${Deno.version.deno}, V8 ${Deno.version.v8}`;
    return { name: "Tessera", version: this.#build.tessera, commit: this.#build.commit, detail };
  }

  async #memory() {
    const devices = await this.#devices.all();
    const deviceBytes = devices.reduce((sum, { peakBytes }) => sum + peakBytes, 0);
    return { bytes: 1024 * process.resourceUsage().maxRSS, deviceBytes };
  }

  /** The device of a request, and what tells it from others. */
  async #open(request: Request): Promise<{ readonly device: Device; readonly place: string }> {
    const threads = field(request.threads, navigator.hardwareConcurrency, "threads");
    const asked = field<string>(request.device, everywhere, "device");
    const name = deviceNames.find((known) => known === asked);
    if (!name) throw new Error(`unknown device ${asked}`);
    const place = (await deviceKind(name)).threads ? `${name} ${threads}` : name;
    const device = await this.#devices.get(place, () => openDevice(name, { threads }));
    return { device, place };
  }

  /** Half of an autoencoder on a square clip, or a picture. */
  async #code(half: (typeof halves)[number], request: Request) {
    const { device, place } = await this.#open(request);
    const side = field(request.size, 512, "size");
    const clip = { frames: field(request.frames, 1, "frames"), height: side, width: side };
    const config = modelConfigByName(field<string>(request.model, "SD-VAE", "model"));
    const run = await this.#codings.get(
      `${place} ${JSON.stringify(request)}`,
      () => loadCoding(device, half, config, clip),
    );
    const start = performance.now();
    await run();
    return { milliseconds: performance.now() - start };
  }

  async #time(operation: Operation, request: Request) {
    const { device, place } = await this.#open(request);
    if (operation === "start") {
      const { run } = await this.#loadModel(device, place, "train", request);
      const milliseconds: number[] = [];
      for (let i = 0; i < firstRuns; i++) milliseconds.push(await timeRuns(device, run, 1));
      return { milliseconds: milliseconds[0], last: milliseconds[firstRuns - 1] };
    }
    const job = await this.#jobs.get(`${place} ${JSON.stringify(request)}`, async () => {
      const made = await this.#load(device, place, operation, request);
      await warmUp(device, made.run);
      return made;
    });
    return { milliseconds: await timeRuns(device, job.run, 1) };
  }

  async #load(
    device: Device,
    place: string,
    operation: Exclude<Operation, "start">,
    request: Request,
  ): Promise<Job> {
    switch (operation) {
      case "product": {
        const size = field(request.size, 512, "size");
        const [m, n, k] = (["m", "n", "k"] as const).map((axis) =>
          field(request[axis], size, axis)
        );
        return await loadProduct(device, m, n, k);
      }
      case "layer":
        return await this.#loadLayer(device, request);
      case "attention":
        return await loadAttention(device, passOf(request), {
          batch: field(request.batch, 8, "batch"),
          tokens: field(request.tokens, 256, "tokens"),
          images: 1,
          heads: field(request.heads, 6, "heads"),
          width: field(request.width, 64, "width"),
        });
      case "pictures": {
        const model = field(request.model, "NaViT-B/16" as string, "model");
        const config = navitConfigs.get(model);
        if (!config) throw new Error(`no NaViT is called ${model}`);
        return await loadPictures(device, config, gridsOf(request.grids));
      }
      default:
        return await this.#loadModel(device, place, operation, request);
    }
  }

  async #loadLayer(device: Device, request: Request): Promise<Job> {
    const name = field<string>(request.layer, usualLayers[0], "layer");
    const layer = parseLayer(name);
    if (!layer) throw new Error(`no layer ${name}`);
    return await loadLayer(device, passOf(request), layer);
  }

  async #loadModel(
    device: Device,
    place: string,
    operation: "forward" | "train",
    request: Request,
  ): Promise<Job> {
    const model = field(request.model, "DiT-S/8" as string, "model");
    const batch = field(request.batch, 8, "batch");
    const config = modelConfigByName(model);
    const sample = familyOf(config).sample(config, { side: pictureSide })!;
    const workload = workloadOf({ name: model, config, ...sample }, batch);
    const parameters = await this.#parameters.get(
      `${place} ${model}`,
      () => Promise.resolve(createParameters(device, workload.specifications)),
    );
    const load = operation === "forward" ? loadForward : loadPlainStep;
    return await load(device, workload, parameters);
  }
}

/**
 * Answers requests until there are no more.
 *
 * @param lines one JSON request each; empty ones are passed over
 * @param write gets one JSON answer for each request, in order
 */
export async function serve(
  lines: AsyncIterable<string>,
  write: (answer: string) => void,
  build: Build,
): Promise<void> {
  const server = new Server(build);
  try {
    for await (const line of lines) {
      if (line.trim() === "") continue;
      const answer = await Promise.resolve().then(() => server.answer(JSON.parse(line)))
        .catch((error) => ({ error: error instanceof Error ? error.message : String(error) }));
      write(JSON.stringify(answer));
    }
  } finally {
    await server.close();
  }
}
