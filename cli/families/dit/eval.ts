/**
 * `tessera eval dit`: how near the pictures of a model are to real ones.
 *
 * @module
 */
import { classifierClasses } from "../../../evaluation/features/extractor.ts";
import { samplesToBitmaps } from "../../../diffusion/samples/picture_files.ts";
import type { Bitmap } from "../../../formats/pictures/bitmap.ts";
import type { Device } from "../../../kernels/device.ts";
import { selectDevice } from "../../../kernels/select_device.ts";
import { explainOtherDesign } from "../../../models/dit/designs.ts";
import { ditParameters } from "../../../models/dit/model.ts";
import { type DiTSource, loadDiT } from "../../../models/dit/sampling.ts";
import { checkWeights, weightsNotes } from "../../../training/checkpoints/checkpoint.ts";
import { compareSamples } from "../../features/compare.ts";
import { openExtractor } from "../../features/extractor.ts";
import { realPictures } from "../../features/real_pictures.ts";
import { reportMeasures } from "../../features/report.ts";
import type { Parsed, Values } from "../../flags/flags.ts";
import { guidanceSchedule } from "../../flags/guidance_flags.ts";
import { placeOf } from "../../runs/prepare.ts";
import { asUsage, UsageError } from "../../terminal/errors.ts";
import type { Io } from "../../terminal/io.ts";
import { watchSignals } from "../../terminal/signals.ts";
import { chooseLabels } from "../classes.ts";
import { withCause } from "../sampling.ts";
import { describeSampledWeights } from "../sample_flags.ts";
import type { evalDitFlags } from "./eval_flags.ts";
import {
  classesOf,
  createProgram,
  decoderOf,
  findSource,
  isPicture,
  type Output,
} from "./sample.ts";
import { chooseSampler } from "./sampler_flags.ts";
import { ditTraining } from "./train.ts";

type EvalDitOptions = Values<typeof evalDitFlags>;

/** Draws pictures and measures them against real ones. */
export async function runEvalDit(io: Io, parsed: Parsed<typeof evalDitFlags>): Promise<void> {
  const { values } = parsed;
  const source = await findSource({ ...values, ...unused });
  const sampling = chooseSampler(parsed, source.objective ?? "noise", source.path);
  const labels = asUsage(() => chooseLabels(classesOf(source), values.classes, values.count));
  const found = await decoderOf(source, { ...values, ...unused });
  const pictures = found?.pictures ?? source.config;
  if (!isPicture(pictures)) {
    throw new UsageError(
      `the model makes latents of ${pictures.channels} channels; give --vae to decode them`,
    );
  }
  const { path, isRecorded } = referenceOf(source, values);
  const real = {
    ...realPictures(io, values, path, { imageSize: pictures.inputSize }),
    isRecorded,
  };
  const fit = await checkWeights(source.path, ditParameters(source.config), {
    explain: explainOtherDesign(source.config),
  });
  const { device, reason } = await selectDevice({ ...values, batchInvariant: true });
  try {
    using extractor = await openExtractor(device, values.features, values.featureBatch);
    if (!values.quiet) {
      io.tell(`device: ${device.kind.name}, ${device.description} (${reason})`);
      io.tell(`weights: ${source.path}`);
      io.tell(`features: ${extractor.description.path}`);
      weightsNotes(source, fit).forEach((note) => io.tell(note));
    }
    using watch = watchSignals(io, "stopping");
    const output: Output = {
      ...{ ...source, sampling, found, pictures, labels, notes: [], device: device.description },
      guidance: values.cfgScale ?? (found ? 4 : 2),
      schedule: guidanceSchedule(values),
      clipDenoised: values.clipDenoised ?? !found,
      wantsPngs: false,
    };
    const generated = {
      count: labels.length,
      classes: classifierClasses(extractor.description, source.classNames, labels),
      samples: drawnPictures(device, values, output, watch.signal),
    };
    const { measures, reference } = await compareSamples(io, values, {
      ...{ extractor, real, generated, noun: "picture", signal: watch.signal },
    });
    const about = { samples: source.path, making: makingOf(values, output), reference };
    await reportMeasures(io, values, extractor.description, about, measures);
  } finally {
    device.close();
  }
}

/** Flags of `sample dit` that an evaluation has not. */
const unused = { noise: undefined, out: "", npz: undefined, saveLatents: undefined } as const;

/** The real pictures: as told, those of the run, or for the shipped checkpoint those that ship. */
function referenceOf({ latents, dataPath }: DiTSource, values: EvalDitOptions) {
  if (values.dataPath !== undefined || values.ckpt === undefined) {
    return { path: placeOf(ditTraining, values.dataPath) };
  }
  if (dataPath === undefined || latents) {
    const reason = latents ? "was trained on latents" : "does not say what it was trained on";
    throw new UsageError(`--data-path is needed: the model ${reason}`);
  }
  return { path: placeOf(ditTraining, dataPath), isRecorded: true };
}

/** What every line says of how the pictures were made. */
function makingOf(values: EvalDitOptions, { guidance, schedule, sampling, step }: Output) {
  const { seed, eta } = values;
  const { sampler, steps } = sampling;
  return {
    guidance: schedule.kind === "constant" ? guidance : `${guidance}, ${schedule.kind}`,
    sampler: sampler === "ddim" && eta > 0 ? `ddim, eta ${eta}` : sampler,
    "sampling steps": steps,
    seed,
    weights: describeSampledWeights(values),
    "training step": step,
  };
}

/** The pictures of a model, drawn batch by batch. */
async function* drawnPictures(
  device: Device,
  values: EvalDitOptions,
  output: Output,
  signal: AbortSignal,
): AsyncGenerator<Bitmap> {
  const parameters = await loadDiT(device, output, values.dtype);
  const program = await createProgram(device, { ...values, ...unused }, output, parameters);
  using decoder = output.found && await output.found.open(device, values.tile);
  const { seed } = values;
  const drawn = program.batches({ seed, labels: output.labels }, () => signal.throwIfAborted());
  try {
    for await (const batch of decoder ? decoder.decodeAll(drawn) : drawn) {
      yield* samplesToBitmaps(batch, output.pictures);
    }
  } catch (error) {
    throw await withCause(error, output.path, parameters);
  } finally {
    program.destroy();
    for (const buffer of parameters.values()) buffer.destroy();
  }
}
