/**
 * Runs every documented example and every test, and ends with one line `N passed, N failed`.
 *
 * Tests and everything they start run with V8's flags of `deno task tessera`; at the end numbers are
 * checked once more without them, as `deno task tessera:safe` computes them.
 *
 * With arguments, hands them to one `deno test` instead: `deno task test tests/cli --filter help`.
 *
 * @module
 */
import { dirname } from "@std/path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import { fastFlags, safeFlags } from "./v8_flags.ts";

/** How many tests passed and failed. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
}

/** Where examples in doc comments are looked for; folders that do not exist are left out. */
const documented = [
  "mod.ts",
  "base",
  "kernels",
  "formats",
  "nn",
  "data",
  "diffusion",
  "metrics",
  "training",
  "evaluation",
  "models",
  "bench",
  "cli",
];

/** Tests that only compute: their files run side by side in one process, one a core. */
const sideBySide = ["tests/kernels", "tests/models", "tests/diffusion", "tests/training"];

/** Among them those that change or measure what a process shares: its environment, its memory. */
const alone = ["tests/kernels/webgpu", "tests/training/runs"];

/** Folders whose tests take long: they start first, so that the last process to end is a short one. */
const slowest = ["tests/crash", "tests/training/runs", "tests/project", "tests/cli/families/dit"];

/** One run of `deno test`. */
interface TestRun {
  readonly args: readonly string[];
  /** Flags of V8, separated by commas; those of the tool when absent. */
  readonly flags?: string;
}

/** Numbers on one form of the CPU device: enough to see that no other code is generated. */
const numericTests = ["--parallel", "--filter", "/\\[wasm, 2 threads\\]/"];

/** Reads the counts from one line of output; undefined when it is not `deno test`'s last line. */
export function parseSummary(line: string): Counts | undefined {
  const match = stripVTControlCharacters(line)
    .match(/^(?:ok|FAILED) \| (\d+) passed\b.*? \| (\d+) failed\b/);
  return match ? { passed: Number(match[1]), failed: Number(match[2]) } : undefined;
}

/**
 * What tests may do: everything a user's run may, and start Deno. Writing is not scoped to folders,
 * because making symbolic links is only allowed without a scope.
 */
function permissions(): string[] {
  return [
    "--no-prompt",
    "--allow-read",
    "--allow-write",
    "--allow-env",
    "--allow-sys",
    "--allow-ffi",
    // Terminals for tests are made by `script`, which every Linux has.
    `--allow-run=${Deno.execPath()},script`,
  ];
}

/** What a run of `deno test` came to. */
interface Outcome extends Counts {
  /** The signal by which the process died although all of its tests had passed. */
  readonly died?: Deno.Signal;
}

/**
 * Runs `deno test` with flags of V8; `print` hears its output line by line.
 *
 * Rarely, drivers of emulated GPUs damage their own memory while a process ends, after the last test
 * and also where bounds of WebAssembly are checked: such a run is made again, and may not die twice.
 */
async function runTests(
  run: TestRun,
  print: (line: string) => void = console.log,
): Promise<Counts> {
  const first = await runOnce(run, print);
  if (first.died === undefined) return first;
  print(`deno test died by ${first.died} after its last test; once more`);
  const { passed, failed, died } = await runOnce(run, print);
  return { passed, failed: died === undefined ? failed : 1 };
}

async function runOnce(
  { args, flags = fastFlags }: TestRun,
  print: (line: string) => void,
): Promise<Outcome> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "--frozen", ...permissions(), ...args],
    env: {
      // Processes that tests start inherit it.
      DENO_V8_FLAGS: flags,
      // Mesa's emulated GPU spends longer on optimising the small kernels of tests than on running them.
      GALLIVM_PERF: "nopt",
      ...Deno.stdout.isTerminal() && !Deno.noColor ? { FORCE_COLOR: "1" } : {},
    },
    stdin: "null",
    stdout: "piped",
  }).spawn();
  let counts: Counts | undefined;
  for await (const line of createInterface(Readable.fromWeb(child.stdout))) {
    print(line);
    counts = parseSummary(line) ?? counts;
  }
  const { success, signal } = await child.status;
  const { passed, failed } = counts ?? none;
  if (counts?.failed === 0 && signal !== null) return { passed, failed, died: signal };
  // Type errors and crashes have no count of their own.
  return { passed, failed: success ? failed : Math.max(failed, 1) };
}

/** Runs `deno test` several times, two at a time; the output of each comes whole, when it has ended. */
async function runInTwos(runs: readonly TestRun[]): Promise<Counts> {
  const queue = [...runs];
  let total = none;
  const worker = async () => {
    for (let run = queue.shift(); run; run = queue.shift()) {
      const lines: string[] = [];
      const counts = await runTests(run, (line) => lines.push(line));
      console.log(lines.join("\n"));
      total = sum(total, counts);
    }
  };
  await Promise.all([worker(), worker()]);
  return total;
}

const none: Counts = { passed: 0, failed: 0 };

const sum = (first: Counts, second: Counts): Counts => ({
  passed: first.passed + second.passed,
  failed: first.failed + second.failed,
});

/** Every file of tests below a folder, named one by one: `--ignore` of several folders leaves some in. */
async function testFiles(folder: string): Promise<string[]> {
  const files: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) files.push(...await testFiles(path));
    else if (name.endsWith("_test.ts")) files.push(path);
  }
  return files.sort();
}

/** The files that lie in some of the folders, and the others. */
function divide(
  files: readonly string[],
  folders: readonly string[],
): readonly [inside: string[], outside: string[]] {
  const isInside = (file: string) => folders.some((folder) => file.startsWith(`${folder}/`));
  return [files.filter(isInside), files.filter((file) => !isInside(file))];
}

/** A run for each folder that holds some of the files, the slow ones first. */
function byFolder(files: readonly string[]): TestRun[] {
  const folders = Map.groupBy(files, (file) => dirname(file));
  const names = new Set([...slowest.filter((folder) => folders.has(folder)), ...folders.keys()]);
  return [...names].map((folder) => ({ args: folders.get(folder)! }));
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** Every documented example and every test. */
async function runAll(): Promise<Counts> {
  const existing = await Promise.all(documented.map(exists));
  const examples = documented.filter((_, index) => existing[index]);
  const [computing, others] = divide(await testFiles("tests"), sideBySide);
  const [aloneFiles, sideBySideFiles] = divide(computing, alone);
  const parts = [
    await runTests({ args: ["--doc", "--permit-no-files", "--ignore=bench/peers", ...examples] }),
    await runTests({ args: ["--parallel", ...sideBySideFiles] }),
    await runInTwos(byFolder([...aloneFiles, ...others])),
    await runTests({ args: [...numericTests, ...sideBySideFiles], flags: safeFlags }),
  ];
  return parts.reduce(sum);
}

if (import.meta.main) {
  const total = Deno.args.length > 0 ? await runTests({ args: Deno.args }) : await runAll();
  console.log(`${total.passed} passed, ${total.failed} failed`);
  if (total.failed > 0) Deno.exit(1);
}
