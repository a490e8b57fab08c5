/**
 * NaViT against PyTorch, which saw one image at a time; the invariants of packing; counts.
 */
import assert from "node:assert/strict";
import { compile } from "../../../kernels/graph/compile.ts";
import { gradients } from "../../../kernels/graph/gradients.ts";
import { type Graph, graphInputs, graphNodes, makeGraph } from "../../../kernels/graph/graph.ts";
import { input, InputNode, type Tensor } from "../../../kernels/tensor.ts";
import {
  navit,
  type NaViTConfig,
  navitConfigs,
  navitParameters,
} from "../../../models/navit/model.ts";
import {
  captionGraph,
  describeNaViT,
  imageInputs,
  navitForwardGraph,
} from "../../../models/navit/graph.ts";
import type { PositionConfig } from "../../../models/navit/positions.ts";
import { lookup, parameterStates } from "../../../nn/parameters.ts";
import { eachDevice } from "../../devices.ts";
import { assertClose, type Golden, loadConfig, loadGolden, loadJson } from "../../golden.ts";
import {
  goldenShape,
  loadForward,
  testImage,
  writeGoldenInputs,
  writeParameters,
} from "./batches.ts";

/** Largest difference allowed, as a part of the largest magnitude; float32 rounding makes 1e-6. */
const tolerance = 1e-5;

for (const name of ["navit_factorized", "navit_biased"]) {
  eachDevice(`${name}: logits and every gradient equal PyTorch's`, async (device) => {
    const config = await loadConfig<NaViTConfig>(name);
    const [weights, golden] = [
      await loadGolden(`${name}.weights`),
      await loadGolden(`${name}.case`),
    ];
    const states = parameterStates(navitParameters(config));
    const images = imageInputs(config, goldenShape(golden));
    const logits = navit(config, lookup(states), images);
    const found = gradients(
      logits,
      [images.patches, ...states.values()],
      input("cotangent", logits.shape),
    );
    const outputs: Record<string, Tensor> = { logits };
    ["patches", ...states.keys()].forEach((key, index) => outputs[`grad.${key}`] = found[index]);
    const graph = makeGraph("case", { outputs });
    const executable = await device.load(compile(graph));
    writeParameters((key) => executable.buffer(key), weights);
    writeGoldenInputs(executable, golden, graphInputs(graph));
    executable.buffer("cotangent").write(golden.floats("cotangent.logits"));
    executable.run();
    const expected = golden.floats("output.logits");
    const actual = (await executable.buffer("logits").read()).slice() as Float32Array;
    clearEmptySlots(actual, golden.integers("input.indices"));
    assertClose("logits", actual, expected, tolerance);
    const compared = [...golden.shapes.keys()].filter((tensor) => tensor.startsWith("grad."));
    assert.equal(compared.length, states.size + 1);
    for (const tensor of compared) {
      assertClose(tensor, await executable.buffer(tensor).read(), golden.floats(tensor), tolerance);
    }
  });
}

/** What empty slots hold means nothing; the golden files say 0. */
function clearEmptySlots(logits: Float32Array, indices: Int32Array): void {
  const classes = logits.length / indices.length;
  indices.forEach((index, slot) => {
    if (index < 0) logits.fill(0, slot * classes, (slot + 1) * classes);
  });
}

