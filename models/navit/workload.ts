/**
 * NaViTs on made-up pictures, one a sequence, to be counted and timed.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";
import { ripple } from "../../base/ripple.ts";
import type { TrainingWorkload, Workload, WorkSize } from "../family.ts";
import { type PackShape, traceNaViT } from "./graph.ts";
import { type NaViTConfig, navitParameters, patchWidth } from "./model.ts";
import { navitTrainingGraphs } from "./step.ts";

/** A forward pass. */
export function navitWorkload(
  config: NaViTConfig,
  { batch, tokens, weights }: WorkSize,
): Workload {
  const model = withPositions(config, Math.ceil(Math.sqrt(tokens)));
  const { labels: _, weights: __, ...inputs } = wholeSequences(config, batch, tokens);
  return {
    specifications: navitParameters(model),
    traced: traceNaViT(model, shapeOf(batch, tokens), config.text ? "vectors" : "logits", weights),
    inputs,
  };
}

/**
 * The step of `tessera train navit` with softmax.
 *
 * @throws InputError for a contrastive model, whose captions are missing
 */
export function navitTrainingWorkload(
  config: NaViTConfig,
  { batch, tokens }: WorkSize,
): TrainingWorkload {
  if (config.text) {
    throw new InputError("train: pictures without captions cannot train a contrastive model");
  }
  const model = withPositions(config, Math.ceil(Math.sqrt(tokens)));
  const settings = { ...shapeOf(batch, tokens), loss: "softmax", clipNorm: 1 } as const;
  const inputs = wholeSequences(config, batch, tokens);
  return {
    specifications: navitParameters(model),
    graphs: navitTrainingGraphs(model, settings),
    constants: {},
    inputs: () => inputs,
  };
}

const shapeOf = (batch: number, tokens: number): PackShape => ({
  sequences: batch,
  length: tokens,
  slots: 1,
});

/** A batch of sequences that each hold one picture of `tokens` patches, nearly a square. */
function wholeSequences(config: NaViTConfig, sequences: number, tokens: number) {
  const columns = Math.ceil(Math.sqrt(tokens));
  const perToken = (value: (token: number) => number): Int32Array =>
    Int32Array.from({ length: sequences * tokens }, (_, place) => value(place % tokens));
  return {
    patches: ripple(sequences * tokens * patchWidth(config), 1),
    segments: perToken(() => 0),
    rows: perToken((token) => Math.floor(token / columns)),
    columns: perToken((token) => token % columns),
    gridRows: perToken(() => Math.ceil(tokens / columns)),
    gridColumns: perToken(() => columns),
    labels: Int32Array.from({ length: sequences }, (_, image) => image % config.classes),
    weights: new Float32Array(sequences).fill(1 / sequences),
  };
}

/** The model with tables of positions for sides of up to so many patches, which cost no time. */
export function withPositions(config: NaViTConfig, longest: number): NaViTConfig {
  return { ...config, positionLength: Math.max(config.positionLength, longest) };
}
