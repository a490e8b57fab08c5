/**
 * Prints the folder of sharp's native libraries, the only ones that the tool loads: what
 * `--allow-ffi` of its task is held to.
 *
 * @module
 */
import { createRequire } from "node:module";
import { join } from "@std/path";

/** Never called: names the package, which Deno then fetches before this module runs. */
export const loadSharp = () => import("sharp");

/** The folder in Deno's cache of packages that holds the libraries of every platform. */
export function nativeFolder(): string {
  const entry = createRequire(import.meta.url).resolve("sharp");
  return join(entry.slice(0, entry.lastIndexOf("sharp", entry.lastIndexOf("dist"))), "@img");
}

/** A path as a permission flag takes it: a comma would end it, two stand for one. */
export function permissionPath(path: string): string {
  return path.replaceAll(",", ",,");
}

if (import.meta.main) console.log(permissionPath(nativeFolder()));
