/**
 * `tessera bench packing`: packed against padded batches.
 *
 * @module
 */
import type { Command } from "commander";
import type { PackingTask } from "../../bench/packing/packing.ts";
import type { Place } from "../../bench/runner/places.ts";
import type { PictureSet } from "../../data/picture_set.ts";
import type { NaViTConfig } from "../../models/navit/model.ts";
import { count, placesOf, reportFlags, runSweep, timingFlags } from "./sweep.ts";
import { asUsage, UsageError } from "../terminal/errors.ts";
import { alias, define, flag, group, optional, type Values } from "../flags/flags.ts";
import type { Io } from "../terminal/io.ts";
import { seedFlags } from "../flags/options.ts";
import { navitModelFlags } from "../families/navit/model_flags.ts";
import { choice, integer, list, number, text } from "../flags/parsers.ts";

const length = integer({ min: 1, max: 65536 });

const packingFlags = {
  ...group("Model:", {
    model: flag(
      "--model <list>",
      "models by name",
      list(text),
      ["NaViT-XS/16"] as readonly string[],
    ),
  }),
  ...navitModelFlags,
  ...group("Pictures:", {
    spread: flag(
      "--spread <list>",
      "largest over smallest area of synthetic pictures, whose logarithms are uniform between",
      list(number({ min: 1, max: 65536 })),
      [1, 4, 16, 64] as readonly number[],
    ),
    dataPath: optional(
      "--data-path <path>",
      "pictures of any size in place of synthetic ones: one folder a class",
      text,
    ),
    tokens: flag(
      "--tokens <n>",
      "patches of the largest pictures; those of a folder are scaled down to it",
      length,
      144,
    ),
  }),
  ...group("Work:", {
    ops: flag(
      "--ops <list>",
      "forward, train",
      list(choice("forward", "train")),
      ["forward", "train"] as readonly ("forward" | "train")[],
    ),
    batchSize: alias(
      flag("--batch-size <n>", "sequences of a packed batch", count, 8),
      "--sequences",
    ),
    batches: flag("--batches <n>", "packed batches; all are filled at the same time", count, 2),
    sequenceLength: optional(
      "--sequence-length <tokens>",
      "tokens of a packed sequence",
      length,
      "the longest picture",
    ),
  }),
  ...seedFlags,
  ...timingFlags,
  ...reportFlags,
};

type PackingValues = Values<typeof packingFlags>;

/** A model by the name that tables give it. */
interface NamedNaViT {
  readonly name: string;
  readonly config: NaViTConfig;
}

/** Builds `tessera bench packing`. */
export function packingCommand(io: Io): Command {
  return define({
    name: "packing",
    summary: "time packed against padded batches of the same pictures",
    flags: packingFlags,
    examples: [
      ["tessera bench packing --spread 1,16 --device wasm,webgpu", "where packing pays"],
      ["tessera bench packing --data-path photos --ops forward", "pictures of your own"],
    ],
    run: async ({ values, given }) => {
      if (values.dataPath !== undefined && given.has("spread")) {
        throw new UsageError(
          "--spread is for synthetic pictures; those of --data-path have theirs",
        );
      }
      const models = await modelsFromFlags(values);
      const { measurePacking, packingColumns, packingNotes } = await import(
        "../../bench/packing/packing.ts"
      );
      const sets = values.dataPath === undefined ? values.spread.length : 1;
      const places = await placesOf(values);
      await runSweep(io, {
        total: sets * models.length * values.ops.length * places.length,
        tasks: tasksOf(io, values, models, places),
        describe: ({ operation, model, pictures, place }) =>
          `${operation} ${model}, ${pictures}, ${place.device}`,
        measure: measurePacking,
        report: () => ({ columns: packingColumns, notes: packingNotes }),
      }, values);
    },
  });
}

/** The models, of which a file describes one more. */
async function modelsFromFlags(values: PackingValues): Promise<NamedNaViT[]> {
  const { configFromFile, configFromFlags } = await import("../families/subjects.ts");
  const { ofFamily } = await import("../../models/registry.ts");
  const { navitFamily } = await import("../../models/navit/family.ts");
  const models = values.config === undefined
    ? values.model.map((name) => configFromFlags(name, values))
    : [await configFromFile(values.config, values)];
  return models.map(({ name, config }) => ({
    name,
    config: asUsage(() => ofFamily(navitFamily, config, name)),
  }));
}

/** Every combination; pictures are laid out when their turn comes, for one model at a time. */
async function* tasksOf(
  io: Io,
  values: PackingValues,
  models: readonly NamedNaViT[],
  places: readonly Place[],
): AsyncGenerator<PackingTask> {
  const { layOut } = await import("../../bench/packing/batches.ts");
  const { ops, dataPath } = values;
  for (const spread of dataPath === undefined ? values.spread : [undefined]) {
    for (const { name: model, config } of models) {
      const pictures = await openPictures(io, values, config, spread);
      const layouts = await layOut(pictures, {
        ...values,
        sequences: values.batchSize,
        patch: config.patch,
      });
      for (const operation of ops) {
        for (const place of places) {
          yield { operation, model, config, pictures: pictures.name, spread, layouts, place };
        }
      }
    }
  }
}

/** The pictures of a folder, or synthetic ones. */
async function openPictures(
  io: Io,
  { dataPath, tokens, seed }: PackingValues,
  { channels, patch }: NaViTConfig,
  spread: number | undefined,
): Promise<PictureSet> {
  if (dataPath !== undefined) {
    const { openPictureSet } = await import("../../data/open.ts");
    const { Opening } = await import("../terminal/opening.ts");
    using opening = new Opening(io, false);
    const { warn, watch } = opening;
    return await openPictureSet(dataPath, { channels, warn, watch });
  }
  const { syntheticPictures } = await import("../../data/sources/synthetic_pictures.ts");
  return syntheticPictures({ channels, patch, tokens, spread: spread!, seed });
}
