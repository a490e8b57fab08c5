/**
 * `tessera bench`: what models cost, and how fast this machine runs them.
 *
 * @module
 */
import { Command } from "commander";
import type { AttentionOperation, AttentionSize } from "../../bench/workloads/attention.ts";
import {
  type Layer,
  type LayerPass,
  layerPasses,
  parseLayer,
  usualLayers,
} from "../../bench/layers.ts";
import type { Subject } from "../../bench/subjects.ts";
import type { ProductSize, Task } from "../../bench/throughput.ts";
import { aspectCommand } from "./aspect.ts";
import { conditioningCommand } from "./conditioning.ts";
import { packingCommand } from "./packing.ts";
import {
  count,
  machine,
  placesOf,
  reportFlags,
  runSweep,
  timingFlags,
  type TimingValues,
  writeReport,
} from "./sweep.ts";
import { samplersCommand } from "./samplers.ts";
import { windowsCommand } from "./windows.ts";
import { UsageError } from "../terminal/errors.ts";
import { alias, define, flag, group, optional, toggle, type Values } from "../flags/flags.ts";
import { profileFlags } from "../flags/options.ts";
import type { Io } from "../terminal/io.ts";
import { anyModelFlags } from "../families/registry.ts";
import { choice, integer, list, type Parser, text } from "../flags/parsers.ts";
import { versions } from "../terminal/version.ts";

/** Builds `tessera bench`. */
export function command(io: Io): Command {
  return new Command("bench")
    .description("Count what models cost and time them on this machine.")
    .addCommand(flopsCommand(io))
    .addCommand(throughputCommand(io))
    .addCommand(packingCommand(io))
    .addCommand(attentionCommand(io))
    .addCommand(convolutionCommand(io))
    .addCommand(productCommand(io))
    .addCommand(windowsCommand(io))
    .addCommand(aspectCommand(io))
    .addCommand(conditioningCommand(io))
    .addCommand(samplersCommand(io));
}

/** Which models are looked at. */
const modelListFlags = {
  ...group("Model:", {
    model: optional("--model <list>", "models by name, such as DiT-S/8,NaViT-B/16", list(text)),
    tokens: optional(
      "--tokens <list>",
      "patches of a picture, for models of any size; or give --image-size",
      list(integer({ min: 1, max: 65536 })),
    ),
  }),
  ...anyModelFlags(),
};

/**
 * The models that flags ask for.
 *
 * @param fallback names where they ask for none
 * @param tokens of a sample where they do not tell
 */
async function subjectsFromFlags(
  values: Values<typeof modelListFlags>,
  fallback: readonly string[],
  tokens?: readonly number[],
): Promise<Subject[]> {
  const { configFromFile, configFromFlags, subjectsOf } = await import("../families/subjects.ts");
  const fromFile = values.config === undefined ? [] : [await configFromFile(values.config, values)];
  const names = values.model ?? (values.config === undefined ? fallback : []);
  return [...fromFile, ...names.map((name) => configFromFlags(name, values))]
    .flatMap((model) => subjectsOf(model, values, tokens));
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
      ["tessera bench flops --model NaViT-B/16 --tokens 64,256", "pictures of 64 and 256 patches"],
      ["tessera bench flops --model DiT-XL/2 --image-size 64", "as for 512-pixel latents"],
      ["tessera bench flops --model DiT-S/4 --detail --format md", "where the multiply-adds go"],
    ],
    run: async ({ values }) => {
      const flops = await import("../../bench/flops.ts");
      const names = await modelNames(values.tokens !== undefined, values.train);
      const models = await subjectsFromFlags(values, names, [64, 256, 1024]);
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
      const columns = flops.flopsColumns(rows, values.train);
      const notes = flops.flopsNotes(rows);
      await writeReport(io, { machine: await machine(), columns, rows, notes }, values);
    },
  });
}

