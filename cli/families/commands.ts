/**
 * What a model family brings to the command line.
 *
 * @module
 */
import type { Flags, Values } from "../flags/flags.ts";
import type { modelFlags } from "../flags/options.ts";

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
}
