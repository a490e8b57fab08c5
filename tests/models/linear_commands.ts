/**
 * The commands of the linear family of `linear_family.ts`.
 *
 * @module
 */
import { type FamilyCommands, trainCommand } from "../../cli/families/commands.ts";
import type { TrainingCommand } from "../../cli/families/training.ts";
import { flag, group, optional, toggle, type Values } from "../../cli/flags/flags.ts";
import { modelFlags } from "../../cli/flags/options.ts";
import { integer, text } from "../../cli/flags/parsers.ts";
import { trainFlags } from "../../cli/flags/train_flags.ts";
import type { ImageDataset } from "../../data/dataset.ts";
import { openDataset } from "../../data/open.ts";
import { withOverrides } from "../../nn/config.ts";
import { pictureBatches } from "../../training/runs/batch_source.ts";
import { runTraining } from "../../training/runs/run.ts";
import { type LinearConfig, linearFamily, type LinearSettings } from "./linear_family.ts";

const flags = {
  ...group("Model:", { model: flag("--model <name>", "config to start from", text, "Linear-8") }),
  ...modelFlags,
  ...group("Data:", {
    dataPath: optional("--data-path <path>", "pictures", text, "the shipped samples"),
    flip: toggle("--flip", "mirror half of the pictures"),
    batchSize: flag("--batch-size <n>", "pictures a step", integer({ min: 1 }), 16),
  }),
  ...trainFlags({
    learningRate: "1e-3",
    rateSchedule: "constant",
    warmup: 0,
    weightDecay: 0,
    averageDecay: 0.99,
  }),
};

const training: TrainingCommand<
  Values<typeof flags>,
  LinearConfig,
  LinearSettings,
  ImageDataset
> = {
  family: linearFamily,
  shipped: { name: "shipped:fashion", folder: "data/samples/fashion" },
  open: (place, _, __, events) => openDataset(place, events),
  reopen: (place, _, events) => openDataset(place, events),
  configure: (base, { width, channels }, { hidden }) =>
    linearFamily.check(withOverrides(base, { inputSize: width, channels, hidden }), "model"),
  learningRate: () => 1e-3,
  batch: ({ batchSize: size }) => ({ size, what: `the batch of ${size}` }),
  settings: ({ values: { batchSize } }, _, common) => ({ ...common, batchSize }),
  stepsPerEpoch: (data, _, { batchSize }) => data.length / batchSize,
  describeBatch: ({ batchSize }) => `batch ${batchSize}`,
  columns: () => ({}),
  next: () => ({ what: "look at it with", command: (folder) => `info ${folder}` }),
  describePlan: ({ steps }) => [["steps", `${steps}`]],
  train(device, data, plan, events) {
    const { config, run } = plan.description;
    const { seed, batchSize, flip } = run;
    return runTraining(
      device,
      {
        specifications: linearFamily.parameters(config),
        graphs: linearFamily.training.graphs(config, run),
        batches: (startStep) => pictureBatches(data, { seed, batchSize, flip, startStep }),
      },
      plan,
      events,
    );
  },
};

/** The commands of the linear family. */
export const linearCommands: FamilyCommands<LinearConfig> = {
  name: "linear",
  title: "Linear",
  fields: {
    flags: {},
    overrides: (_, { hidden }) => ({ hidden }),
    override: (base, overrides, where) => linearFamily.check(withOverrides(base, overrides), where),
  },
  verify: { summary: "a linear autoencoder", contents: "input.images, output.out", hint: "-" },
  train: trainCommand({
    summary: "train a linear autoencoder",
    flags,
    examples: [],
    load: () => Promise.resolve(training),
  }),
};
