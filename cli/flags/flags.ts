/**
 * Flags with types: one table of flags is at once what `--help` shows, how each value is read and
 * checked, and the type of the options object that a command receives.
 *
 * @module
 */
import { Command, Option } from "commander";
import { fromCommander, UsageError } from "../terminal/errors.ts";
import type { Parser } from "./parsers.ts";

/** One flag. `T` is the type of its value in the options object. */
export interface Flag<T> {
  /** How it is written: `--depth <n>`, or `--json` for a switch. */
  readonly usage: string;
  /** Names that it had before or has elsewhere, `--width` or `-w`: read, but not shown. */
  readonly aliases?: readonly string[];
  /** What it means, with the unit. */
  readonly help: string;
  /** Heading that `--help` lists it under. */
  readonly group?: string;
  /** Absent for a switch. */
  readonly parse?: Parser<T>;
  /** The value when the flag is not given. */
  readonly default: T;
  /** Whether `--no-` before the name of a switch turns it off. */
  readonly negatable?: boolean;
  /** How `--help` shows a default that depends on the machine or on other flags. */
  readonly defaultText?: string;
  /** Whether `train --resume` takes it; all else a resumed run has from its checkpoint. */
  readonly resumable?: boolean;
  /** What of a run it changes on its way, where `train --fork` or `--allow-changes` lets it. */
  readonly change?: string;
}

/** Flags of a command by the names of their values: the flag in camel case. */
export type Flags = Readonly<Record<string, Flag<unknown>>>;

/** The options object of a table of flags. */
export type Values<F extends Flags> = {
  readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never;
};

/** What a command line said. */
export interface Parsed<F extends Flags> {
  readonly values: Values<F>;
  /** Names of the values that were given rather than defaulted. */
  readonly given: ReadonlySet<keyof F>;
  /** What was written for those: a text, or whether a switch is on. */
  readonly written: Readonly<Partial<Record<keyof F, string | boolean>>>;
}

/** A flag with a default; `defaultText` replaces it in the help. */
export function flag<T>(
  usage: string,
  help: string,
  parse: Parser<T>,
  fallback: T,
  defaultText?: string,
): Flag<T> {
  return { usage, help, parse, default: fallback, defaultText };
}

/** A flag whose value is undefined when it is not given; `defaultText` says what happens then. */
export function optional<T>(
  usage: string,
  help: string,
  parse: Parser<T>,
  defaultText?: string,
): Flag<T | undefined> {
  return { usage, help, parse, default: undefined, defaultText };
}

/** A flag without a value: true when given. */
export function toggle(usage: string, help: string): Flag<boolean> {
  return { usage, help, default: false };
}

/** A switch that `--no-` turns off: undefined when neither is given; `defaultText` says what happens then. */
export function negatable(
  usage: string,
  help: string,
  defaultText: string,
): Flag<boolean | undefined> {
  return { usage, help, default: undefined, defaultText, negatable: true };
}

/** A flag that is known by other names too, which the help does not show: `--width`, `-w`. */
export function alias<T>(flag: Flag<T>, ...aliases: readonly string[]): Flag<T> {
  return { ...flag, aliases };
}

/** Puts flags under one heading of the help. */
export function group<F extends Flags>(heading: string, flags: F): F {
  return withField(flags, { group: heading });
}

/** Flags that may be given together with `train --resume`. */
export function resumable<F extends Flags>(flags: F): F {
  return withField(flags, { resumable: true });
}

/** Flags that may change one thing about a run on its way. */
export function changeable<F extends Flags>(change: string, flags: F): F {
  return withField(flags, { change });
}

function withField<F extends Flags>(flags: F, field: Partial<Flag<unknown>>): F {
  const entries = Object.entries(flags).map(([name, flag]) => [name, { ...flag, ...field }]);
  return Object.fromEntries(entries) as F;
}

/** One line at the end of the help: a command line and what it does. */
export type Example = readonly [command: string, meaning: string];

/** A subcommand that does something (one that only holds others is a plain `Command`). */
export interface Definition<F extends Flags> {
  readonly name: string;
  /** A few words for the list of commands. */
  readonly summary: string;
  /** What the command does, for its own help; the summary when absent. */
  readonly description?: string;
  /** Operands in commander's notation, `<required>` or `[optional]`. */
  readonly operands?: string;
  readonly flags: F;
  readonly examples: readonly Example[];
  run(parsed: Parsed<F>, operands: readonly string[]): Promise<void> | void;
}

