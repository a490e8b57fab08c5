/**
 * Times DiT in onnxruntime-node on its CPU provider, one JSON request a line on stdin, one JSON answer
 * a line out.
 *
 *     {"op": "forward", "model": "DiT-S/8", "batch": 8, "threads": 2}  -> {"milliseconds": 55}
 *     {"op": "memory"}                                                 -> {"bytes": 812646400}
 *     {"op": "info"}                             -> {"name": "onnxruntime", "version": "1.30.0"}
 *
 * The graph is what PyTorch's exporter writes: attention as two products and a softmax, layer norm and
 * GELU as one operation each; onnxruntime optimises it when it is loaded. `--check` runs the golden
 * cases of tests/fixtures. A peer to compare with, never a dependency: its version is named here and
 * nowhere else.
 *
 * @module
 */

// deno-lint-ignore no-import-prefix
import { InferenceSession, Tensor } from "npm:onnxruntime-node@1.30.0";
import {
  answerRequests,
  checkGolden,
  type Config,
  type Job,
  type Linear,
  named,
  outputChannels,
  parametersOf,
  product,
  randomInputs,
  randomSource,
  type Request,
  type Source,
  tokensOf,
} from "./dit.ts";
import { OnnxGraph } from "./onnx.ts";

const VERSION = "1.30.0";

/** Numbers of a parameter. */
type Values = { values: Float32Array<ArrayBuffer>; shape: number[] };

/** (rows, columns) -> (columns, rows): the right factor that a product reads. */
function transposed({ values, shape: [rows, columns] }: Values): Values {
  const turned = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      turned[column * rows + row] = values[row * columns + column];
    }
  }
  return { values: turned, shape: [columns, rows] };
}

/** x (N,C,H,W), t (N,1), y (N) -> out (N,C',H,W). */
function ditGraph(config: Config, batch: number, source: Source<Values>): OnnxGraph {
  const { channels, heads, hidden, inputSize, patch: p } = config;
  const grid = inputSize / p;
  const [tokens, out] = [tokensOf(config), outputChannels(config)];
  const g = new OnnxGraph();
  const parameters = parametersOf(config, source);
  const constant = ({ values, shape }: Values) => g.floats(values, shape);
  const scalar = (value: number) => g.floats(Float32Array.of(value), []);
  const linear = (x: string, { weight, bias }: Linear<Values>) =>
    g.add("Add", [g.add("MatMul", [x, constant(transposed(weight))]), constant(bias)]);
  const silu = (x: string) => g.add("Mul", [x, g.add("Sigmoid", [x])]);
  const reshape = (x: string, ...shape: number[]) => g.add("Reshape", [x, g.integers(...shape)]);
  const permute = (x: string, ...axes: number[]) =>
    g.add("Transpose", [x], { perm: { ints: axes } });
  const ones = g.floats(new Float32Array(hidden).fill(1), [hidden]);
  const modulatedNorm = (x: string, shift: string, scale: string) => {
    const attributes = { axis: { int: -1 }, epsilon: { float: 1e-6 } };
    const normal = g.add("LayerNormalization", [x, ones], attributes);
    return g.add("Add", [g.add("Mul", [normal, g.add("Add", [scale, scalar(1)])]), shift]);
  };
  /** (N, count * d) -> `count` tensors (N,1,d). */
  const pieces = (x: string, count: number) =>
    g.addAll("Split", [x], count, { axis: { int: 1 }, num_outputs: { int: count } })
      .map((piece) => g.add("Unsqueeze", [piece, g.integers(1)]));
  const attention = (x: string, qkv: Linear<Values>) => {
    const width = hidden / heads;
    const parts = reshape(linear(x, qkv), batch, tokens, 3, heads, width);
    const [q, k, v] = g.addAll("Split", [permute(parts, 2, 0, 3, 1, 4)], 3, {
      axis: { int: 0 },
      num_outputs: { int: 3 },
    }).map((part) => g.add("Squeeze", [part, g.integers(0)]));
    const products = g.add("MatMul", [q, permute(k, 0, 1, 3, 2)]);
    const scores = g.add("Mul", [products, scalar(width ** -0.5)]);
    const weights = g.add("Softmax", [scores], { axis: { int: -1 } });
    return reshape(permute(g.add("MatMul", [weights, v]), 0, 2, 1, 3), batch, tokens, hidden);
  };

  const x = g.input("x", "float", [batch, channels, inputSize, inputSize]);
  const cells = permute(reshape(x, batch, channels, grid, p, grid, p), 0, 2, 4, 1, 3, 5);
  const embedded = linear(reshape(cells, batch, tokens, channels * p * p), parameters.patch);
  let h = g.add("Add", [embedded, constant(parameters.positions)]);

  const frequencies = Float32Array.from({ length: 128 }, (_, i) => 10000 ** (-i / 128));
  const t = g.input("t", "float", [batch, 1]);
  const angles = g.add("Mul", [t, g.floats(frequencies, [1, 128])]);
  const features = g.add("Concat", [g.add("Cos", [angles]), g.add("Sin", [angles])], {
    axis: { int: 1 },
  });
  const time = linear(silu(linear(features, parameters.time1)), parameters.time2);
  const label = g.add("Gather", [constant(parameters.labels), g.input("y", "int64", [batch])]);
  const condition = silu(g.add("Add", [time, label]));

  for (const { qkv, proj, fc1, fc2, modulation } of parameters.blocks) {
    const [shift1, scale1, gate1, shift2, scale2, gate2] = pieces(linear(condition, modulation), 6);
    const attended = linear(attention(modulatedNorm(h, shift1, scale1), qkv), proj);
    h = g.add("Add", [h, g.add("Mul", [gate1, attended])]);
    const wide = g.add("Gelu", [linear(modulatedNorm(h, shift2, scale2), fc1)], {
      approximate: { text: "tanh" },
    });
    h = g.add("Add", [h, g.add("Mul", [gate2, linear(wide, fc2)])]);
  }

  const [shift, scale] = pieces(linear(condition, parameters.modulation), 2);
  const patches = linear(modulatedNorm(h, shift, scale), parameters.output);
  const pixels = permute(reshape(patches, batch, grid, grid, p, p, out), 0, 5, 1, 3, 2, 4);
  const shape = [batch, out, inputSize, inputSize];
  g.output("out", reshape(pixels, ...shape), shape);
  return g;
}

