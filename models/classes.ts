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
 * where none is exactly the same.
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
  const same = (normalize: (name: string) => string) =>
    classNames.flatMap((name, label) => normalize(name) === normalize(word) ? [label] : []);
  const exact = same(normalizeName);
  const found = exact.length > 0 ? exact : same((name) => normalizeName(name).toLowerCase());
  if (found.length > 1) {
    throw new InputError(
      `class ${quoteName(word)}: the classes ${found.join(" and ")} have this name; give a number`,
    );
  }
  return found[0];
}
