/**
 * `tessera train navit`: what is NaViT's own of it.
 *
 * @module
 */
import { withClassNames } from "../../../data/class_names.ts";
import type { Resolution } from "../../../data/packing/resolution.ts";
import { textVocabulary } from "../../../data/packing/text_tokens.ts";
import type { TokenDropping } from "../../../data/packing/token_dropping.ts";
import { checkChannels, openPictureSet } from "../../../data/open.ts";
import type { PictureSet } from "../../../data/picture_set.ts";
import { overrideNaViTConfig } from "../../../models/navit/config.ts";
import { navitFamily } from "../../../models/navit/family.ts";
import { describeNaViT } from "../../../models/navit/graph.ts";
import type { NaViTConfig } from "../../../models/navit/model.ts";
import { previewPacking } from "../../../models/navit/preview.ts";
import { trainNaViT } from "../../../models/navit/run.ts";
import type { NaViTSettings } from "../../../models/navit/settings.ts";
import type { TextConfig } from "../../../models/navit/text.ts";
import { asUsage, UsageError } from "../../terminal/errors.ts";
import { formatCount, formatPercent, inParts } from "../../terminal/numbers.ts";
import { fixed } from "../../terminal/progress.ts";
import type { TrainingCommand } from "../training.ts";
import { navitOverrides } from "./model_flags.ts";
import { packingWarnings, requireClasses, requireFittingResolution } from "./train_checks.ts";
import type { TrainNaViTOptions } from "./train_flags.ts";

/** Training of NaViT. */
export const navitTraining: TrainingCommand<
  TrainNaViTOptions,
  NaViTConfig,
  NaViTSettings,
  PictureSet
> = {
  family: navitFamily,
  shipped: { name: "shipped:clipart", folder: "data/samples/clipart" },
  async open(place, values, base, events) {
    asUsage(() => checkChannels(values.channels));
    const contrastive = values.loss === "contrastive";
    const pictures = await openPictureSet(place, {
      channels: values.channels ?? base.channels,
      holdout: holdoutOf(values),
      captions: contrastive,
      ...events,
    });
    if (!contrastive) requireClasses(pictures, values.numClasses);
    return pictures;
  },
  reopen: async (place, { config, run }, events) =>
    await openPictureSet(place, {
      channels: config.channels,
      holdout: run.holdout,
      captions: run.loss === "contrastive",
      ...events,
    }),
  relabel: withClassNames,
  configure: configFor,
  learningRate: ({ hidden }) => hidden < 384 ? 1e-3 : 8e-4,
  batch({ batchSize: size, loss, accumulate }) {
    if (loss === "contrastive" && accumulate !== 1) {
      throw new UsageError(
        "--accumulate divides a batch, but all pairs of a contrastive one belong together",
      );
    }
    return { size, what: `the ${size} sequences` };
  },
  settings({ values }, config, common) {
    const { sequenceLength: length, imagesPerSequence: slots, loss, aspect } = values;
    return {
      ...common,
      headWeightDecay: values.headWeightDecay,
      sequences: values.batchSize,
      length,
      slots,
      loss,
      textLength: loss === "contrastive" ? slots * values.textLength : undefined,
      resolution: resolutionOf(values),
      dropping: droppingOf(values, config),
      aspect,
      openSequences: openGroup(values),
      holdout: holdoutOf(values),
    };
  },
  check: requireFittingResolution,
  stepsPerEpoch(pictures, config, run) {
    const { picturesPerSequence } = previewPacking(pictures, config, run);
    return pictures.length / (picturesPerSequence * run.sequences);
  },
  evaluation: {
    schedule({ evalEvery }, { loss }, before) {
      const every = evalEvery ?? before?.every ?? 0;
      if (every === 0) return undefined;
      if (loss !== "contrastive") return { every };
      throw new UsageError(
        "--eval-every measures the accuracy of a classifier, a contrastive model is none; " +
          "eval navit measures its zero-shot accuracy",
      );
    },
    open: async (place, { config, run, classNames }, events) =>
      await openPictureSet(place, {
        channels: config.channels,
        holdout: run.holdout,
        captions: false,
        split: "test",
        classNames,
        ...events,
      }),
    describe: ({ evalAccuracy, evalPictures }) =>
      `accuracy ${evalAccuracy.toFixed(3)} on ${evalPictures} held-out pictures`,
  },
  warnings: (config, run, pictures) => packingWarnings(pictures, config, run),
  describeBatch: ({ sequences, length }) => `${sequences} sequences of ${length} tokens`,
  columns: ({ loss }) => ({
    ...(loss === "contrastive"
      ? { matchProbability: fixed("match", 3) }
      : { accuracy: fixed("accuracy", 3) }),
    fillRate: fixed("fill", 3),
  }),
  next: () => ({
    what: "evaluate with",
    command: (folder) => `eval navit --ckpt ${folder}`,
  }),
  describePlan({ description: { config, run }, steps }, pictures) {
    const { sequences, length, slots, accumulate } = run;
    const { multiplyAdds } = describeNaViT(config, length);
    const { picturesPerSequence, fillRate, shrunkShare } = previewPacking(pictures, config, run);
    return [
      ["multiply-adds", `${formatCount(multiplyAdds)} a picture of ${length} tokens, forward`],
      ["batch", `${sequences} sequences${inParts(accumulate)}`],
      ["sequence", `${length} tokens, at most ${slots} pictures`],
      [
        "packing",
        `${picturesPerSequence.toFixed(1)} pictures a sequence, ` +
        `${formatPercent(fillRate)} of the tokens; ${formatPercent(shrunkShare)} shrunk to fit`,
      ],
      ["data", `${formatCount(pictures.length)} pictures`],
      ["steps", `${steps}`],
    ];
  },
  train: trainNaViT,
};

