/**
 * What NaViT costs by others' counts.
 *
 * @module
 */
import { graphCost } from "../../kernels/graph/graph.ts";
import { hasFields } from "../../nn/config.ts";
import type { PublishedCounts } from "../family.ts";
import { singleImageGraph } from "./graph.ts";
import { type NaViTConfig, navitConfigs } from "./model.ts";

/**
 * Multiply-adds of NaViT without the head, times 1e9, by the number of patches, counted apart by
 * `tests/fixtures/navit_counts.py`. The paper prints none.
 */
const specificationGmacs: Readonly<Record<string, Readonly<Record<number, number>>>> = {
  "NaViT-B/32": { 49: 4.39, 64: 5.74 },
  "NaViT-B/16": { 64: 5.63, 128: 11.41, 196: 17.71, 256: 23.41, 576: 56.06, 1024: 108.12 },
  "NaViT-L/16": { 64: 19.72, 128: 39.84, 196: 61.65, 256: 81.28, 576: 191.93, 1024: 363.74 },
};

/** The specification's multiply-adds of an image, times 1e9; the classes do not matter. */
function navitSpecificationGmacs(config: NaViTConfig, tokens: number): number | undefined {
  const { classes } = config;
  const name = Object.keys(specificationGmacs)
    .find((name) => hasFields(config, { ...navitConfigs.get(name)!, classes }));
  return name === undefined ? undefined : specificationGmacs[name][tokens];
}

/** The specification's count beside one without the head, as it has it. */
export const publishedNaViT: PublishedCounts<NaViTConfig> = {
  fields(config, tokens) {
    const headlessMacs = graphCost(singleImageGraph(config, tokens, "vectors")).multiplyAdds;
    const specificationGmacs = navitSpecificationGmacs(config, tokens);
    return {
      headlessMacs,
      specificationGmacs,
      difference: specificationGmacs && headlessMacs / (specificationGmacs * 1e9) - 1,
    };
  },
  columns: [
    {
      title: "MACs without head",
      value: ({ headlessMacs }) => headlessMacs as number | undefined,
    },
    {
      title: "specification GMACs",
      value: ({ specificationGmacs }) => specificationGmacs as number | undefined,
      digits: 2,
    },
  ],
  note: "NaViT's paper prints no counts; those of the specification leave out the head.",
};
