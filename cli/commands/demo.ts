/**
 * `tessera demo`: a model family once from start to end, in a few minutes.
 *
 * @module
 */
import type { Command } from "commander";
import { familyCommands, wordOf } from "../families/commands.ts";
import { allCommands } from "../families/registry.ts";
import type { Io } from "../terminal/io.ts";

/** Builds `tessera demo`. */
export function command(io: Io): Command {
  const description = "Train a small model on real pictures and show what it can do.";
  const shown = allCommands().filter(({ demo }) => demo).map(wordOf);
  return familyCommands(io, "demo", description, allCommands(), "dit")
    .usage(`[${shown.join("|")}] [options]`);
}
