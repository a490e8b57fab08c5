/**
 * A whole run in one file: the `config.json` of a run holds the flags it was started with, which
 * `--config` takes for a new one.
 *
 * @module
 */
import { resolve } from "@std/path";
import { InputError } from "../../base/errors.ts";
import { UsageError } from "../terminal/errors.ts";
import { readTextFile } from "../terminal/files.ts";
import { type Flags, type Parsed, parseFlags } from "./flags.ts";

/** Flags as they stand in a file: without `--`, with what was written behind them. */
export type RecordedFlags = Readonly<Record<string, string | boolean>>;

/** Flags that say where and how a run is made, not what it is. */
const notRecorded: ReadonlySet<string> = new Set([
  "device",
  "threads",
  "profile",
  "quiet",
  "logFormat",
  "dryRun",
  "resultsDir",
]);

/** Flags whose value is a path, which must mean the same from another folder. */
const paths: ReadonlySet<string> = new Set([
  "dataPath",
  "config",
  "initFrom",
  "embeddings",
  "tokenizer",
  "lowResolution",
  "features",
  "perceptual",
]);

/** How runs keep the place of data: a path from the root, or the name of what comes with the tool. */
export function recordedPlace(path: string): string {
  return path.startsWith("shipped:") ? path : resolve(path);
}

/** The flags of a command line that make the run what it is. */
export function recordFlags<F extends Flags>(
  flags: F,
  { written }: Pick<Parsed<F>, "written">,
): RecordedFlags {
  const entries = Object.entries(written).filter(([name]) => !notRecorded.has(name));
  return Object.fromEntries(
    entries.map(([name, text]) => [
      longName(flags, name),
      paths.has(name) && typeof text === "string" ? recordedPlace(text) : text!,
    ]),
  );
}

/**
 * A command line with the flags of the run file that `--config` names, where it names one; what the
 * command line says itself wins.
 *
 * @throws InputError when a flag in the file is unknown or has a wrong value
 */
export async function withRunFile<F extends Flags>(
  flags: F,
  parsed: Parsed<F>,
): Promise<Parsed<F>> {
  const { config: path, ...own } = parsed.written as Readonly<Record<string, string | boolean>>;
  if (typeof path !== "string") return parsed;
  const recorded = await readRecordedFlags(path);
  if (recorded === undefined) return parsed;
  const before = argumentsOf(recorded);
  try {
    parseFlags(flags, before);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new InputError(`${path}: flags: ${error.message}`, { cause: error });
  }
  const now = Object.entries(own).map(([name, text]) => [longName(flags, name), text]);
  return parseFlags(flags, [...before, ...argumentsOf(Object.fromEntries(now))]);
}

/** The flags in a run's file; undefined when the document is another one, such as a model's. */
async function readRecordedFlags(path: string): Promise<RecordedFlags | undefined> {
  let document: unknown;
  try {
    document = JSON.parse(await readTextFile(path));
  } catch (error) {
    // Whoever reads it as a model says what is wrong with it.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  const { flags } = Object(document);
  if (flags === undefined) return undefined;
  const isRecord = typeof flags === "object" && flags !== null && !Array.isArray(flags);
  const bad = isRecord
    ? Object.entries(flags).find(([, value]) => !["string", "boolean"].includes(typeof value))
    : ["flags"];
  if (bad === undefined) return flags;
  throw new InputError(
    `${path}: ${bad[0]}: flags are texts, or true and false, such as "lr": "0.001"`,
  );
}

/** A command line that says the same. */
function argumentsOf(flags: RecordedFlags): string[] {
  return Object.entries(flags).map(([name, value]) => {
    if (typeof value === "string") return `--${name}=${value}`;
    return value ? `--${name}` : `--no-${name}`;
  });
}

/** The name of a flag as users write it, without `--`. */
const longName = (flags: Flags, name: string): string => /--([\w-]+)/.exec(flags[name].usage)![1];