/** The arrays of a batch as the session takes them. */
function feeds(
  x: Values,
  t: ArrayLike<number>,
  y: ArrayLike<number>,
): Record<string, Tensor> {
  return {
    x: new Tensor("float32", x.values, x.shape),
    t: new Tensor("float32", Float32Array.from(t), [t.length, 1]),
    y: new Tensor("int64", BigInt64Array.from(Array.from(y), BigInt), [y.length]),
  };
}

async function open(
  graph: OnnxGraph,
  threads = navigator.hardwareConcurrency,
): Promise<InferenceSession> {
  return await InferenceSession.create(graph.bytes(), {
    executionProviders: ["cpu"],
    graphOptimizationLevel: "all",
    intraOpNumThreads: threads,
  });
}

async function prepare({ op, model = "DiT-S/8", batch = 8, threads }: Request): Promise<Job> {
  if (op !== "forward") throw new Error(`unknown op ${op}: forward, memory or info`);
  const config = named(model);
  const source = randomSource((values: Float32Array<ArrayBuffer>, shape) => ({ values, shape }));
  const session = await open(ditGraph(config, batch, source), threads);
  const { x, t, y } = randomInputs(config, batch);
  const inputs = feeds(x, t, y);
  return async () => void await session.run(inputs);
}

async function check(): Promise<void> {
  await checkGolden(async ({ config, weights, x, t, y }) => {
    const floats = (name: string, shape: number[]) => ({
      values: weights(name).values as Float32Array<ArrayBuffer>,
      shape,
    });
    const session = await open(ditGraph(config, x.shape[0], floats));
    const input = { values: x.values as Float32Array<ArrayBuffer>, shape: x.shape };
    const { out } = await session.run(feeds(input, t.values, y.values));
    if (product(out.dims) !== out.data.length) throw new Error("an output without its data");
    return out.data as Float32Array;
  });
}

if (import.meta.main) {
  if (Deno.args[0] === "--check") await check();
  else {
    const about = { name: "onnxruntime", version: VERSION, detail: "CPU provider" };
    await answerRequests({ about, prepare });
  }
  Deno.exit(0); // its thread pool stays alive
}
