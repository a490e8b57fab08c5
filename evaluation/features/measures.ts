/**
 * All measures of generated samples against real ones, each under a name that says by whose features.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";
import type { FeatureMatrix } from "../../metrics/features/feature_matrix.ts";
import { frechetDistance } from "../../metrics/features/frechet.ts";
import { kernelDistance } from "../../metrics/features/kernel_distance.ts";
import { precisionRecall } from "../../metrics/features/manifolds.ts";
import type { ExtractorDescription } from "./extractor.ts";
import type { ReferenceStatistics } from "./reference_batch.ts";
import type { FeatureSummary } from "./summary.ts";

/** Real samples: those of a set, or what a reference batch says of them. */
export interface RealFeatures extends Omit<ReferenceStatistics, "extractor"> {
  /** Pooled features of some of them, if there are any. */
  readonly kept?: FeatureMatrix;
  /** How many samples the statistics are of, if known. */
  readonly count?: number;
}

/** A measure. */
export interface Measure {
  /** Its name. */
  readonly measure: string;
  /** What was measured. */
  readonly value: number;
  /** Standard deviation over its parts, where it has several. */
  readonly deviation?: number;
  /** Generated samples that it is of. */
  readonly n: number;
  /** Real samples that it is of; null where nobody says, absent where it needs none. */
  readonly referenceN?: number | null;
  /** Whether it is of features of a network; so unless told. */
  readonly isOfFeatures?: boolean;
}

/** Fewest samples of a set: neighbours of precision and recall, and one more. */
export const fewestSamples = 4;

/** How the measures of an extractor are called. */
function namesOf({ name, standard }: ExtractorDescription) {
  const of = (usual: string, other: string) => standard === "FID" ? usual : other;
  return {
    pooled: standard ?? `Frechet distance of ${name} features`,
    spatial: of("sFID", `spatial Frechet distance of ${name} features`),
    score: of("Inception Score", `classifier score of ${name}`),
    accuracy: `classifier accuracy of ${name}`,
    precision: of("precision", `precision of ${name} features`),
    recall: of("recall", `recall of ${name} features`),
    kernel: of("KID", `kernel distance of ${name} features`),
  };
}

/**
 * Measures generated samples against real ones: Frechet distances, the score of a classifier and how
 * often it takes samples for what they are to show, precision and recall, the kernel distance; those for which something is missing are left out.
 *
 * @throws InputError for statistics of another number of features, or fewer than four samples
 */
export function measureFeatures(
  extractor: ExtractorDescription,
  real: RealFeatures,
  generated: FeatureSummary,
): Measure[] {
  const names = namesOf(extractor);
  const n = generated.count;
  if (n < fewestSamples) {
    throw new InputError(
      `${n} generated samples are too few: at least ${fewestSamples} are needed`,
    );
  }
  const referenceN = real.count ?? null;
  const measures: Measure[] = [];
  for (const kind of ["pooled", "spatial"] as const) {
    const [one, other] = [real[kind], generated[kind]()];
    if (!one || !other) continue;
    if (one.mean.length !== other.mean.length) {
      throw new InputError(
        `the reference has ${one.mean.length} ${kind} features, ${extractor.path} puts out ` +
          `${other.mean.length}: its statistics are those of another network`,
      );
    }
    measures.push({ measure: names[kind], value: frechetDistance(one, other), n, referenceN });
  }
  const score = generated.score();
  if (score) {
    measures.push({ measure: names.score, value: score.mean, deviation: score.deviation, n });
  }
  const accuracy = generated.accuracy();
  if (accuracy !== undefined) measures.push({ measure: names.accuracy, value: accuracy, n });
  if (!real.kept || real.kept.rows < fewestSamples) return measures;
  const compared = { real: real.kept, generated: generated.kept() };
  const numbers = { n: compared.generated.rows, referenceN: compared.real.rows };
  const { precision, recall } = precisionRecall(compared);
  const kernel = kernelDistance(compared);
  return [
    ...measures,
    { measure: names.precision, value: precision, ...numbers },
    { measure: names.recall, value: recall, ...numbers },
    { measure: names.kernel, value: kernel.mean, deviation: kernel.deviation, ...numbers },
  ];
}
