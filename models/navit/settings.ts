/**
 * What a NaViT's runs have of their own.
 *
 * @module
 */
import { z } from "zod";
import type { PackingPosition } from "../../data/packing/batch.ts";
import type { Resolution } from "../../data/packing/resolution.ts";
import type { TokenDropping } from "../../data/packing/token_dropping.ts";
import type { Description } from "../../training/checkpoints/manifest.ts";
import {
  type CommonSettings,
  commonSettings,
  positive,
  share,
  whole,
} from "../../training/checkpoints/settings.ts";
import type { NaViTConfig } from "./model.ts";
import type { NaViTStepSettings } from "./step.ts";

/** Everything that decides how the run of a NaViT goes on. */
export interface NaViTSettings extends CommonSettings, NaViTStepSettings {
  /** How large an image is made. */
  readonly resolution: Resolution;
  /** How many of its tokens are left out. */
  readonly dropping: TokenDropping;
  /** Whether images keep their aspect ratio or become squares. */
  readonly aspect: "native" | "square";
  /** Sequences that are filled at a time; a multiple of `sequences`. */
  readonly openSequences: number;
  /** Which part of the pictures is kept for evaluation, 0 to 1; absent: none. */
  readonly holdout?: number;
}

/** The run of a NaViT. */
export type NaViTRun = Description<NaViTConfig, NaViTSettings>;

const distributionSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("uniform") }),
  z.strictObject({ kind: z.literal("normal"), mean: z.number() }),
]);

const side = z.number().positive();

const resolutionSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("fixed"), side }),
  z.strictObject({
    kind: z.literal("sampled"),
    distribution: distributionSchema,
    over: z.enum(["side", "area"]),
    minimum: side,
    maximum: side,
  }),
  z.strictObject({ kind: z.literal("native"), maximum: side.optional() }),
]) satisfies z.ZodType<Resolution>;

const droppingSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("none") }),
  z.strictObject({ kind: z.literal("constant"), rate: share }),
  z.strictObject({ kind: z.literal("beta"), mean: share, maximum: share }),
  z.strictObject({
    kind: z.literal("resolution"),
    minimum: share,
    maximum: share,
    fewest: positive,
    most: positive,
  }),
  z.strictObject({
    kind: z.literal("scheduled"),
    minimum: share,
    maximum: share,
    middle: z.number(),
    width: z.number(),
  }),
]) satisfies z.ZodType<TokenDropping>;

/** The JSON form of the settings. */
export const navitSettingsSchema: z.ZodType<NaViTSettings> = z.strictObject({
  ...commonSettings,
  sequences: positive,
  length: positive,
  slots: positive,
  loss: z.enum(["softmax", "sigmoid", "contrastive"]),
  textLength: positive.optional(),
  resolution: resolutionSchema,
  dropping: droppingSchema,
  aspect: z.enum(["native", "square"]),
  openSequences: positive,
  holdout: share.optional(),
});

/** The JSON form of where a batch starts among the packed ones. */
export const packingPositionSchema = z.strictObject({
  step: whole,
  groupStart: whole,
}) satisfies z.ZodType<PackingPosition>;
