/**
 * Measures as a table: every line says whose features, of what, and how the samples were made.
 *
 * @module
 */
import type { ExtractorDescription } from "../../evaluation/features/extractor.ts";
import type { Measure } from "../../evaluation/features/measures.ts";
import type { Column } from "../../formats/text/table.ts";
import { machine, type reportFlags, writeReport } from "../bench/sweep.ts";
import type { Values } from "../flags/flags.ts";
import type { Io } from "../terminal/io.ts";

/** What was compared. */
export interface Compared {
  /** Where the real samples are. */
  readonly reference: string;
  /** Where the generated ones are, or the weights that they are of. */
  readonly samples: string;
  /** How they were made, in fields that become columns. */
  readonly making?: Readonly<Record<string, string | number | undefined>>;
}

/** A line. */
interface MeasureRow extends Measure, Compared {
  readonly extractor?: string;
  readonly weights?: string;
  readonly hash?: string;
  readonly resize?: string;
}

/** Characters of a hash that tables show; JSON has all. */
const shownHash = 12;

const columnsOf = ({ making = {} }: Compared): readonly Column<MeasureRow>[] => [
  { title: "measure", value: ({ measure }) => measure },
  { title: "value", value: ({ value }) => value, digits: 4 },
  { title: "±", value: ({ deviation }) => deviation, digits: 4 },
  { title: "n", value: ({ n }) => n },
  { title: "reference n", value: ({ referenceN }) => referenceN ?? undefined },
  { title: "extractor", value: ({ extractor }) => extractor },
  { title: "hash", value: ({ hash }) => hash?.slice(0, shownHash) },
  { title: "resize", value: ({ resize }) => resize },
  { title: "samples", value: ({ samples }) => samples },
  ...Object.keys(making).map((title) => ({
    title,
    value: (row: MeasureRow) => row.making?.[title],
  })),
  { title: "reference", value: ({ reference }) => reference },
];

/**
 * Writes the measures where the flags say.
 *
 * @param extractor whose features they are of; absent where nothing needs one
 */
export async function reportMeasures(
  io: Io,
  flags: Values<typeof reportFlags>,
  extractor: ExtractorDescription | undefined,
  compared: Compared,
  measures: readonly Measure[],
): Promise<void> {
  const { name, path, hash, resize } = extractor ?? {};
  const about = { ...compared, extractor: name, weights: path, hash, resize };
  const rows = measures.map((measure): MeasureRow =>
    measure.isOfFeatures === false ? { ...measure, ...compared } : { ...measure, ...about }
  );
  const notes = [
    "numbers of other extractors, resizes or n are no numbers to compare with; ± is the deviation " +
    "over parts of 5,000 (score) or subsets of at most 1,000 (kernel distance); precision and " +
    "recall with 3 neighbours",
  ];
  const columns = columnsOf(compared);
  await writeReport(io, { machine: await machine(), columns, rows, notes }, flags);
}
