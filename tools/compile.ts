/**
 * Makes one executable of Tessera, `dist/tessera`, with everything it needs inside.
 *
 * `deno task compile [-- options of deno compile]`. The Deno that runs this fetches its runtime
 * (`denort`) unless DENORT_BIN names one.
 *
 * @module
 */
import { embeddedFiles, workerModules } from "../cli/terminal/assets.ts";
import { parseArgs } from "node:util";
import { join } from "@std/path";
import { toolPermissions } from "./permissions.ts";
import { fastFlags } from "./v8_flags.ts";

/** Packages of sharp for a C library that no official Deno runs on: 18 MB that nobody loads. */
const unusedPackages = /^@img\/sharp-(?:libvips-)?linuxmusl-/;

/** The part of `deno info --json cli/main.ts` that is looked at here. */
interface PackageInfo {
  readonly npmPackages: Readonly<Record<string, { name: string; localPath: string }>>;
}

/** What Deno says about itself, or about a module. */
async function denoInfo<Info>(...args: string[]): Promise<Info> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", ...args],
  }).output();
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** Folders of the package cache that must not be embedded. */
async function unusedFolders(): Promise<string[]> {
  const { npmPackages } = await denoInfo<PackageInfo>("cli/main.ts");
  return Object.values(npmPackages)
    .filter(({ name }) => unusedPackages.test(name))
    .map(({ localPath }) => localPath);
}

/** The arguments of `deno` that make the executable `output`. */
export async function compileArguments(output: string): Promise<string[]> {
  return [
    "compile",
    `--v8-flags=${fastFlags}`,
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

/**
 * What to do where Deno has no runtime to make an executable of and cannot fetch one.
 *
 * @param folder Deno's folder of caches
 * @param target the platform that is compiled for
 */
export function runtimeAdvice(folder: string, target: string): string {
  const release = `release/v${Deno.version.deno}`;
  const file = `denort-${target}.zip`;
  return `compile: Deno needs its runtime, denort, and has none for ${target}. Without network:\n` +
    `  fetch https://dl.deno.land/${release}/${file} on another machine\n` +
    `  and put it, as it is, into ${join(folder, "dl", release)},\n` +
    "  or set DENORT_BIN to the path of an unpacked denort of this version";
}

/** Whether `deno compile` finds a runtime without network. */
async function hasRuntime(folder: string, target: string): Promise<boolean> {
  if (Deno.env.get("DENORT_BIN")) return true;
  const release = join(folder, "dl", "release", `v${Deno.version.deno}`);
  const found = await Deno.stat(join(release, `denort-${target}.zip`)).catch(() => undefined);
  return found !== undefined;
}

if (import.meta.main) {
  const args = await compileArguments("dist/tessera");
  args.splice(1, 0, ...Deno.args);
  const { code } = await new Deno.Command(Deno.execPath(), { args }).spawn().status;
  if (code === 0) console.log("compile: made dist/tessera");
  else {
    const { values } = parseArgs({
      args: Deno.args,
      options: { target: { type: "string", default: Deno.build.target } },
      strict: false,
    });
    const { denoDir } = await denoInfo<{ denoDir: string }>();
    const target = String(values.target);
    if (!await hasRuntime(denoDir, target)) console.error(runtimeAdvice(denoDir, target));
  }
  Deno.exit(code);
}
