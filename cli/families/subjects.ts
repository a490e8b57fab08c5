/**
 * From flags to models that are counted or timed.
 *
 * @module
 */
import type { Subject } from "../../bench/subjects.ts";
import type { FamilyConfig } from "../../nn/config.ts";
import {
  familyOf,
  modelConfigByName,
  modelConfigs,
  parseModelConfig,
} from "../../models/registry.ts";
import { readTextFile } from "../terminal/files.ts";
import { asUsage, UsageError } from "../terminal/errors.ts";
import type { Flags } from "../flags/flags.ts";
import { modelFlags } from "../flags/options.ts";
import type { ModelValues } from "./commands.ts";
import { allCommands, commandsOf } from "./registry.ts";

/** A configuration with what the model is called in tables. */
export interface NamedModel {
  /** The name or file that was asked for, and the fields that flags have changed. */
  readonly name: string;
  /** The model. */
  readonly config: FamilyConfig;
}

/**
 * The named configuration with the overrides.
 *
 * @throws UsageError for an unknown name or fields that do not fit, with the nearest valid ones
 */
export function configFromFlags(name: string, values: ModelValues): NamedModel {
  return asUsage(() => overridden(name, modelConfigByName(name), values));
}

/** Every named configuration, with those of the overrides that its family has. */
export function allConfigsFromFlags(values: ModelValues): NamedModel[] {
  return [...modelConfigs()].map(([name, { family }]) => {
    const { fields } = commandsOf(family);
    const foreign = new Set([...foreignFlags(family), ...fields.without ?? []]);
    const own = Object.entries(values).filter(([flag]) => !foreign.has(flag));
    return configFromFlags(name, Object.fromEntries(own) as ModelValues);
  });
}

/** Fields of flags that only other families have. */
const foreignFlags = (family: string): string[] =>
  allCommands().flatMap(({ fields }) => Object.keys(fields.flags))
    .filter((flag) => !Object.hasOwn(commandsOf(family).fields.flags, flag));

/**
 * The configuration in a JSON file with the overrides.
 *
 * @throws InputError when the file cannot be used; UsageError when the overrides do not fit
 */
export async function configFromFile(path: string, values: ModelValues): Promise<NamedModel> {
  const config = parseModelConfig(await readTextFile(path), path);
  return asUsage(() => overridden(path, config, values));
}

/** What flags say of the samples. */
export interface SampleValues {
  /** Tokens, of models that take any number. */
  readonly tokens?: readonly number[];
  /** Side in pixels. */
  readonly imageSize?: number;
  /** Frames of a clip, of families that have them. */
  readonly frames?: unknown;
}

/** Side of the pictures that vision transformers are compared on, in pixels. */
const usualSide = 224;

/**
 * A model with the samples that it is counted or timed on: those whose size follows from its fields,
 * or samples of so many tokens, or squares of a side in pixels.
 *
 * @param fallback tokens where the flags do not tell; those of a usual square when absent
 * @throws UsageError for `--tokens` where the fields of the model tell
 */
export function subjectsOf(
  { name, config }: NamedModel,
  { tokens, imageSize, frames }: SampleValues,
  fallback?: readonly number[],
): Subject[] {
  const family = familyOf(config);
  const subject = { name, config };
  const sampleOf = (side: number | undefined) =>
    asUsage(() => family.sample(config, { side, frames: frames as number | undefined }));
  if (family.sample(config, {}) !== undefined) {
    if (tokens === undefined) return [{ ...subject, ...sampleOf(imageSize)! }];
    throw new UsageError(
      `--tokens is for models of any size, and ${name} is a ${family.title}: give --image-size`,
    );
  }
  const asked = tokens ?? (imageSize === undefined ? fallback : undefined);
  if (asked) return asked.map((tokens) => ({ ...subject, tokens }));
  return [{ ...subject, ...sampleOf(imageSize ?? usualSide)! }];
}

function overridden(name: string, base: FamilyConfig, values: ModelValues): NamedModel {
  const known = [...modelConfigs().keys()].find((key) => key.toLowerCase() === name.toLowerCase());
  const title = known ?? name;
  refuseForeignFlags(base.family, values, title);
  const { fields } = commandsOf(base.family);
  const overrides = Object.fromEntries(
    Object.entries(fields.overrides(base, values)).filter(([, value]) => value !== undefined),
  );
  const changes = Object.entries(overrides).map(([field, value]) => `${field}=${value}`);
  return {
    name: [title, ...changes].join(" "),
    config: fields.override(base, overrides, name) as FamilyConfig,
  };
}

/** Refuses flags that only other families have. */
function refuseForeignFlags(family: string, values: ModelValues, title: string): void {
  const own = commandsOf(family);
  const given = (flags: Flags, names: readonly string[]): string =>
    names.filter((name) => values[name]).map((name) => flags[name].usage.split(" ", 1)[0]).join(
      ", ",
    );
  for (const { fields: { flags }, title: other } of allCommands()) {
    const foreign = Object.keys(flags).filter((name) => !Object.hasOwn(own.fields.flags, name));
    const wrong = given(flags, foreign);
    if (wrong === "") continue;
    throw new UsageError(`${wrong}: for ${other} only, and ${title} is a ${own.title}`);
  }
  const wrong = given(modelFlags, own.fields.without ?? []);
  if (wrong !== "") throw new UsageError(`${wrong}: not for ${title}, which is a ${own.title}`);
}
