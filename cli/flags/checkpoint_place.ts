/**
 * Places of checkpoints on the command line: paths, and names of those that come with the tool.
 *
 * @module
 */
import { assetPath, embeddedFiles } from "../terminal/assets.ts";
import { choice, type Parser, text } from "./parsers.ts";

const folder = "models/checkpoints/";

/** What `shipped:` may be followed by. */
export const shippedCheckpoints: readonly string[] = embeddedFiles
  .filter((path) => path.startsWith(folder))
  .map((path) => path.slice(folder.length));

/** A path; `shipped:fashion` is that of a checkpoint that comes with the tool. */
export const checkpointPlace: Parser<string> = (value, flag) => {
  if (!value.startsWith("shipped:")) return text(value, flag);
  const name = choice(...shippedCheckpoints.map((each) => `shipped:${each}`))(value, flag);
  return assetPath(folder + name.slice("shipped:".length));
};
