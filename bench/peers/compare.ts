/**
 * Times Tessera beside other frameworks on this machine: all processes stay alive and take turns,
 * round by round, so that a slow moment of the machine hits every one of them.
 *
 *     deno run -A bench/peers/compare.ts --models DiT-S/8,DiT-S/4 --batch-size 8
 *
 * A contestant is a child process that reads one JSON request a line and answers with one JSON line;
 * README.md beside this file describes the protocol. Prints a Markdown table, or JSON with `--json`.
 *
 * @module
 */

import { createInterface, type Interface } from "node:readline";
import { Readable } from "node:stream";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { layerPasses, usualLayers } from "../layers.ts";
import { fastFlags } from "../../tools/v8_flags.ts";

const HELP = `Times Tessera beside other frameworks, taking turns round by round.

  deno run -A bench/peers/compare.ts [options]

  --models A,B    DiT models (default DiT-S/8)
  --ops A,B       forward, train, product, layer (default forward,train)
  --batch-size N  images per execution (default 8)
  --size N        side of the square matrices of "product" (default 512)
  --layers A,B    layers of "layer", as bench convolution names them (default its own)
  --rounds N      rounds in which everyone has a turn (default 5)
  --repeat N      timed executions a turn (default 3)
  --device D      wasm or webgpu, for Tessera and jax-js (default wasm)
  --threads N     CPU threads (default: all ${navigator.hardwareConcurrency})
  --peers A,B     pytorch, pytorch-channels-last, jax-js (default pytorch)
  --no-tessera    time the peers only
  --python P      Python interpreter (default python3)
  --json          one JSON document with every sample
  --help          this text

Ratios are peer time / Tessera time: above 1, Tessera is faster.`;

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PERMISSIONS = ["read", "write", "env", "sys", "ffi"].map((name) => `--allow-${name}`);

// ---------------------------------------------------------------------------------------------
// Contestants
// ---------------------------------------------------------------------------------------------

interface Answer {
  milliseconds?: number;
  bytes?: number;
  name?: string;
  version?: string;
  detail?: string;
  error?: string;
}

/** A child process that answers JSON lines. A failure is an answer with `error`, never a throw. */
class Contestant {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;

