/**
 * `tessera bench`: what models cost, and how fast this machine runs them.
 *
 * @module
 */
import { Command } from "commander";
import type { NamedConfig } from "../bench/flops.ts";
import type { Report, ReportFormat } from "../bench/report.ts";
import type { Place, ProductSize, Task, ThroughputRow } from "../bench/throughput.ts";
import type { AttentionOperation } from "../bench/workloads.ts";
import { aspectCommand } from "./bench_aspect.ts";
import { ExitCode, UsageError } from "./errors.ts";
import { define, flag, group, optional, toggle, type Values } from "./flags.ts";
import type { Io } from "./io.ts";
import { modelFlags } from "./options.ts";
import { choice, integer, list, type Parser, text } from "./parsers.ts";
import { versions } from "./version.ts";

/** Builds `tessera bench`. */
export function command(io: Io): Command {
  return new Command("bench")
    .description("Count what models cost and time them on this machine.")
    .addCommand(flopsCommand(io))
    .addCommand(throughputCommand(io))
    .addCommand(attentionCommand(io))
    .addCommand(productCommand(io))
    .addCommand(aspectCommand(io));
}

/** How results are written. */
const reportFlags = group("Output:", {
  output: flag(
    "-o, --output <table|md|csv|json|jsonl>",
    "format of the results",
    choice("table", "md", "csv", "json", "jsonl"),
    "table" as ReportFormat,
  ),
  json: toggle("--json", "the same as -o json: one JSON document on stdout, nothing else there"),
  out: optional("--out <file>", "write the results to a file", text, "stdout"),
});

/** Which models are looked at. */
const modelListFlags = {
  ...group("Model:", {
    model: optional("--model <list>", "models by name, such as DiT-S/8,DiT-B/4", list(text)),
  }),
  ...modelFlags,
};

const count = integer({ min: 1, max: 100_000 });

/** Where and how often is timed. */
const timingFlags = {
  ...group("Device:", {
    device: flag(
      "--device <list>",
      "devices: auto, webgpu, wasm",
      list(choice("auto", "webgpu", "wasm")),
      ["auto"] as readonly Place["device"][],
    ),
    threads: optional(
      "--threads <list>",
      "worker threads of the wasm device",
      list(integer({ min: 1, max: 256 })),
      "one a core",
    ),
    strictMath: toggle("--strict-math", "no relaxed multiply-add on wasm"),
  }),
  ...group("Timing:", {
    repetitions: flag("-r, --repetitions <n>", "timed samples a row", count, 5),
  }),
};

/** Writes a report where the flags say. */
async function writeReport<Row>(
  io: Io,
  report: Report<Row>,
  { output, json, out }: Values<typeof reportFlags>,
): Promise<void> {
  const { renderReport } = await import("../bench/report.ts");
  const rendered = renderReport(report, json ? "json" : output);
  if (out === undefined) io.out(rendered);
  else await Deno.writeTextFile(out, `${rendered}\n`);
}

/** The machine with the version and commit of this tool. */
async function machine() {
  const { describeMachine } = await import("../formats/machine.ts");
  return describeMachine(versions());
}

/** The models that flags ask for; `fallback` where they ask for none. */
async function modelsFromFlags(
  values: Values<typeof modelListFlags>,
  fallback: (names: readonly string[]) => readonly string[],
): Promise<NamedConfig[]> {
  const { configFromFile, configFromFlags } = await import("./model_config.ts");
  const { ditConfigs } = await import("../models/dit.ts");
  const fromFile = values.config === undefined ? [] : [await configFromFile(values.config, values)];
  const names = values.model ??
    (values.config === undefined ? fallback([...ditConfigs.keys()]) : []);
  return [...fromFile, ...names.map((name) => configFromFlags(name, values))];
}

