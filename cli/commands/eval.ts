/**
 * `tessera eval`: how good a trained model is.
 *
 * @module
 */
import type { Command } from "commander";
import { evalClipsCommand } from "./eval_clips.ts";
import { evalPicturesCommand } from "./eval_pictures.ts";
import { familyCommands } from "../families/commands.ts";
import { allCommands } from "../families/registry.ts";
import type { Io } from "../terminal/io.ts";

/** Builds `tessera eval`. */
export const command = (io: Io): Command =>
  familyCommands(io, "eval", "Measure how good a trained model is.", allCommands())
    .addCommand(evalPicturesCommand(io))
    .addCommand(evalClipsCommand(io));
