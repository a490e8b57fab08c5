/**
 * What the paper says that its models cost.
 *
 * @module
 */
import { hasFields } from "../../nn/config.ts";
import type { PublishedCounts } from "../family.ts";
import type { Conditioning } from "./blocks.ts";
import { type DiTConfig, publishedDiTConfigs } from "./model.ts";

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

/** Of the other designs of a block, which are DiT-XL/2 at 256 pixels (table 4). */
const paperGflopsOfDesigns: Readonly<Partial<Record<Conditioning, number>>> = {
  "in-context": 119.37,
  "cross-attention": 137.62,
  "adaLN": 118.56,
};

/** DiT-XL/2 on latents of 512-pixel ImageNet. */
const paperGflops512 = 524.60;

/** The paper's Gflops of a configuration, whatever it is called here. */
function ditPaperGflops(config: DiTConfig): number | undefined {
  for (const [name, reference] of publishedDiTConfigs) {
    if (hasFields(config, reference)) return paperGflops[name];
  }
  const large = publishedDiTConfigs.get("DiT-XL/2")!;
  if (hasFields(config, { ...large, conditioning: config.conditioning })) {
    return paperGflopsOfDesigns[config.conditioning];
  }
  return hasFields(config, { ...large, inputSize: 64 }) ? paperGflops512 : undefined;
}

/** The paper's Gflops beside a count. */
export const publishedDiT: PublishedCounts<DiTConfig> = {
  fields(config, _, multiplyAdds) {
    const paperGflops = ditPaperGflops(config);
    return {
      paperGflops,
      difference: paperGflops && multiplyAdds / (paperGflops * 1e9) - 1,
    };
  },
  columns: [{
    title: "paper Gflops (MACs/1e9)",
    value: ({ paperGflops }) => paperGflops as number | undefined,
    digits: 2,
  }],
};
