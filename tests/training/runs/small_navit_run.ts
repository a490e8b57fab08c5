/**
 * A NaViT's run so small that tests can make hundreds of steps: pictures of 1 to 16 tokens, packed into
 * sequences of 24.
 *
 * @module
 */
import type { PictureSet } from "../../../data/picture_set.ts";
import type { Device } from "../../../kernels/device.ts";
import type { NaViTConfig } from "../../../models/navit/model.ts";
import type { LoopEvents } from "../../../training/runs/loop.ts";
import type { NaViTRun, NaViTSettings } from "../../../models/navit/settings.ts";
import type { RunPlan } from "../../../training/runs/run.ts";
import { trainNaViT } from "../../../models/navit/run.ts";
import { trainDiT } from "../../../models/dit/run.ts";
import { destroyState, type Trainer } from "../../../training/step/trainer.ts";
import { mixedSet } from "../../data/helpers.ts";
import { readTrainer, smallDataset, smallPlan } from "./small_run.ts";

/** Ten pictures in three classes, between 4 x 17 and 41 x 12 pixels. */
export function smallPictures(): PictureSet {
  const sizes = Array.from({ length: 10 }, (_, index) => ({
    width: 4 + (index * 23) % 38,
    height: 12 + (index * 17) % 29,
  }));
  return mixedSet(sizes, 1);
}

const smallConfig: NaViTConfig = {
  family: "navit",
  patch: 4,
  channels: 1,
  hidden: 20,
  depth: 1,
  heads: 2,
  mlp: 40,
  mlpBias: false,
  classes: 3,
  positions: "factorized",
  combination: "sum",
  coordinates: "absolute",
  positionLength: 16,
};

/** The text tower of a small contrastive run. */
const smallText = { vocabulary: 257, length: 12, hidden: 8, depth: 1, heads: 2, projection: 6 };

/** The plan of a small run; nothing is written without a folder. */
export function smallNaViTPlan(
  plan: Partial<RunPlan<NaViTRun>> & {
    run?: Partial<NaViTSettings>;
    config?: Partial<NaViTConfig>;
  } = {},
): RunPlan<NaViTRun> {
  const { run, config, ...rest } = plan;
  const pictures = smallPictures();
  const isContrastive = run?.loss === "contrastive";
  return {
    steps: 4,
    logEvery: 2,
    checkpointEvery: 100,
    keep: 3,
    start: { from: "seed" },
    description: {
      format: "tessera-checkpoint",
      version: 1,
      config: { ...smallConfig, ...(isContrastive && { text: smallText }), ...config },
      classNames: pictures.classNames,
      run: {
        seed: 3,
        flip: true,
        learningRate: 1e-3,
        weightDecay: 0.01,
        headWeightDecay: 0.1,
        clipNorm: 1,
        averageDecay: 0.999,
        sequences: 4,
        length: 24,
        slots: 5,
        loss: "softmax",
        ...(isContrastive && { textLength: 5 * smallText.length }),
        resolution: {
          kind: "sampled",
          distribution: { kind: "uniform" },
          over: "side",
          minimum: 4,
          maximum: 16,
        },
        dropping: { kind: "beta", mean: 0.3, maximum: 0.8 },
        aspect: "native",
        openSequences: 8,
        ...run,
      },
      dataFingerprint: pictures.fingerprint,
      dataPath: "small",
    },
    ...rest,
  };
}

/** Trains, reads everything, and frees it. */
export async function trainSmallNaViT(
  device: Device,
  plan: RunPlan<NaViTRun>,
): Promise<Map<string, Float32Array>> {
  const trainer = await trainNaViT(device, smallPictures(), plan);
  const tensors = await readTrainer(trainer);
  trainer.destroy();
  destroyState(trainer.state);
  return tensors;
}

/** A part of a plan that every family has. */
type CommonPlan = Partial<Omit<RunPlan, "description">>;

/** Small runs of every family, with the plan's defaults but for what is given. */
export const smallRuns: Readonly<
  Record<
    "dit" | "navit",
    (device: Device, plan: CommonPlan, events?: LoopEvents) => Promise<Trainer>
  >
> = {
  dit: (device, plan, events) => trainDiT(device, smallDataset(), smallPlan(plan), events),
  navit: (device, plan, events) =>
    trainNaViT(device, smallPictures(), smallNaViTPlan(plan), events),
};
