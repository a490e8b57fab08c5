/**
 * The permissions of the tool, as `deno task tessera` has them.
 *
 * @module
 */
import config from "../deno.json" with { type: "json" };
import { permissionPath } from "./native_folder.ts";

/**
 * The flags of the task for those who start the tool in another way.
 *
 * @param nativeFolder the only folder that native libraries may be loaded from; any if not given
 */
export function toolPermissions(nativeFolder?: string): string[] {
  const scope = nativeFolder === undefined ? "" : `=${permissionPath(nativeFolder)}`;
  return config.tasks.tessera.command
    .split(/\s+(?=(?:[^"]*"[^"]*")*[^"]*$)/)
    // Quiet, because Deno has something to say at every start where there is no ffmpeg.
    .filter((word) => /^"?--(?:quiet$|no-prompt$|allow-)/.test(word))
    .map((word) => word.startsWith('"--allow-ffi=') ? `--allow-ffi${scope}` : word);
}
