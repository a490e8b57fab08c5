/** The golden NaViT data holds what `tests/fixtures/README.md` promises. */
import assert from "node:assert/strict";
import { type Golden, loadConfig, loadGolden, loadJson } from "../../golden.ts";

/** The fields that the shape of a batch depends on. */
interface Config {
  readonly hidden: number;
  readonly channels: number;
  readonly patch: number;
  readonly classes: number;
}

/** Checks the batch of a file: B sequences of L tokens with E slots. */
function assertBatch(golden: Golden, config: Config, [sequences, length, slots]: number[]): void {
  const { shapes } = golden;
  const pixels = config.channels * config.patch ** 2;
  assert.deepEqual(shapes.get("input.patches"), [sequences, length, pixels]);
  for (const field of ["segments", "rows", "columns", "gridRows", "gridColumns"]) {
    assert.equal(golden.integers(`input.${field}`).length, sequences * length, field);
    assert.deepEqual(shapes.get(`input.${field}`), [sequences, length], field);
  }
  for (const field of ["labels", "weights", "indices"]) {
    assert.deepEqual(shapes.get(`input.${field}`), [sequences, slots], field);
  }
  const weight = golden.floats("input.weights").reduce((sum, value) => sum + value);
  assert(Math.abs(weight - 1) < 1e-6, `weights add up to ${weight}`);
}

/** Checks that `<prefix><parameter>` exists for every parameter, thinned when it is large. */
function assertParameters(golden: Golden, weights: Golden, prefix: string): void {
  const { stride, fullLimit } = golden.about as { stride?: number; fullLimit?: number };
  for (const [parameter, shape] of weights.shapes) {
    const count = weights.floats(parameter).length;
    const thinned = stride !== undefined && count > fullLimit!;
    const expected = thinned ? [Math.ceil(count / stride)] : shape;
    assert.deepEqual(golden.shapes.get(prefix + parameter), expected, prefix + parameter);
  }
}

async function load(name: string, part: string): Promise<[Golden, Golden, Config]> {
  return [
    await loadGolden(`${name}.${part}`),
    await loadGolden(`${name}.weights`),
    await loadConfig<Config>(name),
  ];
}

for (const [name, batch] of [["navit_factorized", [2, 24, 4]], ["navit_biased", [2, 11, 3]]]) {
  Deno.test(`golden ${name}.case: logits, their cotangent and every gradient`, async () => {
    const [golden, weights, config] = await load(name as string, "case");
    const [sequences, , slots] = batch as number[];
    assertBatch(golden, config, batch as number[]);
    assertParameters(golden, weights, "grad.");
    for (const tensor of ["output.logits", "cotangent.logits"]) {
      assert.deepEqual(golden.shapes.get(tensor), [sequences, slots, config.classes]);
    }
    assert.deepEqual(golden.shapes.get("grad.patches"), golden.shapes.get("input.patches"));
    assert.deepEqual(golden.shapes.get("loss.sigmoid"), [1]);
    const biases = [...weights.shapes.keys()].filter((key) => key.endsWith(".bias"));
    assert.equal(biases.length, name === "navit_biased" ? 5 : 1);
  });
}

Deno.test("golden navit_factorized.losses: both losses, by image and in all", async () => {
  const [golden, weights, config] = await load("navit_factorized", "losses");
  assertBatch(golden, config, [2, 24, 4]);
  for (const kind of ["softmax", "sigmoid"]) {
    assertParameters(golden, weights, `${kind}.grad.`);
    assert.deepEqual(golden.shapes.get(`${kind}.losses`), [2, 4]);
    const losses = golden.floats(`${kind}.losses`);
    const mean = losses.reduce((sum, loss) => sum + loss) / 6;
    assert(Math.abs(golden.floats(`${kind}.loss`)[0] - mean) < 1e-5);
    assert.deepEqual(golden.shapes.get(`${kind}.grad_norm`), [1]);
  }
});

Deno.test("golden navit_factorized.adamw: three updates", async () => {
  const [golden, weights, config] = await load("navit_factorized", "adamw");
  assertBatch(golden, config, [2, 24, 4]);
  for (const step of [1, 2, 3]) assertParameters(golden, weights, `step${step}.`);
  for (const tensor of ["loss", "grad_norm", "learning_rate"]) {
    assert.deepEqual(golden.shapes.get(tensor), [3], tensor);
  }
});

