/**
 * Puts the tool of this checkout on the path, as `tessera`, with the permissions and flags of its task.
 *
 * `deno task install [options of deno install, such as --root or --force]`
 *
 * @module
 */
import { parseArgs } from "node:util";
import { join, resolve } from "@std/path";
import { nativeFolder } from "./native_folder.ts";
import { toolPermissions } from "./permissions.ts";
import { fastFlags, lazyImports } from "./v8_flags.ts";

/** The arguments of `deno` that install the tool. */
export function installArguments(): string[] {
  const repository = resolve(import.meta.dirname!, "..");
  return [
    ...["install", "--global", "--name", "tessera", "--config", join(repository, "deno.json")],
    `--v8-flags=${fastFlags}`,
    lazyImports,
    ...toolPermissions(nativeFolder()),
    join(repository, "cli", "main.ts"),
  ];
}

if (import.meta.main) {
  const args = installArguments();
  args.splice(1, 0, ...Deno.args);
  const { code } = await new Deno.Command(Deno.execPath(), { args }).spawn().status;
  if (code === 0) {
    const { values: { root } } = parseArgs({
      args: Deno.args,
      options: { root: { type: "string" } },
      strict: false,
    });
    const folder = String(root ?? Deno.env.get("DENO_INSTALL_ROOT") ?? "~/.deno");
    console.log(`install: tessera is in ${join(folder, "bin")}, which has to be on the PATH`);
  }
  Deno.exit(code);
}
