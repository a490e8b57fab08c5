/**
 * What `tessera train ... --dry-run` prints: size, work, memory, and whether the device can hold it.
 *
 * @module
 */
import type { ImageDataset } from "../../data/dataset.ts";
import type { PictureSet } from "../../data/picture_set.ts";
import type { MemoryLimits } from "../../kernels/device.ts";
import { chooseDevice } from "../../kernels/select_device.ts";
import type { Program } from "../../kernels/program.ts";
import { samplingPrograms } from "../../diffusion/sampling.ts";
import { type DiTConfig, ditParameters } from "../../models/dit/model.ts";
import { navitParameters } from "../../models/navit/model.ts";
import { describeNaViT } from "../../models/navit/graph.ts";
import type { ParameterSpecification } from "../../nn/parameters.ts";
import { ditSampling } from "../../models/dit/sampling.ts";
import type { DiTRun, NaViTRun, SampleSchedule } from "../../training/runs/manifest.ts";
import { navitTrainingGraphs } from "../../models/navit/step.ts";
import { previewPacking } from "../../models/navit/preview.ts";
import type { RunPlan } from "../../training/runs/run.ts";
import { runSampling } from "../../models/dit/run_samples.ts";
import { describeDiT } from "../../models/dit/graph.ts";
import { ditTrainingGraphs } from "../../models/dit/step.ts";
import {
  forecastMemory,
  type MemoryForecast,
  type MemoryParts,
} from "../../training/runs/forecast.ts";
import type { StepGraphs } from "../../training/step/step_graphs.ts";
import type { Values } from "../flags/flags.ts";
import { formatBytes, formatCount, formatPercent } from "../terminal/numbers.ts";
import type { CommonTrainFlags } from "../flags/train_flags.ts";

type DeviceOptions = Pick<Values<CommonTrainFlags>, "device" | "threads">;

/** How the parts of the memory are named. */
const partNames: Readonly<Record<keyof MemoryParts, string>> = {
  parameters: "parameters",
  optimizer: "optimizer",
  average: "average",
  gradients: "gradient sums",
  inputs: "inputs",
  constants: "constants",
  temporaries: "temporaries",
  samples: "samples",
  scratch: "thread scratch",
};

/** Describes the run of a DiT without starting it. */
export async function describeDiTPlan(
  plan: RunPlan<DiTRun>,
  dataset: ImageDataset,
  options: DeviceOptions,
): Promise<string> {
  const { config, run } = plan.description;
  const { parameters, trainableParameters, tokens, multiplyAdds } = describeDiT(config);
  const { accumulate = 1, batchSize } = run;
  const batches = dataset.length / batchSize;
  return [
    line("parameters", `${formatCount(parameters)} (${formatCount(trainableParameters)} trained)`),
    line("tokens", `${tokens}`),
    line("multiply-adds", `${formatCount(multiplyAdds)} a picture, forward`),
    line("batch", `${batchSize} pictures${inParts(accumulate)}`),
    line("epoch", `${batches.toFixed(1)} batches, ${formatCount(dataset.length)} pictures`),
    line("steps", `${plan.steps}, ${(plan.steps / batches).toFixed(1)} epochs`),
    ...await describeMemory(
      ditParameters(config),
      ditTrainingGraphs(config, run),
      options,
      plan.samples && samplerPrograms(config, plan.samples),
    ),
  ].join("\n");
}

/** Describes the run of a NaViT without starting it. */
export async function describeNaViTPlan(
  plan: RunPlan<NaViTRun>,
  pictures: PictureSet,
  options: DeviceOptions,
): Promise<string> {
  const { config, run } = plan.description;
  const { sequences, length, slots, accumulate = 1 } = run;
  const { parameters, trainableParameters, multiplyAdds } = describeNaViT(config, length);
  const { picturesPerSequence, fillRate, shrunkShare } = previewPacking(pictures, config, run);
  return [
    line("parameters", `${formatCount(parameters)} (${formatCount(trainableParameters)} trained)`),
    line("multiply-adds", `${formatCount(multiplyAdds)} a picture of ${length} tokens, forward`),
    line("batch", `${sequences} sequences${inParts(accumulate)}`),
    line("sequence", `${length} tokens, at most ${slots} pictures`),
    line(
      "packing",
      `${picturesPerSequence.toFixed(1)} pictures a sequence, ` +
        `${formatPercent(fillRate)} of the tokens; ${formatPercent(shrunkShare)} shrunk to fit`,
    ),
    line("data", `${formatCount(pictures.length)} pictures`),
    line("steps", `${plan.steps}`),
    ...await describeMemory(navitParameters(config), navitTrainingGraphs(config, run), options),
  ].join("\n");
}

const inParts = (parts: number): string => parts === 1 ? "" : ` in ${parts} parts`;

/** The device that would be taken, and the memory that the run would take on it. */
async function describeMemory(
  specifications: readonly ParameterSpecification[],
  graphs: StepGraphs,
  options: DeviceOptions,
  sampler?: readonly Program[],
): Promise<string[]> {
  const { name, kind, reason } = await chooseDevice(options);
  const threads = options.threads ?? navigator.hardwareConcurrency;
  const memory = forecastMemory(specifications, graphs, { kind, threads }, sampler);
  return [
    line("device", `${name}${kind.threads ? `, threads: ${threads}` : ""} (${reason})`),
    `memory (${name})`,
    ...(Object.keys(partNames) as (keyof MemoryParts)[])
      .filter((part) => memory.parts[part] > 0)
      .map((part) => line(`  ${partNames[part]}`, formatBytes(memory.parts[part]))),
    line("  total", formatBytes(memory.total)),
    line("largest buffer", `${formatBytes(memory.largest.bytes)}, ${memory.largest.name}`),
    line("limits", describeFit(memory, await kind.limits())),
  ];
}
/** The programs that draw during a run. */
function samplerPrograms(config: DiTConfig, schedule: SampleSchedule): Program[] {
  const { network, settings } = ditSampling(config, runSampling(config, schedule));
  return Object.values(samplingPrograms(network, settings));
}

const line = (title: string, text: string): string => `${title.padEnd(17)} ${text}`;

/** Whether a run fits, and what to change when it does not. */
function describeFit({ total, largest }: MemoryForecast, limits: MemoryLimits): string {
  const advice = "give --accumulate, a smaller batch or a smaller model";
  const { owner } = limits;
  if (limits.total !== undefined && total > limits.total) {
    return `does not fit: ${formatBytes(total)} of memory, ${owner} has ` +
      `${formatBytes(limits.total)}; ${advice}`;
  }
  if (largest.bytes > limits.buffer) {
    return `does not fit: a buffer of ${formatBytes(largest.bytes)}, at most ` +
      `${formatBytes(limits.buffer)} on ${owner}; ${advice}`;
  }
  const together = limits.total === undefined ? "" : `, ${formatBytes(limits.total)} together`;
  return `fits: buffers up to ${formatBytes(limits.buffer)}${together} (${owner})`;
}
