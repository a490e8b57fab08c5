/**
 * Classes as users call them: by number or by name.
 *
 * @module
 */
import { InputError, nearestNames } from "../base/errors.ts";
import { normalizeName, quoteName } from "../base/names.ts";

/** Names for classes that have none: their numbers. */
export function numberedClasses(count: number): string[] {
  return Array.from({ length: count }, (_, index) => String(index));
}

/**
 * Classes by number or name. Names are compared as Unicode means them, and without regard to case
 * where none is exactly the same; where none is the same at all, with each of the names that a class
 * has between commas, as those of ImageNet do ("tench, Tinca tinca").
 *
 * @throws InputError with the nearest valid values, and when several classes have the name
 */
export function resolveClasses(
  wanted: readonly string[],
  classNames: readonly string[],
  classes: number,
): number[] {
  return wanted.map((word) => {
    const byName = classOfName(word, classNames);
    if (byName !== undefined) return byName;
    if (!/^\d+$/.test(word)) {
      const nearest = nearestNames(word, classNames).map(quoteName).join(" or ");
      throw new InputError(`class ${quoteName(word)}: unknown; did you mean ${nearest}?`);
    }
    const number = Number(word);
    if (number >= classes) {
      throw new InputError(
        `class ${word}: out of range, the model has classes 0 to ${classes - 1}`,
      );
    }
    return number;
  });
}

/** The one class of a name; undefined when there is none. */
function classOfName(word: string, classNames: readonly string[]): number | undefined {
  const withSynonym = (wanted: string) =>
    classNames.flatMap((name, label) =>
      normalizeName(name).toLowerCase().split(/,\s*/).includes(wanted) ? [label] : []
    );
  const same = (normalize: (name: string) => string) =>
    classNames.flatMap((name, label) => normalize(name) === normalize(word) ? [label] : []);
  const lower = (name: string) => normalizeName(name).toLowerCase();
  const ways = [() => same(normalizeName), () => same(lower), () => withSynonym(lower(word))];
  const found = ways.values().map((way) => way()).find(({ length }) => length > 0) ?? [];
  if (found.length > 1) {
    throw new InputError(
      `class ${quoteName(word)}: the classes ${found.join(" and ")} have this name; give a number`,
    );
  }
  return found[0];
}
