/**
 * What a model family brings to the command line.
 *
 * @module
 */
import { Command } from "commander";
import type { FamilyConfig } from "../../nn/config.ts";
import type { CommonSettings } from "../../training/checkpoints/settings.ts";
import { define, type Definition, type Flags, type Parsed, type Values } from "../flags/flags.ts";
import type { modelFlags } from "../flags/options.ts";
import { UsageError } from "../terminal/errors.ts";
import { recordFlags, withRunFile } from "../flags/run_file.ts";
import { requireResumable } from "../flags/train_flags.ts";
import type { Io } from "../terminal/io.ts";
import type { ParsedTrain, TrainingCommand, TrainingData, TrainValues } from "./training.ts";

/** Values of the flags that change a model: those of every family, and its own. */
export type ModelValues =
  & Partial<Omit<Values<typeof modelFlags>, "config">>
  & Readonly<Record<string, unknown>>;

/** How flags change the configuration of a model. */
export interface ModelFields<Config> {
  /** Flags that no other family has, by the names of their values. */
  readonly flags: Flags;
  /** Flags of every family that its models have nothing for. */
  readonly without?: readonly (keyof typeof modelFlags)[];
  /** The fields that flags replace; those without a value are undefined. */
  overrides(base: Config, values: ModelValues): Partial<Config>;
  /**
   * A configuration with some fields replaced.
   *
   * @throws InputError with the nearest valid values when they do not fit
   */
  override(base: Config, overrides: Partial<Config>, where: string): Config;
}

/** A command of a family, without its name, which is the family's. */
export interface FamilyCommand<F extends Flags = Flags>
  extends Omit<Definition<F>, "name" | "run"> {
  /** What it does. */
  run(io: Io, parsed: Parsed<F>): Promise<void>;
}

/** What `verify` says about the cases of a family. */
export interface CaseHelp {
  /** What is compared, for the list of commands. */
  readonly summary: string;
  /** The tensors of a case file. */
  readonly contents: string;
  /** What a user of the example must know. */
  readonly hint: string;
}

/** The commands of a family. Everything heavy is loaded when one of them runs. */
export interface FamilyCommands<Config = object> {
  /** Name of the family. */
  readonly name: string;
  /** A shorter name, which help shows behind `train`, `verify` and the others; both are understood. */
  readonly word?: string;
  /** Name in messages. */
  readonly title: string;
  /** Flags of its configuration. */
  readonly fields: ModelFields<Config>;
  /** Cases of other frameworks. */
  readonly verify: CaseHelp;
  /** `tessera train`. */
  readonly train?: FamilyCommand;
  /** `tessera sample`. */
  readonly sample?: FamilyCommand;
  /** `tessera eval`. */
  readonly eval?: FamilyCommand;
  /** `tessera encode`. */
  readonly encode?: FamilyCommand;
  /** `tessera demo`. */
  readonly demo?: FamilyCommand;
}

/** The name of a family that help shows. */
export const wordOf = ({ name, word = name }: FamilyCommands): string => word;

/** A command of a family with the other name that it has, if it has one. */
export function named(command: Command, { name, word }: FamilyCommands): Command {
  return word === undefined ? command : command.alias(name);
}

/** Names of the commands that a family may have. */
export type FamilyCommandName = "train" | "sample" | "eval" | "encode" | "demo";

/**
 * Builds the command that holds those of the families; it says so for a family that has none.
 *
 * @param usual name of the family that is meant when none is named
 */
export function familyCommands(
  io: Io,
  name: FamilyCommandName,
  description: string,
  families: readonly FamilyCommands[],
  usual?: string,
): Command {
  const parent = new Command(name).description(description);
  for (const family of families) {
    const command = family[name];
    if (!command) {
      parent.addCommand(named(missingCommand(name, family, families), family), { hidden: true });
      continue;
    }
    const { run, ...definition } = command;
    const isDefault = family.name === usual;
    const own = define({ ...definition, name: wordOf(family), run: (parsed) => run(io, parsed) });
    parent.addCommand(named(own, family), { isDefault });
  }
  return parent;
}

/** The command that a family lacks, whatever follows it. */
function missingCommand(
  name: FamilyCommandName,
  family: FamilyCommands,
  families: readonly FamilyCommands[],
): Command {
  const others = families.filter((other) => other[name]).map(wordOf).join(" and ");
  return new Command(wordOf(family))
    .allowUnknownOption()
    .allowExcessArguments()
    .helpOption(false)
    .action(() => {
      throw new UsageError(`${name}: there is none for a ${family.title}, only for ${others}`);
    });
}

/** `tessera train` of a family, whose own part is loaded when it runs. */
export function trainCommand<
  F extends Flags,
  Config extends FamilyConfig,
  Settings extends CommonSettings,
  Data extends TrainingData,
>(
  { load, ...definition }: Omit<FamilyCommand<F>, "run"> & {
    load(): Promise<TrainingCommand<Values<F> & TrainValues, Config, Settings, Data>>;
  },
): FamilyCommand<F> {
  return {
    ...definition,
    run: async (io, given) => {
      const { flags } = definition;
      // The flags of `train` hold all that the shared part reads.
      const asTrain = (parsed: Parsed<F>) =>
        parsed as unknown as ParsedTrain<Values<F> & TrainValues>;
      requireResumable(flags, asTrain(given));
      const parsed = await withRunFile(flags, given);
      const { runTrain } = await import("../runs/prepare.ts");
      const recorded = recordFlags(flags, parsed);
      await runTrain(io, await load(), { ...asTrain(parsed), recorded });
    },
  };
}
