/**
 * The log-sum-exp of scores and its gradients on every device, against dense sums in double
 * precision. (`gradients_test.ts` holds the derivative to finite differences.)
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Device } from "../../../../kernels/device.ts";
import { compile } from "../../../../kernels/graph/compile.ts";
import { gradients } from "../../../../kernels/graph/gradients.ts";
import { makeGraph } from "../../../../kernels/graph/graph.ts";
import { scoreLogSumExp } from "../../../../kernels/ops/attention/score_log_sum_exp.ts";
import { elementCount } from "../../../../kernels/shape.ts";
import { constantTensor, input } from "../../../../kernels/tensor.ts";
import { eachDevice } from "../../../devices.ts";
import { takesFewerCases } from "../../../scale.ts";

interface Form {
  readonly batch?: number;
  readonly queries: number;
  readonly keys: number;
  readonly heads?: number;
  readonly width: number;
  readonly scale: number;
  /** Ids of queries and keys, one sequence. */
  readonly ids?: readonly [readonly number[], readonly number[]];
}

const cycle = (length: number, ...ids: number[]): number[] =>
  Array.from({ length }, (_, i) => ids[i % ids.length]);

const forms: Form[] = [
  { queries: 1, keys: 1, width: 1, scale: 1 },
  { queries: 33, keys: 33, width: 64, scale: 3 },
  { queries: 70, keys: 19, width: 17, heads: 3, batch: 2, scale: 0.5 },
  { queries: 5, keys: 600, width: 72, scale: 1 },
  { queries: 21, keys: 21, width: 256, scale: 2 },
  { queries: 9, keys: 7, width: 130, scale: 0.1 },
  // As in a contrastive loss: every valid pair sees all valid keys; empty slots see nothing.
  { queries: 40, keys: 40, width: 32, scale: 14, ids: [cycle(40, 0, 0, 1), cycle(40, 0, 0, -1)] },
];

function graphOf({ batch = 1, queries, keys, heads = 1, width, scale, ids }: Form) {
  const query = input("query", [batch, queries, heads, width]);
  const key = input("key", [batch, keys, heads, width]);
  const segments = ids && {
    query: constantTensor(Int32Array.from(ids[0]), [1, queries]),
    key: constantTensor(Int32Array.from(ids[1]), [1, keys]),
  };
  const sums = scoreLogSumExp(query, key, { scale, segments });
  const cotangent = input("cotangent", sums.shape);
  const [dQuery, dKey] = gradients(sums, [query, key], cotangent);
  return makeGraph("log-sum-exp", { outputs: { sums, dQuery, dKey } });
}

/** The definition, with the whole matrix of scores. */
function dense(form: Form, query: Float32Array, key: Float32Array, cotangent: Float32Array) {
  const { batch = 1, queries, keys, heads = 1, width, scale, ids } = form;
  const sums = new Float64Array(batch * heads * queries);
  const dQuery = new Float64Array(query.length);
  const dKey = new Float64Array(key.length);
  for (let row = 0; row < sums.length; row++) {
    const n = Math.floor(row / (heads * queries));
    const h = Math.floor(row / queries) % heads;
    const i = row % queries;
    const at = ((n * queries + i) * heads + h) * width;
    const places = Array.from({ length: keys }, (_, j) => j)
      .filter((j) => !ids || ids[0][i] === ids[1][j])
      .map((j) => ((n * keys + j) * heads + h) * width);
    const exponentials = places.map((place) => {
      let product = 0;
      for (let d = 0; d < width; d++) product += query[at + d] * key[place + d];
      return Math.exp(scale * product);
    });
    const total = exponentials.reduce((a, b) => a + b, 0);
    sums[row] = Math.log(total);
    places.forEach((place, j) => {
      const factor = cotangent[row] * scale * exponentials[j] / total;
      for (let d = 0; d < width; d++) {
        dQuery[at + d] += factor * key[place + d];
        dKey[place + d] += factor * query[at + d];
      }
    });
  }
  return new Map([["sums", sums], ["dQuery", dQuery], ["dKey", dKey]]);
}

/** Unit vectors, as embeddings are. */
function embeddings(count: number, width: number, seed: number): Float32Array {
  const data = Float32Array.from(
    { length: count * width },
    (_, i) => Math.sin(seed * (i + 1) ** 2),
  );
  for (let row = 0; row < count; row++) {
    const vector = data.subarray(row * width, (row + 1) * width);
    const norm = Math.hypot(...vector);
    vector.forEach((x, d) => vector[d] = x / norm);
  }
  return data;
}

async function largestError(device: Device, form: Form): Promise<number> {
  const executable = await device.load(compile(graphOf(form)));
  const { batch = 1, queries, keys, heads = 1, width } = form;
  const query = embeddings(batch * queries * heads, width, 1);
  const key = embeddings(batch * keys * heads, width, 2);
  const cotangent = Float32Array.from({ length: batch * heads * queries }, (_, i) => Math.cos(i));
  executable.buffer("query").write(query);
  executable.buffer("key").write(key);
  executable.buffer("cotangent").write(cotangent);
  executable.run();
  let worst = 0;
  for (const [name, expected] of dense(form, query, key, cotangent)) {
    const actual = await executable.buffer(name).read();
    const magnitude = expected.reduce(
      (m, x) => Number.isFinite(x) ? Math.max(m, Math.abs(x)) : m,
      0,
    );
    expected.forEach((x, i) => {
      if (x !== actual[i]) worst = Math.max(worst, Math.abs(x - actual[i]) / magnitude || Infinity);
    });
  }
  executable.destroy();
  return worst;
}

eachDevice("log-sum-exp of scores and its gradients", async (device, { name }) => {
  // Means of hundreds of unit vectors nearly cancel: errors are those of the terms.
  const tolerance = 4e-6;
  let worst = 0;
  // An emulated GPU compiles the gradients of the widest heads for ten seconds.
  const widest = await takesFewerCases(device.kind) ? 130 : Infinity;
  for (const form of forms.filter(({ width }) => width <= widest)) {
    const error = await largestError(device, form);
    worst = Math.max(worst, error);
    assert(error <= tolerance, `${JSON.stringify(form)}: off by ${error}`);
  }
  console.log(`${name}: largest error ${worst.toExponential(1)} of the largest value`);
});

Deno.test("memory grows with the lengths of the log-sum-exp, not with their product", () => {
  const bytes = [1024, 2048].map((length) => {
    const form = { queries: length, keys: length, width: 64, scale: 1 };
    return compile(graphOf(form)).arenaBytes;
  });
  assert(bytes[0] >= 4 * elementCount([1024, 64]));
  assert(bytes[1] <= 2.1 * bytes[0], `${bytes}`);
});

Deno.test("operands of a log-sum-exp that do not fit are named", () => {
  const [query, key] = [input("q", [1, 3, 2, 4]), input("k", [1, 5, 2, 3])];
  assert.throws(
    () => scoreLogSumExp(query, key),
    /scoreLogSumExp: query and key \(1, 3, 2, 4\), \(1, 5, 2, 3\) do not fit/,
  );
});
