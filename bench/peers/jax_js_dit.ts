/**
 * Times DiT in jax-js, one JSON request a line on stdin, one JSON answer a line out.
 *
 *     {"op": "forward", "model": "DiT-S/8", "batch": 8, "device": "wasm"}  -> {"milliseconds": 150}
 *     {"op": "product", "size": 512, "device": "webgpu"}                   -> {"milliseconds": 400}
 *     {"op": "memory"}                                                     -> {"bytes": 812646400}
 *     {"op": "info"}                                       -> {"name": "jax-js", "version": "0.1.25"}
 *
 * The whole network is one jitted function of jax-js operations, in float32, at 256-pixel latents;
 * parameters stay on the device. A time is the wall time until the result is ready there. `--check`
 * runs the golden cases of tests/fixtures instead, so that the time is known to buy the right answer.
 *
 * jax-js is a peer to compare with, never a dependency: its version is named here and nowhere else.
 * An argument owns its array in jax-js, so `x.ref` marks every use of `x` but the last.
 *
 * @module
 */

// deno-lint-ignore no-import-prefix
import {
  blockUntilReady,
  defaultDevice,
  init,
  jit,
  nn,
  numpy as np,
  tree,
} from "npm:@jax-js/jax@0.1.25";
import process from "node:process";
import { createInterface } from "node:readline";

const VERSION = "0.1.25";
const WARM_UP = 2;

type Tensor = np.Array;
type Device = "wasm" | "webgpu";

/** Shape of one DiT, named as in the JSON configs of tests/fixtures. */
interface Config {
  inputSize: number;
  patch: number;
  channels: number;
  hidden: number;
  depth: number;
  heads: number;
  classes: number;
  learnSigma: boolean;
}

/** A linear map whose weight is stored (out, in), as in the published checkpoints. */
type Linear = { weight: Tensor; bias: Tensor };
type Projections = { q: Linear; k: Linear; v: Linear };
type Rest = { proj: Linear; fc1: Linear; fc2: Linear };
type Block = { projections: Projections; rest: Rest; modulation: Linear };
type Parameters = {
  patch: Linear;
  positions: Tensor;
  time1: Linear;
  time2: Linear;
  labels: Tensor;
  blocks: Block[];
  modulation: Linear;
  output: Linear;
};

const SIZES: Record<string, [depth: number, hidden: number, heads: number]> = {
  S: [12, 384, 6],
  B: [12, 768, 12],
  L: [24, 1024, 16],
  XL: [28, 1152, 16],
};

