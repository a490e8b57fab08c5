/**
 * `tessera train`: runs of every family.
 *
 * @module
 */
import type { Command } from "commander";
import { familyCommands } from "../families/commands.ts";
import { allCommands } from "../families/registry.ts";
import type { Io } from "../terminal/io.ts";

/** Builds `tessera train`. */
export const command = (io: Io): Command =>
  familyCommands(io, "train", "Train a model.", allCommands());
