/**
 * A trained denoiser for drawing: its weights on a device, for latents of its size or another.
 *
 * @module
 */
import type { Device } from "../../kernels/device.ts";
import { elementCount } from "../../kernels/shape.ts";
import { storedType, type WeightType } from "../../nn/parameters.ts";
import { matchWeights } from "../../nn/weights_file.ts";
import { openCheckpointFile } from "../../training/checkpoints/checkpoint.ts";
import { loadParameters, type TrainedSource } from "../trained.ts";
import { overrideWaltConfig } from "./config.ts";
import type { LoadedWalt } from "./draw_clips.ts";
import { gridOf, type WaltConfig, waltParameters } from "./model.ts";
import { resizeWeights } from "./resize.ts";
import type { WaltSettings } from "./settings.ts";

/** Where a denoiser is and what it is. */
export type WaltSource = TrainedSource<WaltConfig, WaltSettings>;

/**
 * The configuration for latents of another height and width. Windows have the same part of the grid, as in
 * the paper's finetuning of aspect ratios, unless they are given.
 *
 * @throws InputError with the nearest valid values where windows do not divide the grid
 */
export function configForSize(
  config: WaltConfig,
  latentSize: WaltConfig["latentSize"],
  windows: Partial<Pick<WaltConfig, "spatialWindow" | "spatioTemporalWindow">>,
): WaltConfig {
  const [before, after] = [config, { ...config, latentSize }].map(gridOf);
  const scaled = (size: number, axis: number) =>
    Math.max(1, Math.floor(size * after[axis] / before[axis]));
  const { spatialWindow, spatioTemporalWindow } = config;
  const scaledWindow = <Window extends readonly number[]>(window: Window | null, first: number) =>
    window && window.map((size, axis) => scaled(size, first + axis)) as readonly number[] as Window;
  return overrideWaltConfig(config, {
    latentSize,
    spatialWindow: scaledWindow(spatialWindow, 1),
    spatioTemporalWindow: scaledWindow(spatioTemporalWindow, 0),
    ...Object.fromEntries(Object.entries(windows).filter(([, window]) => window !== undefined)),
  }, "model");
}

/**
 * Takes a denoiser into memory.
 *
 * @param config its own, or that of {@link configForSize}
 * @param weights how they are stored on the device
 * @throws InputError when a parameter is missing, unknown or of another shape
 */
export async function loadWalt(
  device: Device,
  source: WaltSource,
  config: WaltConfig,
  weights: WeightType,
): Promise<LoadedWalt> {
  const schedule = source.manifest?.run.schedule;
  if (config === source.config) {
    const parameters = await loadParameters(device, waltParameters(config), source.path, weights);
    return { config, parameters, schedule };
  }
  using file = await openCheckpointFile(source.path);
  const { tensors } = matchWeights(file, waltParameters(source.config));
  const own = new Map([...tensors.tensors.keys()].map((name) => [name, tensors.readFloat32(name)]));
  file.checkContents();
  const resized = resizeWeights(own, source.config, config);
  const parameters = new Map(
    waltParameters(config).map((specification) => {
      const { name, shape } = specification;
      const dtype = storedType(specification, weights);
      const buffer = device.createBuffer(name, dtype, elementCount(shape));
      const values = resized.get(name)!;
      buffer.write(dtype === "f16" ? Float16Array.from(values) : values);
      return [name, buffer];
    }),
  );
  return { config, parameters, schedule };
}
