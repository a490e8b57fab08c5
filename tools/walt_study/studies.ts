/**
 * What is compared: claims of W.A.L.T's paper, each as runs of the tool that differ in one thing.
 *
 * @module
 */

/** A run of `train walt`. */
export interface Variant {
  /** The same in every study that has it. */
  readonly name: string;
  /** Flags besides those of all runs. */
  readonly flags: readonly string[];
  /** Fields of the model that have no flags. */
  readonly model?: Readonly<Record<string, unknown>>;
}

/** Runs that are looked at side by side. */
export interface Study {
  readonly name: string;
  /** What the paper says, by its own tables. */
  readonly claim: string;
  readonly variants: readonly Variant[];
}

/** The model that the others are compared with. */
const usual: Variant = { name: "usual", flags: [] };

/**
 * Flags of all runs of pictures that move: the class of a clip is learned in a minute of one core. The shipped
 * tokenizer makes latents of 3 x 4 x 4, 48 tokens of width 64 in windows of 16 and 12.
 */
export const movingFlags: readonly string[] = [
  ...["--data-path", "shipped:moving-fashion", "--frames", "9", "--size", "16"],
  ...["--tokenizer", "shipped:moving-fashion", "--patch", "1"],
  ...["--hidden", "64", "--depth", "4", "--heads", "4", "--batch-size", "32"],
  ...["--lr", "4e-3", "--lr-schedule", "cosine"],
];

/** What is cut out of the animations: 240 clips, three of each. */
export const animationClips = { frames: 5, size: 16, count: 240 } as const;

/** Flags of all runs of animations: pixels, 80 tokens of width 64 in windows of 16 and 20. */
export const animationFlags: readonly string[] = [
  ...["--data-path", "shipped:motion", "--frames", `${animationClips.frames}`],
  ...["--size", `${animationClips.size}`, "--patch", "4"],
  ...["--hidden", "64", "--depth", "4", "--heads", "4", "--batch-size", "16"],
  ...["--lr", "2e-3", "--lr-schedule", "cosine"],
];

/** The classifier of their frames. */
export const classifierFlags: readonly string[] = [
  ...["--patch", "4", "--hidden", "32", "--heads", "2", "--depth", "3"],
  ...["--resolution", "native", "--sequence-length", "64", "--batch-size", "8"],
];
export const classifierSteps = 800;

const variant = (name: string, ...flags: string[]): Variant => ({ name, flags });

const linearSchedule = variant("linear schedule", "--schedule", "linear");
const noSelfConditioning = variant("self-conditioning 0", "--self-conditioning", "0");
const stacksOfPictures = variant("30 % stacks of pictures", "--image-share", "0.3");

/** One window, of so many latent frames; the latents of both kinds of clips have 4 x 4 patches. */
const fullAttention = (frames: number): Variant =>
  variant(
    "full attention",
    ...["--spatial-window", "none", "--spatio-temporal-window", `${frames},4,4`],
  );

/** What is compared on pictures that move. */
export const movingStudies: readonly Study[] = [
  {
    name: "zero terminal SNR",
    claim: "without it FVD is 91.0 and not 60.7 (table 3)",
    variants: [usual, linearSchedule],
  },
  {
    name: "self-conditioning",
    claim: "FVD is 109.9 at 0, 76.0 at 0.3, 60.0 at 0.6 and 61.4 at 0.9 (table 3)",
    variants: [
      noSelfConditioning,
      ...["0.3", "0.6"].map((p) => variant(`self-conditioning ${p}`, "--self-conditioning", p)),
      usual,
    ],
  },
  {
    name: "windows",
    claim: "full attention is no better, FVD 59.9 and 59.6, at 60 % of the speed (table 3)",
    variants: [usual, fullAttention(3)],
  },
  {
    name: "modulation",
    claim:
      "a higher rank is better, 60.7 at 2 and 55.5 at 16; at equal parameters a full map a layer is " +
      "about as good (table 3 and the text)",
    variants: [
      usual,
      variant("rank 16", "--adaln-rank", "16"),
      variant(
        "full, as many parameters",
        ...["--adaln-rank", "full", "--depth", "3"],
      ),
    ],
  },
  {
    name: "joint training",
    claim: "pictures beside clips make better clips of text: FVD 344.5 and not 598.8 (table 5)",
    variants: [usual, stacksOfPictures],
  },
  {
    name: "query-key norm",
    claim: "without it FVD is 59.0 and not 60.7; it keeps larger models stable (table 3)",
    variants: [
      usual,
      { name: "no query-key norm", flags: [], model: { queryKeyNorm: false } },
    ],
  },
  {
    name: "latent normalisation",
    claim: "without it FVD is 67.9 and not 60.7 (table 3)",
    variants: [
      usual,
      variant("raw latents", "--raw-latents"),
    ],
  },
];

/** What is compared on animations. */
export const animationStudies: readonly Study[] = [
  {
    name: "animations",
    claim: "as above",
    variants: [usual, linearSchedule, noSelfConditioning, fullAttention(5), stacksOfPictures],
  },
];

/** All runs of studies, each once. */
export const variantsOf = (studies: readonly Study[]): readonly Variant[] => [
  ...new Map(studies.flatMap(({ variants }) => variants).map((one) => [one.name, one])).values(),
];
