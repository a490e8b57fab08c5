/**
 * `tessera encode`: pictures and clips to latents, which a diffusion model is then trained on.
 *
 * @module
 */
import type { Command } from "commander";
import { familyCommands, wordOf } from "../families/commands.ts";
import { allCommands } from "../families/registry.ts";
import { checkpointPlace } from "../flags/checkpoint_place.ts";
import type { Io } from "../terminal/io.ts";

/** The family that is meant where neither the command line nor the weights tell. */
const usual = "autoencoder-kl";

/** Builds `tessera encode`, whose family is that of the weights unless it is named. */
export async function command(io: Io, args: readonly string[]): Promise<Command> {
  const description = "Encode pictures or clips into a cache of latents, for training on them.";
  const families = allCommands();
  const encoding = families.filter(({ encode }) => encode);
  const found = await familyOf(args);
  const meant = encoding.find(({ name }) => name === found)?.name ?? usual;
  return familyCommands(io, "encode", description, families, meant)
    .usage(`[${encoding.map(wordOf).join("|")}] [options]`)
    .addHelpText("after", "\nUnless it is named, the family is that of --ckpt.");
}

async function familyOf(args: readonly string[]): Promise<string | undefined> {
  const [ckpt, config] = [valueOf(args, "--ckpt"), valueOf(args, "--config")];
  if (ckpt === undefined) return undefined;
  const { familyOfEncoder } = await import("../families/family_of_weights.ts");
  return await familyOfEncoder(checkpointPlace(ckpt, "--ckpt"), config);
}

/** The value of a flag, before the command line is parsed. */
function valueOf(args: readonly string[], flag: string): string | undefined {
  const index = args.findIndex((word) => word === flag || word.startsWith(`${flag}=`));
  if (index < 0) return undefined;
  return args[index] === flag ? args[index + 1] : args[index].slice(flag.length + 1);
}