/** The part of the pictures that is kept for evaluation; undefined: none. */
const holdoutOf = ({ holdout }: TrainNaViTOptions): number | undefined =>
  holdout > 0 ? holdout : undefined;

/** The model for a set of pictures, with the fields that flags replace. */
function configFor(
  base: NaViTConfig,
  pictures: PictureSet,
  values: TrainNaViTOptions,
): NaViTConfig {
  const sized = overrideNaViTConfig(base, {
    ...navitOverrides(base, values),
    channels: pictures.channels,
    classes: values.numClasses ?? pictures.classNames.length,
  }, `model for ${pictures.name}`);
  if (values.loss !== "contrastive") return sized;
  return overrideNaViTConfig(sized, { text: textTower(sized, values) }, "text tower");
}

function textTower(
  { hidden, depth, heads }: NaViTConfig,
  { textLength, textHidden, textDepth, textHeads, projection }: TrainNaViTOptions,
): TextConfig {
  return {
    vocabulary: textVocabulary,
    length: textLength,
    hidden: textHidden ?? hidden,
    depth: textDepth ?? Math.ceil(depth / 2),
    heads: textHeads ?? heads,
    projection: projection ?? hidden,
  };
}

/** Sequences that are filled at a time unless flags tell: enough to leave little padding. */
const openSequences = 64;

/** Sequences filled at a time: whole steps. */
function openGroup({ openSequences: wanted, batchSize: sequences }: TrainNaViTOptions): number {
  if (wanted === undefined) return Math.ceil(openSequences / sequences) * sequences;
  if (wanted % sequences === 0) return wanted;
  const below = Math.floor(wanted / sequences) * sequences;
  const nearest = [below, below + sequences].filter((n) => n > 0).join(" and ");
  throw new UsageError(
    `--open-sequences ${wanted} are not whole steps of ${sequences} sequences; nearest: ${nearest}`,
  );
}

function resolutionOf(
  { resolution, resolutionDistribution, resolutionOver }: TrainNaViTOptions,
): Resolution {
  if (resolution.kind !== "range") return resolution;
  const { minimum, maximum } = resolution;
  return {
    kind: "sampled",
    distribution: resolutionDistribution,
    over: resolutionOver,
    minimum,
    maximum,
  };
}

/** Dropping by resolution spans the tokens that the resolutions make. */
function droppingOf(
  { tokenDrop, resolution }: TrainNaViTOptions,
  { patch }: NaViTConfig,
): TokenDropping {
  if (tokenDrop.kind !== "resolution") return tokenDrop;
  if (resolution.kind !== "range") {
    throw new UsageError("--token-drop resolution:MIN:MAX needs a --resolution MIN:MAX");
  }
  const tokens = (side: number): number => Math.max(1, Math.round((side / patch) ** 2));
  const [fewest, most] = [tokens(resolution.minimum), tokens(resolution.maximum)];
  if (fewest < most) return { ...tokenDrop, fewest, most };
  throw new UsageError(
    `--token-drop resolution:MIN:MAX needs a wider --resolution: both ends make ${most} tokens`,
  );
}
