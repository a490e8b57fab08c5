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
  /** Whether it is trained on latents of the study's tokenizer, of larger clips. */
  readonly onLatents?: boolean;
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

/** Clips that are drawn to measure a model, the same number of each class. */
export const clipsDrawn = 128;

/** Flags of all runs, which what is usual may not change. */
const everywhere = [
  "--hidden",
  "96",
  "--depth",
  "6",
  "--heads",
  "4",
  "--batch-size",
  "16",
  "--lr",
  "1e-3",
];

/** Flags of all runs of pixels: 80 tokens of width 96 in windows of 16 and 20. */
export const pixelFlags: readonly string[] = [
  ...everywhere,
  ...["--frames", "5", "--size", "16", "--patch", "4"],
];

/** The tokenizer of the runs of latents, which have 48 tokens. */
export const tokenizerFlags: readonly string[] = [
  ...["--data-path", "shipped:moving-fashion", "--frames", "9", "--size", "32"],
  ...[
    "--model",
    "CausalTokenizer-XS",
    "--base-channels",
    "16",
    "--groups",
    "8",
    "--batch-size",
    "4",
  ],
];
export const latentFlags: readonly string[] = [
  ...everywhere,
  ...["--frames", "9", "--size", "32", "--patch", "1"],
];

const variant = (name: string, ...flags: string[]): Variant => ({ name, flags });

/** Everything that is compared. */
export const studies: readonly Study[] = [
  {
    name: "zero terminal SNR",
    claim: "without it FVD is 91.0 and not 60.7 (table 3)",
    variants: [usual, variant("linear schedule", "--schedule", "linear")],
  },
  {
    name: "self-conditioning",
    claim: "FVD is 109.9 at 0, 76.0 at 0.3, 60.0 at 0.6 and 61.4 at 0.9 (table 3)",
    variants: [
      ...["0", "0.3", "0.6"].map((p) =>
        variant(`self-conditioning ${p}`, "--self-conditioning", p)
      ),
      usual,
    ],
  },
  {
    name: "windows",
    claim: "full attention is no better, FVD 59.9 and 59.6, at 60 % of the speed (table 3)",
    variants: [
      usual,
      variant("full attention", "--spatial-window", "none", "--spatio-temporal-window", "5,4,4"),
    ],
  },
  {
    name: "modulation",
    claim:
      "a higher rank is better, 60.7 at 2 and 55.5 at 16; at equal parameters a full map a layer is " +
      "about as good (tables 3 and text)",
    variants: [
      usual,
      variant("rank 16", "--adaln-rank", "16"),
      variant(
        "full, as many parameters",
        "--adaln-rank",
        "full",
        "--depth",
        "4",
        "--hidden",
        "100",
      ),
    ],
  },
  {
    name: "joint training",
    claim: "pictures beside clips make better clips of text: FVD 344.5 and not 598.8 (table 5)",
    variants: [usual, variant("30 % stacks of pictures", "--image-share", "0.3")],
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
      { name: "latents", flags: [], onLatents: true },
      { name: "raw latents", flags: ["--raw-latents"], onLatents: true },
    ],
  },
];

/** All runs, each once. */
export const allVariants: readonly Variant[] = [
  ...new Map(studies.flatMap(({ variants }) => variants).map((one) => [one.name, one])).values(),
];