  constructor(readonly name: string, command: string, args: string[]) {
    const env: Record<string, string> = { NO_COLOR: "1" };
    if (!Deno.env.has("XDG_RUNTIME_DIR")) env.XDG_RUNTIME_DIR = "/tmp";
    this.#child = new Deno.Command(command, {
      args,
      cwd: ROOT,
      env,
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#reader = createInterface({ input: Readable.fromWeb(this.#child.stdout) });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  async ask(request: Record<string, unknown>): Promise<Answer> {
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

function start(name: string, python: string): Contestant {
  switch (name) {
    case "tessera":
      return new Contestant(name, Deno.execPath(), [
        "run",
        "--no-prompt",
        `--v8-flags=${fastFlags}`, // as its users start it
        ...PERMISSIONS,
        "cli/main.ts",
        "bench",
        "throughput",
        "--serve",
      ]);
    case "pytorch":
      return new Contestant(name, python, ["bench/peers/pytorch_dit.py"]);
    case "pytorch-channels-last":
      return new Contestant(name, python, ["bench/peers/pytorch_dit.py", "--channels-last"]);
    case "jax-js":
      return new Contestant(name, Deno.execPath(), [
        "run",
        "--no-prompt",
        "--no-lock", // a peer never enters the project's lock file
        ...PERMISSIONS,
        "--allow-import",
        "bench/peers/jax_js_dit.ts",
      ]);
    default:
      throw new Error(`unknown peer ${name}: pytorch, pytorch-channels-last or jax-js`);
  }
}

// ---------------------------------------------------------------------------------------------
// Rounds
// ---------------------------------------------------------------------------------------------

interface Result {
  /** What was run, for example `DiT-S/8 forward`. */
  row: string;
  contestant: string;
  /** Milliseconds of every timed execution, in order. */
  samples: number[];
  median?: number;
  best?: number;
  error?: string;
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** A row of the report and the request that is sent for it. */
interface Run {
  row: string;
  request: Record<string, unknown>;
}

/** Pause before a turn, in ms: the thread pools of the turn before spin for a while, then sleep. */
const PAUSE = 20;

/**
 * Rounds A, B, A, B ... after one untimed round in which everyone warms up. A turn is a short pause,
 * one untimed execution that wakes the contestant's threads and caches, then `repeat` timed ones.
 */
async function compete(
  contestants: Contestant[],
  { row, request }: Run,
  rounds: number,
  repeat: number,
): Promise<Result[]> {
  const results: Result[] = contestants.map(({ name }) => ({ row, contestant: name, samples: [] }));
  for (let round = -1; round < rounds; round++) {
    for (const [index, contestant] of contestants.entries()) {
      const result = results[index];
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
      for (let turn = -1; turn < (round < 0 ? 0 : repeat) && !result.error; turn++) {
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

// ---------------------------------------------------------------------------------------------
// Report
// ---------------------------------------------------------------------------------------------

/** Peer time over Tessera time, of medians and of best times. */
function ratios(peer: Result, tessera: Result | undefined): { median?: number; best?: number } {
  if (!tessera?.median || !tessera.best || !peer.median || !peer.best) return {};
  return { median: peer.median / tessera.median, best: peer.best / tessera.best };
}

function markdown(results: Result[]): string {
  const number = (value: number | undefined, digits: number) => value?.toFixed(digits) ?? "-";
  const lines = [
    "| run | contestant | median ms | best ms | ratio of medians | ratio of bests |",
    "| --- | --- | ---: | ---: | ---: | ---: |",
  ];
  const notes: string[] = [];
  for (const result of results) {
    const own = results.find((r) => r.row === result.row && r.contestant === "tessera");
    const ratio = result === own ? {} : ratios(result, own);
    const cells = [
      result.row,
      result.contestant,
      number(result.median, 2),
      number(result.best, 2),
      number(ratio.median, 2),
      number(ratio.best, 2),
    ];
    lines.push(`| ${cells.join(" | ")} |`);
    if (result.error) notes.push(`${result.row}, ${result.contestant}: ${result.error}`);
  }
  return [...lines, ...(notes.length ? ["", ...notes] : [])].join("\n");
}

// ---------------------------------------------------------------------------------------------

class UsageError extends Error {}

function positive(value: string, option: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1) {
    throw new UsageError(`${option} must be a positive whole number, not ${value}`);
  }
  return number;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      models: { type: "string", default: "DiT-S/8" },
      ops: { type: "string", default: "forward,train" },
      "batch-size": { type: "string", default: "8" },
      size: { type: "string", default: "512" },
      layers: { type: "string", default: usualLayers.join() },
      rounds: { type: "string", default: "5" },
      repeat: { type: "string", default: "3" },
      device: { type: "string", default: "wasm" },
      threads: { type: "string", default: String(navigator.hardwareConcurrency) },
      peers: { type: "string", default: "pytorch" },
      "no-tessera": { type: "boolean", default: false },
      python: { type: "string", default: "python3" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const batch = positive(values["batch-size"], "--batch-size");
  const size = positive(values.size, "--size");
  const rounds = positive(values.rounds, "--rounds");
  const repeat = positive(values.repeat, "--repeat");
  const threads = positive(values.threads, "--threads");
  const models = values.models.split(",");
  const ops = values.ops.split(",");
  const names = [...(values["no-tessera"] ? [] : ["tessera"]), ...values.peers.split(",")];
  for (const op of ops) {
    if (!["forward", "train", "product", "layer"].includes(op)) {
      throw new UsageError(`--ops: unknown op ${op}: forward, train, product or layer`);
    }
  }
  for (const name of names) {
    if (!["tessera", "pytorch", "pytorch-channels-last", "jax-js"].includes(name)) {
      throw new UsageError(
        `--peers: unknown peer ${name}: pytorch, pytorch-channels-last or jax-js`,
      );
    }
  }

  const common = { device: values.device, threads };
  const runs: Run[] = ops.flatMap((op): Run[] =>
    op === "product"
      ? [{ row: `product ${size}`, request: { op, size, ...common } }]
      : op === "layer"
      ? values.layers.split(",").flatMap((layer) =>
        layerPasses.map((pass) => ({
          row: `${layer} ${pass}`,
          request: { op, layer, pass, ...common },
        }))
      )
      : models.map((model) => ({
        row: `${model} ${op}, batch ${batch}`,
        request: { op, model, batch, ...common },
      }))
  );

  const contestants = names.map((name) => start(name, values.python));
  const results: Result[] = [];
  const about: Array<Answer & { contestant: string }> = [];
  try {
    for (const contestant of contestants) {
      about.push({ contestant: contestant.name, ...await contestant.ask({ op: "info" }) });
    }
    for (const run of runs) {
      if (!values.json) console.error(`${run.row} ...`);
      results.push(...await compete(contestants, run, rounds, repeat));
    }
    for (const [index, contestant] of contestants.entries()) {
      about[index].bytes = (await contestant.ask({ op: "memory" })).bytes;
    }
  } finally {
    await Promise.all(contestants.map((contestant) => contestant.close()));
  }

  const machine = {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: navigator.hardwareConcurrency,
    os: `${Deno.build.os} ${Deno.build.arch}`,
    deno: Deno.version.deno,
    v8: Deno.version.v8,
  };
  if (values.json) {
    const rows = results.map((result) => ({
      ...result,
      ratio: ratios(
        result,
        results.find((r) => r.row === result.row && r.contestant === "tessera"),
      ),
    }));
    console.log(
      JSON.stringify({ machine, ...common, rounds, repeat, about, results: rows }, null, 1),
    );
  } else {
    console.log(`${machine.cpu}, ${machine.cores} cores, ${machine.os}; ${threads} threads`);
    for (const entry of about) {
      const version = [entry.name ?? entry.contestant, entry.version, entry.detail].filter(Boolean);
      const peak = entry.bytes ? `, peak memory ${(entry.bytes / 2 ** 20).toFixed(0)} MiB` : "";
      console.log(`${entry.contestant}: ${version.join(" ")}${peak}`);
    }
    console.log(
      `Deno ${machine.deno}, V8 ${machine.v8}; device ${values.device}, ${rounds} rounds of ${repeat}\n`,
    );
    console.log(markdown(results));
  }
  return results.some((result) => result.error) ? 1 : 0;
}

if (import.meta.main) {
  try {
    Deno.exit(await main());
  } catch (error) {
    const usage = error instanceof UsageError || error instanceof TypeError;
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(usage ? 2 : 1);
  }
}