eachDevice("every position embedding equals PyTorch's", async (device) => {
  const base = await loadConfig<NaViTConfig>("navit_factorized");
  const [weights, golden] = [
    await loadGolden("navit_factorized.weights"),
    await loadGolden("navit_positions"),
  ];
  const variants = Object.entries(golden.about.variants as Record<string, PositionConfig>);
  assert.equal(variants.length, 11);
  for (const [variant, positions] of variants) {
    const config = { ...base, ...positions };
    const states = parameterStates(navitParameters(config));
    const logits = navit(config, lookup(states), imageInputs(config, goldenShape(golden)));
    const embedding = [...states.keys()].filter((key) => key.startsWith("pos_embed."));
    const found = gradients(
      logits,
      embedding.map((key) => states.get(key)!),
      input("cotangent", logits.shape),
    );
    const outputs: Record<string, Tensor> = { logits };
    embedding.forEach((key, index) => outputs[`grad.${key}`] = found[index]);
    const graph = makeGraph(variant, { outputs });
    const executable = await device.load(compile(graph));
    for (const key of states.keys()) {
      const isPosition = key.startsWith("pos_embed.");
      executable.buffer(key).write(
        isPosition ? golden.floats(`${variant}.${key}`) : weights.floats(key),
      );
    }
    writeGoldenInputs(executable, golden, graphInputs(graph));
    executable.run();
    const actual = (await executable.buffer("logits").read()).slice() as Float32Array;
    clearEmptySlots(actual, golden.integers("input.indices"));
    assertClose(variant, actual, golden.floats(`${variant}.logits`), tolerance);
    if (embedding.length === 0) continue;
    executable.buffer("cotangent").write(sigmoidGradient(actual, config.classes, golden));
    executable.run();
    for (const key of embedding) {
      const tensor = `grad.${key}`;
      const expected = golden.floats(`${variant}.${tensor}`);
      assertClose(`${variant} ${key}`, await executable.buffer(tensor).read(), expected, tolerance);
    }
    executable.destroy();
  }
});

/** The gradient of the sigmoid loss by its logits: weight (p - 1 of the label). */
function sigmoidGradient(
  logits: Float32Array,
  classes: number,
  golden: Golden,
): Float32Array {
  const [weights, labels] = [golden.floats("input.weights"), golden.integers("input.labels")];
  return logits.map((logit, index) => {
    const slot = Math.floor(index / classes);
    const target = labels[slot] === index % classes ? 1 : 0;
    return weights[slot] * (1 / (1 + Math.exp(-logit)) - target);
  });
}

eachDevice("square images, one a sequence, make a plain ViT", async (device) => {
  const config = await loadConfig<NaViTConfig>("navit_factorized");
  const [weights, golden] = [
    await loadGolden("navit_factorized.weights"),
    await loadGolden("navit_plain.case"),
  ];
  const graph = navitForwardGraph(config, goldenShape(golden));
  const executable = await device.load(compile(graph));
  writeParameters((key) => executable.buffer(key), weights);
  writeGoldenInputs(executable, golden, graphInputs(graph));
  executable.run();
  assertClose(
    "logits",
    await executable.buffer("logits").read(),
    golden.floats("output.logits"),
    tolerance,
  );
});

eachDevice("an image has the same logits alone, first, last and among others", async (device) => {
  const config = await loadConfig<NaViTConfig>("navit_factorized");
  const weights = await loadGolden("navit_factorized.weights");
  const shape = { sequences: 2, length: 24, slots: 4 };
  const forward = await loadForward(device, config, shape, weights);
  const one = testImage(config, 3, 2, 1);
  const [wide, tall, dot] = [
    testImage(config, 2, 7, 2),
    testImage(config, 5, 1, 3, [0, 2, 3]),
    testImage(config, 1, 1, 4),
  ];
  const [alone] = await forward.run([[one], []]);
  const positions: [string, Float32Array][] = [
    ["first", (await forward.run([[one, wide], []]))[0]],
    ["last", (await forward.run([[wide, dot, tall, one], []]))[3]],
    ["in the second sequence", (await forward.run([[wide], [tall, one]]))[2]],
  ];
  for (const [where, logits] of positions) assertClose(where, logits, alone, tolerance);
});

eachDevice("changing one image moves no bit of another's logits", async (device) => {
  const config = await loadConfig<NaViTConfig>("navit_factorized");
  const weights = await loadGolden("navit_factorized.weights");
  const forward = await loadForward(
    device,
    config,
    { sequences: 1, length: 24, slots: 4 },
    weights,
  );
  const neighbours = [testImage(config, 3, 2, 1), testImage(config, 2, 4, 3)];
  const pack = (seed: number) => [[neighbours[0], testImage(config, 3, 3, seed), neighbours[1]]];
  const [first, second] = [await forward.run(pack(2)), await forward.run(pack(5))];
  assert.deepEqual(second[0], first[0]);
  assert.deepEqual(second[2], first[2]);
  assert.notDeepEqual(second[1], first[1]);
});

