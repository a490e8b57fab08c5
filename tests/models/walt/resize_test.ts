/** Weights for another aspect ratio: PyTorch's interpolation. */
import assert from "node:assert/strict";
import { overrideWaltConfig } from "../../../models/walt/config.ts";
import type { WaltConfig } from "../../../models/walt/model.ts";
import { resizeWeights } from "../../../models/walt/resize.ts";
import { assertClose, loadConfig, loadGolden } from "../../golden.ts";

const config = await loadConfig<WaltConfig>("walt_classes");
const golden = await loadGolden("walt_classes.weights");
const weights = new Map([...golden.shapes.keys()].map((name) => [name, golden.floats(name)]));

Deno.test("positions and relative biases of other latents and windows are PyTorch's", async () => {
  const wanted = await loadGolden("walt_resized");
  const other = overrideWaltConfig(config, {
    latentSize: [6, 4],
    spatialWindow: [6, 4],
    spatioTemporalWindow: [3, 3, 2],
  }, "other");
  const resized = resizeWeights(weights, config, other);
  const names = [...wanted.shapes.keys()];
  assert.equal(names.length, 1 + config.depth);
  for (const name of names) assertClose(name, resized.get(name)!, wanted.floats(name), 1e-6);
  for (const [name, values] of weights) {
    if (!names.includes(name)) assert.equal(resized.get(name), values);
  }
});

Deno.test("what is no matter of latents and windows is not resized", () => {
  const longer = { ...config, latentFrames: 5, spatioTemporalWindow: [5, 2, 3] as const };
  assert.throws(() => resizeWeights(weights, config, longer), /pos_embed\.time \(3, 8\) cannot be/);
  const text = { ...config, textWidth: 4 };
  assert.throws(() => resizeWeights(weights, config, text), /no parameter text_proj\.weight/);
});
