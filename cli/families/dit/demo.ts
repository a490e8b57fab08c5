/**
 * The demo of DiT, step by step: device, training, pictures, loss curve, the other device.
 *
 * @module
 */
import { join } from "@std/path";
import { writeBytesAtomically } from "../../../formats/files/atomic_file.ts";
import { toByte } from "../../../formats/pictures/bitmap.ts";
import type { Device } from "../../../kernels/device.ts";
import { deviceKind, type DeviceName, deviceNames, openDevice } from "../../../kernels/devices.ts";
import type { ImageDataset } from "../../../data/dataset.ts";
import type { DiTConfig } from "../../../models/dit/model.ts";
import type { DiTSettings } from "../../../models/dit/settings.ts";
import {
  createDiTSampler,
  type DiTSource,
  findDiT,
  loadDiT,
} from "../../../models/dit/sampling.ts";
import {
  sampleGrid,
  type SampleRecord,
  samplesToBitmaps,
} from "../../../diffusion/samples/picture_files.ts";
import { assetPath } from "../../terminal/assets.ts";
import type { DemoOptions } from "../../commands/demo_flags.ts";
import { type Demo, say } from "../../runs/demo.ts";
import type { Io } from "../../terminal/io.ts";
import { formatCount } from "../../terminal/numbers.ts";
import { ditTraining } from "./train.ts";
import { parseTrainOptions, type TrainDitOptions } from "./train_flags.ts";
import { Progress } from "../../terminal/progress.ts";
import { shippedCheckpoint } from "./sample.ts";

/** How the demo draws: fast, and with predictions kept in range since the models make pixels. */
const drawing = { steps: 50, cfgScale: 2, clipDenoised: true } as const;

/** A sampler that evaluates the network once a step. */
const samplerOf = ({ objective }: DiTSource) => objective === "flow" ? "euler" : "ddim";

/** Pictures and steps of the comparison: few, because a software WebGPU device is slow. */
const comparison = { pictures: 4, steps: 10 } as const;

/** The demo: small batches, so that many steps fit into little time. */
export const ditDemo: Demo<TrainDitOptions, DiTConfig, DiTSettings, ImageDataset> = {
  training: ditTraining,
  parse: parseTrainOptions,
  trainingFlags: ["--batch-size", "32", "--log-every", "20"],
  data: "real pictures",
  async show(io, options, device, folder) {
    say(io, "3. Drawing from the model you have just trained");
    const own = await draw(io, options, device, folder, join(folder, "own.png"));
    say(io, "4. Drawing from the checkpoint that comes with Tessera");
    const checkpoint = assetPath(shippedCheckpoint);
    const shipped = await draw(io, options, device, checkpoint, join(folder, "shipped.png"));
    await compareDevices(io, options, device);
    return [
      ["pictures of the model you have just trained", own],
      ["pictures of the shipped checkpoint", shipped],
    ];
  },
  nextSteps: (folder) => [
    `deno task train dit --resume ${folder} --steps 5000`,
    "deno task sample dit --classes sneaker,bag --count 8",
    "deno task train dit --data-path FOLDER --image-size 32   (one sub-folder a class)",
    "deno task bench flops",
  ],
};

/** Draws two pictures a class from a checkpoint; returns the path of the grid. */
async function draw(
  io: Io,
  { seed, quiet }: DemoOptions,
  device: Device,
  checkpoint: string,
  path: string,
): Promise<string> {
  const source = await findDiT(checkpoint, "ema");
  const labels = Array.from(
    { length: 2 * source.config.classes },
    (_, i) => i % source.config.classes,
  );
  const progress = new Progress(io, {
    noun: "evaluation",
    total: drawing.steps,
    columns: {},
    quiet,
  });
  const samples = await sample(
    device,
    source,
    labels,
    drawing.steps,
    seed,
    (step) => progress.update(step),
  );
  progress.end();
  const record: SampleRecord = {
    weights: source.path,
    step: source.step,
    config: source.config,
    sampler: samplerOf(source),
    samplingSteps: drawing.steps,
    clipDenoised: drawing.clipDenoised,
    cfgScale: drawing.cfgScale,
    cfgChannels: "all",
    seed,
    device: device.description,
    labels,
    classNames: source.classNames,
  };
  const grid = await sampleGrid(samplesToBitmaps(samples, source.config), record, {
    title: `DiT-XS/4 after ${formatCount(source.step ?? 0)} steps`,
    subtitle: `Fashion-MNIST, ${
      samplerOf(source)
    }, ${drawing.steps} steps, guidance ${drawing.cfgScale}, seed ${seed}`,
  });
  await writeBytesAtomically(path, grid);
  return path;
}

async function sample(
  device: Device,
  source: DiTSource,
  labels: readonly number[],
  steps: number,
  seed: number,
  onStep: (step: number) => void = () => {},
): Promise<Float32Array> {
  const parameters = await loadDiT(device, source);
  const program = await createDiTSampler(device, source.config, parameters, {
    ...drawing,
    sampler: samplerOf(source),
    objective: source.objective,
    steps,
    batchSize: labels.length,
    guidance: { scale: drawing.cfgScale },
  });
  const samples = await program.sample({ seed, labels }, (_, step) => onStep(step));
  program.destroy();
  for (const buffer of parameters.values()) buffer.destroy();
  return samples;
}

/** Another device of this machine, or why there is none. */
async function findOther(
  device: Device,
): Promise<{ readonly name?: DeviceName; readonly reason: string }> {
  const missing: string[] = [];
  for (const name of deviceNames.filter((name) => name !== device.kind.name)) {
    const { available, reason } = await (await deviceKind(name)).probe();
    if (available) return { name, reason };
    missing.push(reason);
  }
  return { reason: missing.join("; ") };
}

/** Draws the same seeds on two devices, if there are two, and says how much they differ. */
async function compareDevices(
  io: Io,
  { seed, threads }: DemoOptions,
  device: Device,
): Promise<void> {
  const { name: other, reason } = await findOther(device);
  if (!other) {
    say(io, `5. Nothing to compare with: ${reason}`);
    return;
  }
  const source = await findDiT(assetPath(shippedCheckpoint), "ema");
  const labels = Array.from({ length: comparison.pictures }, (_, i) => i % source.config.classes);
  say(io, `5. Drawing the same ${comparison.pictures} seeds on ${device.kind.name} and ${other}`);
  const here = await sample(device, source, labels, comparison.steps, seed);
  const second = await openDevice(other, { threads });
  try {
    const there = await sample(second, source, labels, comparison.steps, seed);
    say(io, `   ${describeDifference(here, there)}`);
  } finally {
    second.close();
  }
}

function describeDifference(a: Float32Array, b: Float32Array): string {
  let [largest, levels] = [0, 0];
  for (let index = 0; index < a.length; index++) {
    largest = Math.max(largest, Math.abs(a[index] - b[index]));
    levels = Math.max(levels, Math.abs(toByte(a[index]) - toByte(b[index])));
  }
  return `largest difference of a pixel: ${largest.toExponential(1)} of a range of 2, ` +
    `${levels} of 255 grey levels`;
}
