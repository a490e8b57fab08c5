/**
 * What papers and their summaries say that models cost.
 *
 * @module
 */
import { type DiTConfig, publishedDiTConfigs } from "../models/dit/model.ts";
import { type NaViTConfig, navitConfigs } from "../models/navit/model.ts";

/** Gflops of DiT, tables 1 and 4, with more digits from its Table 6; for 256-pixel ImageNet. */
const paperGflops: Readonly<Record<string, number>> = {
  "DiT-S/8": 0.36,
  "DiT-S/4": 1.41,
  "DiT-S/2": 6.06,
  "DiT-B/8": 1.42,
  "DiT-B/4": 5.56,
  "DiT-B/2": 23.01,
  "DiT-L/8": 5.01,
  "DiT-L/4": 19.70,
  "DiT-L/2": 80.71,
  "DiT-XL/8": 7.39,
  "DiT-XL/4": 29.05,
  "DiT-XL/2": 118.64,
};

/** DiT-XL/2 on latents of 512-pixel ImageNet. */
const paperGflops512 = 524.60;

/** The paper's Gflops of a configuration, whatever it is called here. */
export function ditPaperGflops(config: DiTConfig): number | undefined {
  for (const [name, reference] of publishedDiTConfigs) {
    if (hasFields(config, reference)) return paperGflops[name];
  }
  const large = { ...publishedDiTConfigs.get("DiT-XL/2")!, inputSize: 64 };
  return hasFields(config, large) ? paperGflops512 : undefined;
}

/**
 * Multiply-adds of NaViT without the head, times 1e9, by the number of patches (papers 3.3). The paper
 * prints none.
 */
const specificationGmacs: Readonly<Record<string, Readonly<Record<number, number>>>> = {
  "NaViT-B/32": { 49: 4.39, 64: 5.74 },
  "NaViT-B/16": { 64: 5.63, 128: 11.41, 196: 17.71, 256: 23.41, 576: 56.06, 1024: 108.12 },
  "NaViT-L/16": { 64: 19.72, 128: 39.84, 196: 61.65, 256: 81.28, 576: 191.93, 1024: 363.74 },
};

/** The specification's multiply-adds of an image, times 1e9; the classes do not matter. */
export function navitSpecificationGmacs(config: NaViTConfig, tokens: number): number | undefined {
  const { classes } = config;
  const name = Object.keys(specificationGmacs)
    .find((name) => hasFields(config, { ...navitConfigs.get(name)!, classes }));
  return name === undefined ? undefined : specificationGmacs[name][tokens];
}

/** Whether a configuration has all fields of another one. */
function hasFields(config: object, other: object): boolean {
  const fields = new Map<string, unknown>(Object.entries(config));
  return Object.entries(other).every(([name, value]) => fields.get(name) === value);
}
