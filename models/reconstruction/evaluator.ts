/**
 * How well a codec brings samples back while it is trained, through the averaged weights as they are on the
 * device. It only reads the run's states, so that a run has the same bits with and without it.
 *
 * @module
 */
import { type ImageDataset, pictureLength } from "../../data/dataset.ts";
import { evenIndices } from "../../data/order/spread.ts";
import type { Device } from "../../kernels/device.ts";
import { peakSignalToNoise } from "../../metrics/reconstruction.ts";
import type { Evaluator } from "../../training/runs/run.ts";
import type { ParameterBuffers } from "../../training/step/trainer.ts";
import { sampleQuality } from "./evaluation.ts";
import type { ReconstructionProgram } from "./run.ts";

/** Most samples of an evaluation, which bounds its time: pictures, or clips, of which each is many. */
export const mostEvaluated = (frames: number | undefined): number => frames === undefined ? 64 : 16;

/**
 * Measures PSNR and SSIM of frames, means over the samples.
 *
 * @param data what the run is not trained on, or what it is
 */
export async function reconstructionEvaluator(
  device: Device,
  averages: ParameterBuffers,
  { program, input, batch }: ReconstructionProgram,
  data: ImageDataset,
): Promise<Evaluator> {
  const indices = evenIndices(data.length, mostEvaluated(data.frames));
  const length = pictureLength(data);
  const executable = await device.load(program, averages);

  /** A batch that begins at a place of the indices and its reconstructions; the last is filled up. */
  async function coded(first: number) {
    const originals = new Float32Array(batch * length);
    const at = (place: number) => indices[Math.min(first + place, indices.length - 1)];
    await data.read(Array.from({ length: batch }, (_, place) => at(place)), originals);
    executable.buffer(input).write(originals);
    executable.run();
    return { originals, found: await executable.buffer("reconstructions").read() as Float32Array };
  }

  return {
    async evaluate() {
      const errors: number[] = [];
      const similarities: number[] = [];
      for (let first = 0; first < indices.length; first += batch) {
        const { originals, found } = await coded(first);
        for (let place = 0; place < Math.min(batch, indices.length - first); place++) {
          const part = (values: Float32Array) =>
            values.subarray(place * length, (place + 1) * length);
          const quality = sampleQuality(part(originals), part(found), data);
          errors.push(...quality.frameErrors);
          similarities.push(...quality.frameSimilarities);
        }
      }
      return {
        evalPsnr: finiteMean(errors.map(peakSignalToNoise)),
        evalSsim: finiteMean(similarities),
        evalSamples: indices.length,
      };
    },
    destroy: () => executable.destroy(),
  };
}

/** The mean of values; NaN where it is not finite. */
function finiteMean(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Number.isFinite(mean) ? mean : NaN;
}