Deno.test("golden navit_positions: eleven variants", async () => {
  const golden = await loadGolden("navit_positions");
  assertBatch(golden, await loadConfig<Config>("navit_factorized"), [2, 24, 4]);
  const variants = Object.keys(golden.about.variants as Record<string, unknown>);
  assert.equal(variants.length, 11);
  for (const variant of variants) {
    assert.deepEqual(golden.shapes.get(`${variant}.logits`), [2, 4, 5]);
    const tables: Record<string, Record<string, number[]>> = {
      factorized: { rows: [8, 48], columns: [8, 48] },
      fourier: { frequencies: [24, 2] },
      learned: { table: [64, 48] },
      sinusoidal: {},
    };
    for (const [table, shape] of Object.entries(tables[variant.split("-", 1)[0]])) {
      const expected = variant.includes("stack") ? [8, 24] : shape;
      assert.deepEqual(golden.shapes.get(`${variant}.pos_embed.${table}`), expected, variant);
      assert.deepEqual(golden.shapes.get(`${variant}.grad.pos_embed.${table}`), expected, variant);
    }
  }
});

Deno.test("golden navit_plain.case: pictures and the same as packed patches", async () => {
  const golden = await loadGolden("navit_plain.case");
  assertBatch(golden, await loadConfig<Config>("navit_factorized"), [4, 9, 1]);
  assert.deepEqual(golden.shapes.get("pictures"), [4, 3, 12, 12]);
  assert.deepEqual(golden.shapes.get("output.logits"), [4, 1, 5]);
});

Deno.test("golden navit_contrastive.case: embeddings of five pairs", async () => {
  const [golden, weights, config] = await load("navit_contrastive", "case");
  assertBatch(golden, config, [2, 16, 4]);
  assertParameters(golden, weights, "grad.");
  assert(!weights.has("head.weight") && weights.has("logit_scale"));
  for (const field of ["textTokens", "textSegments", "textPositions"]) {
    assert.deepEqual(golden.shapes.get(`input.${field}`), [2, 40], field);
  }
  for (const tensor of ["output.imageEmbeddings", "output.textEmbeddings"]) {
    assert.deepEqual(golden.shapes.get(tensor), [2, 4, 16]);
    const squares = golden.floats(tensor).reduce((sum, value) => sum + value ** 2, 0);
    assert(Math.abs(squares - 5) < 1e-5, `${tensor}: five unit vectors, not ${squares}`);
  }
  assert.deepEqual(golden.shapes.get("loss"), [1]);
});

Deno.test("golden navit_counts: six models at seven token counts", async () => {
  interface Row {
    readonly parameters: number;
    readonly macs: Readonly<Record<string, number>>;
  }
  const counts = await loadJson<{ models: Record<string, Row>; deviations: unknown[] }>(
    "navit_counts",
  );
  assert.equal(Object.keys(counts.models).length, 6);
  for (const { parameters, macs } of Object.values(counts.models)) {
    assert(Number.isSafeInteger(parameters));
    assert.equal(Object.values(macs).filter(Number.isSafeInteger).length, 7);
  }
  assert.deepEqual(counts.deviations, []);
});

Deno.test("golden navit_metrics: sizes of the tables", async () => {
  interface Metrics {
    readonly classification: {
      readonly labels: number[];
      readonly logits: number[][];
      readonly softmax: { readonly buckets: { readonly count: number }[] };
      readonly sigmoid: { readonly buckets: { readonly count: number }[] };
    };
    readonly cascade: {
      readonly costlyLogits: number[][];
      readonly fractions: unknown[];
      readonly thresholds: unknown[];
    };
    readonly probe: {
      readonly trainFeatures: number[][];
      readonly testFeatures: number[][];
      readonly runs: { readonly predictions: number[] }[];
    };
  }
  const { classification, cascade, probe } = await loadJson<Metrics>("navit_metrics");
  assert.equal(classification.labels.length, 160);
  for (const logits of [classification.logits, cascade.costlyLogits]) {
    assert.deepEqual([logits.length, logits[0].length], [160, 10]);
  }
  for (const { buckets } of [classification.softmax, classification.sigmoid]) {
    assert.equal(buckets.length, 30);
    assert.equal(buckets.reduce((sum, { count }) => sum + count, 0), 160);
  }
  assert.deepEqual([cascade.fractions.length, cascade.thresholds.length], [5, 5]);
  assert.deepEqual([probe.trainFeatures.length, probe.trainFeatures[0].length], [80, 24]);
  assert.equal(probe.testFeatures.length, 160);
  assert.deepEqual(probe.runs.map(({ predictions }) => predictions.length), [160, 160]);
});
