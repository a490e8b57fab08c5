/**
 * Small training runs for tests of the command line: in this process where permissions do not
 * matter, and as a process that can be sent signals.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { main } from "../../cli/main.ts";
import { writeSamplesNpz } from "../../formats/tensors/npz.ts";
import { textChecksum } from "../../formats/files/checksum.ts";
import { readManifest } from "../../training/checkpoints/manifest.ts";
import { deviceChoices } from "../devices.ts";
import { type Finished, recordedIo, taskPermissions } from "./support.ts";

/** A model of 12,674 parameters on the shipped pictures. */
export const tinyModel: readonly string[] = [
  ...["--patch", "7", "--hidden", "16", "--heads", "2", "--depth", "1"],
  ...["--batch-size", "8", "--lr", "3e-3", "--objective", "noise"],
];

/** The CPU with one thread, which is fastest for a model this small. */
export const onWasm: readonly string[] = ["--device", "wasm", "--threads", "1"];

/** Devices with the flags that choose them. */
export const devices: readonly { name: string; flags: readonly string[]; available: boolean }[] = [
  { name: "wasm", flags: onWasm, available: true },
  {
    name: "webgpu",
    flags: ["--device", "webgpu"],
    available: deviceChoices.some(({ name, available }) => name === "webgpu" && available),
  },
];

/** Files of a checkpoint. */
export const checkpointFiles = [
  "ema.safetensors",
  "model.safetensors",
  "optim.safetensors",
  "state.json",
] as const;

/** Runs `body` with a folder that is removed afterwards. */
export async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "tessera test " });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Runs a command line in this process. */
export async function run(...args: string[]): Promise<Finished> {
  const io = recordedIo();
  return { code: await main(args, io), ...io.written };
}

/** Runs a command line in this process, which must succeed; returns what it wrote to stdout. */
export async function succeed(...args: string[]): Promise<string> {
  const { code, out, err } = await run(...args);
  assert.equal(code, 0, err);
  return out.trim();
}

/** Trains the tiny model; returns the run folder. */
export async function train(results: string, ...args: string[]): Promise<string> {
  return await succeed(...["train", "dit", ...tinyModel, "--results-dir", results], ...args);
}

/** Path of a run's checkpoint. */
export function checkpointOf(folder: string, step: number): string {
  return join(folder, "checkpoints", String(step).padStart(7, "0"));
}

/** Checks that two checkpoints hold the same bits in all of their files, whenever they were written. */
export async function assertSameCheckpoint(actual: string, expected: string): Promise<void> {
  await assertSameTensors(actual, expected);
  const [a, b] = await Promise.all([actual, expected].map((path) => readManifest(path)));
  assert.deepEqual({ ...a, savedAt: undefined }, { ...b, savedAt: undefined });
}

/** A manifest's text with the checksum that belongs to it, after it was changed on purpose. */
export function resealed(manifest: string): string {
  const [, sealed] = /^(.*"checksum": ")[0-9a-f]{8}"\n}\n$/s.exec(manifest) ?? [];
  return sealed === undefined ? manifest : `${sealed}${textChecksum(sealed)}"\n}\n`;
}

/** Changes what the manifest of a checkpoint says, as if it had been written so. */
export async function editManifest(
  checkpoint: string,
  edit: (text: string) => string,
): Promise<void> {
  const path = join(checkpoint, "state.json");
  await Deno.writeTextFile(path, resealed(edit(await Deno.readTextFile(path))));
}

/** Checks that two checkpoints hold the same tensors; the runs may have been asked to end elsewhere. */
export async function assertSameTensors(actual: string, expected: string): Promise<void> {
  const tensors = checkpointFiles.filter((name) => name.endsWith(".safetensors"));
  await assertSameFiles(actual, expected, tensors);
}

async function assertSameFiles(
  actual: string,
  expected: string,
  names: readonly string[],
): Promise<void> {
  for (const name of names) {
    const [a, b] = await Promise.all(
      [actual, expected].map((path) => Deno.readFile(join(path, name))),
    );
    assert(a.length === b.length && a.every((byte, i) => byte === b[i]), `${name} differs`);
  }
}

/** All names in a folder, those of sub-folders included; empty where there is no folder. */
export async function namesIn(folder: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      names.push(name);
      if (isDirectory) names.push(...(await namesIn(join(folder, name))).map((n) => join(name, n)));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return names.sort();
}

/** The contents of all files in a folder, by name. */
export async function bytesIn(folder: string): Promise<Map<string, string>> {
  const names = await namesIn(folder);
  const read = async (name: string) =>
    [name, (await Deno.readFile(join(folder, name))).toBase64()] as const;
  return new Map(await Promise.all(names.map(read)));
}

/** Checks an exit code and that the last line, the only one where nothing started, is the message. */
export function assertFails({ code, out, err }: Finished, expected: number, message: RegExp): void {
  assert.match(err, message);
  assert.equal(code, expected, err);
  assert.equal(out, "");
  assert.match(err.trimEnd().split("\n").at(-1)!, /^tessera: /);
  assert.doesNotMatch(err, /^ +at /m, "a stack trace");
  assert.doesNotMatch(err, /--debug/, "not an expected error");
}

/** Runs a command line that must fail with one line and leave a folder as it was. */
export async function assertRefuses(
  folder: string,
  args: readonly string[],
  code: number,
  message: RegExp,
): Promise<void> {
  const before = await namesIn(folder);
  const finished = await run(...args);
  assertFails(finished, code, message);
  assert.equal(finished.err.match(/\n/g)?.length, 1, `not one line: ${finished.err}`);
  assert.deepEqual(await namesIn(folder), before, "something was left behind");
}

/** Splits a command as a shell does, single quotes only. */
export function shellWords(command: string): string[] {
  return [...command.matchAll(/(?:'([^']*)'|([^' ]+))(?: |$)/g)].map(([, a, b]) => a ?? b);
}

/** A process of the tool that is running. */
export interface Running {
  /** Resolves once stderr holds a text that matches. */
  until(pattern: RegExp): Promise<void>;
  kill(signal: Deno.Signal): void;
  finished(): Promise<Finished>;
}

/** Starts the tool with the permissions of its task. */
export function start(
  args: readonly string[],
  env: Record<string, string> = {},
  program = "cli/main.ts",
): Running {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", ...taskPermissions, program, ...args],
    env: { XDG_RUNTIME_DIR: "/tmp", NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const out = new Response(child.stdout).text();
  let err = "";
  let wake = () => {};
  const reading = (async () => {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      err += text;
      wake();
    }
  })();
  return {
    async until(pattern) {
      while (!pattern.test(err)) {
        const more = new Promise<void>((resolve) => wake = resolve);
        const ended = reading.then(() => assert.match(err, pattern));
        await Promise.race([more, ended]);
      }
    },
    kill: (signal) => child.kill(signal),
    async finished() {
      const [{ code }] = await Promise.all([child.status, reading]);
      return { code, out: await out, err };
    },
  };
}

/** Writes a data set of grey 8 x 8 pictures in two classes; `shade` changes their contents. */
export async function writeTinyData(path: string, shade = 0): Promise<string> {
  const count = 16;
  const pixels = Uint8Array.from({ length: count * 64 }, (_, i) => (i * 37 + shade) % 256);
  const labels = Array.from({ length: count }, (_, i) => i % 2);
  await writeSamplesNpz(path, [count, 8, 8, 1], [pixels], labels);
  return path;
}
