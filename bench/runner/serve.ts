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
import { familyOf, modelConfigByName } from "../../models/registry.ts";
import type { Build } from "../../base/machine.ts";
import { layerPasses, parseLayer, usualLayers } from "../layers.ts";
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

/** Fields that a request may have. */
interface Request {
  readonly op?: unknown;
  readonly model?: unknown;
  readonly batch?: unknown;
  readonly size?: unknown;
  readonly layer?: unknown;
  readonly pass?: unknown;
  readonly threads?: unknown;
  readonly device?: unknown;
}

/** What is known of a field, its default where it is absent. */
function field<T extends string | number>(value: unknown, fallback: T, name: string): T {
  if (value === undefined) return fallback;
  const fits = typeof value === typeof fallback &&
    (typeof value !== "number" || Number.isInteger(value) && value >= 1);
  if (!fits) throw new Error(`${name}: ${JSON.stringify(value)} is not valid`);
  return value as T;
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
      case "forward":
      case "train":
      case "product":
      case "layer":
        return await this.#time(request.op, request);
      default:
        throw new Error(
          `unknown op ${
            JSON.stringify(request.op)
          }: forward, train, product, layer, memory or info`,
        );
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

  async #time(op: "forward" | "train" | "product" | "layer", request: Request) {
    const threads = field(request.threads, navigator.hardwareConcurrency, "threads");
    const asked = field<string>(request.device, everywhere, "device");
    const name = deviceNames.find((known) => known === asked);
    if (!name) throw new Error(`unknown device ${asked}`);
    const place = (await deviceKind(name)).threads ? `${name} ${threads}` : name;
    const device = await this.#devices.get(place, () => openDevice(name, { threads }));
    const size = field(request.size, 512, "size");
    const model = field(request.model, "DiT-S/8" as string, "model");
    const batch = field(request.batch, 8, "batch");
    const layer = field<string>(request.layer, usualLayers[0], "layer");
    const pass = field<string>(request.pass, "forward", "pass");
    const shapes = { product: `${size}`, layer: `${layer} ${pass}` };
    const shape = op in shapes ? shapes[op as keyof typeof shapes] : `${model} ${batch}`;
    const job = await this.#jobs.get(`${place} ${op} ${shape}`, async () => {
      const made = op === "product"
        ? await loadProduct(device, size, size, size)
        : op === "layer"
        ? await this.#loadLayer(device, layer, pass)
        : await this.#loadModel(device, place, op, model, batch);
      await warmUp(device, made.run);
      return made;
    });
    return { milliseconds: await timeRuns(device, job.run, 1) };
  }

  async #loadLayer(device: Device, name: string, pass: string): Promise<Job> {
    const layer = parseLayer(name);
    const known = layerPasses.find((one) => one === pass);
    if (!layer || !known) throw new Error(`no layer ${name} ${pass}`);
    return await loadLayer(device, known, layer);
  }

  async #loadModel(
    device: Device,
    place: string,
    op: "forward" | "train",
    model: string,
    batch: number,
  ): Promise<Job> {
    const config = modelConfigByName(model);
    const sample = familyOf(config).sample(config, { side: pictureSide })!;
    const workload = workloadOf({ name: model, config, ...sample }, batch);
    const parameters = await this.#parameters.get(
      `${place} ${model}`,
      () => Promise.resolve(createParameters(device, workload.specifications)),
    );
    const load = op === "forward" ? loadForward : loadPlainStep;
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