/** Builds the command: flags, help and action. */
export function define<F extends Flags>(definition: Definition<F>): Command {
  const { name, summary, description, operands, flags, examples } = definition;
  const command = new Command(name).summary(summary).description(description ?? `${summary}.`);
  if (operands) command.arguments(operands);
  const texts = addFlags(command, flags);
  if (examples.length > 0) command.addHelpText("after", describeExamples(examples));
  return command.action(async () => {
    requireFilled(command);
    await definition.run(readFlags(command, flags, texts), command.args);
  });
}

/** Refuses empty operands: a variable of the shell that was not set. */
function requireFilled({ args, registeredArguments }: Command): void {
  const place = args.indexOf("");
  if (place < 0) return;
  const name = (registeredArguments[place] ?? registeredArguments.at(-1)!).name();
  throw new UsageError(`<${name}> needs a value that is not empty`);
}

/** Reads a command line that has no operands; for tests and for programs that take the same flags. */
export function parseFlags<F extends Flags>(flags: F, args: readonly string[]): Parsed<F> {
  const command = new Command("tessera")
    .configureOutput({ outputError: () => {} })
    .exitOverride((error) => {
      throw fromCommander(error, "tessera");
    });
  const texts = addFlags(command, flags);
  command.parse(args, { from: "user" });
  return readFlags(command, flags, texts);
}

/** Adds flags to a command; the map will hold what is written for those with a value. */
function addFlags(command: Command, flags: Flags): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  const withParser = (option: Option, name: string, { parse }: Flag<unknown>): Option =>
    parse
      ? option.argParser((text) => {
        texts.set(name, text);
        // Messages about a value have the name that the user wrote.
        return parse(text, option.long ?? option.short!);
      })
      : option;
  for (const [name, flag] of Object.entries(flags)) {
    const option = new Option(flag.usage, describeFlag(flag));
    if (option.attributeName() !== name) throw new RangeError(`${flag.usage} is listed as ${name}`);
    if (flag.group) option.helpGroup(flag.group);
    command.addOption(withParser(option, name, flag));
    for (const other of flag.aliases ?? []) {
      command.addOption(withParser(new Alias(other, flag, name), name, flag));
    }
    if (flag.negatable) command.addOption(negation(flag));
  }
  return texts;
}

/** Another name of a flag: not in the help, and its value is the flag's. */
class Alias extends Option {
  readonly #name: string;

  constructor(alias: string, { usage, help, group }: Flag<unknown>, name: string) {
    super(usage.replace(/^(?:-\w, )?--[\w-]+/, alias), help);
    this.#name = name;
    this.hideHelp();
    if (group) this.helpGroup(group);
  }

  override attributeName(): string {
    return this.#name;
  }
}

/** The option that turns a switch off. */
function negation({ usage, group }: Flag<unknown>): Option {
  const option = new Option(usage.replace("--", "--no-"), `do not: ${usage} is off`);
  return group ? option.helpGroup(group) : option;
}

function readFlags<F extends Flags>(
  command: Command,
  flags: F,
  texts: ReadonlyMap<string, string>,
): Parsed<F> {
  const names = Object.keys(flags);
  const given = new Set(names.filter((name) => command.getOptionValueSource(name) === "cli"));
  const values = Object.fromEntries(names.map((name) => {
    const value: unknown = given.has(name) ? command.getOptionValue(name) : flags[name].default;
    return [name, value];
  }));
  const written = Object.fromEntries(
    [...given].map((name) => [name, texts.get(name) ?? values[name] as boolean]),
  );
  return { values: values as Values<F>, given, written: written as Parsed<F>["written"] };
}

function describeFlag(flag: Flag<unknown>): string {
  const fallback = flag.defaultText ?? (flag.parse ? describeValue(flag.default) : undefined);
  return fallback === undefined ? flag.help : `${flag.help} (default: ${fallback})`;
}

function describeValue(value: unknown): string | undefined {
  return value === undefined ? undefined : Array.isArray(value) ? value.join(",") : String(value);
}

function describeExamples(examples: readonly Example[]): string {
  const lines = examples.flatMap(([command, meaning]) => [`  # ${meaning}`, `  ${command}`]);
  return `\nExamples:\n${lines.join("\n")}`;
}
