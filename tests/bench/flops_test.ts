import assert from "node:assert/strict";
import { countFlops, countParts, countTraining, flopsColumns } from "../../bench/flops.ts";
import type { Subject } from "../../bench/subjects.ts";
import { type DiTConfig, ditConfigs, publishedDiTConfigs } from "../../models/dit/model.ts";
import { ditTokens } from "../../models/dit/graph.ts";
import { type NaViTConfig, navitConfigs } from "../../models/navit/model.ts";

const dit = (name: string, config: DiTConfig): Subject => ({
  name,
  config,
  tokens: ditTokens(config),
});

const named = (name: string, changes: Partial<DiTConfig> = {}) =>
  dit(name, { ...ditConfigs.get(name)!, ...changes });

const navit = (name: string, tokens: number, changes: Partial<NaViTConfig> = {}): Subject => ({
  name,
  config: { ...navitConfigs.get(name)!, ...changes },
  tokens,
});

Deno.test("every published model is within the paper's rounding", () => {
  for (const [name, config] of publishedDiTConfigs) {
    const row = countFlops(dit(name, config));
    assert.equal(row.flops, 2 * row.macs);
    // Two decimals, and up to 0.02 % that the paper counts for layer norms.
    const allowed = 0.005e9 + 2e-4 * row.macs;
    assert(Math.abs(row.macs - Number(row.paperGflops) * 1e9) <= allowed, `${name}: ${row.macs}`);
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

Deno.test("the parts of a model are all of it, by formulas", () => {
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

Deno.test("NaViT is within the rounding of the specification's table, whatever the classes", () => {
  const table: [string, number, number][] = [
    ["NaViT-B/32", 49, 4.39],
    ["NaViT-B/16", 64, 5.63],
    ["NaViT-B/16", 256, 23.41],
    ["NaViT-L/16", 1024, 363.74],
  ];
  for (const [name, tokens, gmacs] of table) {
    for (const classes of [1000, 7]) {
      const row = countFlops(navit(name, tokens, { classes }));
      assert.equal(row.specificationGmacs, gmacs);
      assert(
        Math.abs(Number(row.headlessMacs) / 1e9 - gmacs) <= 0.005 + 1e-9,
        `${name}: ${row.macs}`,
      );
      assert.equal(
        row.macs - Number(row.headlessMacs),
        classes * (name.includes("L") ? 1024 : 768),
      );
      assert.equal(row.tokens, tokens);
    }
  }
});

Deno.test("a NaViT or a number of tokens that the specification lacks is counted without it", () => {
  for (const row of [navit("NaViT-S/16", 64), navit("NaViT-B/16", 65)].map(countFlops)) {
    assert.deepEqual([row.specificationGmacs, row.difference], [undefined, undefined]);
    assert(Number(row.headlessMacs) < row.macs);
  }
});

Deno.test("each family has its own columns", () => {
  const titles = (...subjects: Subject[]) =>
    flopsColumns(subjects.map(countFlops), false).map(({ title }) => title);
  const [ours, theirs] = [named("DiT-S/8"), navit("NaViT-XS/16", 4)];
  assert(!titles(ours).some((title) => /head|specification/.test(title)));
  assert(!titles(theirs).some((title) => title.includes("paper")));
  assert.equal(titles(ours, theirs).length, titles(ours).length + 2);
});

Deno.test("the parts of a NaViT are all of it, by formulas", () => {
  const [tokens, blocks, hidden, classes] = [10, 6, 128, 1000];
  const model = navit("NaViT-XS/16", tokens);
  const parts = new Map(countParts(model, "forward").map((row) => [row.part, row]));
  const expected: Record<string, number> = {
    "patch_embed": tokens * 3 * 16 ** 2 * hidden,
    "blocks.*.attn.qkv": blocks * 3 * tokens * hidden ** 2,
    "blocks.*.mlp.fc1": blocks * 4 * tokens * hidden ** 2,
    "attention": (blocks * tokens + 1) * 2 * tokens * hidden,
    "head": hidden * classes,
  };
  for (const [part, macs] of Object.entries(expected)) {
    assert.equal(parts.get(part)?.multiplyAdds, macs, part);
  }
  const total = [...parts.values()].reduce((sum, { multiplyAdds }) => sum + multiplyAdds, 0);
  assert.equal(total, countFlops(model).macs);
});

Deno.test("a training step of a NaViT costs about three forward passes", () => {
  const model = navit("NaViT-S/16", 64);
  const ratio = countTraining(model) / countFlops(model).macs;
  assert(ratio > 2.8 && ratio < 3.1, `${ratio}`);
});

const text = {
  vocabulary: 257,
  length: 8,
  hidden: 32,
  depth: 1,
  heads: 2,
  projection: 16,
} as const;

Deno.test("a contrastive NaViT is counted with its projection; its training step is not", () => {
  const model = navit("NaViT-XS/16", 4, { text });
  const row = countFlops(model);
  assert.equal(
    row.macs - Number(row.headlessMacs),
    (model.config as NaViTConfig).hidden * text.projection,
  );
  assert.throws(() => countTraining(model), { name: "InputError", message: /contrastive/ });
});
