/**
 * From flags to a model's configuration.
 *
 * @module
 */
import type { Subject } from "../../bench/subjects.ts";
import { gridAtSide, gridTokens } from "../../data/packing/patch_grid.ts";
import { ditTokens } from "../../models/dit/graph.ts";
import { type DiTOverrides, overrideDiTConfig } from "../../models/dit/config.ts";
import {
  type ConfigOf,
  type Family,
  type ModelConfig,
  modelConfigByName,
  modelConfigs,
  ofFamily,
  parseModelConfig,
} from "../../models/registry.ts";
import type { NaViTConfig } from "../../models/navit/model.ts";
import { type NaViTOverrides, overrideNaViTConfig } from "../../models/navit/config.ts";
import { asUsage, UsageError } from "../terminal/errors.ts";
import { readTextFile } from "../terminal/files.ts";
import type { Values } from "./flags.ts";
import { type anyModelFlags, navitOnlyFlags } from "./options.ts";

/** Values of the flags that change a model; a command may lack those of the other families. */
type ModelValues = Partial<Omit<Values<typeof anyModelFlags>, "config">>;

/** A configuration with what the model is called in tables. */
export interface NamedModel {
  /** The name or file that was asked for, and the fields that flags have changed. */
  readonly name: string;
  /** The model. */
  readonly config: ModelConfig;
}

/** A file that describes a model, or else a name. */
interface ModelChoice {
  readonly config: string | undefined;
  readonly model: string;
}

/**
 * The named configuration with the overrides.
 *
 * @throws UsageError for an unknown name or fields that do not fit, with the nearest valid ones
 */
export function configFromFlags(name: string, values: ModelValues): NamedModel {
  return asUsage(() => overridden(name, modelConfigByName(name), values));
}

/**
 * The configuration in a JSON file with the overrides.
 *
 * @throws InputError when the file cannot be used; UsageError when the overrides do not fit
 */
export async function configFromFile(path: string, values: ModelValues): Promise<NamedModel> {
  const config = parseModelConfig(await readTextFile(path), path);
  return asUsage(() => overridden(path, config, values));
}

/**
 * The configuration that a training run starts from.
 *
 * @throws InputError when the file cannot be used; UsageError for an unknown name or another family
 */
export async function baseConfig<F extends Family>(
  family: F,
  { config: path, model }: ModelChoice,
): Promise<ConfigOf<F>> {
  const config = path === undefined
    ? asUsage(() => modelConfigByName(model))
    : parseModelConfig(await readTextFile(path), path);
  return asUsage(() => ofFamily(family, config, path ?? model));
}

/**
 * A configuration of one family by its name, or from a JSON file.
 *
 * @throws InputError when the file cannot be used; UsageError for an unknown name or another family
 */
export async function namedConfigOrFile<F extends Family>(
  family: F,
  value: string,
): Promise<ConfigOf<F>> {
  const isPath = value.endsWith(".json") || await isFile(value);
  return await baseConfig(family, { config: isPath ? value : undefined, model: value });
}

/** Side of the pictures that vision transformers are compared on, in pixels. */
const usualSide = 224;

/**
 * A model with the pictures that it is counted or timed on: those of a DiT follow from its fields, a
 * NaViT takes pictures of so many patches, or squares of a side in pixels.
 *
 * @param fallback patches where the flags do not tell; those of a usual square when absent
 * @throws UsageError for `--tokens` with a DiT
 */
export function subjectsOf(
  { name, config }: NamedModel,
  { tokens, imageSize }: { readonly tokens?: readonly number[]; readonly imageSize?: number },
  fallback?: readonly number[],
): Subject[] {
  if (config.family === "dit") {
    if (tokens === undefined) return [{ name, config, tokens: ditTokens(config) }];
    throw new UsageError(`--tokens is for NaViT, and ${name} is a DiT: give --image-size`);
  }
  const square = (side: number): number =>
    gridTokens(gridAtSide({ width: side, height: side }, side, config.patch));
  const counts = tokens ?? (imageSize === undefined ? fallback : [square(imageSize)]) ??
    [square(usualSide)];
  return counts.map((tokens) => ({ name, config, tokens }));
}

function overridden(name: string, base: ModelConfig, values: ModelValues): NamedModel {
  const known = [...modelConfigs.keys()].find((key) => key.toLowerCase() === name.toLowerCase());
  const title = known ?? name;
  if (base.family === "navit") {
    const overrides = navitOverrides(base, values);
    return named(title, overrides, overrideNaViTConfig(base, overrides, name));
  }
  refuseFlags(navitOnlyFlags, values, `for NaViT only, and ${title} is a DiT`);
  const overrides = ditOverrides(values);
  return named(title, overrides, overrideDiTConfig(base, overrides, name));
}

function named(name: string, overrides: object, config: ModelConfig): NamedModel {
  const changes = Object.entries(overrides).map(([field, value]) => `${field}=${value}`);
  return { name: [name, ...changes].join(" "), config };
}

/** The fields of a DiT that flags replace; `--image-size` is the side of the input. */
function ditOverrides(
  { imageSize, patch, channels, hidden, depth, heads, numClasses }: ModelValues,
): DiTOverrides {
  return given({
    inputSize: imageSize,
    patch,
    channels,
    hidden,
    depth,
    heads,
    classes: numClasses,
  });
}

/** The fields of a NaViT that flags replace; tables of positions cover the same pixels as before. */
export function navitOverrides(base: NaViTConfig, values: ModelValues): NaViTOverrides {
  const { patch, channels, hidden, depth, heads, mlp, mlpBias, numClasses } = values;
  const { positions, combination, coordinates, positionLength } = values;
  return given({
    patch,
    channels: channels as 1 | 3 | undefined,
    hidden,
    depth,
    heads,
    mlp,
    mlpBias: mlpBias || undefined,
    classes: numClasses,
    positions,
    combination,
    coordinates,
    positionLength: positionLength ??
      (patch && Math.ceil(base.positionLength * base.patch / patch)),
  });
}

/** The fields that have values. */
function given<T extends object>(fields: T): T {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as T;
}

/** Refuses flags that mean nothing here. */
function refuseFlags(
  flags: Readonly<Record<string, { readonly usage: string }>>,
  values: ModelValues,
  why: string,
): void {
  const wrong = Object.entries(flags)
    .filter(([name]) => values[name as keyof ModelValues])
    .map(([, { usage }]) => usage.split(" ", 1)[0]);
  if (wrong.length > 0) throw new UsageError(`${wrong.join(", ")}: ${why}`);
}

async function isFile(path: string): Promise<boolean> {
  return await Deno.stat(path).then((status) => status.isFile, () => false);
}
