/**
 * Parsers of flag values. Each takes the text and the flag's name and returns the value, or throws
 * a `UsageError` that names the flag, what it got and the nearest valid values.
 *
 * @module
 */
import { closest, UsageError } from "../terminal/errors.ts";

/** Turns the text given for a flag into its value. */
export type Parser<T> = (text: string, flag: string) => T;

/** Bounds of a number, both inclusive; an absent one is no bound. */
export interface Range {
  readonly min?: number;
  readonly max?: number;
  /** A lower bound that is itself not valid, for values that must be positive. */
  readonly above?: number;
}

/** Any text but the empty one: names, files and folders. */
export const text: Parser<string> = (value, flag) => {
  if (value === "") throw new UsageError(`${flag} needs a value that is not empty`);
  return value;
};

/** A number, in decimal or scientific notation, `_` allowed between digits. */
export function number(range: Range = {}): Parser<number> {
  return (text, flag) => inRange(readNumber(text, flag, "a number", range), text, flag, range);
}

/** A whole number, written like any number: `50_000` and `5e4` are the same. */
export function integer(range: Range = {}): Parser<number> {
  return (text, flag) => {
    const value = inRange(readNumber(text, flag, "a whole number", range), text, flag, range);
    if (Number.isSafeInteger(value)) return value;
    const [below, above] = [Math.floor(value), Math.ceil(value)];
    const nearest = below === above ? "it is too large" : `the nearest are ${below} and ${above}`;
    throw new UsageError(`${flag} ${text} is not a whole number: ${nearest}`);
  };
}

/** One of a few words. */
export function choice<const T extends string>(...words: T[]): Parser<T> {
  return (text, flag) => {
    const word = words.find((candidate) => candidate === text);
    if (word !== undefined) return word;
    const near = closest(text, words);
    const hint = near ? `did you mean ${near}? It takes` : "it takes";
    throw new UsageError(`${flag} ${quoted(text)} is not known; ${hint} ${alternatives(words)}`);
  };
}

/** One of a few words, whatever its capitals. */
export function choiceInAnyCase<const T extends string>(...words: T[]): Parser<T> {
  const exact = choice(...words);
  return (text, flag) =>
    exact(words.find((word) => word.toLowerCase() === text.toLowerCase()) ?? text, flag);
}

/** Values between commas, at least one. */
export function list<T>(item: Parser<T>): Parser<readonly T[]> {
  return (text, flag) =>
    text.split(",").map((part) => {
      if (part.trim() === "") throw new UsageError(`${flag} ${quoted(text)} has an empty entry`);
      return item(part.trim(), flag);
    });
}

function readNumber(text: string, flag: string, kind: string, range: Range): number {
  const plain = text.trim().replaceAll(/(?<=\d)_(?=\d)/g, "");
  const value = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(plain) ? Number(plain) : NaN;
  if (Number.isFinite(value)) return value;
  const bounds = describeRange(range);
  throw new UsageError(`${flag} ${quoted(text)} is not ${kind}${bounds && ` (${bounds})`}`);
}

function inRange(value: number, text: string, flag: string, range: Range): number {
  const { min = -Infinity, max = Infinity, above = -Infinity } = range;
  if (value >= min && value <= max && value > above) return value;
  const bound = value > max ? max : range.min;
  const nearest = bound === undefined ? "" : `, the nearest valid value is ${bound}`;
  throw new UsageError(
    `${flag} ${text} is out of range: it must be ${describeRange(range)}${nearest}`,
  );
}

function describeRange({ min, max, above }: Range): string {
  if (min !== undefined && max !== undefined) return `from ${min} to ${max}`;
  if (above !== undefined) return `above ${above}${max === undefined ? "" : ` and at most ${max}`}`;
  if (min !== undefined) return `at least ${min}`;
  return max === undefined ? "" : `at most ${max}`;
}

function alternatives(words: readonly string[]): string {
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}

function quoted(text: string): string {
  return JSON.stringify(text);
}

/** A file that is drawn. */
export const pngFile: Parser<string> = (value, name) => {
  if (/.\.png$/i.test(value)) return value;
  throw new UsageError(`${name} ${JSON.stringify(value)}: the ending must be .png`);
};
