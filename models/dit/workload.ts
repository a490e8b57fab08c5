/**
 * DiTs on made-up pictures, to be counted and timed.
 *
 * @module
 */
import { ripple } from "../../base/ripple.ts";
import { seedWords } from "../../diffusion/streams.ts";
import type { TrainingWorkload, Workload, WorkSize } from "../family.ts";
import { traceDiT } from "./graph.ts";
import { type DiTConfig, ditParameters } from "./model.ts";
import { ditTrainingGraphs } from "./step.ts";

const pictures = ({ channels, inputSize }: DiTConfig, batch: number): Float32Array =>
  ripple(batch * channels * inputSize ** 2, 1);

const perPicture = (batch: number, value: (index: number) => number): Int32Array =>
  Int32Array.from({ length: batch }, (_, index) => value(index));

/** A forward pass. */
export function ditWorkload(config: DiTConfig, { batch, weights }: WorkSize): Workload {
  return {
    specifications: ditParameters(config),
    traced: traceDiT(config, batch, weights),
    inputs: {
      x: pictures(config, batch),
      t: perPicture(batch, (index) => 37 * index % 1000),
      y: perPicture(batch, (index) => index % config.classes),
    },
  };
}

/** The step of `tessera train dit`: noise, hybrid loss, clipping, AdamW, average. */
export function ditTrainingWorkload(config: DiTConfig, { batch }: WorkSize): TrainingWorkload {
  const images = pictures(config, batch);
  const labels = perPicture(batch, (index) => index % config.classes);
  return {
    specifications: ditParameters(config),
    graphs: ditTrainingGraphs(config, { batchSize: batch, labelDropout: 0.1, clipNorm: 1 }),
    constants: { seed: seedWords(1) },
    inputs: (step) => ({
      images,
      labels,
      samples: perPicture(batch, (index) => step * batch + index),
    }),
  };
}
