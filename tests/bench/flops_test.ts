import assert from "node:assert/strict";
import { countFlops, countParts, countTraining } from "../../bench/flops.ts";
import { type DiTConfig, ditConfigs, publishedDiTConfigs } from "../../models/dit.ts";

const named = (name: string, changes: Partial<DiTConfig> = {}) => ({
  name,
  config: { ...ditConfigs.get(name)!, ...changes },
});

Deno.test("every published model is within the paper's rounding", () => {
  for (const [name, config] of publishedDiTConfigs) {
    const row = countFlops({ name, config });
    assert.equal(row.flops, 2 * row.macs);
    // Two decimals, and up to 0.02 % that the paper counts for layer norms.
    const allowed = 0.005e9 + 2e-4 * row.macs;
    assert(Math.abs(row.macs - row.paperGflops! * 1e9) <= allowed, `${name}: ${row.macs}`);
  }
});

Deno.test("DiT-XL/2 for 512 pixels has a number in the paper, changed models have none", () => {
  const large = countFlops(named("DiT-XL/2", { inputSize: 64 }));
  assert.equal(large.paperGflops, 524.60);
  assert.equal(large.macs, 524_538_298_368);
  assert(Math.abs(large.difference!) < 2e-4);
  const changed = countFlops(named("DiT-S/8", { depth: 2 }));
  assert.equal(changed.paperGflops, undefined);
  assert.equal(changed.difference, undefined);
});

Deno.test("the parts of a model are all of it, by the formulas of papers.md 1.9", () => {
  const model = named("DiT-S/4");
  const parts = new Map(countParts(model, "forward").map((row) => [row.part, row]));
  const [tokens, hidden, blocks] = [64, 384, 12];
  const expected: Record<string, number> = {
    "x_embedder.proj": tokens * 16 * 4 * hidden,
    "t_embedder.mlp.0": 256 * hidden,
    "t_embedder.mlp.2": hidden ** 2,
    "blocks.*.adaLN_modulation.1": blocks * 6 * hidden ** 2,
    "blocks.*.attn.qkv": blocks * 3 * tokens * hidden ** 2,
    "blocks.*.attn.proj": blocks * tokens * hidden ** 2,
    "blocks.*.mlp.fc1": blocks * 4 * tokens * hidden ** 2,
    "blocks.*.mlp.fc2": blocks * 4 * tokens * hidden ** 2,
    "attention": blocks * 2 * tokens ** 2 * hidden,
    "final_layer.adaLN_modulation.1": 2 * hidden ** 2,
    "final_layer.linear": tokens * hidden * 16 * 8,
  };
  for (const [part, macs] of Object.entries(expected)) {
    assert.equal(parts.get(part)?.multiplyAdds, macs, part);
  }
  const total = [...parts.values()].reduce((sum, { multiplyAdds }) => sum + multiplyAdds, 0);
  assert.equal(total, countFlops(model).macs);
  const shares = [...parts.values()].reduce((sum, { share }) => sum + share, 0);
  assert(Math.abs(shares - 1) < 1e-12);
});

Deno.test("a training step costs about three forward passes", () => {
  const model = named("DiT-S/4");
  const ratio = countTraining(model) / countFlops(model).macs;
  assert(ratio > 2.9 && ratio < 3.1, `${ratio}`);
  const parts = countParts(model, "train");
  const total = parts.reduce((sum, { multiplyAdds }) => sum + multiplyAdds, 0);
  assert.equal(total, countTraining(model));
  assert(parts.some(({ part }) => part === "gradients of weights"));
  assert(parts.some(({ part }) => part === "adamw"));
});
