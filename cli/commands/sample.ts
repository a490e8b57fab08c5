/**
 * `tessera sample`: samples from a trained model.
 *
 * @module
 */
import type { Command } from "commander";
import { familyCommands } from "../families/commands.ts";
import { allCommands } from "../families/registry.ts";
import type { Io } from "../terminal/io.ts";

/** Builds `tessera sample`. */
export const command = (io: Io): Command =>
  familyCommands(io, "sample", "Draw pictures from a trained model.", allCommands());
