/**
 * A run so small that tests can make hundreds of steps: 8 x 8 pictures, 4 tokens.
 *
 * @module
 */
import type { ImageDataset } from "../../../data/dataset.ts";
import { MemoryDataset } from "../../../data/memory_dataset.ts";
import type { Device } from "../../../kernels/device.ts";
import type { DiTRun, DiTSettings } from "../../../models/dit/settings.ts";
import type { RunPlan } from "../../../training/runs/run.ts";
import { destroyState, type Trainer } from "../../../training/step/trainer.ts";
import { trainDiT } from "../../../models/dit/run.ts";

const side = 8;

/** Twenty grey pictures in three classes. */
export function smallDataset(): ImageDataset {
  const count = 20;
  return new MemoryDataset({
    name: "small",
    channels: 1,
    height: side,
    width: side,
    classNames: ["a", "b", "c"],
    pixels: Uint8Array.from({ length: count * side ** 2 }, (_, i) => (i * i * 31 + i * 7) % 256),
    labels: Array.from({ length: count }, (_, i) => i % 3),
  });
}

/** The plan of a small run; nothing is written without a folder. */
export function smallPlan(
  plan: Partial<RunPlan<DiTRun>> & { run?: Partial<DiTSettings> } = {},
): RunPlan<DiTRun> {
  const { run, ...rest } = plan;
  return {
    steps: 4,
    logEvery: 2,
    checkpointEvery: 100,
    keep: 3,
    start: { from: "seed" },
    description: {
      format: "tessera-checkpoint",
      version: 1,
      config: {
        family: "dit",
        inputSize: side,
        patch: 4,
        channels: 1,
        hidden: 20,
        depth: 1,
        heads: 2,
        classes: 3,
        learnSigma: true,
        conditioning: "adaLN-Zero",
      },
      classNames: ["a", "b", "c"],
      run: {
        seed: 3,
        batchSize: 5,
        learningRate: 1e-3,
        weightDecay: 0.01,
        clipNorm: 1,
        averageDecay: 0.999,
        labelDropout: 0.2,
        flip: true,
        ...run,
      },
      dataFingerprint: smallDataset().fingerprint,
      dataPath: "small",
    },
    ...rest,
  };
}

/** Every tensor of a trainer's state, by kind and name. */
export async function readTrainer({ state }: Trainer): Promise<Map<string, Float32Array>> {
  const { parameters, averages, firstMoments, secondMoments } = state;
  const tensors = new Map<string, Float32Array>();
  for (
    const [kind, buffers] of Object.entries({ parameters, averages, firstMoments, secondMoments })
  ) {
    for (const [name, buffer] of buffers) {
      tensors.set(`${kind} ${name}`, await buffer.read() as Float32Array);
    }
  }
  return tensors;
}

/** Trains, reads everything, and frees it. */
export async function trainSmall(
  device: Device,
  plan: RunPlan<DiTRun>,
  dataset: ImageDataset = smallDataset(),
): Promise<Map<string, Float32Array>> {
  const trainer = await trainDiT(device, dataset, plan);
  const tensors = await readTrainer(trainer);
  trainer.destroy();
  destroyState(trainer.state);
  return tensors;
}
