/**
 * What `tessera train ... --dry-run` prints: size, work, memory, and whether the device can hold it.
 *
 * @module
 */
import type { MemoryLimits } from "../../kernels/device.ts";
import { chooseDevice, type DeviceRequest } from "../../kernels/select_device.ts";
import type { FamilyConfig } from "../../nn/config.ts";
import { countParameters, type ParameterSpecification } from "../../nn/parameters.ts";
import type { CommonSettings } from "../../training/checkpoints/settings.ts";
import {
  type ForecastExtras,
  forecastMemory,
  type MemoryForecast,
  type MemoryParts,
} from "../../training/runs/forecast.ts";
import type { StepGraphs } from "../../training/step/step_graphs.ts";
import type {
  PlannedRun,
  TrainingCommand,
  TrainingData,
  TrainValues,
} from "../families/training.ts";
import type { Values } from "../flags/flags.ts";
import { formatBytes, formatCount } from "../terminal/numbers.ts";
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

/** Describes a run without starting it. */
export async function describePlan<
  V extends TrainValues,
  Config extends FamilyConfig,
  Settings extends CommonSettings,
  Data extends TrainingData,
>(
  command: TrainingCommand<V, Config, Settings, Data>,
  { plan, data }: PlannedRun<Config, Settings, Data>,
  options: DeviceOptions,
): Promise<string> {
  const { config, run } = plan.description;
  const { family } = command;
  const specifications = family.parameters(config);
  const { parameters, trainableParameters } = countParameters(specifications);
  return [
    line("parameters", `${formatCount(parameters)} (${formatCount(trainableParameters)} trained)`),
    ...command.describePlan(plan, data).map(([title, text]) => line(title, text)),
    ...await describeMemory(
      specifications,
      family.training.graphs(config, run),
      { ...options, activations: run.activations },
      {
        sampler: [
          ...plan.samples && command.samplerPrograms?.(config, plan.samples, run) || [],
          ...plan.evaluations && command.evaluation?.programs?.(config, run) || [],
        ],
        companions: family.training.companions?.(config, run),
      },
    ),
  ].join("\n");
}

/** The device that would be taken, and the memory that the run would take on it. */
async function describeMemory(
  specifications: readonly ParameterSpecification[],
  graphs: StepGraphs,
  options: DeviceRequest,
  extras: ForecastExtras,
): Promise<string[]> {
  const { name, kind, reason } = await chooseDevice(options);
  const threads = options.threads ?? navigator.hardwareConcurrency;
  const target = { kind, threads, activations: options.activations };
  const memory = forecastMemory(specifications, graphs, target, extras);
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

const line = (title: string, text: string): string => `${title.padEnd(17)} ${text}`;

/** Whether a run fits, and what to change when it does not. */
function describeFit({ total, largest, parts }: MemoryForecast, limits: MemoryLimits): string {
  const { owner } = limits;
  const states = parts.parameters + parts.optimizer + parts.average;
  const advice = states > (limits.total ?? Infinity)
    ? `weights, moments and averages alone take ${formatBytes(states)}: only a smaller model fits`
    : "give --accumulate, a smaller batch or a smaller model";
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
