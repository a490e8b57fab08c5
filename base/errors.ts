/**
 * The error that a person using Tessera can do something about, and the "did you mean" that goes
 * with it.
 *
 * @module
 */

/**
 * A problem with what the user gave: a file, an option, a value.
 *
 * The message is one line that says where the problem is, what is wrong and, when there is one, the
 * nearest valid value. The command line prints it without a stack trace.
 */
export class InputError extends Error {
  /** Tells this error from others after it has crossed a worker border. */
  override readonly name = "InputError";
}

/** The number of single-character edits (insert, delete, replace) between two words. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      current[column] = Math.min(
        previous[column] + 1,
        current[column - 1] + 1,
        previous[column - 1] + (a[row - 1] === b[column - 1] ? 0 : 1),
      );
    }
    previous = current;
  }
  return previous[b.length];
}

/**
 * The candidates closest in spelling to `word` (case ignored), best first, ties in given order.
 *
 * Words are compared over their first 200 characters, and at most 2000 candidates: a damaged file
 * may hold a million names.
 *
 * @example
 * ```ts
 * import { nearestNames } from "./errors.ts";
 *
 * nearestNames("DiT-S2", ["DiT-S/2", "DiT-B/2", "WALT-L"]); // ["DiT-S/2", "DiT-B/2"]
 * ```
 */
export function nearestNames(word: string, candidates: Iterable<string>, count = 2): string[] {
  const normalize = (text: string) => text.slice(0, 200).toLowerCase();
  return Iterator.from(candidates).take(2000)
    .map((name) => ({ name, distance: editDistance(normalize(word), normalize(name)) }))
    .toArray()
    .sort((a, b) => a.distance - b.distance)
    .slice(0, count)
    .map(({ name }) => name);
}

/** Text from a file made safe for a one-line message: control characters escaped, at most 80 long. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text);
}
