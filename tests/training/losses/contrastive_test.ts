/** The contrastive loss against PyTorch's dense one, through both towers and by itself. */
import assert from "node:assert/strict";
import { compile } from "../../../kernels/graph/compile.ts";
import { gradients } from "../../../kernels/graph/gradients.ts";
import { graphInputs, makeGraph } from "../../../kernels/graph/graph.ts";
import { input, type Tensor } from "../../../kernels/tensor.ts";
import type { NaViTConfig } from "../../../models/navit/model.ts";
import { contrastiveLoss } from "../../../training/losses/contrastive.ts";
import { navitLosses } from "../../../models/navit/step.ts";
import { eachDevice } from "../../devices.ts";
import { assertClose, loadConfig, loadGolden, thinned } from "../../golden.ts";
import { goldenShape, writeGoldenInputs, writeParameters } from "../../models/navit/batches.ts";

eachDevice("both towers: loss and every gradient equal PyTorch's", async (device) => {
  const name = "navit_contrastive";
  const config = await loadConfig<NaViTConfig>(name);
  const [weights, golden] = [await loadGolden(`${name}.weights`), await loadGolden(`${name}.case`)];
  const [, textLength] = golden.shapes.get("input.textTokens")!;
  const settings = {
    ...goldenShape(golden),
    textLength,
    loss: "contrastive",
    clipNorm: 0,
  } as const;
  const { loss, states } = navitLosses(config, settings);
  const found = gradients(loss, [...states.values()]);
  const outputs: Record<string, Tensor> = { loss };
  [...states.keys()].forEach((key, index) => outputs[`grad.${key}`] = found[index]);
  const graph = makeGraph("contrastive", { outputs });
  const executable = await device.load(compile(graph));
  writeParameters((key) => executable.buffer(key), weights);
  writeGoldenInputs(executable, golden, graphInputs(graph));
  executable.run();
  assertClose("loss", await executable.buffer("loss").read(), golden.floats("loss"), 1e-5);
  for (const key of states.keys()) {
    const actual = thinned(await executable.buffer(`grad.${key}`).read(), golden);
    assertClose(key, actual, golden.floats(`grad.${key}`), 2e-5);
  }
});

/** Unit vectors in float64. */
function unitVectors(count: number, width: number, seed: number): number[][] {
  return Array.from({ length: count }, (_, row) => {
    const x = Array.from({ length: width }, (_, k) => Math.sin(seed + row * 12.9898 + k * 78.233));
    const length = Math.hypot(...x);
    return x.map((value) => value / length);
  });
}

/** The dense loss by its definition, in float64. */
function denseLoss(
  image: number[][],
  text: number[][],
  scale: number,
  weights: readonly number[],
): number {
  const counts = weights.flatMap((weight, index) => weight > 0 ? [index] : []);
  const logit = (i: number, j: number) =>
    scale * image[i].reduce((sum, value, k) => sum + value * text[j][k], 0);
  const logSumExp = (x: number[]) => Math.log(x.reduce((sum, value) => sum + Math.exp(value), 0));
  return counts.reduce((loss, i) => {
    const row = logSumExp(counts.map((j) => logit(i, j)));
    const column = logSumExp(counts.map((j) => logit(j, i)));
    return loss + weights[i] * 0.5 * (row + column - 2 * logit(i, i));
  }, 0);
}

/** Pairs and widths, odd ones included; the last is larger than every block of the kernels. */
const sizes: [pairs: number, width: number][] = [[1, 1], [3, 5], [37, 16], [130, 72], [600, 24]];

eachDevice("the chunked loss and its gradients equal the dense ones", async (device) => {
  for (const [pairs, width] of sizes) {
    const [image, text] = [unitVectors(pairs, width, 1), unitVectors(pairs, width, 2)];
    // Every third pair is fake, but for the first.
    const real = Array.from({ length: pairs }, (_, i) => i % 3 !== 2);
    const count = real.filter(Boolean).length;
    const weights = real.map((isReal) => isReal ? 1 / count : 0);
    const logarithm = Math.log(5);
    const tensors = {
      image: input("image", [pairs, width]),
      text: input("text", [pairs, width]),
      scale: input("scale", [1]),
    };
    const { loss, terms } = contrastiveLoss(
      tensors.image,
      tensors.text,
      tensors.scale,
      input("weights", [pairs]),
    );
    const [gImage, gText, gScale] = gradients(loss, Object.values(tensors));
    const graph = makeGraph("pairs", {
      outputs: { loss, gImage, gText, gScale, match: terms.matchProbability },
    });
    const executable = await device.load(compile(graph));
    executable.buffer("image").write(Float32Array.from(image.flat()));
    executable.buffer("text").write(Float32Array.from(text.flat()));
    executable.buffer("scale").write(Float32Array.of(logarithm));
    executable.buffer("weights").write(Float32Array.from(weights));
    executable.run();
    const read = async (name: string) => await executable.buffer(name).read();
    const expected = denseLoss(image, text, Math.exp(logarithm), weights);
    const title = `${pairs} pairs of ${width}`;
    assertClose(`${title}: loss`, await read("loss"), Float32Array.of(expected), 1e-5);
    const [match] = await read("match");
    assert(match > 0 && match <= 1 + 1e-6, `${title}: ${match}`);
    const difference = (vectors: number[][], row: number, k: number) => {
      const step = 1e-5;
      const at = (delta: number) => {
        const saved = vectors[row][k];
        vectors[row][k] = saved + delta;
        const value = denseLoss(image, text, Math.exp(logarithm), weights);
        vectors[row][k] = saved;
        return value;
      };
      return (at(step) - at(-step)) / (2 * step);
    };
    const rows = [...new Set([0, Math.min(2, pairs - 1), pairs - 1])];
    for (const [name, vectors] of [["gImage", image], ["gText", text]] as const) {
      const actual = await read(name);
      const places = rows.flatMap((row) => [[row, 0], [row, width - 1]]);
      assertClose(
        `${title}: ${name}`,
        Float32Array.from(places, ([row, k]) => actual[row * width + k]),
        Float32Array.from(places, ([row, k]) => difference(vectors, row, k)),
        2e-4,
      );
    }
    const scaleStep = 1e-5;
    const byScale = (denseLoss(image, text, Math.exp(logarithm + scaleStep), weights) -
      denseLoss(image, text, Math.exp(logarithm - scaleStep), weights)) / (2 * scaleStep);
    const [actual] = await read("gScale");
    assert(Math.abs(actual - byScale) <= 2e-5 * Math.max(1, Math.abs(byScale)), `${title}: scale`);
    executable.destroy();
  }
});
