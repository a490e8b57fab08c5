/**
 * What configurations of all model families have in common: names, JSON, nearest valid values.
 *
 * @module
 */
import { InputError, nearestNames, quote } from "../base/errors.ts";
import { findDuplicateKey } from "../formats/text/json.ts";

/** Size and shape of a model of any family. */
export interface FamilyConfig {
  /** Name of the family, which tells configurations apart. */
  readonly family: string;
}

/** What checks a value and gives it a type; zod's schemas are such. */
export interface Schema<T> {
  /** The checked value, or where it is wrong and why. */
  safeParse(value: unknown):
    | { readonly success: true; readonly data: T }
    | {
      readonly success: false;
      readonly error: {
        readonly issues: readonly {
          readonly path: readonly PropertyKey[];
          readonly message: string;
        }[];
      };
    };
}

/**
 * Checks the fields of a document one by one.
 *
 * @param where what the message starts with
 * @param what the document, or the field of a larger one that it is
 * @throws InputError naming the field that is wrong
 */
export function checkFields<T>(
  schema: Schema<T>,
  value: unknown,
  where: string,
  what: { readonly document: string } | { readonly field: string } = { document: "config" },
): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [{ path, message }] = parsed.error.issues;
  const name = "field" in what ? [what.field, ...path].join(".") : path.join(".") || what.document;
  throw new InputError(`${where}: ${name}: ${message}`);
}

/** Requires that one field is a multiple of another, and says which values are. */
export function requireMultiple(
  where: string,
  [what, value]: readonly [string, number],
  [ofWhat, of]: readonly [string, number],
  whatPlural: string,
): void {
  if (value % of === 0) return;
  throw new InputError(
    `${where}: the ${what} ${value} is not ${ofWhat}; ` +
      `nearest ${whatPlural}: ${nearestMultiples(value, of)}`,
  );
}

function nearestMultiples(value: number, of: number): string {
  const below = Math.floor(value / of) * of;
  return below > 0 ? `${below} and ${below + of}` : `${of}`;
}

/**
 * A configuration by name, whatever its capitals.
 *
 * @throws InputError with the closest names when there is none
 */
export function configByName<Config>(configs: ReadonlyMap<string, Config>, name: string): Config {
  const config = configs.get(name) ??
    [...configs].find(([known]) => known.toLowerCase() === name.toLowerCase())?.[1];
  if (config) return config;
  const names = [...configs.keys()];
  throw new InputError(
    `unknown model ${name}; did you mean ${nearestNames(name, names).join(" or ")}? ` +
      `All: ${names.join(", ")}`,
  );
}

/**
 * Parses the JSON text of a configuration.
 *
 * @throws InputError when it is none, or has a field twice
 */
export function parseJsonConfig(text: string, where: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new InputError(`${where}: not valid JSON: ${(error as Error).message}`);
  }
  const repeated = findDuplicateKey(text);
  if (repeated !== undefined) {
    throw new InputError(`${where}: the field ${quote(repeated)} is given twice`);
  }
  return value;
}

/** A configuration with the fields that are given in `overrides` replaced, unchecked. */
export function withOverrides<Config extends object>(
  config: Config,
  overrides: Partial<Config>,
): Config {
  const given = Object.entries(overrides).filter(([, value]) => value !== undefined);
  return { ...config, ...Object.fromEntries(given) };
}

/** Whether a configuration has all fields of another one; lists are compared entry by entry. */
export function hasFields(config: object, other: object): boolean {
  const fields = new Map<string, unknown>(Object.entries(config));
  const text = (value: unknown): string => JSON.stringify(value);
  return Object.entries(other).every(([name, value]) => text(fields.get(name)) === text(value));
}
