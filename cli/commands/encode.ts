/**
 * `tessera encode`: pictures and clips to latents, which a diffusion model is then trained on.
 *
 * @module
 */
import type { Command } from "commander";
import { familyCommands, wordOf } from "../families/commands.ts";
import { allCommands } from "../families/registry.ts";
import type { Io } from "../terminal/io.ts";

/** Builds `tessera encode`. */
export function command(io: Io): Command {
  const description = "Encode pictures or clips into a cache of latents, for training on them.";
  const shown = allCommands().filter(({ encode }) => encode).map(wordOf);
  return familyCommands(io, "encode", description, allCommands(), "autoencoder-kl")
    .usage(`[${shown.join("|")}] [options]`);
}
