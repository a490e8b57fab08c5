/**
 * From flags to a model's configuration.
 *
 * @module
 */
import { type DiTConfig, ditConfigs } from "../models/dit.ts";
import {
  ditConfigByName,
  type DiTOverrides,
  overrideDiTConfig,
  parseDiTConfig,
} from "../models/dit_config.ts";
import { asUsage } from "./errors.ts";
import { readTextFile } from "./files.ts";
import type { Values } from "./flags.ts";
import type { modelFlags } from "./options.ts";

/** Values of the flags that change a model. */
type ModelValues = Values<typeof modelFlags>;

/** The fields of a configuration that flags replace; `--image-size` is the side of the input. */
export function ditOverrides(values: Omit<ModelValues, "config">): DiTOverrides {
  const { imageSize, patch, channels, hidden, depth, heads, numClasses } = values;
  const fields = {
    inputSize: imageSize,
    patch,
    channels,
    hidden,
    depth,
    heads,
    classes: numClasses,
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/**
 * The named configuration with the overrides.
 *
 * @throws UsageError for an unknown name or fields that do not fit, with the nearest valid ones
 */
export function configFromFlags(
  name: string,
  values: Omit<ModelValues, "config">,
): { name: string; config: DiTConfig } {
  return asUsage(() => overridden(name, ditConfigByName(name), values));
}

/**
 * The configuration in a JSON file with the overrides.
 *
 * @throws InputError when the file cannot be used; UsageError when the overrides do not fit
 */
export async function configFromFile(
  path: string,
  values: Omit<ModelValues, "config">,
): Promise<{ name: string; config: DiTConfig }> {
  const config = parseDiTConfig(await readTextFile(path), path);
  return asUsage(() => overridden(path, config, values));
}

/**
 * A configuration by its name, or from a JSON file.
 *
 * @throws InputError when the file cannot be used; UsageError for an unknown name
 */
export async function namedConfigOrFile(value: string): Promise<DiTConfig> {
  if (!value.endsWith(".json") && !await isFile(value)) {
    return asUsage(() => ditConfigByName(value));
  }
  return parseDiTConfig(await readTextFile(value), value);
}

function overridden(
  name: string,
  base: DiTConfig,
  values: Omit<ModelValues, "config">,
): { name: string; config: DiTConfig } {
  const overrides = ditOverrides(values);
  const changes = Object.entries(overrides).map(([field, value]) => `${field}=${value}`);
  const known = [...ditConfigs.keys()].find((key) => key.toLowerCase() === name.toLowerCase());
  return {
    name: [known ?? name, ...changes].join(" "),
    config: overrideDiTConfig(base, overrides, name),
  };
}

async function isFile(path: string): Promise<boolean> {
  return await Deno.stat(path).then((status) => status.isFile, () => false);
}
