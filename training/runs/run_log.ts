/**
 * The log of a run, `log.txt`: what the run has told about itself, one line with its time each,
 * whatever the terminal has shown.
 *
 * @module
 */
import { join } from "@std/path";
import { oneLine } from "../../base/control_characters.ts";
import { appendText } from "../../formats/files/append_file.ts";

/** Path of a run's log. */
const logPath = (run: string): string => join(run, "log.txt");

/**
 * Appends a line, made one where it is not. A resumed run goes on below what is there.
 *
 * @throws InputError when the disk is full, or something other than a file has the name
 */
export function appendLog(run: string, line: string): void {
  appendText(logPath(run), `${new Date().toISOString()}  ${oneLine(line)}\n`);
}
