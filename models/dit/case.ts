/**
 * Cases of a DiT: `input.x` (N, C, I, I), `input.t` (N), `input.y` (N), `output.out` (N, C or 2 C, I, I),
 * and gradients of `x` and the parameters.
 *
 * @module
 */
import { openSafetensors, type TensorReader } from "../../formats/tensors/safetensors.ts";
import { type DiTConfig, ditParameters } from "./model.ts";
import { traceDiT } from "./graph.ts";
import type { WeightType } from "../../nn/parameters.ts";
import {
  checkNames,
  misfit,
  readAnswers,
  readFloats,
  readWhole,
} from "../../evaluation/verify/case_file.ts";
import { makeCase, type VerificationCase } from "../../evaluation/verify/verification.ts";

/** Number of time steps of the diffusion the models are trained on. */
const timesteps = 1000;

/**
 * Reads and checks a case.
 *
 * @param weights how the weights are stored on the device
 * @throws InputError naming the file, the tensor and what does not fit
 */
export async function readDiTCase(
  path: string,
  config: DiTConfig,
  weights: WeightType = "f32",
): Promise<VerificationCase> {
  using reader = await openSafetensors(path);
  const specifications = ditParameters(config);
  checkNames(reader, {
    family: "DiT",
    inputs: ["x", "t", "y"],
    outputs: ["out"],
    sources: ["x", ...specifications.map(({ name }) => name)],
  });
  const { channels, inputSize, classes } = config;
  const batch = batchOf(reader);
  const { x, parameters, out } = traceDiT(config, batch, weights);
  const sources = new Map([["x", x], ...parameters]);
  return makeCase({
    inputs: {
      x: readFloats(reader, "input.x", [batch, channels, inputSize, inputSize]),
      t: readWhole(reader, "input.t", [batch], {
        least: 0,
        most: timesteps - 1,
        meaning: "time steps are 0 to 999",
      }),
      y: readWhole(reader, "input.y", [batch], {
        least: 0,
        most: classes,
        meaning: `the model has classes 0 to ${classes - 1}, and ${classes} for no class`,
      }),
    },
    ...readAnswers(reader, { out }, sources),
    sources,
    weights,
  });
}

function batchOf(reader: TensorReader): number {
  const { shape } = reader.info("input.x");
  if (shape.length === 4 && shape[0] >= 1) return shape[0];
  throw misfit(reader, reader.info("input.x"), "(N, C, H, W) with N at least 1");
}
