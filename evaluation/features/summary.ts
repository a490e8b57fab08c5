/**
 * What is kept of the features of a set of samples, in memory that does not grow with the set.
 *
 * @module
 */
import type { Summary } from "../../base/statistics.ts";
import type { FeatureMatrix } from "../../metrics/features/feature_matrix.ts";
import { type Gaussian, GaussianEstimate } from "../../metrics/features/gaussian.ts";
import { InceptionScoreEstimate } from "../../metrics/features/inception_score.ts";
import type { ExtractedFeatures } from "./extractor.ts";

/** Samples whose features are kept for precision, recall and the kernel distance, as in ADM's batches. */
const keptSamples = 10_000;

/** Features of samples that come batch by batch. */
export class FeatureSummary {
  #pooled: GaussianEstimate | undefined;
  #spatial: GaussianEstimate | undefined;
  #score: InceptionScoreEstimate | undefined;
  #kept: Float32Array | undefined;
  readonly #most: number;
  readonly #classes: readonly number[] | undefined;
  #recognized = 0;

  /**
   * Of no samples yet.
   *
   * @param classes those that the samples are to show, in order, as the extractor's classifier numbers them
   * @param most features of so many samples are kept, the first ones
   */
  constructor(classes?: readonly number[], most: number = keptSamples) {
    this.#classes = classes;
    this.#most = most;
  }

  /** Samples so far. */
  get count(): number {
    return this.#pooled?.count ?? 0;
  }

  /**
   * Takes more samples in.
   *
   * @throws NonFiniteFeatureError naming the sample
   */
  add({ pooled, spatial, logits }: ExtractedFeatures): void {
    const before = this.count;
    this.#pooled ??= new GaussianEstimate(pooled.columns);
    this.#pooled.add(pooled);
    this.#keep(pooled, before);
    if (spatial) {
      this.#spatial ??= new GaussianEstimate(spatial.columns);
      this.#spatial.add(spatial);
    }
    if (logits) {
      this.#score ??= new InceptionScoreEstimate();
      this.#score.add(logits);
      this.#recognize(logits, before);
    }
  }

  /** Counts the samples whose largest logit is that of their class. */
  #recognize({ rows, columns, values }: FeatureMatrix, before: number): void {
    if (!this.#classes) return;
    for (let row = 0; row < rows; row++) {
      const logits = values.subarray(row * columns, (row + 1) * columns);
      if (logits.indexOf(Math.max(...logits)) === this.#classes[before + row]) this.#recognized++;
    }
  }

  /** Keeps features of the first samples, in memory that grows with them. */
  #keep({ rows, columns, values }: FeatureMatrix, before: number): void {
    const count = Math.min(rows, this.#most - before);
    if (count <= 0) return;
    const needed = (before + count) * columns;
    let kept = this.#kept ?? new Float32Array(0);
    if (needed > kept.length) {
      const room = Math.min(Math.max(needed, 2 * kept.length), this.#most * columns);
      const larger = new Float32Array(room);
      larger.set(kept);
      kept = larger;
    }
    kept.set(values.subarray(0, count * columns), before * columns);
    this.#kept = kept;
  }

  /** The normal distribution of pooled features. @throws RangeError for fewer than two samples */
  pooled(): Gaussian {
    if (!this.#pooled) throw new RangeError("no samples have no distribution");
    return this.#pooled.gaussian();
  }

  /** That of spatial features; undefined where the extractor has none. */
  spatial(): Gaussian | undefined {
    return this.#spatial?.gaussian();
  }

  /** The score of the answers of the extractor's classifier; undefined where it has none. */
  score(): Summary | undefined {
    return this.#score?.score();
  }

  /** Share of the samples that the classifier takes for their class; undefined where nobody says it. */
  accuracy(): number | undefined {
    return this.#classes && this.#score ? this.#recognized / this.count : undefined;
  }

  /** Pooled features of the first samples. */
  kept(): FeatureMatrix {
    const columns = this.#pooled?.columns ?? 1;
    const rows = Math.min(this.count, this.#most);
    return {
      rows,
      columns,
      values: (this.#kept ?? new Float32Array(0)).subarray(0, rows * columns),
    };
  }
}