function flopsCommand(io: Io): Command {
  return define({
    name: "flops",
    summary: "parameters, tokens and multiply-adds of models, beside the paper",
    flags: {
      ...modelListFlags,
      ...group("Table:", {
        detail: toggle("--detail", "break the models down into their parts"),
        train: toggle("--train", "the training step too"),
      }),
      ...reportFlags,
    },
    examples: [
      ["tessera bench flops", "every model that has a name"],
      ["tessera bench flops --model DiT-XL/2 --image-size 64", "as for 512-pixel latents"],
      ["tessera bench flops --model DiT-S/4 --detail -o md", "where the multiply-adds go"],
    ],
    run: async ({ values }) => {
      const flops = await import("../bench/flops.ts");
      const models = await modelsFromFlags(values, (names) => names);
      if (values.detail) {
        const pass = values.train ? "train" : "forward";
        const notes = flops.partNotes(pass);
        const rows = models.flatMap((model) => flops.countParts(model, pass));
        const columns = flops.partColumns;
        await writeReport(io, { machine: await machine(), columns, rows, notes }, values);
        return;
      }
      const rows = models.map((model) => ({
        ...flops.countFlops(model),
        ...(values.train ? { trainMacs: flops.countTraining(model) } : {}),
      }));
      const columns = flops.flopsColumns(values.train);
      const notes = flops.flopsNotes;
      await writeReport(io, { machine: await machine(), columns, rows, notes }, values);
    },
  });
}

function throughputCommand(io: Io): Command {
  return define({
    name: "throughput",
    summary: "time forward passes and training steps",
    flags: {
      ...modelListFlags,
      ...group("Work:", {
        ops: flag(
          "--ops <list>",
          "forward, train (as tessera train), train-plain (squared error and AdamW only)",
          list(choice("forward", "train", "train-plain")),
          ["forward", "train"] as readonly ("forward" | "train" | "train-plain")[],
        ),
        batch: flag("--batch <list>", "pictures an execution", list(count), [8]),
        dtype: flag(
          "--dtype <list>",
          "how weights are stored: f32, or f16 for a forward pass in half the memory",
          list(choice("f32", "f16")),
          ["f32"] as readonly ("f32" | "f16")[],
        ),
      }),
      ...timingFlags,
      ...reportFlags,
      ...group("Peers:", {
        serve: toggle("--serve", "answer JSON requests on stdin, for bench/peers/compare.ts"),
      }),
    },
    examples: [
      ["tessera bench throughput", "DiT-S/8, forward and training step"],
      [
        "tessera bench throughput --model DiT-S/8,DiT-S/4 --batch 1,8 --device wasm,webgpu -o md",
        "every combination, as a table to paste",
      ],
      [
        "tessera bench throughput --ops forward --dtype f32,f16",
        "weights in single and in half precision",
      ],
    ],
    run: async ({ values }) => {
      if (values.serve) return await serveRequests(io);
      if (values.dtype.includes("f16") && values.ops.some((op) => op !== "forward")) {
        throw new UsageError("--dtype f16 is for --ops forward: training is in f32 only");
      }
      const { ditTasks } = await import("../bench/throughput.ts");
      const models = await modelsFromFlags(values, () => ["DiT-S/8"]);
      const tasks = ditTasks(values.ops, models, values.batch, placesOf(values), values.dtype);
      await runSweep(io, tasks, values, "model");
    },
  });
}

function attentionCommand(io: Io): Command {
  return define({
    name: "attention",
    summary: "time attention in packed sequences of images",
    flags: {
      ...group("Work:", {
        ops: flag(
          "--ops <list>",
          "forward, gradient (with the forward pass that it needs)",
          list(choice("forward", "gradient")),
          ["forward", "gradient"] as readonly AttentionOperation[],
        ),
        tokens: flag("--tokens <list>", "tokens of the sequence", list(count), [1024]),
        images: flag(
          "--images <list>",
          "equal images that the sequence is divided into; 1 is full attention",
          list(count),
          [1, 16],
        ),
        heads: flag("--heads <n>", "heads", count, 6),
        width: flag("--width <n>", "width of a head", count, 64),
      }),
      ...timingFlags,
      ...reportFlags,
    },
    examples: [
      ["tessera bench attention --tokens 256,1024 --images 1,4", "full and packed attention"],
    ],
    run: async ({ values }) => {
      const { attentionTasks } = await import("../bench/throughput.ts");
      const sizes = values.tokens.flatMap((tokens) =>
        values.images.map((images) => ({ ...values, tokens, images }))
      );
      const empty = sizes.find(({ tokens, images }) => images > tokens);
      if (empty) {
        throw new UsageError(
          `--images ${empty.images}: ${empty.tokens} tokens are at most ${empty.tokens} images`,
        );
      }
      const tasks = attentionTasks(values.ops, sizes, placesOf(values));
      await runSweep(io, tasks, values, "tokens / images, heads x width");
    },
  });
}

