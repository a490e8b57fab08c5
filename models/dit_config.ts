/**
 * Checking DiT configurations that come from files and flags.
 *
 * @module
 */
import { z } from "zod";
import { InputError, nearestNames, quote } from "../formats/errors.ts";
import { findDuplicateKey } from "../formats/json.ts";
import { type DiTConfig, ditConfigs } from "./dit.ts";

const count = z.int().min(1).max(65536);

/** The JSON form of a configuration. */
export const ditConfigSchema: z.ZodType<DiTConfig> = z.strictObject({
  family: z.literal("dit"),
  inputSize: count,
  patch: count,
  channels: count,
  hidden: count,
  depth: z.int().min(1).max(1024),
  heads: z.int().min(1).max(1024),
  classes: z.int().min(1).max(1_000_000),
  learnSigma: z.boolean().default(true),
  conditioning: z.literal("adaLN-Zero").default("adaLN-Zero"),
});

/** Fields that flags may change. */
export type DiTOverrides = Partial<Omit<DiTConfig, "family" | "conditioning">>;

/**
 * Checks the fields of a configuration, and that they fit each other.
 *
 * @throws InputError naming the field, or with the nearest valid values
 */
export function checkDiTConfig(value: unknown, where: string): DiTConfig {
  const parsed = ditConfigSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new InputError(`${where}: ${issue.path.join(".") || "config"}: ${issue.message}`);
  }
  const config = parsed.data;
  const { inputSize, patch, hidden, heads } = config;
  if (inputSize % patch !== 0) {
    throw new InputError(
      `${where}: the side ${inputSize} is not divisible by the patch ${patch}; ` +
        `nearest sides: ${nearestMultiples(inputSize, patch)}`,
    );
  }
  if (hidden % heads !== 0) {
    throw new InputError(
      `${where}: the width ${hidden} is not divisible by ${heads} heads; ` +
        `nearest widths: ${nearestMultiples(hidden, heads)}`,
    );
  }
  if (hidden % 4 !== 0) {
    throw new InputError(
      `${where}: the width ${hidden} is not a multiple of 4, which the positions need; ` +
        `nearest widths: ${nearestMultiples(hidden, 4)}`,
    );
  }
  return config;
}

function nearestMultiples(value: number, of: number): string {
  const below = Math.floor(value / of) * of;
  return below > 0 ? `${below} and ${below + of}` : `${of}`;
}

/**
 * A published configuration by name.
 *
 * @throws InputError with the closest name when there is none
 */
export function ditConfigByName(name: string): DiTConfig {
  const config = ditConfigs.get(name) ??
    [...ditConfigs].find(([known]) => known.toLowerCase() === name.toLowerCase())?.[1];
  if (config) return config;
  const names = [...ditConfigs.keys()];
  throw new InputError(
    `unknown model ${name}; did you mean ${nearestNames(name, names).join(" or ")}? ` +
      `All: ${names.join(", ")}`,
  );
}

/**
 * Reads a configuration from JSON text.
 *
 * @throws InputError naming the field that is wrong
 */
export function parseDiTConfig(text: string, where: string): DiTConfig {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new InputError(`${where}: not valid JSON: ${(error as Error).message}`);
  }
  const repeated = findDuplicateKey(text);
  if (repeated !== undefined) {
    throw new InputError(`${where}: the field ${quote(repeated)} is given twice`);
  }
  return checkDiTConfig(value, where);
}

/** A configuration with some fields replaced, checked. */
export function overrideDiTConfig(
  config: DiTConfig,
  overrides: DiTOverrides,
  where: string,
): DiTConfig {
  const given = Object.entries(overrides).filter(([, value]) => value !== undefined);
  return checkDiTConfig({ ...config, ...Object.fromEntries(given) }, where);
}
