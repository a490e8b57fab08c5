/**
 * The FLOP table: what every model costs, summed over the graph that really runs, beside what the
 * paper says.
 *
 * @module
 */
import { graphCost } from "../kernels/graph/graph.ts";
import { fuse } from "../kernels/graph/fusion.ts";
import { mergeEqualNodes } from "../kernels/graph/rewrite.ts";
import { type DiTConfig, publishedDiTConfigs } from "../models/dit.ts";
import { describeDiT, forwardGraph } from "../models/dit_graph.ts";
import { ditTrainingGraph } from "../training/dit_step.ts";
import { costByPart, type PartCost } from "./parts.ts";
import type { Column } from "../formats/table.ts";

/** A configuration with the name it goes by. */
export interface NamedConfig {
  /** Name for the tables. */
  readonly name: string;
  /** What is counted. */
  readonly config: DiTConfig;
}

/** Counts of one model: a forward pass of one picture. */
export interface FlopsRow {
  /** Name of the model. */
  readonly model: string;
  /** Elements of all parameters. */
  readonly parameters: number;
  /** Elements of the trained parameters. */
  readonly trainableParameters: number;
  /** Patches of one picture. */
  readonly tokens: number;
  /** Multiply-adds of matrix products and attention, as the papers count. */
  readonly macs: number;
  /** Twice the multiply-adds. */
  readonly flops: number;
  /** The paper's Gflops, which are 1e9 multiply-adds; absent for models it does not have. */
  readonly paperGflops?: number;
  /** How far the multiply-adds are from the paper's, as a part of the paper's. */
  readonly difference?: number;
  /** Multiply-adds of a training step a picture; only when asked for. */
  readonly trainMacs?: number;
  /** The configuration that was counted. */
  readonly config: DiTConfig;
}

/** One part of one model. */
export interface PartRow extends PartCost {
  /** Name of the model. */
  readonly model: string;
  /** Multiply-adds as a part of the whole. */
  readonly share: number;
}

/** What is counted. */
export type Pass = "forward" | "train";

const convention = "MACs count matrix products and attention, one multiply-add as 1, as the " +
  "paper's Gflops do; GFLOPs = 2 x MACs.";

/** What the numbers of the table of models mean. */
export const flopsNotes: readonly string[] = [
  `Forward pass of one picture, summed over the traced graph. ${convention} ` +
  "The paper prints two decimals: below 10 Gflops the difference is mostly its rounding.",
];

/** What the numbers of the table of parts mean. */
export function partNotes(pass: Pass): string[] {
  const title = pass === "train" ? "Training step on" : "Forward pass of";
  return [
    `${title} one picture, summed over the graph that runs (after fusion). ${convention} ` +
    "All FLOPs count every arithmetic operation, bytes each operand and result once.",
  ];
}

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
function published(config: DiTConfig): number | undefined {
  const fields = new Map<string, unknown>(Object.entries(config));
  const same = (other: DiTConfig): boolean =>
    Object.entries(other).every(([name, value]) => fields.get(name) === value);
  for (const [name, reference] of publishedDiTConfigs) {
    if (same(reference)) return paperGflops[name];
  }
  const large = { ...publishedDiTConfigs.get("DiT-XL/2")!, inputSize: 64 };
  return same(large) ? paperGflops512 : undefined;
}

/** Counts a model. */
export function countFlops({ name, config }: NamedConfig): FlopsRow {
  const { multiplyAdds: macs, ...counts } = describeDiT(config);
  const paper = published(config);
  return {
    model: name,
    ...counts,
    macs,
    flops: 2 * macs,
    paperGflops: paper,
    difference: paper && (macs - paper * 1e9) / (paper * 1e9),
    config,
  };
}

/** The graph of a training step on one picture: noise, forward, loss, backward, optimizer. */
function trainingGraph(config: DiTConfig) {
  return ditTrainingGraph(config, { batchSize: 1, labelDropout: 0.1, clipNorm: 1 });
}

/** Multiply-adds of a training step a picture: they grow with the batch, the optimizer has none. */
export function countTraining({ config }: NamedConfig): number {
  return graphCost(trainingGraph(config)).multiplyAdds;
}

/** A model part by part. */
export function countParts({ name, config }: NamedConfig, pass: Pass): PartRow[] {
  const traced = pass === "train" ? trainingGraph(config) : forwardGraph(config, 1);
  const parts = costByPart(fuse(mergeEqualNodes(traced)));
  const total = parts.reduce((sum, { multiplyAdds }) => sum + multiplyAdds, 0);
  return parts.map((part) => ({ model: name, ...part, share: part.multiplyAdds / total }));
}

/** Columns of the table of models. */
export function flopsColumns(withTraining: boolean): Column<FlopsRow>[] {
  return [
    { title: "model", value: ({ model }) => model },
    { title: "parameters", value: ({ parameters }) => parameters },
    { title: "tokens", value: ({ tokens }) => tokens },
    { title: "MACs", value: ({ macs }) => macs },
    { title: "GFLOPs", value: ({ flops }) => flops / 1e9, digits: 3 },
    { title: "paper Gflops (MACs/1e9)", value: ({ paperGflops }) => paperGflops, digits: 2 },
    {
      title: "difference %",
      value: ({ difference }) => difference === undefined ? undefined : 100 * difference,
      digits: 3,
    },
    ...(withTraining ? trainingColumns : []),
  ];
}

const trainingColumns: Column<FlopsRow>[] = [
  { title: "train step MACs", value: ({ trainMacs }) => trainMacs },
  {
    title: "train/forward",
    value: ({ trainMacs, macs }) => trainMacs && trainMacs / macs,
    digits: 3,
  },
];

/** Columns of the table of parts. */
export const partColumns: readonly Column<PartRow>[] = [
  { title: "model", value: ({ model }) => model },
  { title: "part", value: ({ part }) => part },
  { title: "operations", value: ({ operations }) => operations },
  { title: "MACs", value: ({ multiplyAdds }) => multiplyAdds },
  { title: "share %", value: ({ share }) => 100 * share, digits: 2 },
  { title: "all FLOPs", value: ({ flops }) => flops },
  { title: "bytes", value: ({ bytes }) => bytes },
];
