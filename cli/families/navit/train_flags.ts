/**
 * Flags of `tessera train navit`, with the paper's defaults where a small machine can follow them.
 *
 * @module
 */
import type { Resolution } from "../../../data/packing/resolution.ts";
import type { TokenDropping } from "../../../data/packing/token_dropping.ts";
import { UsageError } from "../../terminal/errors.ts";
import { alias, flag, group, optional, resumable, toggle, type Values } from "../../flags/flags.ts";
import { navitModelFlags } from "./model_flags.ts";
import { choice, integer, number, type Parser, text } from "../../flags/parsers.ts";
import { evalEveryFlag, trainFlags } from "../../flags/train_flags.ts";

const side = number({ min: 1, max: 65536 });
const size = integer({ min: 1, max: 65536 });
const rate = number({ min: 0, max: 0.99 });
const center = number({ min: -1, max: 1 });

/** `96`, `64:256`, `native` or `native:512`; the distribution is a flag of its own. */
export type ResolutionRange =
  | { readonly kind: "fixed"; readonly side: number }
  | { readonly kind: "range"; readonly minimum: number; readonly maximum: number }
  | { readonly kind: "native"; readonly maximum?: number };

/** How resolutions are written, numbers as everywhere. */
const resolutionForm = /^(?:native|\d[\d._e+]*)(?::\d[\d._e+]*)?$/i;

const resolutionRange: Parser<ResolutionRange> = (value, name) => {
  if (!resolutionForm.test(value)) {
    throw new UsageError(`${name} "${value}": write one side, MIN:MAX, native or native:MAX`);
  }
  const [first, second] = value.split(":");
  if (first === "native") {
    return second === undefined
      ? { kind: "native" }
      : { kind: "native", maximum: side(second, name) };
  }
  const minimum = side(first, name);
  if (second === undefined) return { kind: "fixed", side: minimum };
  const maximum = side(second, name);
  if (minimum <= maximum) return { kind: "range", minimum, maximum };
  throw new UsageError(
    `${name} ${value}: ${minimum} is above ${maximum}; write ${maximum}:${minimum}`,
  );
};

/** `uniform`, or `normal:MEAN` truncated to [-1, 1]. */
const distribution: Parser<(Resolution & { kind: "sampled" })["distribution"]> = (value, name) => {
  const [kind, mean = "0", ...rest] = value.split(":");
  const word = choice("uniform", "normal")(kind, name);
  if (word === "normal" && rest.length === 0) return { kind: word, mean: center(mean, name) };
  if (value === "uniform") return { kind: value };
  throw new UsageError(`${name} ${value}: write uniform, normal or normal:MEAN`);
};

/** Kinds of token dropping with the numbers they take. */
const droppingForms = {
  beta: ["MEAN", "MAX"],
  resolution: ["MIN", "MAX"],
  scheduled: ["MIN", "MAX", "MIDDLE", "WIDTH"],
} as const;

/** A dropping whose numbers are checked; those of `resolution` still lack the range of tokens. */
export type DroppingChoice =
  | Exclude<TokenDropping, { kind: "resolution" }>
  | { readonly kind: "resolution"; readonly minimum: number; readonly maximum: number };

const dropping: Parser<DroppingChoice> = (value, name) => {
  if (value === "none") return { kind: "none" };
  if (/^[\d.]/.test(value)) return { kind: "constant", rate: rate(value, name) };
  const [word, ...numbers] = value.split(":");
  const kind = choice("none", "beta", "resolution", "scheduled")(word, name);
  if (kind === "none") throw new UsageError(`${name} ${value}: none takes no numbers`);
  const form = droppingForms[kind];
  if (numbers.length !== form.length) {
    throw new UsageError(`${name} ${value}: write ${[kind, ...form].join(":")}`);
  }
  const [first, second] = numbers.slice(0, 2).map((text) => rate(text, name));
  if (kind !== "scheduled" && first > second) {
    throw new UsageError(`${name} ${value}: ${form[0]} ${first} is above ${form[1]} ${second}`);
  }
  if (kind === "beta") {
    if (first > 0 && first < second) return { kind, mean: first, maximum: second };
    throw new UsageError(`${name} ${value}: MEAN must lie between 0 and MAX`);
  }
  if (kind === "resolution") return { kind, minimum: first, maximum: second };
  const [middle, width] = numbers.slice(2).map((text) => number()(text, name));
  if (width === 0) throw new UsageError(`${name} ${value}: WIDTH must not be 0`);
  return { kind, minimum: first, maximum: second, middle, width };
};

