/**
 * What the peers that are programs of ours share: shapes and parameters of a DiT, made-up numbers, the
 * golden cases that show that a peer computes the right thing, and the loop that answers requests.
 *
 * @module
 */
import process from "node:process";
import { createInterface } from "node:readline";

/** Shape of one DiT, named as in the JSON configs of tests/fixtures. */
export interface Config {
  inputSize: number;
  patch: number;
  channels: number;
  hidden: number;
  depth: number;
  heads: number;
  classes: number;
  learnSigma: boolean;
}

const SIZES: Record<string, [depth: number, hidden: number, heads: number]> = {
  S: [12, 384, 6],
  B: [12, 768, 12],
  L: [24, 1024, 16],
  XL: [28, 1152, 16],
};

/** The shape of a published model, for latents of 32 x 32 x 4 and 1000 classes. */
export function named(model: string): Config {
  const match = /^DiT-(S|B|L|XL)\/(\d+)$/.exec(model);
  if (!match) throw new Error(`unknown model ${model}: expected DiT-S/8 ... DiT-XL/2`);
  const [depth, hidden, heads] = SIZES[match[1]];
  const patch = Number(match[2]);
  return {
    inputSize: 32,
    patch,
    channels: 4,
    hidden,
    depth,
    heads,
    classes: 1000,
    learnSigma: true,
  };
}

/** Channels of the output. */
export function outputChannels(config: Config): number {
  return config.learnSigma ? 2 * config.channels : config.channels;
}

/** Tokens of a sample. */
export function tokensOf(config: Config): number {
  return (config.inputSize / config.patch) ** 2;
}

/** A linear map whose weight is stored (out, in), as in the published checkpoints. */
export type Linear<T> = { weight: T; bias: T };

/** The parameters of a block. */
export type Block<T> = {
  qkv: Linear<T>;
  proj: Linear<T>;
  fc1: Linear<T>;
  fc2: Linear<T>;
  modulation: Linear<T>;
};

/** All parameters of a DiT. */
export type Parameters<T> = {
  patch: Linear<T>;
  positions: T;
  time1: Linear<T>;
  time2: Linear<T>;
  labels: T;
  blocks: Block<T>[];
  modulation: Linear<T>;
  output: Linear<T>;
};

/** Gives the tensor of a published parameter name; `shape` is the one the network wants. */
export type Source<T> = (name: string, shape: number[]) => T;

/** Asks for every parameter of a network. */
export function parametersOf<T>(config: Config, source: Source<T>): Parameters<T> {
  const { hidden: d, patch, channels } = config;
  const layer = (name: string, rows: number, columns: number): Linear<T> => ({
    weight: source(`${name}.weight`, [rows, columns]),
    bias: source(`${name}.bias`, [rows]),
  });
  return {
    patch: layer("x_embedder.proj", d, channels * patch * patch),
    positions: source("pos_embed", [1, tokensOf(config), d]),
    time1: layer("t_embedder.mlp.0", d, 256),
    time2: layer("t_embedder.mlp.2", d, d),
    labels: source("y_embedder.embedding_table.weight", [config.classes + 1, d]),
    blocks: Array.from({ length: config.depth }, (_, i) => ({
      qkv: layer(`blocks.${i}.attn.qkv`, 3 * d, d),
      proj: layer(`blocks.${i}.attn.proj`, d, d),
      fc1: layer(`blocks.${i}.mlp.fc1`, 4 * d, d),
      fc2: layer(`blocks.${i}.mlp.fc2`, d, 4 * d),
      modulation: layer(`blocks.${i}.adaLN_modulation.1`, 6 * d, d),
    })),
    modulation: layer("final_layer.adaLN_modulation.1", 2 * d, d),
    output: layer("final_layer.linear", outputChannels(config) * patch * patch, d),
  };
}

/** Number of elements of a shape. */
export function product(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

/** Uniform values in [-scale, scale) from a small linear congruential generator. */
export function randomValues(
  count: number,
  scale: number,
  seed: number,
): Float32Array<ArrayBuffer> {
  const values = new Float32Array(count);
  let state = seed >>> 0;
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    values[i] = (state / 2 ** 31 - 1) * scale;
  }
  return values;
}

/** Made-up parameters of a network. */
export function randomSource<T>(
  make: (values: Float32Array<ArrayBuffer>, shape: number[]) => T,
): Source<T> {
  let seed = 1;
  return (_, shape) => make(randomValues(product(shape), 0.05, seed++), shape);
}

