/**
 * Makes a fresh checkout ready: checks Deno, fetches the packages, and sees to it that there is a
 * WebGPU adapter where that is possible. Run by `deno task setup`, and before `demo` and `test`.
 *
 * Idempotent, and quick when nothing is missing. The only place of the project that may use the
 * network or start programs other than Deno.
 *
 * @module
 */
import { denoProblem } from "../cli/terminal/version.ts";
import type { AdapterSummary } from "./adapter.ts";

/** What setup needs of the machine; tests put another in its place. */
export interface Machine {
  readonly os: typeof Deno.build.os;
  /** Whether packages of the system may be installed. */
  readonly isRoot: boolean;
  /** `ID` and `ID_LIKE` of /etc/os-release, best match first; empty on other systems. */
  readonly distributions: readonly string[];
  /** Prints one line. */
  say(line: string): void;
  /** Asks the user; false where there is no terminal to ask at. */
  agrees(question: string): boolean;
  /** Runs a program with its output on stderr; false when it failed or does not exist. */
  run(program: string, ...args: string[]): Promise<boolean>;
  /** Looks for a WebGPU adapter in a new process, optionally through one graphics API only. */
  findAdapter(backend?: "vulkan"): Promise<AdapterSummary | undefined>;
}

/** By its path, which is what `deno task setup` may run. */
const aptGet = "/usr/bin/apt-get";

/** What installs Mesa's software driver for Vulkan, by distribution. */
const driverCommands: Readonly<Record<string, string>> = {
  debian: "sudo apt-get install -y mesa-vulkan-drivers",
  ubuntu: "sudo apt-get install -y mesa-vulkan-drivers",
  fedora: "sudo dnf install -y mesa-vulkan-drivers",
  arch: "sudo pacman -S --needed vulkan-swrast",
  alpine: "sudo apk add mesa-vulkan-swrast",
  suse: "sudo zypper install -y libvulkan_lvp",
};

/** What the user has said beforehand. */
export interface Wishes {
  /** Fails where there is no adapter instead of going on with the CPU. */
  readonly requireAdapter: boolean;
  /** Packages of the system may be installed without a question. */
  readonly mayInstall: boolean;
}

/** Runs all steps; returns whether the project can be used. */
export async function setup(machine: Machine, wishes: Wishes): Promise<boolean> {
  if (!await fetchPackages(machine)) {
    machine.say("setup: fetching the packages failed; is the npm registry reachable?");
    return false;
  }
  const adapter = await provideAdapter(machine, wishes);
  if (adapter) {
    const kind = adapter.software ? "software, computes on the CPU" : "hardware";
    machine.say(`setup: ready; WebGPU adapter: ${adapter.description} (${kind})`);
    return true;
  }
  machine.say(`setup: no WebGPU adapter${driverHint(machine)}`);
  if (wishes.requireAdapter) {
    machine.say("setup: TESSERA_REQUIRE_WEBGPU is set, so this is an error");
    return false;
  }
  machine.say("setup: ready; everything runs on the CPU through WebAssembly");
  return true;
}

/** Fetches everything that a run needs, so that no run needs the network. */
async function fetchPackages(machine: Machine): Promise<boolean> {
  const deno = Deno.execPath();
  return await machine.run(deno, "install", "--quiet", "--frozen") &&
    // A task finds the packages installed already, but not the index that names their versions;
    // without this the first run would ask for it.
    await machine.run(deno, "cache", "--quiet", "--frozen", "cli/main.ts");
}

/** Finds an adapter, installing Mesa's Vulkan driver where there is none, if possible and allowed. */
async function provideAdapter(
  machine: Machine,
  { mayInstall }: Wishes,
): Promise<AdapterSummary | undefined> {
  if (machine.os !== "linux") return await machine.findAdapter();
  const vulkan = await machine.findAdapter("vulkan");
  if (vulkan) return vulkan;
  const usesApt = machine.distributions.some((name) => name === "debian" || name === "ubuntu");
  const question = "setup: no Vulkan driver; install mesa-vulkan-drivers, a software one?";
  if (machine.isRoot && usesApt && (mayInstall || machine.agrees(question))) {
    machine.say("setup: installing mesa-vulkan-drivers");
    await machine.run(aptGet, "update", "-qq");
    const options = ["-y", "-qq", "--no-install-recommends"];
    await machine.run(aptGet, "install", ...options, "mesa-vulkan-drivers");
  }
  // Without Vulkan there may still be one through OpenGL ES.
  return await machine.findAdapter();
}

function driverHint(machine: Machine): string {
  if (machine.os !== "linux") return "";
  const name = machine.distributions.find((distribution) => distribution in driverCommands);
  if (!name) return "; Mesa's lavapipe is one";
  const command = driverCommands[name];
  return `; to get a software one: ${machine.isRoot ? command.replace(/^sudo /, "") : command}`;
}

async function run(program: string, ...args: string[]): Promise<boolean> {
  try {
    const child = new Deno.Command(program, {
      args,
      env: { DEBIAN_FRONTEND: "noninteractive" },
      stdin: "null",
      stdout: "piped",
    }).spawn();
    await child.stdout.pipeTo(Deno.stderr.writable, { preventClose: true });
    return (await child.status).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** A broken driver may take its process down, so the look happens in another one. */
async function findAdapter(backend?: string): Promise<AdapterSummary | undefined> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", new URL("./adapter.ts", import.meta.url).href],
    env: backend ? { DENO_WEBGPU_BACKEND: backend } : {},
    stderr: "null",
  }).output();
  const answer = new TextDecoder().decode(stdout);
  return success && answer ? JSON.parse(answer) : undefined;
}

function distributions(): string[] {
  try {
    const release = Deno.readTextFileSync("/etc/os-release");
    const fields = [...release.matchAll(/^ID(?:_LIKE)?="?([^"\n]*)"?$/gm)];
    return fields.flatMap(([, names]) => names.split(" "));
  } catch {
    return [];
  }
}

if (import.meta.main) {
  const problem = denoProblem();
  if (problem) {
    console.error(`setup: Tessera ${problem}`);
    Deno.exit(1);
  }
  const machine: Machine = {
    os: Deno.build.os,
    isRoot: Deno.build.os === "linux" && Deno.uid() === 0,
    distributions: distributions(),
    say: (line) => console.error(line),
    agrees: (question) => Deno.stdin.isTerminal() && confirm(question),
    run,
    findAdapter,
  };
  const requireAdapter = Deno.env.get("TESSERA_REQUIRE_WEBGPU") === "1";
  const mayInstall = requireAdapter || Deno.env.get("CI") === "true";
  if (!await setup(machine, { requireAdapter, mayInstall })) Deno.exit(1);
}
