/**
 * Makes one executable of Tessera, `dist/tessera`, with everything it needs inside.
 *
 * `deno task compile [-- options of deno compile]`. The Deno that runs this fetches its runtime
 * (`denort`) unless DENORT_BIN names one.
 *
 * @module
 */
import { embeddedFiles, workerModules } from "../cli/terminal/assets.ts";
import { toolPermissions } from "./permissions.ts";

/** Packages of sharp for a C library that no official Deno runs on: 18 MB that nobody loads. */
const unusedPackages = /^@img\/sharp-(?:libvips-)?linuxmusl-/;

/** The part of `deno info --json cli/main.ts` that is looked at here. */
interface PackageInfo {
  readonly npmPackages: Readonly<Record<string, { name: string; localPath: string }>>;
}

/** Folders of the package cache that must not be embedded. */
async function unusedFolders(): Promise<string[]> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "cli/main.ts"],
  }).output();
  const { npmPackages }: PackageInfo = JSON.parse(new TextDecoder().decode(stdout));
  return Object.values(npmPackages)
    .filter(({ name }) => unusedPackages.test(name))
    .map(({ localPath }) => localPath);
}

/** The arguments of `deno` that make the executable `output`. */
export async function compileArguments(output: string): Promise<string[]> {
  return [
    "compile",
    // A binary may do what the tool may from source; where it unpacks its libraries is not known yet.
    ...toolPermissions(),
    // sharp's native library is loaded by the system, which cannot read inside of the binary.
    "--self-extracting",
    "--exclude-unused-npm",
    ...[...embeddedFiles, ...workerModules].flatMap((path) => ["--include", path]),
    ...(await unusedFolders()).flatMap((path) => ["--exclude", path]),
    "--output",
    output,
    "cli/main.ts",
  ];
}

if (import.meta.main) {
  const args = await compileArguments("dist/tessera");
  args.splice(1, 0, ...Deno.args);
  const { code } = await new Deno.Command(Deno.execPath(), { args }).spawn().status;
  Deno.exit(code);
}
