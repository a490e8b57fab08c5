/**
 * `tessera info`: what this machine offers, and what models, checkpoints and pictures are.
 *
 * @module
 */
import { Command } from "commander";
import type { Subject } from "../../bench/subjects.ts";
import type { ClipSize } from "../../models/codec.ts";
import { clipsCommand } from "./clips/info_clips.ts";
import { closest, UsageError } from "../terminal/errors.ts";
import { checkpointPlace } from "../flags/checkpoint_place.ts";
import { define, group, optional, toggle, type Values } from "../flags/flags.ts";
import type { Io } from "../terminal/io.ts";
import { anyModelFlags } from "../families/registry.ts";
import { jsonFlags } from "../flags/options.ts";
import type { NamedModel } from "../families/subjects.ts";
import { integer } from "../flags/parsers.ts";
import { describeVersions, versions } from "../terminal/version.ts";

/** Builds `tessera info`. */
export function command(io: Io): Command {
  const info = new Command("info")
    .description("Show what this machine offers, or what a model, checkpoint, picture or clip is.")
    .usage("[options] <command|picture|clip|checkpoint>");
  return info
    .addCommand(devicesCommand(io))
    .addCommand(versionCommand(io))
    .addCommand(modelCommand(io))
    .addCommand(checkpointCommand(io))
    .addCommand(clipsCommand(io))
    .addCommand(pathCommand(io, info), { isDefault: true, hidden: true });
}

const checkpointFlags = {
  ...group("Check:", {
    verify: toggle("--verify", "read a checkpoint to the last byte and compare its checksums"),
  }),
  ...jsonFlags,
};

/** `value` as JSON, indented. */
const json = (value: unknown): string => JSON.stringify(value, null, 2);

function versionCommand(io: Io): Command {
  return define({
    name: "version",
    summary: "versions of Tessera, Deno, V8 and TypeScript",
    flags: jsonFlags,
    examples: [["tessera info version --json", "for bug reports and benchmark tables"]],
    run: ({ values }) => {
      io.out(values.json ? json(versions()) : describeVersions(versions()));
    },
  });
}

function devicesCommand(io: Io): Command {
  return define({
    name: "devices",
    summary: "WebGPU adapters with limits and features, and the CPU",
    flags: jsonFlags,
    examples: [
      ["tessera info devices", "which GPU would be used, and what WebAssembly can do here"],
      ["tessera info devices --json", "the same with every limit of every adapter"],
    ],
    run: async ({ values }) => {
      const { describeDevices, deviceFacts, findDevices } = await import("./devices.ts");
      const reports = await findDevices();
      io.out(values.json ? json(deviceFacts(reports)) : describeDevices(reports));
    },
  });
}

function modelCommand(io: Io): Command {
  return define({
    name: "model",
    summary: "parameters, multiply-adds and tokens of a model, or of all",
    operands: "[name]",
    flags: {
      ...anyModelFlags(),
      ...group("Model:", {
        tokens: optional(
          "--tokens <n>",
          "patches of the picture, for models of any size; or give --image-size",
          integer({ min: 1, max: 65536 }),
          "those of 224 x 224 pixels",
        ),
      }),
      ...jsonFlags,
    },
    examples: [
      ["tessera info model", "every model that has a name"],
      ["tessera info model DiT-XL/2", "a published model, on latents of 256-pixel pictures"],
      ["tessera info model NaViT-B/16 --tokens 256", "on a picture of 256 patches"],
      ["tessera info model DiT-S/2 --image-size 28 --channels 1 --json", "one of your own"],
      ["tessera info model --config model.json", "one that a file describes"],
    ],
    run: async ({ values }, [name]) => {
      if (name !== undefined && values.config !== undefined) {
        throw new UsageError(
          "info model takes a name, such as DiT-S/4, or --config FILE, not both",
        );
      }
      const { allConfigsFromFlags, configFromFile, configFromFlags, subjectsOf } = await import(
        "../families/subjects.ts"
      );
      const asked = values.tokens === undefined ? undefined : [values.tokens];
      const subject = (named: NamedModel): Subject =>
        subjectsOf(named, { ...values, tokens: asked })[0];
      if (name === undefined && values.config === undefined) {
        const named = allConfigsFromFlags(values);
        const models = await Promise.all(named.map((each) => reportModel(subject(each))));
        io.out(values.json ? json({ models }) : await describeModels(models));
        return;
      }
      const report = await reportModel(subject(
        name === undefined
          ? await configFromFile(values.config!, values)
          : configFromFlags(name, values),
      ));
      io.out(values.json ? json(report) : await describeModel(report));
    },
  });
}

/** What `info model` reports: one forward pass of one picture or clip. */
interface ModelReport {
  readonly model: string;
  readonly parameters: number;
  readonly trainableParameters: number;
  readonly macs: number;
  readonly flops: number;
  readonly tokens: number;
  readonly clip?: ClipSize;
  readonly config: object;
}