/** Names of all models, or of those that take any number of tokens, or that are trained here. */
async function modelNames(anySize: boolean, trained: boolean): Promise<string[]> {
  const { familyOf, modelConfigs } = await import("../../models/registry.ts");
  return [...modelConfigs()].filter(([, config]) => {
    const { sample, trainingWorkload } = familyOf(config);
    return (!anySize || sample(config, {}) === undefined) && (!trained || trainingWorkload);
  }).map(([name]) => name);
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
        batchSize: alias(
          flag(
            "--batch-size <list>",
            "pictures an execution; NaViT has one a sequence",
            list(count),
            [8],
          ),
          "--batch",
        ),
        dtype: flag(
          "--dtype <list>",
          "how weights are stored: f32, or f16 for a forward pass in half the memory",
          list(choice("f32", "f16")),
          ["f32"] as readonly ("f32" | "f16")[],
        ),
      }),
      ...timingFlags,
      ...profileFlags,
      ...reportFlags,
      ...group("Peers:", {
        serve: toggle("--serve", "answer JSON requests on stdin, for bench/peers/compare.ts"),
      }),
    },
    examples: [
      ["tessera bench throughput", "DiT-S/8, forward and training step"],
      [
        "tessera bench throughput --model NaViT-XS/8 --tokens 64,256",
        "sequences of 64 and of 256 tokens",
      ],
      [
        "tessera bench throughput --model DiT-S/8,DiT-S/4 --batch-size 1,8 --device wasm,webgpu --format md",
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
      const { modelTasks } = await import("../../bench/throughput.ts");
      const models = await subjectsFromFlags(values, ["DiT-S/8"]);
      const places = await placesOf(values);
      const tasks = modelTasks(values.ops, models, values.batchSize, places, values.dtype);
      await runTasks(io, tasks, values, "model");
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
        windows: optional(
          "--windows <list>",
          "instead of these: windows of so many places, without and with relative biases",
          list(windowSides),
        ),
        heads: flag("--heads <n>", "heads", count, 6),
        width: flag("--width <n>", "width of a head", count, 64),
      }),
      ...timingFlags,
      ...profileFlags,
      ...reportFlags,
    },
    examples: [
      ["tessera bench attention --tokens 256,1024 --images 1,4", "full and packed attention"],
      ["tessera bench attention --windows 1x16x16,5x8x8", "what relative biases cost"],
    ],
    run: async ({ values }) => {
      const { attentionTasks } = await import("../../bench/throughput.ts");
      const sizes = attentionSizes(values);
      const empty = sizes.find(({ tokens, images }) => images > tokens);
      if (empty) {
        throw new UsageError(
          `--images ${empty.images}: ${empty.tokens} tokens are at most ${empty.tokens} images`,
        );
      }
      const tasks = attentionTasks(values.ops, sizes, await placesOf(values));
      await runTasks(io, tasks, values, "tokens / images, heads x width");
    },
  });
}

/** What lists of tokens and images, or of windows, ask for. */
function attentionSizes(
  { tokens, images, windows, heads, width }: {
    readonly tokens: readonly number[];
    readonly images: readonly number[];
    readonly windows?: readonly (readonly number[])[];
    readonly heads: number;
    readonly width: number;
  },
): AttentionSize[] {
  if (!windows) {
    return tokens.flatMap((count) =>
      images.map((parts) => ({ tokens: count, images: parts, heads, width }))
    );
  }
  return windows.flatMap((window) => {
    const whole = { tokens: window.reduce((count, side) => count * side), images: 1, heads, width };
    return [whole, { ...whole, window }];
  });
}

/** Sides of a window such as `16x16` or `5x8x8`. */
const windowSides: Parser<readonly number[]> = (value, name) => {
  const sides = value.split("x").map((part) => integer({ min: 1, max: 65536 })(part, name));
  if (sides.length <= 3) return sides;
  throw new UsageError(`${name} ${value}: give one to three sides, such as 16x16 or 5x8x8`);
};

