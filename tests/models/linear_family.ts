/**
 * The smallest family that the house takes: a linear autoencoder of pictures. The product does not know
 * it; `linear_main.ts` is the tool with it.
 *
 * @module
 */
import { z } from "zod";
import { ripple } from "../../base/ripple.ts";
import { checkNames, readAnswers, readFloats } from "../../evaluation/verify/case_file.ts";
import { makeCase } from "../../evaluation/verify/verification.ts";
import { openSafetensors } from "../../formats/tensors/safetensors.ts";
import { square, subtract } from "../../kernels/ops/elementwise/op.ts";
import { linear } from "../../kernels/ops/matmul/op.ts";
import { reshape } from "../../kernels/ops/movement/op.ts";
import { mean } from "../../kernels/ops/reduce/op.ts";
import { input } from "../../kernels/tensor.ts";
import type { TrainedFamily, WorkSize } from "../../models/family.ts";
import { checkFields } from "../../nn/config.ts";
import { lookup, type ParameterSpecification, parameterStates } from "../../nn/parameters.ts";
import {
  type CommonSettings,
  commonSettings,
  positive,
} from "../../training/checkpoints/settings.ts";
import { type StepLosses, stepOf } from "../../training/step/step_graphs.ts";

const configSchema = z.strictObject({
  family: z.literal("linear"),
  inputSize: positive,
  channels: positive,
  hidden: positive,
});

/** Side and channels of the pictures, and the width of their codes. */
export type LinearConfig = z.infer<typeof configSchema>;

/** A run has pictures a step besides what every run has. */
export interface LinearSettings extends CommonSettings {
  readonly batchSize: number;
}

function parameters({ channels, inputSize, hidden }: LinearConfig): ParameterSpecification[] {
  const pixels = channels * inputSize ** 2;
  const initial = { kind: "normal", deviation: 0.05 } as const;
  return [
    { name: "encoder.weight", shape: [hidden, pixels], initial, trainable: true },
    { name: "decoder.weight", shape: [pixels, hidden], initial, trainable: true },
  ];
}

function trace(config: LinearConfig, { batch, weights }: Pick<WorkSize, "batch" | "weights">) {
  const states = parameterStates(parameters(config), weights);
  const of = lookup(states);
  const images = input("images", [batch, config.channels, config.inputSize, config.inputSize]);
  const code = linear(reshape(images, [batch, -1]), of("encoder.weight"));
  const out = reshape(linear(code, of("decoder.weight")), images.shape);
  return { images, out, parameters: states };
}

function losses(config: LinearConfig, batch: number): StepLosses {
  const { images, out, parameters: states } = trace(config, { batch });
  const loss = mean(square(subtract(out, images)));
  return { specifications: parameters(config), states, loss, terms: {} };
}

const graphs = (config: LinearConfig, settings: LinearSettings) =>
  stepOf(settings.batchSize, settings, (batch) => losses(config, batch));

const inputs = ({ channels, inputSize }: LinearConfig, { batch }: WorkSize) => ({
  images: ripple(batch * channels * inputSize ** 2, 1),
});

/** Linear autoencoders. */
export const linearFamily: TrainedFamily<LinearConfig, LinearSettings> = {
  name: "linear",
  title: "Linear",
  configs: new Map([["Linear-8", { family: "linear", inputSize: 28, channels: 1, hidden: 8 }]]),
  check: (value, where) => checkFields(configSchema, value, where),
  parameters,
  classes: () => undefined,
  sample: () => ({ tokens: 1 }),
  trace,
  workload: (config, size) => ({
    specifications: parameters(config),
    traced: trace(config, size),
    inputs: inputs(config, size),
  }),
  trainingWorkload: (config, size) => ({
    specifications: parameters(config),
    graphs: stepOf(size.batch, { clipNorm: 1 }, (batch) => losses(config, batch)),
    constants: {},
    inputs: () => inputs(config, size),
  }),
  training: {
    settings: z.strictObject({ ...commonSettings, batchSize: positive }),
    graphs,
  },
  case: {
    async read(path, config, weights) {
      using reader = await openSafetensors(path);
      const names = parameters(config).map(({ name }) => name);
      checkNames(reader, {
        family: "Linear",
        inputs: ["images"],
        outputs: ["out"],
        sources: names,
      });
      const [batch] = reader.info("input.images").shape;
      const { images: { shape }, out, parameters: sources } = trace(config, { batch, weights });
      return makeCase({
        inputs: { images: readFloats(reader, "input.images", shape) },
        ...readAnswers(reader, { out }, sources),
        sources,
        weights,
      });
    },
  },
};
