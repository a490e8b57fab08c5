import assert from "node:assert/strict";
import type { Shape } from "../../kernels/shape.ts";
import { allFamilies, explainMisfit } from "../../models/registry.ts";
import type { FamilyConfig } from "../../nn/config.ts";

/** What a file has of a model. */
const found = (config: FamilyConfig, parameters: (typeof families)[number]["parameters"]) =>
  new Map(parameters(config).map(({ name, shape }): [string, Shape] => [name, shape]));

const families = allFamilies();

Deno.test("weights of another family are told from their names, whatever their number of blocks", () => {
  for (const family of families) {
    const [config] = family.configs.values();
    for (const other of families) {
      for (const [name, otherConfig] of other.configs) {
        const said = explainMisfit(family, config)(found(otherConfig, other.parameters)) ?? "";
        const wanted = `the weights are of a ${other.title}, the model is a ${family.title}`;
        if (other !== family) assert.equal(said, wanted, name);
        else assert.doesNotMatch(said, /the weights are of a .*, the model is a/, name);
      }
    }
  }
});

Deno.test("weights of no family, and of the same one, are left to the first difference", () => {
  for (const family of families) {
    const config = [...family.configs.values()].at(-1)!;
    const shapes = found(config, family.parameters);
    const [first] = shapes.keys();
    shapes.delete(first);
    assert.equal(explainMisfit(family, config)(shapes), undefined, family.name);
    assert.equal(explainMisfit(family, config)(new Map([["x", [1]]])), undefined);
  }
});
