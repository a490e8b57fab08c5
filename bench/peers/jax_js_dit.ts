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
import {
  answerRequests,
  checkGolden,
  type Config,
  type Job,
  type Linear as LinearOf,
  named,
  outputChannels,
  parametersOf,
  randomInputs,
  randomSource,
  randomValues,
  type Request,
  type Source,
} from "./dit.ts";

const VERSION = "0.1.25";

type Tensor = np.Array;
type Device = "wasm" | "webgpu";
type Linear = LinearOf<Tensor>;
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

function thirds({ weight, bias }: Linear): Projections {
  const [weights, biases] = [np.split(weight, 3, 0), np.split(bias, 3, 0)];
  const [q, k, v] = weights.map((part, i) => ({ weight: part, bias: biases[i] }));
  return { q, k, v };
}

function load(config: Config, source: Source<Tensor>): Parameters {
  const { blocks, ...outside } = parametersOf(config, source);
  return {
    ...outside,
    blocks: blocks.map(({ qkv, modulation, ...rest }) => ({
      projections: thirds(qkv),
      rest,
      modulation,
    })),
  };
}

// ---------------------------------------------------------------------------------------------
// Timing
// ---------------------------------------------------------------------------------------------

async function finish(result: Tensor): Promise<void> {
  (await blockUntilReady(result)).dispose();
}

function forwardJob(model: string, batch: number): Job {
  const config = named(model);
  const parameters = load(
    config,
    randomSource((values, shape) => np.array(values).reshape(shape)),
  );
  const inputs = randomInputs(config, batch);
  const x = np.array(inputs.x.values).reshape(inputs.x.shape);
  const t = np.array(inputs.t).reshape([batch, 1]);
  const y = np.array(inputs.y);
  const forward = makeForward(config);
  return () => finish(forward(tree.ref(parameters), x.ref, t.ref, y.ref));
}

function productJob(size: number): Job {
  const [a, b] = [1, 2].map((seed) =>
    np.array(randomValues(size * size, 1, seed)).reshape([size, size])
  );
  const multiply = jit((a: Tensor, b: Tensor) => np.matmul(a, b));
  return () => finish(multiply(a.ref, b.ref));
}

const ready = new Set<Device>();

async function use(device: Device): Promise<void> {
  if (!ready.has(device)) {
    const found = await init(device);
    if (!found.includes(device)) throw new Error(`jax-js has no ${device} device here`);
    ready.add(device);
  }
  defaultDevice(device);
}

async function prepare(request: Request): Promise<Job> {
  const { op, model = "DiT-S/8", batch = 8, size = 512, device = "wasm" } = request;
  if (op !== "forward" && op !== "product") {
    throw new Error(`unknown op ${op}: forward, product, memory or info`);
  }
  await use(device);
  const job = op === "forward" ? forwardJob(model, batch) : productJob(size);
  return async () => {
    await use(device);
    await job();
  };
}

async function check(device: Device): Promise<void> {
  await use(device);
  await checkGolden(async ({ config, weights, x, t, y }) => {
    const tensor = ({ values, shape }: typeof x, reshaped = shape) =>
      np.array(values).reshape(reshaped);
    const result = makeForward(config)(
      load(config, (name, shape) => tensor(weights(name), shape)),
      tensor(x),
      tensor(t).astype(np.float32).reshape([-1, 1]),
      tensor(y),
    );
    return await result.data() as Float32Array;
  });
}

// ---------------------------------------------------------------------------------------------

if (import.meta.main) {
  if (Deno.args[0] === "--check") await check((Deno.args[1] ?? "wasm") as Device);
  else {
    const about = { name: "jax-js", version: VERSION, detail: `Deno ${Deno.version.deno}` };
    await answerRequests({ about, prepare });
  }
  Deno.exit(0); // jax-js keeps worker threads alive
}
