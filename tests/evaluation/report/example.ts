/** A small evaluation whose predictions are drawn, not computed by a model. */

import { classTable, topAccuracy } from "../../../metrics/accuracy.ts";
import { calibrationBuckets, calibrationError } from "../../../metrics/calibration.ts";
import { allCascades } from "../../../metrics/cascade.ts";
import { predict, type Prediction } from "../../../metrics/prediction.ts";
import type { EvaluationReport, SettingRow } from "../../../evaluation/report/report.ts";
import { robustness } from "../../../metrics/robustness.ts";
import { randomElement } from "../../../base/philox.ts";
import { testMachine } from "../../formats/helpers.ts";

const names = ["T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "<shirt> & co"];
const images = 400;

/** Predictions that are right more often the larger `skill` is. */
function drawn(skill: number, stream: number): Prediction[] {
  const labels = Array.from({ length: images }, (_, index) => index % names.length);
  const logits = labels.flatMap((label, image) =>
    names.map((_, index) => {
      const noise = randomElement("normal", [1, 0], image, 0, stream, index);
      return 2 * noise + (index === label ? skill - label / 4 : 0);
    })
  );
  return predict({ logits, labels, classes: names.length }, "softmax");
}

function setting(
  kind: SettingRow["kind"],
  tokens: number,
  predictions: readonly Prediction[],
): SettingRow {
  return {
    checkpoint: "0002000",
    setting: `${tokens} tokens`,
    kind,
    tokens: kind === "tokens" ? tokens - 0.4 : tokens,
    multiplyAdds: 21_000 * tokens + 30 * tokens ** 2,
    milliseconds: 0.01 * tokens ** 1.1,
    imagesPerSecond: 70_000 / tokens,
    top1: topAccuracy(predictions),
    top5: topAccuracy(predictions, 5),
    images,
    calibrationError: calibrationError(calibrationBuckets(predictions)),
    ...(kind === "tokens" ? { fillRate: 0.973 } : {}),
  };
}

/** The report, with everything in it that a report can hold. */
export function exampleReport(): EvaluationReport {
  const tokens = [16, 32, 64, 128];
  const native = tokens.map((_, index) => drawn(3 + 1.5 * index ** 0.6, index));
  const square = tokens.map((_, index) => drawn(2.4 + 1.5 * index ** 0.6, 10 + index));
  const settings = [
    ...tokens.map((count, index) => setting("tokens", count, native[index])),
    ...tokens.map((count, index) => setting("square", count, square[index])),
  ];
  const stages = tokens.map((count, index) => ({
    name: `${count} tokens`,
    predictions: native[index],
    cost: settings[index].milliseconds,
  }));
  const buckets = [calibrationBuckets(native[3], 15), calibrationBuckets(square[0], 15)];
  const shifts = (start: number, values: readonly number[]) =>
    values.map((value, index) => ({
      value,
      predictions: drawn(5 - 0.8 * Math.abs(index - 2), start),
    }));
  const aspect = "aspect ratio (width / height)";
  return {
    machine: testMachine,
    device: "wasm, 2 threads",
    model: "NaViT-XS/4",
    checkpoint: "results/000-NaViT-XS-4",
    dataSet: "drawn, test, 400 images, 7 classes",
    protocol: ["Probabilities are softmax.", "Times are medians of 5."],
    settings,
    classes: { name: "0002000, 128 tokens", rows: classTable(native[3], names) },
    calibration: [
      { name: "128 tokens", error: calibrationError(buckets[0]), buckets: buckets[0] },
      { name: "16 x 16 square", error: calibrationError(buckets[1]), buckets: buckets[1] },
    ],
    cascades: { cost: "milliseconds", cascades: allCascades(stages) },
    probes: [{
      name: "0002000, 128 tokens",
      shots: 10,
      ridge: 1024,
      classes: 7,
      images,
      runs: [{ seed: 0, accuracy: 0.7 }, { seed: 1, accuracy: 0.8 }],
      mean: 0.75,
      deviation: Math.sqrt(0.005),
    }],
    robustness: [
      {
        name: "NaViT",
        shift: aspect,
        base: 1,
        rows: robustness(shifts(30, [0.25, 0.5, 1, 2, 4]), 1),
      },
      {
        name: "ViT",
        shift: aspect,
        base: 1,
        rows: robustness(shifts(31, [0.25, 0.5, 1, 2, 4]), 1),
      },
      {
        name: "NaViT",
        shift: "resolution (pixels a side)",
        base: 28,
        rows: robustness(shifts(32, [16, 20, 28, 40, 56]), 28),
      },
    ],
  };
}