/** Every flag of `train navit`. */
export const navitTrainFlags = {
  ...group("Model:", {
    model: flag(
      "--model <name>",
      "config to start from: NaViT-XS/16 to NaViT-L/14",
      text,
      "NaViT-XS/8",
    ),
  }),
  ...navitModelFlags,
  ...group("Data:", {
    ...resumable({
      dataPath: optional(
        "--data-path <path>",
        "pictures of any size: one folder a class, or train/ and test/ with such folders",
        text,
        "the shipped samples",
      ),
    }),
    holdout: flag(
      "--holdout <share>",
      "part of the pictures kept for eval navit, where there is no test folder",
      rate,
      0,
    ),
    flip: toggle("--flip", "mirror half of the pictures, left to right"),
    resolution: flag(
      "--resolution <R|min:max|native>",
      "effective resolution: side in pixels of the square with the picture's area",
      resolutionRange,
      { kind: "range", minimum: 32, maximum: 96 } as ResolutionRange,
      "32:96",
    ),
    resolutionDistribution: flag(
      "--resolution-distribution <uniform|normal:mean>",
      "how resolutions are drawn from the range; normal is truncated, a mean of -0.5 favours small",
      distribution,
      { kind: "uniform" },
      "uniform",
    ),
    resolutionOver: flag(
      "--resolution-over <side|area>",
      "what the distribution is over",
      choice("side", "area"),
      "side",
    ),
    aspect: flag(
      "--aspect <native|square>",
      "whether pictures keep their aspect ratio or are squashed",
      choice("native", "square"),
      "native",
    ),
    tokenDrop: flag(
      "--token-drop <none|rate|beta:mean:max|...>",
      "tokens left out: none, 0.5, beta:0.5:0.9, resolution:0.25:0.75, " +
        "scheduled:0.2:0.8:MIDDLE:WIDTH (in pictures; a negative width falls)",
      dropping,
      { kind: "none" } as DroppingChoice,
      "none",
    ),
  }),
  ...group("Packing:", {
    batchSize: alias(
      flag("--batch-size <n>", "sequences a step", integer({ min: 1, max: 65536 }), 16),
      "--sequences",
    ),
    sequenceLength: flag(
      "--sequence-length <tokens>",
      "tokens of a sequence",
      integer({ min: 1, max: 65536 }),
      144,
    ),
    imagesPerSequence: flag(
      "--images-per-sequence <n>",
      "most pictures in a sequence",
      integer({ min: 1, max: 4096 }),
      16,
    ),
    openSequences: optional(
      "--open-sequences <n>",
      "sequences filled at a time; more pack better",
      integer({ min: 1, max: 65536 }),
      "64, rounded to whole steps",
    ),
  }),
  ...group("Training:", {
    loss: flag(
      "--loss <softmax|sigmoid|contrastive>",
      "sigmoid is the paper's; contrastive compares pictures with captions",
      choice("softmax", "sigmoid", "contrastive"),
      "softmax",
    ),
    headWeightDecay: flag(
      "--head-weight-decay <rate>",
      "AdamW decay of the head",
      number({ min: 0 }),
      3,
    ),
  }),
  ...group("Captions (contrastive):", {
    textLength: flag(
      "--text-length <bytes>",
      "longest caption, its end included; longer ones are cut",
      integer({ min: 2, max: 4096 }),
      32,
    ),
    textHidden: optional("--text-hidden <n>", "width of the text tower", size, "--hidden"),
    textDepth: optional(
      "--text-depth <n>",
      "blocks of the text tower",
      integer({ min: 1, max: 1024 }),
      "half of --depth",
    ),
    textHeads: optional(
      "--text-heads <n>",
      "attention heads of the text tower",
      integer({ min: 1, max: 1024 }),
      "--heads",
    ),
    projection: optional(
      "--projection <n>",
      "width of the space in which pictures and captions are compared",
      integer({ min: 1, max: 4096 }),
      "--hidden",
    ),
  }),
  ...resumable(group("Run:", {
    evalEvery: evalEveryFlag(
      "measure the accuracy of the averaged weights on held-out pictures, at most 500",
    ),
  })),
  ...trainFlags({
    learningRate: "1e-3 below width 384, else 8e-4",
    rateSchedule: "rsqrt",
    warmup: 100,
    weightDecay: 0.03,
    averageDecay: 0.999,
  }),
} as const;

/** What `train navit` was asked to do. */
export type TrainNaViTOptions = Values<typeof navitTrainFlags>;
