/** PSNR, SSIM and errors of changes against PyTorch. */
import assert from "node:assert/strict";
import {
  clipQuality,
  meanSquaredError,
  peakSignalToNoise,
  structuralSimilarity,
} from "../../metrics/reconstruction.ts";
import { loadJson } from "../golden.ts";

interface Case {
  readonly size: readonly [channels: number, frames: number, height: number, width: number];
  readonly frameErrors: readonly number[];
  readonly frameSimilarities: readonly number[];
  readonly error: number;
  readonly changeError: number | null;
  readonly peakSignalToNoise: number;
}

const near = (actual: number, expected: number, what: string) =>
  assert(
    Math.abs(actual - expected) < 2e-6 * Math.abs(expected),
    `${what}: ${actual}, ${expected}`,
  );

Deno.test("clips are compared with their originals as PyTorch does it", async () => {
  for (const golden of await loadJson<Case[]>("reconstruction_metrics")) {
    const [channels, frames, height, width] = golden.size;
    const original = Array.from(
      { length: channels * frames * height * width },
      (_, index) => (index * 37 + Math.floor(index / 11) * 5) % 101 / 100,
    );
    const other = original.map((value, index) =>
      Math.min(1, Math.max(0, value + (index * 53 % 29 - 14) / 100))
    );
    const clip = (values: number[]) => ({
      ...{ channels, frames, height, width },
      values: Float32Array.from(values),
    });
    const found = clipQuality(clip(original), clip(other));
    golden.frameErrors.forEach((error, frame) => near(found.frameErrors[frame], error, "error"));
    golden.frameSimilarities.forEach((similarity, frame) =>
      near(found.frameSimilarities[frame], similarity, "similarity")
    );
    near(found.error, golden.error, "error of the clip");
    near(peakSignalToNoise(found.error), golden.peakSignalToNoise, "PSNR");
    if (golden.changeError === null) assert.equal(found.changeError, undefined);
    else near(found.changeError!, golden.changeError, "error of changes");
    const same = clipQuality(clip(original), clip(original));
    assert.deepEqual([same.error, peakSignalToNoise(same.error)], [0, Infinity]);
    same.frameSimilarities.forEach((similarity) => near(similarity, 1, "with itself"));
  }
});

Deno.test("what differs in size is not compared", () => {
  assert.throws(() => meanSquaredError([1], [1, 2]), /1 and 2 values cannot be compared/);
  assert.throws(() => meanSquaredError([], []), RangeError);
  const size = { height: 1, width: 2 };
  assert.throws(() => structuralSimilarity([1], [1], size), /are not planes 1 x 2/);
});
