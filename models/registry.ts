/**
 * The families of models. A new family is one folder beside this file and one line in the table.
 *
 * @module
 */
import { InputError, quote } from "../base/errors.ts";
import { configByName, type FamilyConfig, parseJsonConfig } from "../nn/config.ts";
import type { ParameterSpecification } from "../nn/parameters.ts";
import type { MatchOptions } from "../nn/weights_file.ts";
import { autoencoderKLFamily } from "./autoencoder_kl/family.ts";
import { causalTokenizerFamily } from "./causal_tokenizer/family.ts";
import { ditFamily } from "./dit/family.ts";
import { checkManifest, type Manifest, readManifest } from "../training/checkpoints/manifest.ts";
import type { Family, TrainedFamily } from "./family.ts";
import { navitFamily } from "./navit/family.ts";
import { waltFamily } from "./walt/family.ts";

/** Families by name. */
const families = new Map<string, Family>();

/** Adds a family, also from outside; one of the same name is replaced. */
export function registerFamily(family: Family): void {
  families.set(family.name, family);
}

const shipped: readonly Family[] = [
  ditFamily,
  navitFamily,
  waltFamily,
  causalTokenizerFamily,
  autoencoderKLFamily,
];
shipped.forEach(registerFamily);

/** All families, in the order of the table. */
export const allFamilies = (): readonly Family[] => [...families.values()];

/**
 * A family by its name.
 *
 * @param where what the message starts with
 * @throws InputError naming those there are
 */
export function familyByName(name: string, where = "family"): Family {
  const family = families.get(name);
  if (family) return family;
  throw new InputError(
    `${where}: ${quote(name)} is not known; it is ${[...families.keys()].join(" or ")}`,
  );
}

/**
 * A family whose models are trained here.
 *
 * @param where what the message starts with
 * @throws InputError for one of the others
 */
export function trainedFamily(family: Family, where: string): TrainedFamily {
  const { training, title } = family;
  if (training) return { ...family, training };
  throw new InputError(`${where}: a ${title} is not trained by this tool`);
}

/** The family of a configuration. */
export const familyOf = (config: FamilyConfig): Family => familyByName(config.family);

/** All models that have a name. */
export const modelConfigs = (): ReadonlyMap<string, FamilyConfig> =>
  new Map(allFamilies().flatMap(({ configs }) => [...configs]));

/**
 * A named configuration of any family.
 *
 * @throws InputError with the closest names when there is none
 */
export const modelConfigByName = (name: string): FamilyConfig => configByName(modelConfigs(), name);

/**
 * Reads a configuration of any family from JSON text: a file of its own, the `config.json` of a run,
 * or the manifest of a checkpoint.
 *
 * @param family that of a configuration which does not name its own
 * @throws InputError naming the field that is missing or wrong
 */
export function parseModelConfig(text: string, where: string, family?: string): FamilyConfig {
  const value = configIn(parseJsonConfig(text, where));
  const name = Object(value).family ?? familyOfClass(Object(value)._class_name) ?? family;
  if (name === undefined) {
    const names = [...families.keys()].map(quote).join(" or ");
    throw new InputError(`${where}: the field "family" is missing; it is ${names}`);
  }
  const config = value instanceof Object ? { ...value, family: name } : value;
  return familyByName(String(name), `${where}: family`).check(config, where);
}

/** The family whose models diffusers keeps in a class; undefined when there is none. */
const familyOfClass = (name: unknown): string | undefined =>
  allFamilies().find(({ publishedClass }) => name !== undefined && publishedClass === name)?.name;

/** The configuration in a document, which may be all of it. */
function configIn(document: unknown): unknown {
  const { config, description } = Object(document);
  return config ?? description?.config ?? document;
}

/**
 * Says why weights do not fit a model: what its own family knows of them, or which other family they are of.
 */
export function explainMisfit<Config extends FamilyConfig>(
  family: Family<Config>,
  config: Config,
): NonNullable<MatchOptions["explain"]> {
  const ofItsOwn = family.explainMisfit?.(config);
  return (found) => {
    const explained = ofItsOwn?.(found);
    if (explained !== undefined) return explained;
    const other = familyOfNames(found.keys());
    if (other === undefined || other.name === family.name) return undefined;
    return `the weights are of a ${other.title}, the model is a ${family.title}`;
  };
}

/** The family that calls its parameters so, in one of the models that have a name and with any number of blocks. */
function familyOfNames(names: Iterable<string>): Family | undefined {
  const kinds = (names: Iterable<string>): string =>
    [...new Set([...names].map((name) => name.replaceAll(/\d+/g, "N")))].sort().join();
  const wanted = kinds(names);
  const isOf = ({ configs, parameters }: Family) =>
    configs.values().some((config) => kinds(parameters(config).map(({ name }) => name)) === wanted);
  return allFamilies().find(isOf);
}

/** The parameters of a model. */
export const parametersOf = (config: FamilyConfig): ParameterSpecification[] =>
  familyOf(config).parameters(config);

/**
 * Requires that a model is of a family.
 *
 * @param name what the model is called in the message
 * @throws InputError when it is of another one
 */
export function ofFamily<Config extends FamilyConfig>(
  family: Family<Config>,
  config: FamilyConfig,
  name: string,
): Config {
  if (config.family === family.name) return config as Config;
  throw new InputError(`${name} is a ${config.family}, not a ${family.name}`);
}

/**
 * The manifest of a checkpoint of any family.
 *
 * @throws InputError when there is none, when it is damaged, or naming the field that is wrong
 */
export async function readAnyManifest(folder: string): Promise<Manifest> {
  const manifest = await readManifest(folder);
  const family = familyByName(manifest.config.family, `${folder}: config.family`);
  return checkManifest(trainedFamily(family, folder), manifest, folder);
}
