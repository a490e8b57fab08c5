/**
 * How near the pictures of a DiT are to those that it is trained on, while it is trained: pictures are
 * drawn from the averaged weights as they are on the device, always the same seeds and classes, and
 * compared by features. It only reads the run's states, so that a run has the same bits with and without.
 *
 * @module
 */
import { datasetPictures } from "../../data/picture_stream.ts";
import type { ImageDataset } from "../../data/dataset.ts";
import { NonFiniteSampleError } from "../../diffusion/sampler_loop.ts";
import { samplesToBitmaps } from "../../diffusion/samples/picture_files.ts";
import { collectFeatures } from "../../evaluation/features/collect.ts";
import type { FeatureExtractor } from "../../evaluation/features/extractor.ts";
import type { Bitmap } from "../../formats/pictures/bitmap.ts";
import type { Device } from "../../kernels/device.ts";
import { frechetDistance } from "../../metrics/features/frechet.ts";
import type { Gaussian } from "../../metrics/features/gaussian.ts";
import type { Evaluator } from "../../training/runs/run.ts";
import type { ParameterBuffers } from "../../training/step/trainer.ts";
import { runSampling } from "./run_samples.ts";
import { createDiTSampler } from "./sampling.ts";
import type { DiTRun } from "./settings.ts";

/** Pictures that are drawn, and real ones at most: more would take longer than training does. */
const [drawnPictures, realPictures] = [200, 2000];

/** Steps of the sampler. */
const samplingSteps = 20;

/** Opens the network whose features are compared; it is freed after every evaluation. */
export type OpenExtractor = () => Promise<FeatureExtractor>;

/** Evaluates a run on pictures. */
export function runEvaluator(
  device: Device,
  description: DiTRun,
  averages: ParameterBuffers,
  real: ImageDataset,
  openExtractor: OpenExtractor,
  warn: (line: string) => void,
): Evaluator {
  let reference: Gaussian | undefined;
  return {
    async evaluate() {
      using extractor = await openExtractor();
      reference ??= (await collectFeatures(extractor, datasetPictures(real, realPictures)))
        .pooled();
      const measure = measureOf(extractor);
      try {
        const drawn = await collectFeatures(extractor, draw(device, description, averages));
        const distance = frechetDistance(reference, drawn.pooled());
        return { [measure]: distance, evalPictures: drawn.count };
      } catch (error) {
        if (!(error instanceof NonFiniteSampleError)) throw error;
        warn(`warning: not evaluated: ${error.message}`);
        return { [measure]: NaN, evalPictures: 0 };
      }
    },
  };
}

/** What metrics call the distance: only that of FID's own network is one. */
const measureOf = ({ description: { standard } }: FeatureExtractor): string =>
  standard ? "evalFid" : "evalFrechetDistance";

async function* draw(
  device: Device,
  description: DiTRun,
  averages: ParameterBuffers,
): AsyncGenerator<Bitmap> {
  const { config, run: { seed } } = description;
  const settings = runSampling(description, { every: 1, steps: samplingSteps });
  const program = await createDiTSampler(device, config, averages, settings);
  const labels = Array.from({ length: drawnPictures }, (_, index) => index % config.classes);
  try {
    for await (const batch of program.batches({ seed, labels })) {
      yield* samplesToBitmaps(batch, config);
    }
  } finally {
    program.destroy();
  }
}
