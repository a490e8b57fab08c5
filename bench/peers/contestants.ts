/**
 * The processes that are compared, and the rounds in which they take turns.
 *
 * A contestant is a child process that reads one JSON request a line and answers with one JSON line;
 * README.md beside this file describes the protocol.
 *
 * @module
 */
import { createInterface, type Interface } from "node:readline";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { fastFlags, lazyImports } from "../../tools/v8_flags.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PERMISSIONS = ["read", "write", "env", "sys", "ffi"].map((name) => `--allow-${name}`);

/** Has PyTorch, oneDNN and MKL use no wider vectors than 256 bits. */
const HELD_TO_AVX2 = {
  ATEN_CPU_CAPABILITY: "avx2",
  ONEDNN_MAX_CPU_ISA: "AVX2",
  MKL_ENABLE_INSTRUCTIONS: "AVX2",
};

/** What a contestant says. */
export interface Answer {
  milliseconds?: number;
  /** Of a start: a run after the first ones. */
  last?: number;
  bytes?: number;
  name?: string;
  version?: string;
  detail?: string;
  error?: string;
}

/** A request as README.md describes it. */
export type Request = Record<string, unknown>;

/** How a process is started. */
interface Command {
  command: string;
  args: string[];
  env?: Record<string, string>;
}

function peer(file: string): Command {
  const flags = ["--no-prompt", "--no-lock"]; // a peer never enters the project's lock file
  return {
    command: Deno.execPath(),
    args: ["run", ...flags, ...PERMISSIONS, "--allow-import", `bench/peers/${file}`],
  };
}

/** Tessera's tool as its users start it. */
export function tool(...args: string[]): Command {
  const flags = ["--no-prompt", `--v8-flags=${fastFlags}`, lazyImports];
  return {
    command: Deno.execPath(),
    args: ["run", ...flags, ...PERMISSIONS, "cli/main.ts", ...args],
  };
}

const dit = ["bench/peers/pytorch_dit.py"];

/** How each is started; `python` is the interpreter. */
const commands: Record<string, (python: string) => Command> = {
  "tessera": () => tool("bench", "throughput", "--serve"),
  "pytorch": (python) => ({ command: python, args: dit }),
  "pytorch-avx2": (python) => ({ command: python, args: dit, env: HELD_TO_AVX2 }),
  "pytorch-channels-last": (python) => ({ command: python, args: [...dit, "--channels-last"] }),
  "onnxruntime": () => peer("onnxruntime_dit.ts"),
  "jax-js": () => peer("jax_js_dit.ts"),
};

/** Names of all peers. */
export const peerNames: readonly string[] = Object.keys(commands).slice(1);

/** A child process that answers JSON lines. A failure is an answer with `error`, never a throw. */
export class Contestant {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;

  /** @param python interpreter of those that need one */
  constructor(readonly name: string, python: string) {
    const { command, args, env } = commands[name](python);
    const folder = Deno.env.get("XDG_RUNTIME_DIR") ?? "/tmp";
    this.#child = new Deno.Command(command, {
      args,
      cwd: ROOT,
      env: { NO_COLOR: "1", XDG_RUNTIME_DIR: folder, ...env },
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#reader = createInterface({ input: Readable.fromWeb(this.#child.stdout) });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  async ask(request: Request): Promise<Answer> {
    try {
      await this.#input.write(new TextEncoder().encode(JSON.stringify(request) + "\n"));
      const line = await this.#lines.next();
      if (line.done) return { error: `${this.name} ended without an answer` };
      return JSON.parse(line.value) as Answer;
    } catch (error) {
      return { error: `${this.name}: ${error instanceof Error ? error.message : error}` };
    }
  }

  /** Closes the input, which ends a well-behaved process, and ends any other after two seconds. */
  async close(): Promise<void> {
    await this.#input.close().catch(() => {});
    const late = setTimeout(() => {
      try {
        this.#child.kill();
      } catch {
        // Already gone.
      }
    }, 2000);
    await this.#child.status;
    clearTimeout(late);
    this.#reader.close();
  }
}

/** Who takes turns, and what each is asked. */
export interface Turn {
  name: string;
  contestant: Contestant;
  request: Request;
}

/** What a contestant did. */
export interface Result {
  contestant: string;
  /** Milliseconds of every timed execution, in order. */
  samples: number[];
  median?: number;
  best?: number;
  error?: string;
}

/** When rounds end. */
export interface Limits {
  /** Rounds in which everyone has a turn. */
  rounds: number;
  /** Timed executions a turn. */
  repeat: number;
  /** No round begins after so many seconds; the first two always do. */
  seconds?: number;
  /** Without untimed executions: for work of minutes, of which the first ones are as fast. */
  untimed?: false;
}

/** Pause before a turn, in ms: the thread pools of the turn before spin for a while, then sleep. */
const PAUSE = 20;

/**
 * Rounds A, B, A, B ... after one untimed round in which everyone warms up. A turn is a short pause,
 * one untimed execution that wakes the contestant's threads and caches, then `repeat` timed ones.
 */
export async function compete(
  turns: readonly Turn[],
  { rounds, repeat, seconds = Infinity, untimed }: Limits,
): Promise<Result[]> {
  const results: Result[] = turns.map(({ name }) => ({ contestant: name, samples: [] }));
  const start = performance.now();
  const isOver = (round: number) => round > 1 && performance.now() - start > 1000 * seconds;
  const first = untimed === false ? 0 : -1;
  for (let round = first; round < rounds && !isOver(round); round++) {
    for (const [index, { contestant, request }] of turns.entries()) {
      const result = results[index];
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
      for (let turn = first; turn < (round < 0 ? 0 : repeat) && !result.error; turn++) {
        const answer = await contestant.ask(request);
        if (answer.milliseconds === undefined) {
          result.error = answer.error ?? "no time in the answer";
        } else if (turn >= 0) {
          result.samples.push(answer.milliseconds);
        }
      }
    }
  }
  for (const result of results) {
    if (result.error || result.samples.length === 0) continue;
    result.median = median(result.samples);
    result.best = Math.min(...result.samples);
  }
  return results;
}

/** The middle of some numbers. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Peer time over Tessera time, of medians and of best times. */
export function ratios(
  peer: Result,
  tessera: Result | undefined,
): { median?: number; best?: number } {
  if (!tessera?.median || !tessera.best || !peer.median || !peer.best) return {};
  return { median: peer.median / tessera.median, best: peer.best / tessera.best };
}
