/**
 * What runs must know of a model family. Nothing here knows one by name.
 *
 * @module
 */
import type { FamilyConfig, Schema } from "../../nn/config.ts";
import type { DataPosition } from "../runs/batch_source.ts";
import type { CommonSettings } from "./settings.ts";

/** The JSON forms of what a family's runs have of their own. */
export interface RunSchemas<Settings extends CommonSettings = CommonSettings> {
  /** Everything that decides how a run goes on. */
  readonly settings: Schema<Settings>;
  /** Where the data of a step starts; absent where the number of the step tells. */
  readonly position?: Schema<DataPosition>;
}

/** A family as far as runs know it. */
export interface RunFamily<
  Config extends FamilyConfig = FamilyConfig,
  Settings extends CommonSettings = CommonSettings,
> {
  /** Name in manifests. */
  readonly name: string;
  /**
   * Checks the fields of a configuration, and that they fit each other.
   *
   * @throws InputError naming the field, or with the nearest valid values
   */
  check(value: unknown, where: string): Config;
  /** How many labels a model tells apart; undefined: it has none. */
  classes(config: Config): number | undefined;
  /** What its runs have of their own. */
  readonly training: RunSchemas<Settings>;
}
