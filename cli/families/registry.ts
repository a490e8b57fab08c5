/**
 * The families on the command line. A new one is a folder beside this file and one line in the table.
 *
 * @module
 */
import type { Flags } from "../flags/flags.ts";
import { modelFlags } from "../flags/options.ts";
import { autoencoderKLCommands } from "./autoencoder_kl/commands.ts";
import { causalTokenizerCommands } from "./causal_tokenizer/commands.ts";
import type { FamilyCommands } from "./commands.ts";
import { ditCommands } from "./dit/commands.ts";
import { navitCommands } from "./navit/commands.ts";
import { waltCommands } from "./walt/commands.ts";

/** Commands by the name of the family. */
const commands = new Map<string, FamilyCommands>();

const shipped: readonly FamilyCommands[] = [
  ditCommands,
  navitCommands,
  waltCommands,
  causalTokenizerCommands,
  autoencoderKLCommands,
];
for (const family of shipped) registerCommands(family);

/** Adds the commands of a family from outside; those of one of the same name are replaced. */
export function registerCommands(family: FamilyCommands): void {
  commands.set(family.name, family);
}

/** The commands of all families, in the order of the table. */
export const allCommands = (): readonly FamilyCommands[] => [...commands.values()];

/** The commands of a family that is known. */
export const commandsOf = (family: string): FamilyCommands => commands.get(family)!;

/** The flags of a model of any family. */
export const anyModelFlags = (): Flags & typeof modelFlags =>
  Object.assign({}, modelFlags, ...allCommands().map(({ fields }) => fields.flags));