async function reportModel(subject: Subject): Promise<ModelReport> {
  const { countFlops } = await import("../../bench/flops.ts");
  const { model, parameters, trainableParameters, macs, flops, tokens, clip, config } = countFlops(
    subject,
  );
  return {
    ...{ model, parameters, trainableParameters, macs, flops, tokens },
    ...(clip && { clip }),
    config,
  };
}

/** A table of models. */
async function describeModels(reports: readonly ModelReport[]): Promise<string> {
  const { formatCount } = await import("../terminal/numbers.ts");
  const rows = [
    ["model", "parameters", "tokens", "multiply-adds"],
    ...reports.map(({ model, parameters, tokens, macs }) => [
      model,
      ...[parameters, tokens, macs].map(formatCount),
    ]),
  ];
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map(([model, ...counts]) =>
    [
      model.padEnd(widths[0]),
      ...counts.map((count, index) => count.padStart(widths[index + 1])),
    ].join("  ")
  ).join("\n");
}

async function describeModel(report: ModelReport): Promise<string> {
  const { formatCount } = await import("../terminal/numbers.ts");
  const { model, parameters, trainableParameters, macs, flops, tokens, clip, config } = report;
  const sample = clip ? `clip of ${clip.frames} x ${clip.height} x ${clip.width}` : "sample";
  const parts = clip ? "convolutions and products" : "products and attention";
  return [
    `model          ${model}`,
    `parameters     ${formatCount(parameters)} (${formatCount(trainableParameters)} trained)`,
    `tokens         ${formatCount(tokens)}`,
    `multiply-adds  ${formatCount(macs)} a ${sample}, forward (${parts})`,
    `FLOPs          ${formatCount(flops)} (2 x multiply-adds)`,
    `config         ${JSON.stringify(config)}`,
  ].join("\n");
}

function checkpointCommand(io: Io): Command {
  return define({
    name: "checkpoint",
    summary: "step, config, classes and tensors of a checkpoint",
    description: "Step, config, classes and tensors of a run folder, checkpoint, safetensors " +
      "file or shipped:NAME. Reads, and checks, headers only; --verify reads everything.",
    operands: "<path>",
    flags: checkpointFlags,
    examples: [
      ["tessera info checkpoint results/000-DiT-S-4", "the newest one of a run"],
      ["tessera info checkpoint results/000-DiT-S-4 --verify", "is it still what was written?"],
    ],
    run: async ({ values }, [path]) =>
      await showCheckpoint(io, checkpointPlace(path, "info checkpoint"), values),
  });
}

async function showCheckpoint(
  io: Io,
  path: string,
  { json: asJson, verify }: Values<typeof checkpointFlags>,
): Promise<void> {
  const { describeCheckpoint, inspectCheckpoint } = await import("./info_files.ts");
  const report = await inspectCheckpoint(path, { verify });
  io.out(asJson ? json(report) : describeCheckpoint(report));
}

/** Names of files that may hold clips. */
const clipExtensions = /\.(?:mp4|m4v|mov|mkv|webm|avi|webp|gif|avif)$/i;

/** `tessera info PATH`: a picture, a clip, a checkpoint or a cache, as the file or folder tells. */
function pathCommand(io: Io, info: Command): Command {
  return define({
    name: "path",
    summary: "parameters in a picture or clip, a checkpoint or a cache of latents",
    operands: "[path]",
    flags: checkpointFlags,
    examples: [],
    run: async ({ values }, [asked]) => {
      if (asked === undefined) return info.help({ error: true });
      const path = checkpointPlace(asked, "info");
      if (/\.png$/i.test(path)) {
        const { inspectPicture } = await import("./info_files.ts");
        io.out(json(await inspectPicture(path)));
      } else if (clipExtensions.test(path)) {
        const { inspectClip } = await import("./info_files.ts");
        io.out(json(await inspectClip(path)));
      } else if (await isCache(path)) {
        const { inspectCache } = await import("./info_files.ts");
        io.out(json(await inspectCache(path, values)));
      } else if (await Deno.stat(path).then(() => true, () => /[./\\]/.test(path))) {
        await showCheckpoint(io, path, values);
      } else {
        throw new UsageError(unknownCommand(path, info));
      }
    },
  });
}

/** Whether a path is that of a cache of latents. */
async function isCache(path: string): Promise<boolean> {
  const { isLatentCache } = await import("../../data/latents/cache.ts");
  return await isLatentCache(path);
}

/** The words that commander has for commands it does not know. */
function unknownCommand(word: string, { commands }: Command): string {
  const near = closest(word, commands.map((command) => command.name()));
  const hint = near ? `; did you mean ${near}?` : "";
  return `unknown command '${word}'${hint} (see tessera info --help)`;
}
