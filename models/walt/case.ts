/**
 * Cases of W.A.L.T's denoiser: the inputs that its configuration asks for, under the names of
 * `WaltInputs`, `output.v` (N, c, F, h, w), and gradients of the inputs that are no whole numbers and of the
 * parameters.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";
import { trainingSteps } from "../../diffusion/schedule.ts";
import {
  checkNames,
  misfit,
  readAnswers,
  readFloats,
  readWhole,
  type WholeRange,
} from "../../evaluation/verify/case_file.ts";
import { makeCase, type VerificationCase } from "../../evaluation/verify/verification.ts";
import { openSafetensors, type TensorReader } from "../../formats/tensors/safetensors.ts";
import type { HostArray } from "../../kernels/shape.ts";
import type { WeightType } from "../../nn/parameters.ts";
import { traceWalt, type WaltBatch, waltInputShapes } from "./graph.ts";
import { mixingProblem, type WaltConfig, waltParameters } from "./model.ts";

const flag: WholeRange = { least: 0, most: 1, meaning: "it is 0 or 1" };
const timestep: WholeRange = {
  least: 0,
  most: trainingSteps - 1,
  meaning: `time steps are 0 to ${trainingSteps - 1}`,
};

/** What the whole numbers of an input may be. */
function rangeOf(name: string, { classes, nullClass }: WaltConfig): WholeRange {
  if (name === "t" || name === "noiseLevel") return timestep;
  if (name !== "y") return flag;
  const last = classes! - 1;
  const none = nullClass ? `, and ${last + 1} for no class` : "";
  return {
    least: 0,
    most: last + Number(nullClass),
    meaning: `the model has classes 0 to ${last}${none}`,
  };
}

/**
 * Reads and checks a case.
 *
 * @param weights how the weights are stored on the device
 * @throws InputError naming the file, the tensor and what does not fit
 */
export async function readWaltCase(
  path: string,
  config: WaltConfig,
  weights: WeightType = "f32",
): Promise<VerificationCase> {
  using reader = await openSafetensors(path);
  const specifications = waltParameters(config);
  const unsized = { batch: 1, labelGroups: 1, textGroups: 1, words: 1, images: true };
  const expected = waltInputShapes(config, unsized);
  const differentiable = expected.flatMap(([name, , dtype]) => dtype === "f32" ? [name] : []);
  checkNames(reader, {
    family: "W.A.L.T",
    inputs: expected.map(([name]) => name),
    outputs: ["v"],
    sources: [...differentiable, ...specifications.map(({ name }) => name)],
  });
  const size = batchOf(reader, config);
  const inputs: Record<string, HostArray> = {};
  for (const [name, shape, dtype] of waltInputShapes(config, { ...size, images: true })) {
    inputs[name] = dtype === "f32"
      ? readFloats(reader, `input.${name}`, shape)
      : readWhole(reader, `input.${name}`, shape, rangeOf(name, config));
  }
  const images = (inputs.isImage as Int32Array).includes(1);
  const problem = mixingProblem(config, images, size.textGroups);
  if (problem !== undefined) {
    throw new InputError(`${path}: ${images ? "input.isImage" : "input.text"}: ${problem}`);
  }
  const traced = traceWalt(config, { ...size, images }, weights);
  const sources = new Map([
    ...differentiable.map((name) => [name, traced.inputs[name]!] as const),
    ...traced.parameters,
  ]);
  return makeCase({ inputs, ...readAnswers(reader, { v: traced.out }, sources), sources, weights });
}

/** Sizes that are those of the case. */
function batchOf(reader: TensorReader, config: WaltConfig): Omit<WaltBatch, "images"> {
  const { latentFrames, classes, textWidth } = config;
  const x = reader.info("input.x");
  if (x.shape.length !== 5 || x.shape[0] < 1) {
    throw misfit(reader, x, "(N, c, F, h, w) with N at least 1");
  }
  const groupsOf = (name: string, axes: string): number => {
    const info = reader.info(name);
    const groups = info.shape[1];
    if (groups === 1 || groups === latentFrames) return groups;
    throw misfit(reader, info, `${axes} with G 1 or the ${latentFrames} latent frames`);
  };
  return {
    batch: x.shape[0],
    labelGroups: classes === null ? 1 : groupsOf("input.y", "(N, G)"),
    textGroups: textWidth === null ? 1 : groupsOf("input.textMask", "(N, G, M)"),
    words: textWidth === null ? 1 : Math.max(1, reader.info("input.textMask").shape[2] ?? 1),
  };
}
