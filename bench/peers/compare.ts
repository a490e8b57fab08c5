/**
 * Times Tessera beside other frameworks on this machine: all processes stay alive and take turns,
 * round by round, so that a slow moment of the machine hits every one of them.
 *
 *     deno run -A bench/peers/compare.ts --models DiT-S/8,DiT-S/4 --batch-size 8
 *
 * Prints a Markdown table, or JSON with `--json`.
 *
 * @module
 */

import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { layerPasses, usualLayers } from "../layers.ts";
import {
  type Answer,
  compete,
  Contestant,
  peerNames,
  ratios,
  type Request,
  type Result,
} from "./contestants.ts";

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
  --peers A,B     ${peerNames.join(", ")} (default pytorch)
  --no-tessera    time the peers only
  --python P      Python interpreter (default python3)
  --json          one JSON document with every sample
  --help          this text

Ratios are peer time / Tessera time: above 1, Tessera is faster.`;

/** A row of the report and the request that is sent for it. */
interface Run {
  row: string;
  request: Request;
}

/** What a contestant did in a row. */
type RowResult = Result & { row: string };

// ---------------------------------------------------------------------------------------------
// Report
// ---------------------------------------------------------------------------------------------

function markdown(results: RowResult[]): string {
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
    if (name !== "tessera" && !peerNames.includes(name)) {
      throw new UsageError(`--peers: unknown peer ${name}: ${peerNames.join(", ")}`);
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

  const contestants = names.map((name) => new Contestant(name, values.python));
  const results: RowResult[] = [];
  const about: Array<Answer & { contestant: string }> = [];
  try {
    for (const contestant of contestants) {
      about.push({ contestant: contestant.name, ...await contestant.ask({ op: "info" }) });
    }
    for (const { row, request } of runs) {
      if (!values.json) console.error(`${row} ...`);
      const turns = contestants.map((contestant) => ({
        name: contestant.name,
        contestant,
        request,
      }));
      const raced = await compete(turns, { rounds, repeat });
      results.push(...raced.map((result) => ({ row, ...result })));
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