eachDevice("the order of an image's tokens does not matter", async (device) => {
  const config = await loadConfig<NaViTConfig>("navit_factorized");
  const weights = await loadGolden("navit_factorized.weights");
  const forward = await loadForward(
    device,
    config,
    { sequences: 1, length: 15, slots: 1 },
    weights,
  );
  const places = [11, 3, 0, 14, 7, 5, 1, 9, 2, 13, 4, 12, 6, 8, 10];
  const [shuffled] = await forward.run([[testImage(config, 3, 5, 1, places)]]);
  const [sorted] = await forward.run([[testImage(config, 3, 5, 1)]]);
  assertClose("logits", shuffled, sorted, tolerance);
});

eachDevice("rows and columns are not exchanged", async (device) => {
  const config = await loadConfig<NaViTConfig>("navit_factorized");
  const weights = await loadGolden("navit_factorized.weights");
  const forward = await loadForward(
    device,
    config,
    { sequences: 1, length: 10, slots: 1 },
    weights,
  );
  const wide = testImage(config, 2, 5, 1);
  const [a] = await forward.run([[wide]]);
  const [b] = await forward.run([[{ ...wide, gridRows: 5, gridColumns: 2 }]]);
  assert(a.some((logit, index) => Math.abs(logit - b[index]) > 1e-3));
});

eachDevice("unit vectors of images and captions equal PyTorch's", async (device) => {
  const name = "navit_contrastive";
  const config = await loadConfig<NaViTConfig>(name);
  const [weights, golden] = [await loadGolden(`${name}.weights`), await loadGolden(`${name}.case`)];
  const shape = goldenShape(golden);
  const length = golden.shapes.get("input.textTokens")![1];
  const towers = [
    ["imageEmbeddings", navitForwardGraph(config, shape, "embeddings")],
    ["textEmbeddings", captionGraph(config, { ...shape, length })],
  ] as const;
  for (const [tensor, graph] of towers) {
    const executable = await device.load(compile(graph));
    const known = new Set(graphNames(graph));
    writeParameters(
      (key) => executable.buffer(key),
      weights,
      [...weights.shapes.keys()].filter((key) => known.has(key)),
    );
    writeGoldenInputs(executable, golden, graphInputs(graph));
    executable.run();
    const actual = (await executable.buffer("embeddings").read()).slice() as Float32Array;
    clearEmptySlots(actual, golden.integers("input.indices"));
    assertClose(tensor, actual, golden.floats(`output.${tensor}`), tolerance);
  }
});

/** Names of the states and inputs that a graph reads. */
function graphNames(graph: Graph): string[] {
  return graphNodes(graph).filter((node) => node instanceof InputNode).map(({ name }) => name);
}

/** Counts of a model without a classifier, by its own formula (`tests/fixtures/navit_counts.py`). */
interface GoldenCounts {
  readonly models: Readonly<
    Record<string, { readonly parameters: number; readonly macs: Readonly<Record<string, number>> }>
  >;
}

Deno.test("all sizes have the specification's parameters and multiply-adds, exactly", async () => {
  const { models } = await loadJson<GoldenCounts>("navit_counts");
  for (const [name, { parameters, macs }] of Object.entries(models)) {
    const config = { ...navitConfigs.get(name)!, classes: 1 };
    const head = config.hidden + 1;
    for (const [tokens, expected] of Object.entries(macs)) {
      const counts = describeNaViT(config, Number(tokens));
      assert.equal(counts.multiplyAdds - config.hidden, expected, `${name} at ${tokens} tokens`);
      assert.equal(counts.parameters - head, parameters, name);
    }
  }
});
