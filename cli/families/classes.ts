/**
 * Which classes `tessera sample` draws, and in which numbers.
 *
 * @module
 */
import { normalizeName, quoteName, splitNames } from "../../base/names.ts";
import { resolveClasses } from "../../models/classes.ts";
import { formatCount } from "../terminal/numbers.ts";

/** The classes of a model. */
export interface ModelClasses {
  /** How many there are, without "no class". */
  readonly classes: number;
  /** Names in the order of the labels. */
  readonly classNames: readonly string[];
}

/** Classes of a grid that nobody has asked a number of samples for. */
const previewClasses = 10;

/**
 * The classes of the samples in turn: those named, else all of them. Without a number of samples
 * there is one a class, of the first ten where none are named.
 *
 * @param named a list as in `--classes`
 * @param count number of samples
 * @throws InputError when a name is unknown
 */
export function chooseLabels(
  { classes, classNames }: ModelClasses,
  named: string | undefined,
  count: number | undefined,
): number[] {
  const all = named === undefined
    ? Array.from({ length: classes }, (_, index) => index)
    : resolveClasses(wordsOf(named, classNames), classNames, classes);
  const total = count ?? (named === undefined ? Math.min(all.length, previewClasses) : all.length);
  return Array.from({ length: total }, (_, index) => all[index % all.length]);
}

/** A list of names, or one name that looks like a list. */
function wordsOf(named: string, classNames: readonly string[]): string[] {
  const whole = normalizeName(named.trim());
  return classNames.some((name) => normalizeName(name) === whole)
    ? [named.trim()]
    : splitNames(named);
}

/** Classes that are listed one by one at most. */
const listedClasses = 12;

/** How many samples there are of each class, in words. @param noun what a sample is */
export function describeLabels(
  { classes, classNames }: ModelClasses,
  labels: readonly number[],
  noun: string,
): string {
  const counts = new Map<number, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  const groups = [...Map.groupBy(counts, ([, count]) => count)].sort(([a], [b]) => b - a);
  const drawn = counts.size === classes
    ? `${formatCount(classes)} classes`
    : `${formatCount(counts.size)} of ${formatCount(classes)} classes`;
  const parts = groups.map(([count, members]) => {
    const names = members.map(([label]) => quoteName(classNames[label] ?? String(label)));
    const which = groups.length === 1
      ? "each"
      : counts.size <= listedClasses
      ? names.join(", ")
      : `each of ${formatCount(names.length)}`;
    return `${formatCount(count)} of ${which}`;
  });
  const samples = `${formatCount(labels.length)} ${noun}${labels.length === 1 ? "" : "s"}`;
  return `${samples} of ${drawn}: ${parts.join("; ")}`;
}
