/**
 * What models share: tables of parameters and how a model reads them, transformer blocks, checks of
 * configurations.
 *
 * @example Parameters of a linear map, by the names of published checkpoints
 * ```ts
 * import { input, linear } from "../kernels/mod.ts";
 * import { countParameters, lookup, parameterStates } from "./mod.ts";
 *
 * const table = [
 *   { name: "head.weight", shape: [10, 64], initial: { kind: "zeros" }, trainable: true },
 *   { name: "head.bias", shape: [10], initial: { kind: "zeros" }, trainable: true },
 * ] as const;
 * const parameters = lookup(parameterStates(table));
 * const logits = linear(input("x", [8, 64]), parameters("head.weight"), parameters("head.bias"));
 *
 * if (logits.shape.join() !== "8,10") throw new Error(`${logits.shape}`);
 * if (countParameters(table).parameters !== 650) throw new Error("parameters");
 * ```
 *
 * @module
 */
export type { FamilyConfig, Schema } from "./config.ts";
export type { TransformerConfig } from "./transformer.ts";
export type { MatchOptions, OtherForm } from "./weights_file.ts";
export {
  countParameters,
  type Initializer,
  lookup,
  type OtherPlaces,
  type Parameters,
  type ParameterSpecification,
  parameterStates,
  type WeightType,
} from "./parameters.ts";
