/**
 * Checking DiT configurations that come from files and flags.
 *
 * @module
 */
import { z } from "zod";
import { checkFields, requireMultiple, withOverrides } from "../../nn/config.ts";
import type { DiTConfig } from "./model.ts";

const count = z.int().min(1).max(65536);

/** The JSON form of a configuration. */
const ditConfigSchema: z.ZodType<DiTConfig> = z.strictObject({
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
  const config = checkFields(ditConfigSchema, value, where);
  const { inputSize, patch, hidden, heads } = config;
  requireMultiple(
    where,
    ["side", inputSize],
    [`divisible by the patch ${patch}`, patch],
    "sides",
  );
  requireMultiple(where, ["width", hidden], [`divisible by ${heads} heads`, heads], "widths");
  requireMultiple(
    where,
    ["width", hidden],
    ["a multiple of 4, which the positions need", 4],
    "widths",
  );
  return config;
}

/** A configuration with some fields replaced, checked. */
export function overrideDiTConfig(
  config: DiTConfig,
  overrides: DiTOverrides,
  where: string,
): DiTConfig {
  return checkDiTConfig(withOverrides(config, overrides), where);
}
