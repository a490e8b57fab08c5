/**
 * How a run ends when it does not end well: exit codes and one clear line.
 *
 * @module
 */
import type { CommanderError } from "commander";
import { oneLine } from "../../base/control_characters.ts";
import { InputError, nearestNames } from "../../base/errors.ts";

/** Exit codes. 129, 130 and 143 belong to `Interrupted` in `signals.ts`. */
export const ExitCode = {
  success: 0,
  /** The run was asked for correctly and failed. */
  failure: 1,
  /** The command line is wrong. */
  usage: 2,
  /** A loss or gradient is not finite. */
  nonFinite: 3,
} as const;

/** A wrong command line: names the flag, the value and the nearest valid values. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly exitCode = ExitCode.usage;
}

/**
 * Runs `check`, which looks at what the command line asks for, and turns its `InputError` (an
 * unknown model, a side that the patch does not divide) into a `UsageError`.
 */
export function asUsage<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof InputError) throw new UsageError(error.message, { cause: error });
    throw error;
  }
}

/**
 * The candidate closest in spelling to `word`, or undefined when none is close: more than half of
 * it would have to change.
 *
 * @example
 * ```ts
 * import { closest } from "./errors.ts";
 *
 * closest("webgp", ["auto", "webgpu", "wasm"]); // "webgpu"
 * closest("x", ["auto", "webgpu", "wasm"]); // undefined
 * ```
 */
export function closest(word: string, candidates: Iterable<string>): string | undefined {
  const [best] = nearestNames(word, candidates, 1);
  if (best === undefined) return undefined;
  const letters = new Set(word.toLowerCase());
  const common = [...best.toLowerCase()].filter((letter) => letters.has(letter)).length;
  return common * 2 > Math.max(word.length, best.length) ? best : undefined;
}

/**
 * What commander found wrong with a command line, in the words of this project.
 *
 * @param path The command whose help explains it, such as `tessera train dit`.
 */
export function fromCommander(error: CommanderError, path: string): UsageError {
  const message = error.message
    .replace(/^error: /, "")
    .replace(/\n\(Did you mean (?:one of )?(.*)\?\)$/, "; did you mean $1?")
    .replace(/\.$/, "");
  return new UsageError(`${message} (see ${path} --help)`, { cause: error });
}

/** The exit code that an error asks for: errors of any folder may carry `exitCode`. */
export function exitCodeOf(error: unknown): number {
  const code = error instanceof Error && "exitCode" in error ? error.exitCode : undefined;
  return typeof code === "number" ? code : ExitCode.failure;
}

/** Whether the message alone tells the user what to do; anything else is a fault of Tessera. */
function isExpected(error: Error): boolean {
  return error instanceof InputError || "exitCode" in error ||
    // What the system says has a class only where it is common.
    / \(os error \d+\): /.test(error.message) ||
    Object.values(Deno.errors).some((kind) => error instanceof kind);
}

/** Longest message printed, in characters: names from files can be of any length. */
const longestMessage = 2000;

/** What Deno does not allow, in words that name none of its flags: this tool has others. */
function describeDenial({ message }: Deno.errors.NotCapable): string {
  const place = /"(.*)"/.exec(message)?.[1];
  const reason = message.startsWith("Requires all access")
    ? "files under /dev, /proc and /sys are closed to programs that run on Deno, through links too; " +
      "take another place (a RAM disk can be mounted anywhere else)"
    : "Tessera was started without the permission for this";
  return place === undefined ? reason : `${place}: ${reason}`;
}

/** What the system says about a path, without its numbers and the names of its calls. */
function describeSystemError(message: string): string {
  const [, reason, from, to] =
    /^(.*) \(os error \d+\): \w+ '(.*?)'(?: -> '(.*)')?$/s.exec(message) ?? [];
  return reason === undefined ? message : `${to ?? from}: ${reason.toLowerCase()}`;
}

/**
 * What to tell about an error: one line, without the name of the tool.
 *
 * @param debug Whether to show the stack trace, with all causes.
 */
export function describeError(error: unknown, debug: boolean): string {
  if (debug || !(error instanceof Error)) return Deno.inspect(error, { colors: false });
  const text = error instanceof Deno.errors.NotCapable
    ? describeDenial(error)
    : describeSystemError(error.message);
  const shown = text.length > longestMessage ? `${text.slice(0, longestMessage)}...` : text;
  const message = oneLine(shown).trimStart() || error.name;
  return isExpected(error) ? message : `${message} (--debug shows where)`;
}
