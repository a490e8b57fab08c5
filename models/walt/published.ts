/**
 * What the paper says of its models' sizes.
 *
 * @module
 */
import { elementCount } from "../../kernels/shape.ts";
import { hasFields } from "../../nn/config.ts";
import { countParameters } from "../../nn/parameters.ts";
import type { PublishedCounts } from "../family.ts";
import { gridOf, type WaltConfig, waltConfigs, waltParameters, windowOf } from "./model.ts";

/** Parameters in millions: tables 1, 2, 5 and 8. */
const paperMillions: Readonly<Record<string, number>> = {
  "WALT-L": 313,
  "WALT-XL": 460,
  "WALT-L-imagenet": 460,
  "WALT-L-text": 419,
  "WALT-SR2x": 1300,
  "WALT-SR4x": 419,
  "WALT-3B": 3000,
};

/** Those of L with other ranks (table 3e), and with a full modulation in every layer. */
const paperMillionsByRank: readonly (readonly [rank: number | null, millions: number])[] = [
  [4, 314],
  [16, 316],
  [64, 324],
  [256, 357],
  [null, 458],
];

/** The paper's parameters of a configuration, whatever it is called here. */
function waltPaperMillions(config: WaltConfig): number | undefined {
  const named = Object.keys(paperMillions)
    .find((name) => hasFields(config, waltConfigs.get(name)!));
  if (named !== undefined) return paperMillions[named];
  const large = waltConfigs.get("WALT-L")!;
  return paperMillionsByRank
    .find(([adaLNRank]) => hasFields(config, { ...large, adaLNRank }))?.[1];
}

/**
 * Multiply-adds of self-attention and MLP, by hand: 12 N d^2 a layer and 2 N d for each token of a
 * window. Text adds cross-attention, which the formula leaves out.
 */
function layersByHand(config: WaltConfig): number | undefined {
  if (config.textWidth !== null) return undefined;
  const { hidden, depth } = config;
  const tokens = elementCount(gridOf(config));
  const layers = Array.from(
    { length: depth },
    (_, index) => 12 * hidden + 2 * elementCount(windowOf(config, index)),
  );
  return layers.reduce((sum, layer) => sum + tokens * hidden * layer, 0);
}

/** The paper's parameters, and the multiply-adds of the layers by hand. */
export const publishedWalt: PublishedCounts<WaltConfig> = {
  fields(config, _, multiplyAdds) {
    const paperMillions = waltPaperMillions(config);
    const { parameters } = countParameters(waltParameters(config));
    const byHand = layersByHand(config);
    return {
      paperMillions,
      parameterDifference: paperMillions && parameters / (paperMillions * 1e6) - 1,
      layersByHand: byHand,
      difference: byHand && multiplyAdds / byHand - 1,
    };
  },
  columns: [
    {
      title: "paper M parameters",
      value: ({ paperMillions }) => paperMillions as number | undefined,
    },
    {
      title: "difference of parameters %",
      value: ({ parameterDifference }) =>
        parameterDifference === undefined ? undefined : 100 * (parameterDifference as number),
      digits: 3,
    },
    {
      title: "layers' GMACs by hand",
      value: ({ layersByHand }) =>
        layersByHand === undefined ? undefined : (layersByHand as number) / 1e9,
      digits: 1,
    },
  ],
  note:
    "W.A.L.T's paper prints parameters, in millions, and no multiply-adds: those by hand are of " +
    "self-attention and MLP, 12 N d^2 + 2 N d (window) a layer.",
};
