/**
 * The accuracy of a NaViT on held-out pictures while it is trained, from the averaged weights as they
 * are on the device. It only reads the run's states, so that a run has the same bits with and without.
 *
 * @module
 */
import { evenIndices } from "../../../data/order/spread.ts";
import type { PictureSet } from "../../../data/picture_set.ts";
import type { SkipReport } from "../../../data/pictures/skip_report.ts";
import type { Device } from "../../../kernels/device.ts";
import { topAccuracy } from "../../../metrics/accuracy.ts";
import { predict } from "../../../metrics/prediction.ts";
import type { Evaluator } from "../../../training/runs/run.ts";
import type { ParameterBuffers } from "../../../training/step/trainer.ts";
import { runNaViT } from "./evaluate.ts";
import type { NaViTRun } from "../settings.ts";

/** Most pictures of an evaluation, which bounds its time. */
export const evaluationPictures = 500;

/** Evaluates at the pictures' own resolution, or that which fits a sequence of the run. */
export function runEvaluator(
  device: Device,
  { config, run }: NaViTRun,
  averages: ParameterBuffers,
  heldOut: PictureSet,
  skips: SkipReport,
): Evaluator {
  const pictures = spread(heldOut, evaluationPictures);
  const setting = { kind: "native", tokens: run.length } as const;
  const { sequences, length } = run;
  return {
    async evaluate() {
      const { labels, values } = await runNaViT(
        { device, config, parameters: averages },
        pictures,
        setting,
        "logits",
        { sequences, length, skips, timed: false },
      );
      const isFinite = values.every(Number.isFinite);
      const accuracy = isFinite
        ? topAccuracy(predict({ logits: values, labels, classes: config.classes }, "softmax"))
        : NaN;
      return { evalAccuracy: accuracy, evalPictures: labels.length };
    },
  };
}

/** At most so many pictures of a set, at equal distances: sets are ordered by class. */
function spread(set: PictureSet, most: number): PictureSet {
  if (set.length <= most) return set;
  const indices = evenIndices(set.length, most);
  const at = (index: number) => indices[index];
  return {
    name: set.name,
    length: most,
    channels: set.channels,
    classNames: set.classNames,
    fingerprint: set.fingerprint,
    label: (index) => set.label(at(index)),
    size: (index) => set.size(at(index)),
    pictureName: (index) => set.pictureName(at(index)),
    source: (index) => set.source(at(index)),
    decode: (index) => set.decode(at(index)),
  };
}