/** `512`, or `1024x384x384` for m, n and k. */
const productSize: Parser<ProductSize> = (value, name) => {
  const sizes = value.split("x").map((part) => integer({ min: 1, max: 65536 })(part, name));
  if (sizes.length !== 1 && sizes.length !== 3) {
    throw new UsageError(`${name} ${value}: give one side, or m, n and k as 512x384x64`);
  }
  return sizes.length === 1 ? [sizes[0], sizes[0], sizes[0]] : [sizes[0], sizes[1], sizes[2]];
};

function productCommand(io: Io): Command {
  return define({
    name: "product",
    summary: "time matrix products",
    flags: {
      ...group("Work:", {
        size: flag(
          "--size <list>",
          "sides, or m x n x k such as 128x1536x384",
          list(productSize),
          [[512, 512, 512]] as readonly ProductSize[],
          "512",
        ),
      }),
      ...timingFlags,
      ...reportFlags,
    },
    examples: [["tessera bench product --size 512 --device wasm,webgpu", "on both devices"]],
    run: async ({ values }) => {
      const { productTasks } = await import("../bench/throughput.ts");
      await runSweep(io, productTasks(values.size, placesOf(values)), values, "m x n x k");
    },
  });
}

/** Every device with every number of threads that matters to it. */
function placesOf({ device, threads, strictMath }: TimingValues): Place[] {
  return device.flatMap((name): Place[] =>
    name === "webgpu" || threads === undefined
      ? [{ device: name, strictMath }]
      : threads.map((count) => ({ device: name, threads: count, strictMath }))
  );
}

type TimingValues = Values<typeof timingFlags>;

/** Measures row by row, reports, and fails when a row has failed. */
async function runSweep(
  io: Io,
  tasks: readonly Task[],
  values: TimingValues & Values<typeof reportFlags>,
  subject: string,
): Promise<void> {
  const throughput = await import("../bench/throughput.ts");
  const rows: ThroughputRow[] = [];
  for (const [index, task] of tasks.entries()) {
    const batch = task.batch === undefined ? "" : `, batch ${task.batch}`;
    const what = `${task.operation} ${task.subject}${batch}, ${task.dtype}, ${task.place.device}`;
    if (io.live) io.err(`${index + 1}/${tasks.length} ${what} ...\n`);
    rows.push(await throughput.measureTask(task, values.repetitions));
  }
  const columns = throughput.throughputColumns(subject, rows);
  const notes = [...throughput.throughputNotes, ...throughput.deviceNotes(rows)];
  await writeReport(io, { machine: await machine(), columns, rows, notes }, values);
  const failed = rows.filter((row) => !throughput.isMeasured(row));
  if (failed.length > 0) {
    throw new RowsFailed(`${failed.length} of ${rows.length} rows failed: ${failed[0].status}`);
  }
}

/** Rows without numbers: the report is complete, but the exit code tells. */
class RowsFailed extends Error {
  override readonly name = "RowsFailed";
  readonly exitCode = ExitCode.failure;
}

async function serveRequests(io: Io): Promise<void> {
  const { createInterface } = await import("node:readline");
  const { default: process } = await import("node:process");
  const { serve } = await import("../bench/serve.ts");
  await serve(createInterface({ input: process.stdin }), (answer) => io.out(answer), versions());
}