function named(model: string): Config {
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

function outputChannels(config: Config): number {
  return config.learnSigma ? 2 * config.channels : config.channels;
}

// ---------------------------------------------------------------------------------------------
// The network
// ---------------------------------------------------------------------------------------------

function linear(x: Tensor, { weight, bias }: Linear): Tensor {
  return np.matmul(x, weight.transpose()).add(bias);
}

/** LN(x) (1 + scale) + shift; shift and scale are (N,1,d). */
function modulatedNorm(x: Tensor, shift: Tensor, scale: Tensor): Tensor {
  return nn.standardize(x, -1, { epsilon: 1e-6 }).mul(scale.add(1)).add(shift);
}

/** Splits (N, k*d) into k tensors (N,1,d). */
function pieces(x: Tensor, count: number): Tensor[] {
  const [n, width] = x.shape;
  return np.split(x.reshape([n, 1, width]), count, 2);
}

/** Softmax(Q K^T) V of the first half of a block, heads side by side, before the projection. */
function attend(x: Tensor, { q, k, v }: Projections, heads: number): Tensor {
  const [n, tokens, hidden] = x.shape;
  const [queries, keys, values] = [q, k, v].map((map) =>
    linear(x.ref, map).reshape([n, tokens, heads, hidden / heads])
  );
  x.dispose();
  return nn.dotProductAttention(queries, keys, values).reshape([n, tokens, hidden]);
}

/**
 * x (N,C,H,W), t (N,1) float, y (N) int -> (N,C',H,W).
 *
 * Several jitted functions instead of one: jax-js fuses a transposed read into the product that
 * consumes it and then leaves its fast product kernel, which makes the whole three times slower. The
 * border of a jitted function makes it write the transposed tensor out first.
 */
function makeForward(config: Config) {
  const { patch: p, channels, heads } = config;
  const grid = config.inputSize / p;
  const out = outputChannels(config);

  const cells = jit((x: Tensor): Tensor => {
    const n = x.shape[0];
    return x.reshape([n, channels, grid, p, grid, p]).transpose([0, 2, 4, 1, 3, 5])
      .reshape([n, grid * grid, channels * p * p]);
  });

  const embed = jit((x: Tensor, patch: Linear, positions: Tensor): Tensor =>
    linear(x, patch).add(positions)
  );

  const conditioning = jit(
    (t: Tensor, y: Tensor, time1: Linear, time2: Linear, labels: Tensor): Tensor => {
      const frequency = np.exp(np.arange(128).astype(np.float32).mul(-Math.log(10000) / 128));
      const angle = t.mul(frequency);
      const features = np.concatenate([np.cos(angle.ref), np.sin(angle)], 1);
      const time = linear(nn.silu(linear(features, time1)), time2);
      return nn.silu(time.add(np.take(labels, y, 0)));
    },
  );

  const modulation = jit((condition: Tensor, map: Linear): Tensor => linear(condition, map));

  const attention = jit((x: Tensor, vectors: Tensor, maps: Projections): Tensor => {
    const [shift, scale] = pieces(vectors, 6);
    return attend(modulatedNorm(x, shift, scale), maps, heads);
  });

  const rest = jit((x: Tensor, attended: Tensor, vectors: Tensor, maps: Rest): Tensor => {
    const [, , gate1, shift, scale, gate2] = pieces(vectors, 6);
    x = x.add(gate1.mul(linear(attended, maps.proj)));
    const inner = nn.gelu(linear(modulatedNorm(x.ref, shift, scale), maps.fc1), {
      approximate: true,
    });
    return x.add(gate2.mul(linear(inner, maps.fc2)));
  });

  const final = jit((x: Tensor, vectors: Tensor, output: Linear): Tensor => {
    const n = x.shape[0];
    const [shift, scale] = pieces(vectors, 2);
    return linear(modulatedNorm(x, shift, scale), output)
      .reshape([n, grid, grid, p, p, out]).transpose([0, 5, 1, 3, 2, 4])
      .reshape([n, out, grid * p, grid * p]);
  });

  return (parameters: Parameters, x: Tensor, t: Tensor, y: Tensor): Tensor => {
    const { time1, time2, labels, patch, positions } = parameters;
    const condition = conditioning(t, y, time1, time2, labels);
    let tokens = embed(cells(x), patch, positions);
    for (const block of parameters.blocks) {
      const vectors = modulation(condition.ref, block.modulation);
      const attended = attention(tokens.ref, vectors.ref, block.projections);
      tokens = rest(tokens, attended, vectors, block.rest);
    }
    return final(tokens, modulation(condition, parameters.modulation), parameters.output);
  };
}

// ---------------------------------------------------------------------------------------------
// Parameters
// ---------------------------------------------------------------------------------------------

/** Gives the tensor of a published parameter name; `shape` is the one the network wants. */
type Source = (name: string, shape: number[]) => Tensor;

function thirds({ weight, bias }: Linear): Projections {
  const [weights, biases] = [np.split(weight, 3, 0), np.split(bias, 3, 0)];
  const [q, k, v] = weights.map((part, i) => ({ weight: part, bias: biases[i] }));
  return { q, k, v };
}

function load(config: Config, source: Source): Parameters {
  const { hidden: d, patch, channels } = config;
  const cell = channels * patch * patch;
  const tokens = (config.inputSize / patch) ** 2;
  const layer = (name: string, rows: number, columns: number): Linear => ({
    weight: source(`${name}.weight`, [rows, columns]),
    bias: source(`${name}.bias`, [rows]),
  });
  return {
    patch: layer("x_embedder.proj", d, cell),
    positions: source("pos_embed", [1, tokens, d]),
    time1: layer("t_embedder.mlp.0", d, 256),
    time2: layer("t_embedder.mlp.2", d, d),
    labels: source("y_embedder.embedding_table.weight", [config.classes + 1, d]),
    blocks: Array.from({ length: config.depth }, (_, i) => ({
      projections: thirds(layer(`blocks.${i}.attn.qkv`, 3 * d, d)),
      rest: {
        proj: layer(`blocks.${i}.attn.proj`, d, d),
        fc1: layer(`blocks.${i}.mlp.fc1`, 4 * d, d),
        fc2: layer(`blocks.${i}.mlp.fc2`, d, 4 * d),
      },
      modulation: layer(`blocks.${i}.adaLN_modulation.1`, 6 * d, d),
    })),
    modulation: layer("final_layer.adaLN_modulation.1", 2 * d, d),
    output: layer("final_layer.linear", outputChannels(config) * patch * patch, d),
  };
}

/** Uniform values in [-scale, scale) from a small linear congruential generator. */
function randomValues(count: number, scale: number, seed: number): Float32Array<ArrayBuffer> {
  const values = new Float32Array(count);
  let state = seed >>> 0;
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    values[i] = (state / 2 ** 31 - 1) * scale;
  }
  return values;
}