/** A made-up batch. */
export function randomInputs(config: Config, batch: number) {
  const { inputSize, channels, classes } = config;
  const shape = [batch, channels, inputSize, inputSize];
  return {
    x: { values: randomValues(product(shape), 1, 1001), shape },
    t: randomValues(batch, 500, 1002).map((value) => value + 500),
    y: new Int32Array(batch).map((_, i) => (i * 37) % classes),
  };
}

// ---------------------------------------------------------------------------------------------
// Golden data
// ---------------------------------------------------------------------------------------------

/** A tensor of a file. */
type Stored = { values: Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>; shape: number[] };

/** A network with an input and the output that is right for them. */
export interface GoldenCase {
  name: string;
  config: Config;
  weights: (name: string) => Stored;
  x: Stored;
  t: Stored;
  y: Stored;
  out: Stored;
}

function readSafetensors(file: URL): (name: string) => Stored {
  const bytes = Deno.readFileSync(file).buffer;
  const length = Number(new DataView(bytes).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 8, length))) as Record<
    string,
    { shape: number[]; dtype: string; data_offsets: [number, number] }
  >;
  return (name) => {
    const entry = header[name];
    if (!entry) throw new Error(`tensor ${name} missing in ${file.pathname}`);
    const [start, end] = entry.data_offsets.map((offset) => offset + 8 + length);
    const part = bytes.slice(start, end);
    const values = entry.dtype === "I32" ? new Int32Array(part) : new Float32Array(part);
    return { values, shape: entry.shape };
  };
}

/** Runs the golden cases of tests/fixtures, so that a time is known to buy the right answer. */
export async function checkGolden(
  run: (golden: GoldenCase) => Promise<Float32Array>,
): Promise<void> {
  const folder = new URL("../../tests/fixtures/", import.meta.url);
  for (const name of ["dit-latent", "dit-pixel", "dit-rgb-plain"]) {
    const config = JSON.parse(
      Deno.readTextFileSync(new URL(`${name}.config.json`, folder)),
    ) as Config;
    const weights = readSafetensors(new URL(`${name}.weights.safetensors`, folder));
    const golden = readSafetensors(new URL(`${name}.case.safetensors`, folder));
    const [x, t, y] = ["x", "t", "y"].map((input) => golden(`input.${input}`));
    const out = golden("output.out");
    const got = await run({ name, config, weights, x, t, y, out });
    const worst = got.reduce(
      (most, value, i) => Math.max(most, Math.abs(value - out.values[i])),
      0,
    );
    console.log(`${name}: largest difference ${worst.toExponential(1)}`);
    if (got.length !== out.values.length || !(worst < 1e-3)) Deno.exit(1);
  }
}

// ---------------------------------------------------------------------------------------------
// Requests
// ---------------------------------------------------------------------------------------------

/** Fields of a request; README.md beside this file describes them. */
export interface Request {
  op: string;
  model?: string;
  batch?: number;
  size?: number;
  threads?: number;
  device?: "wasm" | "webgpu";
}

/** Runs once and returns when the result is there. */
export type Job = () => Promise<void>;

/** A peer of this folder. */
export interface Peer {
  /** Its name, version and what it runs on. */
  readonly about: Record<string, string>;
  /** Makes what a request times; throws where the peer cannot run it. */
  prepare(request: Request): Promise<Job>;
}

const WARM_UP = 2;

/** Answers one JSON request a line of the standard input with one JSON line, until there are no more. */
export async function answerRequests(peer: Peer): Promise<void> {
  const jobs = new Map<string, Job>();
  const answer = async (request: Request): Promise<Record<string, unknown>> => {
    if (request.op === "memory") return { bytes: peakMemory() };
    if (request.op === "info") return peer.about;
    const key = JSON.stringify(request);
    let job = jobs.get(key);
    if (!job) {
      job = await peer.prepare(request);
      for (let i = 0; i < WARM_UP; i++) await job();
      jobs.set(key, job);
    }
    const start = performance.now();
    await job();
    return { milliseconds: performance.now() - start };
  };
  for await (const line of createInterface({ input: process.stdin })) {
    if (!line.trim()) continue;
    const reply = await Promise.resolve().then(() => answer(JSON.parse(line) as Request))
      .catch((error) => ({ error: error instanceof Error ? error.message : String(error) }));
    console.log(JSON.stringify(reply));
  }
}

/** Peak resident memory in bytes where Linux tells it, the present one elsewhere. */
function peakMemory(): number {
  try {
    const peak = /^VmHWM:\s+(\d+) kB/m.exec(Deno.readTextFileSync("/proc/self/status"));
    if (peak) return Number(peak[1]) * 1024;
  } catch {
    // No /proc: fall through.
  }
  return Deno.memoryUsage().rss;
}