/** `512`, or `1024x384x384` for m, n and k. */
const productSize: Parser<ProductSize> = (value, name) => {
  const sizes = value.split("x").map((part) => integer({ min: 1, max: 65536 })(part, name));
  if (sizes.length !== 1 && sizes.length !== 3) {
    throw new UsageError(`${name} ${value}: give one side, or m, n and k as 512x384x64`);
  }
  return sizes.length === 1 ? [sizes[0], sizes[0], sizes[0]] : [sizes[0], sizes[1], sizes[2]];
};

function convolutionCommand(io: Io): Command {
  return define({
    name: "convolution",
    summary: "time convolutions and group norms as autoencoders have them",
    flags: {
      ...group("Work:", {
        ops: flag(
          "--ops <list>",
          "forward, gradient (of input and weight; of a group norm with the forward pass)",
          list(choice(...layerPasses)),
          layerPasses as readonly LayerPass[],
        ),
        layers: flag(
          "--layers <list>",
          "KERNEL:INPUTS-OUTPUTS@SIZES, causal along time; KERNEL may be norm or norm-silu",
          list(layer),
          usualLayers.map((name) => parseLayer(name)!) as readonly Layer[],
          usualLayers.join(),
        ),
      }),
      ...timingFlags,
      ...profileFlags,
      ...reportFlags,
    },
    examples: [
      ["tessera bench convolution --layers 3x3:128-128@256x256,norm:128-128@256x256", "two layers"],
    ],
    run: async ({ values }) => {
      const { layerTasks } = await import("../../bench/throughput.ts");
      const tasks = layerTasks(values.ops, values.layers, await placesOf(values));
      await runTasks(io, tasks, values, "layer");
    },
  });
}

/** A layer as `--layers` names it. */
const layer: Parser<Layer> = (value, name) => {
  const parsed = parseLayer(value);
  if (parsed) return parsed;
  throw new UsageError(
    `${name} ${value}: give KERNEL:INPUTS-OUTPUTS@SIZES, such as 3x3:128-128@64x64, ` +
      "3x3x3:64-64@9x32x32 or, in 32 groups, norm:256-256@32x32",
  );
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
      ...profileFlags,
      ...reportFlags,
    },
    examples: [["tessera bench product --size 512 --device wasm,webgpu", "on both devices"]],
    run: async ({ values }) => {
      const { productTasks } = await import("../../bench/throughput.ts");
      await runTasks(io, productTasks(values.size, await placesOf(values)), values, "m x n x k");
    },
  });
}

/** Measures throughput row by row; `subject` is the title of the column of subjects. */
async function runTasks(
  io: Io,
  tasks: readonly Task[],
  values: TimingValues & Values<typeof reportFlags> & Values<typeof profileFlags>,
  subject: string,
): Promise<void> {
  const { measureTask, throughputColumns, throughputNotes } = await import(
    "../../bench/throughput.ts"
  );
  const { RowProfiles } = await import("../terminal/profiling.ts");
  const profiles = values.profile === undefined ? undefined : new RowProfiles();
  const describe = ({ operation, subject, batch, dtype, place }: Task): string => {
    const pictures = batch === undefined ? "" : `, batch ${batch}`;
    return `${operation} ${subject}${pictures}, ${dtype}, ${place.device}`;
  };
  await runSweep(io, {
    total: tasks.length,
    tasks,
    describe,
    measure: (task, repetitions) =>
      measureTask(
        task,
        repetitions,
        profiles &&
          ((device, { run }) => profiles.record(describe(task), device, run, repetitions)),
      ),
    report: (rows) => ({ columns: throughputColumns(subject, rows), notes: throughputNotes }),
  }, values);
  if (values.profile !== undefined) await profiles?.report(io, values.profile);
}

async function serveRequests(io: Io): Promise<void> {
  const { createInterface } = await import("node:readline");
  const { default: process } = await import("node:process");
  const { serve } = await import("../../bench/runner/serve.ts");
  await serve(createInterface({ input: process.stdin }), (answer) => io.out(answer), versions());
}