function product(shape: number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

function randomTensor(shape: number[], scale: number, seed: number): Tensor {
  return np.array(randomValues(product(shape), scale, seed)).reshape(shape);
}

// ---------------------------------------------------------------------------------------------
// Timing
// ---------------------------------------------------------------------------------------------

interface Request {
  op: string;
  model?: string;
  batch?: number;
  size?: number;
  device?: Device;
}

/** Runs once and returns when the result is on the device. */
type Job = () => Promise<void>;

async function finish(result: Tensor): Promise<void> {
  (await blockUntilReady(result)).dispose();
}

function forwardJob(model: string, batch: number): Job {
  const config = named(model);
  let seed = 1;
  const parameters = load(config, (_, shape) => randomTensor(shape, 0.05, seed++));
  const side = config.inputSize;
  const x = randomTensor([batch, config.channels, side, side], 1, 1001);
  const t = randomTensor([batch, 1], 500, 1002).add(500);
  const y = np.array(new Int32Array(batch).map((_, i) => (i * 37) % config.classes));
  const forward = makeForward(config);
  return () => finish(forward(tree.ref(parameters), x.ref, t.ref, y.ref));
}

function productJob(size: number): Job {
  const a = randomTensor([size, size], 1, 1);
  const b = randomTensor([size, size], 1, 2);
  const multiply = jit((a: Tensor, b: Tensor) => np.matmul(a, b));
  return () => finish(multiply(a.ref, b.ref));
}

const ready = new Set<Device>();
const jobs = new Map<string, Job>();

async function use(device: Device): Promise<void> {
  if (!ready.has(device)) {
    const found = await init(device);
    if (!found.includes(device)) throw new Error(`jax-js has no ${device} device here`);
    ready.add(device);
  }
  defaultDevice(device);
}

async function answer(request: Request): Promise<Record<string, unknown>> {
  const { op, model = "DiT-S/8", batch = 8, size = 512, device = "wasm" } = request;
  if (op === "memory") return { bytes: peakMemory() };
  if (op === "info") {
    return { name: "jax-js", version: VERSION, detail: `Deno ${Deno.version.deno}` };
  }
  if (op !== "forward" && op !== "product") {
    throw new Error(`unknown op ${op}: forward, product, memory or info`);
  }
  await use(device);
  const key = JSON.stringify([op, model, batch, size, device]);
  let job = jobs.get(key);
  if (!job) {
    job = op === "forward" ? forwardJob(model, batch) : productJob(size);
    for (let i = 0; i < WARM_UP; i++) await job();
    jobs.set(key, job);
  }
  const start = performance.now();
  await job();
  return { milliseconds: performance.now() - start };
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

// ---------------------------------------------------------------------------------------------
// Check against the golden data
// ---------------------------------------------------------------------------------------------

type Raw = { shape: number[]; dtype: string; bytes: ArrayBuffer };

function readSafetensors(file: URL): Map<string, Raw> {
  const bytes = Deno.readFileSync(file).buffer;
  const length = Number(new DataView(bytes).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 8, length))) as Record<
    string,
    { shape: number[]; dtype: string; data_offsets: [number, number] }
  >;
  const tensors = new Map<string, Raw>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const [start, end] = entry.data_offsets.map((offset) => offset + 8 + length);
    tensors.set(name, {
      shape: entry.shape,
      dtype: entry.dtype,
      bytes: bytes.slice(start, end),
    });
  }
  return tensors;
}

function tensorOf(raw: Raw | undefined, shape?: number[]): Tensor {
  if (!raw) throw new Error("tensor missing in the golden data");
  const values = raw.dtype === "I32" ? new Int32Array(raw.bytes) : new Float32Array(raw.bytes);
  return np.array(values).reshape(shape ?? raw.shape);
}

async function check(device: Device): Promise<void> {
  await use(device);
  const folder = new URL("../../tests/fixtures/", import.meta.url);
  for (const name of ["dit-latent", "dit-pixel", "dit-rgb-plain"]) {
    const config = JSON.parse(
      Deno.readTextFileSync(new URL(`${name}.config.json`, folder)),
    ) as Config;
    const weights = readSafetensors(new URL(`${name}.weights.safetensors`, folder));
    const golden = readSafetensors(new URL(`${name}.case.safetensors`, folder));
    const parameters = load(config, (key, shape) => tensorOf(weights.get(key), shape));
    const t = tensorOf(golden.get("input.t"));
    const result = makeForward(config)(
      parameters,
      tensorOf(golden.get("input.x")),
      t.astype(np.float32).reshape([-1, 1]),
      tensorOf(golden.get("input.y")),
    );
    const got = await result.data() as Float32Array;
    const want = new Float32Array(golden.get("output.out")!.bytes);
    const worst = got.reduce((most, value, i) => Math.max(most, Math.abs(value - want[i])), 0);
    console.log(`${name} on ${device}: largest difference ${worst.toExponential(1)}`);
    if (!(worst < 1e-3)) Deno.exit(1);
  }
}

// ---------------------------------------------------------------------------------------------

if (import.meta.main) {
  if (Deno.args[0] === "--check") {
    await check((Deno.args[1] ?? "wasm") as Device);
    Deno.exit(0);
  }
  for await (const line of createInterface({ input: process.stdin })) {
    if (!line.trim()) continue;
    let reply: Record<string, unknown>;
    try {
      reply = await answer(JSON.parse(line) as Request);
    } catch (error) {
      reply = { error: error instanceof Error ? error.message : String(error) };
    }
    console.log(JSON.stringify(reply));
  }
  Deno.exit(0); // jax-js keeps worker threads alive
}
