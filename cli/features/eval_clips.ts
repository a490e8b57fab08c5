/**
 * `tessera eval clips`: from flags to measures.
 *
 * @module
 */
import { clipStream, openClipArchive } from "../../data/clips/clip_stream.ts";
import type { SampleStream } from "../../data/sample_stream.ts";
import type { Clip } from "../../formats/video/clip.ts";
import { selectDevice } from "../../kernels/select_device.ts";
import type { Values } from "../flags/flags.ts";
import { openClipData, shippedClips } from "../runs/clip_data.ts";
import { opened } from "../runs/prepare.ts";
import type { Io } from "../terminal/io.ts";
import { watchSignals } from "../terminal/signals.ts";
import { areMotions, compareClips } from "./compare_clips.ts";
import type { evalClipsFlags } from "./eval_clips_flags.ts";

type EvalClipsOptions = Values<typeof evalClipsFlags>;

/** Frames a second of archives, which measures have nothing to do with. */
const archiveRate = 8;

/** Clips of a place, at most so many. */
const openStream = (
  io: Io,
  { quiet, split, ...values }: EvalClipsOptions,
  place: string,
  count: number,
): Promise<SampleStream<Clip>> =>
  /\.npz$/i.test(place)
    ? openClipArchive(place, count, archiveRate)
    : opened(io, quiet, async (events) => {
      const cut = { ...values, previewData: undefined };
      return clipStream(await openClipData(place, cut, { channels: 3, split, ...events }), count);
    });

/** Measures clips against others. */
export async function runEvalClips(
  io: Io,
  values: EvalClipsOptions,
  clips: string,
  reference: string,
): Promise<void> {
  const { count, referenceCount, quiet } = values;
  const { device, reason } = await selectDevice(values);
  try {
    if (!quiet) io.tell(`device: ${device.kind.name}, ${device.description} (${reason})`);
    using watch = watchSignals(io, "stopping");
    const stream = await openStream(io, values, clips, count);
    const { frames, height, width } = await firstOf(stream);
    const real = {
      path: reference,
      open: () => openStream(io, values, reference, referenceCount),
    };
    await compareClips(io, values, device, real, {
      ...{ name: clips, count: stream.count, samples: stream.samples(), frames },
      motions: reference === shippedClips.moving ? motionsOf(stream) : undefined,
      making: { frames, size: `${width} x ${height}` },
    }, watch.signal);
  } finally {
    device.close();
  }
}

/** The classes of pictures that move; archives have numbers only. */
function motionsOf({ labels, classNames }: SampleStream<Clip>): readonly number[] | undefined {
  return classNames === undefined || areMotions(classNames) ? labels : undefined;
}

/** The first of some samples. */
async function firstOf<Sample>(stream: SampleStream<Sample>): Promise<Sample> {
  for await (const sample of stream.samples()) return sample;
  throw new RangeError(`${stream.name} has no samples`);
}
