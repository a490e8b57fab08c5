/**
 * The demo of W.A.L.T, step by step: device, training, clips, whether they move as they should, what comes
 * after the first frames of a clip.
 *
 * @module
 */
import { join } from "@std/path";
import {
  motionLabel,
  motionNames,
  openMovingPictures,
} from "../../../data/clips/moving_pictures.ts";
import { writeBytesAtomically } from "../../../formats/files/atomic_file.ts";
import type { Clip } from "../../../formats/video/clip.ts";
import { writeClip } from "../../../formats/video/clip_files.ts";
import { clipSheet } from "../../../formats/video/clip_sheet.ts";
import type { Device } from "../../../kernels/device.ts";
import type { WaltConfig } from "../../../models/walt/model.ts";
import type { WaltSettings } from "../../../models/walt/settings.ts";
import type { DemoOptions } from "../../commands/demo_flags.ts";
import { parseFlags } from "../../flags/flags.ts";
import { type Demo, say } from "../../runs/demo.ts";
import { assetPath } from "../../terminal/assets.ts";
import type { Io } from "../../terminal/io.ts";
import type { WaltData } from "./conditions.ts";
import { drawSamples, prepareSamples } from "./sample/sample.ts";
import { sampleWaltFlags } from "./sample/flags.ts";
import { waltTraining } from "./train.ts";
import { trainWaltFlags, type TrainWaltOptions } from "./train_flags.ts";

/** Two clips of each class. */
const shownClips = 2 * motionNames.length;

/** Steps of the sampler: few, for a demo. */
const steps = "25";

/** The real clip whose first frames are continued: of places that no training has seen. */
const real = { seed: 1, index: 1001 } as const;

/**
 * The demo: latents of the shipped tokenizer, of which a small model has learned after a minute or two which
 * way the clips of a class go.
 */
export const waltDemo: Demo<TrainWaltOptions, WaltConfig, WaltSettings, WaltData> = {
  training: waltTraining,
  parse: (args) => parseFlags(trainWaltFlags, args),
  trainingFlags: [
    ...["--tokenizer", "shipped:moving-fashion", "--frames", "9", "--size", "32", "--patch", "2"],
    ...["--spatio-temporal-window", "3,4,4"],
    ...["--hidden", "64", "--depth", "4", "--batch-size", "32", "--lr", "4e-3"],
    ...["--ema-decay", "0.998", "--log-every", "50"],
  ],
  data: "pictures that move",
  async show(io, options, device, folder) {
    const draw = drawer(io, options, device);
    say(io, "3. Drawing from the model you have just trained");
    const own = join(folder, "own");
    say(io, `   ${describeMotion(await draw(own, "--ckpt", folder, "--count", `${shownClips}`))}`);
    say(io, "4. Drawing from the checkpoint that comes with Tessera, and measuring the motion");
    const shipped = join(folder, "shipped");
    const clips = await draw(shipped, "--count", `${shownClips}`);
    say(io, `   ${describeMotion(clips)}`);
    say(io, "5. Predicting what comes after the first frames of a clip");
    const predicted = await predict(draw, folder);
    return [
      ["clips of the model you have just trained", join(own, "sheet.png")],
      ["clips of the shipped checkpoint, as MP4", shipped],
      ["the same on one sheet", join(shipped, "sheet.png")],
      ["a clip, and what was predicted of it", predicted],
    ];
  },
  nextSteps: (folder) => [
    `deno task tessera train walt --resume ${folder} --steps 20000`,
    'deno task tessera sample walt --classes "left fast" --count 8 --length 41',
    "deno task tessera train walt --data-path FOLDER --frames 17 --size 64   (one sub-folder a class)",
    "deno task tessera info clips FOLDER",
  ],
};

/** Draws clips into a folder, by flags of `sample walt`. */
type Draw = (out: string, ...flags: string[]) => Promise<Clip[]>;

function drawer(io: Io, { seed, quiet }: DemoOptions, device: Device): Draw {
  return async (out, ...flags) => {
    const common = ["--out", out, "--num-sampling-steps", steps, "--seed", `${seed}`];
    const parsed = parseFlags(sampleWaltFlags, [...common, ...flags]);
    using drawing = await prepareSamples({ ...parsed, values: { ...parsed.values, quiet } });
    const clips: Clip[] = [];
    await drawSamples(io, drawing, { device }, (batch) => void clips.push(...batch));
    return clips;
  };
}

/** How many clips, of all classes in turn, move as their class says. */
function describeMotion(clips: readonly Clip[]): string {
  const right = clips.filter((clip, index) => motionLabel(clip) === index % motionNames.length);
  return `${right.length} of ${clips.length} clips go in the direction of their class at its speed`;
}

/** Draws what comes after the first frames of a clip, three times; returns the path of a sheet. */
async function predict(draw: Draw, folder: string): Promise<string> {
  const samples = assetPath("data/samples/fashion");
  const set = await openMovingPictures(samples, { seed: real.seed, channels: 3 });
  const clip = await set.decode(real.index);
  const path = await writeClip(join(folder, "real"), "webp", clip);
  const name = set.classNames[set.label(real.index)];
  const given = ["--frames-from", path, "--classes", name, "--count", "3"];
  const predicted = await draw(join(folder, "predicted"), ...given);
  const sheet = join(folder, "predicted", "comparison.png");
  const png = await clipSheet([clip, ...predicted], {
    title: `What comes after the first 5 frames`,
    subtitle: name,
    names: ["real", "predicted", "predicted", "predicted"],
  });
  await writeBytesAtomically(sheet, png);
  return sheet;
}
