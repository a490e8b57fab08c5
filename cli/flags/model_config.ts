/**
 * From flags to the configuration of a model of one family.
 *
 * @module
 */
import type { Family } from "../../models/family.ts";
import type { FamilyConfig } from "../../nn/config.ts";
import { modelConfigByName, ofFamily, parseModelConfig } from "../../models/registry.ts";
import { asUsage } from "../terminal/errors.ts";
import { readTextFile } from "../terminal/files.ts";

/** A file that describes a model, or else a name. */
interface ModelChoice {
  readonly config: string | undefined;
  readonly model: string;
}

/**
 * The configuration that a training run starts from.
 *
 * @throws InputError when the file cannot be used; UsageError for an unknown name or another family
 */
export async function baseConfig<Config extends FamilyConfig>(
  family: Family<Config>,
  { config: path, model }: ModelChoice,
): Promise<Config> {
  const config = path === undefined
    ? asUsage(() => modelConfigByName(model))
    : parseModelConfig(await readTextFile(path), path, family.name);
  return asUsage(() => ofFamily(family, config, path ?? model));
}

/**
 * A configuration of one family by its name, or from a JSON file.
 *
 * @throws InputError when the file cannot be used; UsageError for an unknown name or another family
 */
export async function namedConfigOrFile<Config extends FamilyConfig>(
  family: Family<Config>,
  value: string,
): Promise<Config> {
  const isPath = value.endsWith(".json") || await isFile(value);
  return await baseConfig(family, { config: isPath ? value : undefined, model: value });
}

async function isFile(path: string): Promise<boolean> {
  return await Deno.stat(path).then((status) => status.isFile, () => false);
}
