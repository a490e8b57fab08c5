/**
 * Comparing generated clips with real ones: by features of a network, and for pictures that move by where
 * they go.
 *
 * @module
 */
import { motionLabel, motionNames } from "../../data/clips/moving_pictures.ts";
import type { Measure } from "../../evaluation/features/measures.ts";
import type { Clip } from "../../formats/video/clip.ts";
import type { Device } from "../../kernels/device.ts";
import type { reportFlags } from "../bench/sweep.ts";
import type { Values } from "../flags/flags.ts";
import { UsageError } from "../terminal/errors.ts";
import type { Io } from "../terminal/io.ts";
import { compareSamples, type ComparisonValues, type RealSamples } from "./compare.ts";
import { openClipExtractor } from "./extractor.ts";
import { reportMeasures } from "./report.ts";

/** The generated clips. */
export interface GeneratedClips {
  /** Where they are, or the weights that they are of. */
  readonly name: string;
  readonly count: number;
  readonly samples: AsyncIterable<Clip>;
  /** Frames of each. */
  readonly frames: number;
  /** Classes of pictures that move; absent for other clips. */
  readonly motions?: readonly number[];
  /** How they were made, in fields that become columns. */
  readonly making: Readonly<Record<string, string | number | undefined>>;
}

/** Whether the classes of clips are directions and speeds. */
export const areMotions = (names: readonly string[]): boolean =>
  names.join() === motionNames.join();

/** How many clips go where their class says. */
class MotionCount {
  #right = 0;
  #count = 0;

  constructor(readonly labels: readonly number[]) {}

  /** Passes clips on, and counts. */
  async *watch(clips: AsyncIterable<Clip>): AsyncGenerator<Clip> {
    for await (const clip of clips) {
      if (motionLabel(clip) === this.labels[this.#count++]) this.#right++;
      yield clip;
    }
  }

  get measure(): Measure {
    const measure = "share with the right direction and speed";
    return { measure, value: this.#right / this.#count, n: this.#count, isOfFeatures: false };
  }
}

/** Compares and reports. */
export async function compareClips(
  io: Io,
  values: ComparisonValues & Values<typeof reportFlags>,
  device: Device,
  real: RealSamples<Clip>,
  clips: GeneratedClips,
  signal: AbortSignal,
): Promise<void> {
  const { name, count, making, frames } = clips;
  const motion = clips.motions && new MotionCount(clips.motions);
  const samples = motion ? motion.watch(clips.samples) : clips.samples;
  if (values.features === undefined) {
    if (!motion) {
      throw new UsageError(
        "--features is needed: a run of train navit on frames of such clips, or weights of FVD's I3D",
      );
    }
    for await (const _ of samples) signal.throwIfAborted();
    const about = { samples: name, making, reference: "the class of each clip" };
    return await reportMeasures(io, values, undefined, about, [motion.measure]);
  }
  const size = { batch: values.featureBatch, frames };
  using extractor = await openClipExtractor(device, values.features, size);
  const { reference, measures } = await compareSamples(io, values, {
    ...{ extractor, real, generated: { count, samples }, noun: "clip", signal },
  });
  const all = motion ? [...measures, motion.measure] : measures;
  const about = { samples: name, making, reference };
  await reportMeasures(io, values, extractor.description, about, all);
}
