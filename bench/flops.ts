/**
 * The FLOP table: what every model costs, summed over the graph that really runs, beside what the
 * paper says.
 *
 * @module
 */
import type { Column } from "../formats/text/table.ts";
import { type Graph, graphCost, makeGraph } from "../kernels/graph/graph.ts";
import { fuse } from "../kernels/graph/fusion.ts";
import { mergeEqualNodes } from "../kernels/graph/rewrite.ts";
import type { FamilyConfig } from "../nn/config.ts";
import type { ClipSize } from "../models/codec.ts";
import { familyOf, parametersOf } from "../models/registry.ts";
import { countParameters } from "../nn/parameters.ts";
import { costByPart, type PartCost } from "./parts.ts";
import type { Subject } from "./subjects.ts";
import { trainingWorkloadOf } from "./workloads/model.ts";

/** Counts of one model: a forward pass of one picture or clip. */
export interface FlopsRow {
  /** Name of the model. */
  readonly model: string;
  /** Elements of all parameters. */
  readonly parameters: number;
  /** Elements of the trained parameters. */
  readonly trainableParameters: number;
  /** Patches of one picture, or positions of the latent of one clip. */
  readonly tokens: number;
  /** The clip that was counted, in families that have them. */
  readonly clip?: ClipSize;
  /** Multiply-adds of matrix products, convolutions and attention, as the papers count. */
  readonly macs: number;
  /** Twice the multiply-adds. */
  readonly flops: number;
  /** How far the multiply-adds are from those that the family's authors have counted, as a part. */
  readonly difference?: number;
  /** Multiply-adds of a training step a picture; only when asked for. */
  readonly trainMacs?: number;
  /** The configuration that was counted. */
  readonly config: FamilyConfig;
  /** What the family's authors have counted. */
  readonly [published: string]: unknown;
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
export function flopsNotes(rows: readonly FlopsRow[]): string[] {
  return [
    `Forward pass of one picture, summed over the traced graph. ${convention} ` +
    "The paper prints two decimals: below 10 Gflops the difference is mostly its rounding.",
    ...publishedIn(rows).flatMap(({ note }) => note ?? []),
  ];
}

/** The counts by others that go with the families of the rows. */
const publishedIn = (rows: readonly FlopsRow[]) =>
  [...new Set(rows.map(({ config }) => familyOf(config)))]
    .flatMap(({ published }) => published ?? []);

/** What the numbers of the table of parts mean. */
export function partNotes(pass: Pass): string[] {
  const title = pass === "train" ? "Training step on" : "Forward pass of";
  return [
    `${title} one picture, summed over the graph that runs (after fusion). ${convention} ` +
    "All FLOPs count every arithmetic operation, bytes each operand and result once.",
  ];
}

/** Counts a model. */
export function countFlops(subject: Subject): FlopsRow {
  const { name, config, tokens, clip } = subject;
  const macs = multiplyAdds(forward(subject));
  return {
    model: name,
    ...countParameters(parametersOf(config)),
    tokens,
    ...(clip && { clip }),
    macs,
    flops: 2 * macs,
    ...familyOf(config).published?.fields(config, tokens, macs),
    config,
  };
}

const multiplyAdds = (graph: Graph): number => graphCost(graph).multiplyAdds;

/** The graph of a forward pass of one picture. */
function forward({ config, tokens, clip }: Subject): Graph {
  const { out } = familyOf(config).trace(config, { batch: 1, tokens, clip });
  return makeGraph("forward", { outputs: { out } });
}

/** The graph of a training step on one picture: forward, loss, backward, optimizer. */
function trainingGraph(subject: Subject): Graph {
  return trainingWorkloadOf(subject, 1).graphs.update;
}

/**
 * Multiply-adds of a training step a picture: they grow with the batch, the optimizer has none.
 *
 * @throws InputError for a model that is not trained by this tool
 */
export function countTraining(subject: Subject): number {
  return multiplyAdds(trainingGraph(subject));
}

/** A model part by part. */
export function countParts(subject: Subject, pass: Pass): PartRow[] {
  const { name } = subject;
  const traced = pass === "train" ? trainingGraph(subject) : forward(subject);
  const parts = costByPart(fuse(mergeEqualNodes(traced)));
  const total = parts.reduce((sum, { multiplyAdds }) => sum + multiplyAdds, 0);
  return parts.map((part) => ({ model: name, ...part, share: part.multiplyAdds / total }));
}

/** Columns of the table of models. */
export function flopsColumns(
  rows: readonly FlopsRow[],
  withTraining: boolean,
): Column<FlopsRow>[] {
  return [
    { title: "model", value: ({ model }) => model },
    { title: "parameters", value: ({ parameters }) => parameters },
    { title: "tokens", value: ({ tokens }) => tokens },
    { title: "MACs", value: ({ macs }) => macs },
    { title: "GFLOPs", value: ({ flops }) => flops / 1e9, digits: 3 },
    ...publishedIn(rows).flatMap(({ columns }) => columns),
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
