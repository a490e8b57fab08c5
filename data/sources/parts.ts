/**
 * The parts that a data set is divided into, told by the names of its folders.
 *
 * @module
 */

import { InputError, quote } from "../../base/errors.ts";
import type { Split } from "./idx.ts";

/** Names of parts, in lower case. Of several for testing the first that is there is taken. */
const partNames: Readonly<Record<Split, readonly string[]>> = {
  train: ["train", "training"],
  test: ["test", "testing", "val", "valid", "validation", "dev", "eval"],
};

/** A folder that is called after a part, such as `train`, `Test`, `seg_train` or `val2017`. */
interface PartFolder {
  readonly name: string;
  readonly split: Split;
  /** Place among the names of its part. */
  readonly rank: number;
  /** What the name has around that of the part. */
  readonly affixes: string;
}

const partPattern = new RegExp(
  `^(.*[^a-z])?(${Object.values(partNames).flat().join("|")})([^a-z].*)?$`,
);

function partFolder(name: string): PartFolder | undefined {
  const match = partPattern.exec(name.toLowerCase());
  if (!match) return undefined;
  const [, before = "", part, after = ""] = match;
  const split = partNames.train.includes(part) ? "train" : "test";
  return { name, split, rank: partNames[split].indexOf(part), affixes: `${before}*${after}` };
}

/** Whether a folder is called after a part. */
export function isPartName(name: string): boolean {
  return partFolder(name) !== undefined;
}

/** The folder of each part that is there. */
export type Parts = Readonly<Partial<Record<Split, string>>>;

/** @throws {InputError} when two folders have equal claims */
function choose(where: string, folders: readonly PartFolder[], split: Split): string | undefined {
  const [best, second] = folders.filter((folder) => folder.split === split)
    .sort((a, b) => a.rank - b.rank);
  if (second === undefined || second.rank > best.rank) return best?.name;
  throw new InputError(
    `${where}: ${quote(best.name)} and ${quote(second.name)} may both be the ${split} part; ` +
      "give one of them",
  );
}

/**
 * The parts among the folders of a data set; undefined when it is not divided.
 *
 * It is where two folders, otherwise called alike, are a train and a test part, and where no folder
 * is called anything else: a class may well be called train among cars and planes.
 *
 * @param where the data set, for messages
 * @param names of the folders with pictures
 */
export function partsOf(where: string, names: readonly string[]): Parts | undefined {
  const folders = names.map(partFolder).filter((folder) => folder !== undefined);
  if (folders.length === 0) return undefined;
  const groups = Map.groupBy(folders, ({ affixes }) => affixes).values().toArray();
  const whole = groups.find((group) =>
    (["train", "test"] as const).every((split) => group.some((folder) => folder.split === split))
  );
  if (!whole && folders.length < names.length) return undefined;
  const chosen = whole ?? folders;
  const [train, test] = [choose(where, chosen, "train"), choose(where, chosen, "test")];
  return { ...(train !== undefined && { train }), ...(test !== undefined && { test }) };
}
