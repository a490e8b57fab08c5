/**
 * The families of models, where it does not matter which one a model belongs to: configurations by
 * name, and from JSON by their field `family`.
 *
 * @module
 */
import { InputError, quote } from "../base/errors.ts";
import { configByName, parseJsonConfig } from "../nn/config.ts";
import { type DiTConfig, ditConfigs, ditParameters } from "./dit/model.ts";
import { checkDiTConfig } from "./dit/config.ts";
import { type NaViTConfig, navitConfigs, navitParameters } from "./navit/model.ts";
import { checkNaViTConfig } from "./navit/config.ts";
import type { ParameterSpecification } from "../nn/parameters.ts";

/** The configuration of a model of any family. */
export type ModelConfig = DiTConfig | NaViTConfig;

/** Name of a family. */
export type Family = ModelConfig["family"];

/** The configuration of a family. */
export type ConfigOf<F extends Family> = Extract<ModelConfig, { readonly family: F }>;

/** All models that have a name. */
export const modelConfigs: ReadonlyMap<string, ModelConfig> = new Map<string, ModelConfig>([
  ...ditConfigs,
  ...navitConfigs,
]);

/** How the configurations of each family are checked. */
const checks: { readonly [F in Family]: (value: unknown, where: string) => ConfigOf<F> } = {
  dit: checkDiTConfig,
  navit: checkNaViTConfig,
};

/**
 * A named configuration of any family.
 *
 * @throws InputError with the closest names when there is none
 */
export function modelConfigByName(name: string): ModelConfig {
  return configByName(modelConfigs, name);
}

/**
 * Reads a configuration of any family from JSON text.
 *
 * @throws InputError naming the field that is wrong
 */
export function parseModelConfig(text: string, where: string): ModelConfig {
  const value = parseJsonConfig(text, where);
  const family = Object(value).family;
  if (Object.hasOwn(checks, family)) return checks[family as Family](value, where);
  throw new InputError(
    `${where}: family: ${quote(String(family))} is not known; it is ` +
      Object.keys(checks).join(" or "),
  );
}

/** The parameters of a model. */
export function parametersOf(config: ModelConfig): ParameterSpecification[] {
  return config.family === "dit" ? ditParameters(config) : navitParameters(config);
}

/**
 * Requires that a model is of a family.
 *
 * @param name what the model is called in the message
 * @throws InputError when it is of another one
 */
export function ofFamily<F extends Family>(
  family: F,
  config: ModelConfig,
  name: string,
): ConfigOf<F> {
  if (config.family === family) return config as ConfigOf<F>;
  throw new InputError(`${name} is a ${config.family}, not a ${family}`);
}
