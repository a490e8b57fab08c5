/**
 * Which classes `tessera sample dit` draws, and in which numbers.
 *
 * @module
 */
import { normalizeName, quoteName, splitNames } from "../../../base/names.ts";
import { type DiTSource, resolveClasses } from "../../../models/dit/sampling.ts";
import { formatCount } from "../../terminal/numbers.ts";

/** Classes of a grid that nobody has asked a number of pictures for. */
const previewClasses = 10;

/**
 * The classes of the pictures in turn: those named, else all of them. Without a number of pictures
 * there is one a class, of the first ten where none are named.
 *
 * @param named a list as in `--classes`
 * @param count number of pictures
 * @throws InputError when a name is unknown
 */
export function chooseLabels(
  { config, classNames }: Pick<DiTSource, "config" | "classNames">,
  named: string | undefined,
  count: number | undefined,
): number[] {
  const all = named === undefined
    ? Array.from({ length: config.classes }, (_, index) => index)
    : resolveClasses(wordsOf(named, classNames), classNames, config.classes);
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

/** How many pictures there are of each class, in words. */
export function describeLabels(
  { config, classNames }: Pick<DiTSource, "config" | "classNames">,
  labels: readonly number[],
): string {
  const counts = new Map<number, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  const groups = [...Map.groupBy(counts, ([, count]) => count)].sort(([a], [b]) => b - a);
  const drawn = counts.size === config.classes
    ? `${formatCount(config.classes)} classes`
    : `${formatCount(counts.size)} of ${formatCount(config.classes)} classes`;
  const parts = groups.map(([count, members]) => {
    const names = members.map(([label]) => quoteName(classNames[label] ?? String(label)));
    const which = groups.length === 1
      ? "each"
      : counts.size <= listedClasses
      ? names.join(", ")
      : `each of ${formatCount(names.length)}`;
    return `${formatCount(count)} of ${which}`;
  });
  const pictures = labels.length === 1 ? "1 picture" : `${formatCount(labels.length)} pictures`;
  return `${pictures} of ${drawn}: ${parts.join("; ")}`;
}
