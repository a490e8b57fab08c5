/**
 * Classes that have no picture: a model would learn nothing of them, and draw them all the same.
 *
 * @module
 */

import { quote } from "../base/errors.ts";

/** What is asked of a set. */
interface Labelled {
  readonly name: string;
  readonly length: number;
  readonly classNames: readonly string[];
  label(index: number): number;
}

/** Most runs of labels that are listed. */
const mostRuns = 8;

/** The first and last of each run of consecutive numbers among sorted ones. */
function runsOf(numbers: readonly number[]): [number, number][] {
  const runs: [number, number][] = [];
  for (const number of numbers) {
    const last = runs.at(-1);
    if (last && last[1] === number - 1) last[1] = number;
    else runs.push([number, number]);
  }
  return runs;
}

/**
 * A line that names the classes without a picture; none where each has one.
 *
 * @param noun what is in the set
 */
export function describeEmptyClasses(set: Labelled, noun = "picture"): string[] {
  const { name, length, classNames } = set;
  const counts = new Uint32Array(classNames.length);
  for (let index = 0; index < length; index++) counts[set.label(index)]++;
  const empty = classNames.keys().filter((label) => counts[label] === 0).toArray();
  if (empty.length === 0) return [];
  const nameOf = (label: number) =>
    classNames[label] === String(label) ? String(label) : `${label} (${quote(classNames[label])})`;
  const runs = runsOf(empty);
  const shown = runs.slice(0, mostRuns).map(([first, last]) =>
    first === last ? nameOf(first) : `${nameOf(first)} to ${nameOf(last)}`
  );
  const more = runs.length > mostRuns ? ", ..." : "";
  return [
    `warning: ${name}: ${empty.length} of ${classNames.length} classes have no ${noun}: labels ` +
    `${shown.join(", ")}${more}`,
  ];
}
