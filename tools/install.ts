/**
 * Puts the tool of this checkout on the path, as `tessera`, with the permissions of its task.
 *
 * `deno task install [options of deno install, such as --root or --force]`
 *
 * @module
 */
import { join, resolve } from "@std/path";
import { nativeFolder } from "./native_folder.ts";
import { toolPermissions } from "./permissions.ts";

/** The arguments of `deno` that install the tool. */
export function installArguments(): string[] {
  const repository = resolve(import.meta.dirname!, "..");
  return [
    ...["install", "--global", "--name", "tessera", "--config", join(repository, "deno.json")],
    ...toolPermissions(nativeFolder()),
    join(repository, "cli", "main.ts"),
  ];
}

if (import.meta.main) {
  const args = installArguments();
  args.splice(1, 0, ...Deno.args);
  const { code } = await new Deno.Command(Deno.execPath(), { args }).spawn().status;
  Deno.exit(code);
}
