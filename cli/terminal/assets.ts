/**
 * The files beside the source that the tool reads while it runs. `deno task compile` embeds what is
 * listed here, and a lint rule refuses `import.meta.url` for anything else.
 *
 * @module
 */

import { fileURLToPath } from "node:url";

/** Files and folders that are read at run time, as paths from the project's root. */
export const embeddedFiles: readonly string[] = [
  "data/samples/clipart",
  "data/samples/fashion",
  "data/samples/motion",
  "formats/plots/inter",
  "models/checkpoints/emoji",
  "models/checkpoints/fashion",
  "models/checkpoints/moving-fashion",
];

/** Whether a path from the project's root is embedded, itself or in a folder. */
export function isEmbedded(path: string): boolean {
  return embeddedFiles.some((file) => path === file || path.startsWith(`${file}/`));
}

/** Modules that run as workers: the compiler cannot see them through `new Worker()`. */
export const workerModules: readonly string[] = [
  "data/pictures/worker.ts",
  "kernels/wasm/threads/worker.ts",
];

/**
 * The address of an embedded file or folder.
 *
 * @param path Path from the project's root; one of `embeddedFiles` or inside of one.
 */
export function assetUrl(path: string): URL {
  if (!isEmbedded(path)) {
    throw new RangeError(
      `${path} is not listed in cli/terminal/assets.ts, so a compiled binary would lack it`,
    );
  }
  return new URL(`../../${path}`, import.meta.url);
}

/** The same as a path of the file system. */
export const assetPath = (path: string): string => fileURLToPath(assetUrl(path));

/** The text of a file of the checkout; undefined where there is none, or no permission to read. */
export function repositoryFile(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(new URL(`../../${path}`, import.meta.url));
  } catch {
    return undefined;
  }
}
