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
  /** Name in messages. */
  readonly title: string;
  /** Flags of its configuration. */
  readonly fields: ModelFields<Config>;
  /** Cases of other frameworks. */
  readonly verify: CaseHelp;
  /** `tessera train`. */
  readonly train: FamilyCommand;
  /** `tessera sample`. */
  readonly sample?: FamilyCommand;
  /** `tessera eval`. */
  readonly eval?: FamilyCommand;
  /** `tessera demo`. */
  readonly demo?: FamilyCommand;
}

/** Names of the commands that a family may have. */
export type FamilyCommandName = "train" | "sample" | "eval" | "demo";

/**
 * Builds the command that holds those of the families.
 *
 * @param hasDefault whether it is the first one's when no family is named
 */
export function familyCommands(
  io: Io,
  name: FamilyCommandName,
  description: string,
  families: readonly FamilyCommands[],
  hasDefault = false,
): Command {
  const parent = new Command(name).description(description);
  for (const family of families) {
    const command = family[name];
    if (!command) continue;
    const { run, ...definition } = command;
    const isDefault = hasDefault && parent.commands.length === 0;
    parent.addCommand(
      define({ ...definition, name: family.name, run: (parsed) => run(io, parsed) }),
      { isDefault },
    );
  }
  return parent;
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
