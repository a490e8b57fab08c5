/**
 * `tessera eval pictures`: from flags to measures.
 *
 * @module
 */
import { openPictureStream } from "../../data/picture_stream.ts";
import { selectDevice } from "../../kernels/select_device.ts";
import type { Values } from "../flags/flags.ts";
import { opened, placeOf } from "../runs/prepare.ts";
import type { Io } from "../terminal/io.ts";
import { watchSignals } from "../terminal/signals.ts";
import { ditTraining } from "../families/dit/train.ts";
import { compareSamples } from "./compare.ts";
import type { evalPicturesFlags } from "./eval_pictures_flags.ts";
import { openExtractor } from "./extractor.ts";
import { realPictures } from "./real_pictures.ts";
import { reportMeasures } from "./report.ts";

/** Measures pictures against others. */
export async function runEvalPictures(
  io: Io,
  values: Values<typeof evalPicturesFlags>,
  pictures: string,
  reference: string,
): Promise<void> {
  const { count, imageSize, split } = values;
  const { device, reason } = await selectDevice(values);
  try {
    using extractor = await openExtractor(device, values.features, values.featureBatch);
    if (!values.quiet) {
      io.tell(`device: ${device.kind.name}, ${device.description} (${reason})`);
      io.tell(`features: ${extractor.description.path}`);
    }
    using watch = watchSignals(io, "stopping");
    const stream = await opened(
      io,
      values.quiet,
      (events) =>
        openPictureStream(placeOf(ditTraining, pictures), { count, imageSize, split, ...events }),
    );
    const real = realPictures(io, values, placeOf(ditTraining, reference), { imageSize, split });
    const generated = { count: stream.count, samples: stream.samples() };
    const { measures, reference: name } = await compareSamples(io, values, {
      ...{ extractor, real, generated, noun: "picture", signal: watch.signal },
    });
    const about = { samples: pictures, reference: name };
    await reportMeasures(io, values, extractor.description, about, measures);
  } finally {
    device.close();
  }
}
