/**
 * What `tessera train dit --dry-run` prints: size, work, memory, and whether the device can hold it.
 *
 * @module
 */
import { type MemoryLimits, memoryLimits } from "../kernels/limits.ts";
import { chooseDevice } from "../kernels/select_device.ts";
import type { Program } from "../kernels/program.ts";
import { samplingPrograms } from "../diffusion/sampling.ts";
import { type DiTConfig, ditParameters } from "../models/dit.ts";
import type { SampleSchedule } from "../training/checkpoint.ts";
import { ditSampling } from "../training/dit_model.ts";
import { runSampling } from "../training/run_samples.ts";
import { describeDiT } from "../models/dit_graph.ts";
import { ditTrainingGraphs } from "../training/dit_step.ts";
import { forecastMemory, type MemoryForecast, type MemoryParts } from "../training/forecast.ts";
import { formatBytes, formatCount } from "./numbers.ts";
import type { TrainDitOptions } from "./train.ts";
import type { PreparedRun } from "./train_dit.ts";

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

/** Describes a run without starting it. */
export async function describePlan(
  { plan, dataset }: PreparedRun,
  options: Pick<TrainDitOptions, "device" | "threads">,
): Promise<string> {
  const { config, run } = plan.description;
  const { parameters, trainableParameters, tokens, multiplyAdds } = describeDiT(config);
  const { kind, reason } = await chooseDevice(options);
  const threads = options.threads ?? navigator.hardwareConcurrency;
  const memory = forecastMemory(
    ditParameters(config),
    ditTrainingGraphs(config, run),
    { kind, threads },
    plan.samples && samplerPrograms(config, plan.samples),
  );
  const { accumulate = 1, batchSize } = run;
  const parts = accumulate === 1 ? "" : ` in ${accumulate} parts`;
  const batches = dataset.length / batchSize;
  return [
    line("parameters", `${formatCount(parameters)} (${formatCount(trainableParameters)} trained)`),
    line("tokens", `${tokens}`),
    line("multiply-adds", `${formatCount(multiplyAdds)} a picture, forward`),
    line("batch", `${batchSize} pictures${parts}`),
    line("epoch", `${batches.toFixed(1)} batches, ${formatCount(dataset.length)} pictures`),
    line("steps", `${plan.steps}, ${(plan.steps / batches).toFixed(1)} epochs`),
    line("device", `${kind}${kind === "wasm" ? `, threads: ${threads}` : ""} (${reason})`),
    `memory (${kind})`,
    ...(Object.keys(partNames) as (keyof MemoryParts)[])
      .filter((part) => memory.parts[part] > 0)
      .map((part) => line(`  ${partNames[part]}`, formatBytes(memory.parts[part]))),
    line("  total", formatBytes(memory.total)),
    line("largest buffer", `${formatBytes(memory.largest.bytes)}, ${memory.largest.name}`),
    line("limits", describeFit(memory, await memoryLimits(kind))),
  ].join("\n");
}

/** The programs that draw during a run. */
function samplerPrograms(config: DiTConfig, schedule: SampleSchedule): Program[] {
  const { network, settings } = ditSampling(config, runSampling(config, schedule));
  return Object.values(samplingPrograms(network, settings));
}

const line = (title: string, text: string): string => `${title.padEnd(17)} ${text}`;

/** Whether a run fits, and what to change when it does not. */
function describeFit({ total, largest }: MemoryForecast, limits: MemoryLimits): string {
  const advice = "give --accumulate, a smaller --global-batch-size or a smaller model";
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
