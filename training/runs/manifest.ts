/**
 * What a run is and how far it has come: the manifest of a checkpoint, everything but the tensors.
 *
 * @module
 */
import { basename, join, resolve } from "@std/path";
import { z } from "zod";
import type { PackingPosition } from "../../data/packing/batch.ts";
import type { Resolution } from "../../data/packing/resolution.ts";
import type { TokenDropping } from "../../data/packing/token_dropping.ts";
import { type FileRecord, textChecksum } from "../../formats/files/checksum.ts";
import { InputError, quote } from "../../base/errors.ts";
import { findDuplicateKey } from "../../formats/text/json.ts";
// deno-lint-ignore tessera/folder-order
import type { DiTConfig } from "../../models/dit/model.ts";
// deno-lint-ignore tessera/folder-order
import { checkDiTConfig, ditConfigSchema } from "../../models/dit/config.ts";
// deno-lint-ignore tessera/folder-order
import type { NaViTConfig } from "../../models/navit/model.ts";
// deno-lint-ignore tessera/folder-order
import { checkNaViTConfig, navitConfigSchema } from "../../models/navit/config.ts";
// deno-lint-ignore tessera/folder-order
import type { DiTStepSettings } from "../../models/dit/step.ts";
// deno-lint-ignore tessera/folder-order
import type { NaViTStepSettings } from "../../models/navit/step.ts";
import type { OptimizerSettings } from "../step/optimizer.ts";

/** Settings of the runs of every model. */
export interface CommonSettings extends OptimizerSettings {
  /** Seed of first values, data order and everything else that is random. */
  readonly seed: number;
  /** Whether training pictures are mirrored at random. */
  readonly flip: boolean;
}

/** Everything that decides how the run of a DiT goes on. */
export interface DiTSettings extends CommonSettings, DiTStepSettings {}

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

/** How far a run goes and what it leaves behind on its way. None of it changes the weights. */
export interface RunSchedule {
  /** Number of steps in all, counted from the start of the run. */
  readonly steps: number;
  /** Steps between lines of the metrics. */
  readonly logEvery: number;
  /** Steps between checkpoints. */
  readonly checkpointEvery: number;
  /** How many checkpoints are kept. */
  readonly keep: number;
  /** Pictures drawn on the way; absent: none. */
  readonly samples?: SampleSchedule;
}

/** When pictures are drawn during a run. */
export interface SampleSchedule {
  /** Training steps between drawings. */
  readonly every: number;
  /** Steps of the sampler. */
  readonly steps: number;
}

/** What a run is: the part of a manifest that stays the same from start to end. */
export interface Description<Config, Settings> {
  /** Marks the file. */
  readonly format: "tessera-checkpoint";
  /** Version of the layout of the folder; manifests of version 1 have no checksums. */
  readonly version: 1 | 2;
  /** Size and shape of the model. */
  readonly config: Config;
  /** Names in the order of the labels. */
  readonly classNames: readonly string[];
  /** Settings of the run. */
  readonly run: Settings;
  /** Identifies the training data. */
  readonly dataFingerprint: string;
  /** Where the training data was when the run started. */
  readonly dataPath: string;
}

/** The run of a DiT. */
export type DiTRun = Description<DiTConfig, DiTSettings>;

/** The run of a NaViT. */
export type NaViTRun = Description<NaViTConfig, NaViTSettings>;

/** The run of any model. */
export type RunDescription = DiTRun | NaViTRun;

/** How far a run has come. */
export interface RunProgress {
  /** Optimizer steps made. */
  readonly step: number;
  /** What the run was to do; a resumed run goes on so. */
  readonly schedule?: RunSchedule;
  /** Where the data of the next step starts, if its number does not tell. */
  readonly position?: PackingPosition;
}

/** What a manifest says about its checkpoint as a thing on a disk; all from version 2 on. */
export interface CheckpointRecord {
  /** When it was written, in ISO 8601. */
  readonly savedAt?: string;
  /** Length and checksums of the files beside the manifest, by name. */
  readonly files?: Readonly<Record<string, FileRecord>>;
}

/** A checkpoint's manifest. */
export type Manifest = RunDescription & RunProgress & CheckpointRecord;

/** The manifest of one family. */
export type ManifestOf<Family extends Manifest["config"]["family"]> =
  & Extract<
    RunDescription,
    { readonly config: { readonly family: Family } }
  >
  & RunProgress
  & CheckpointRecord;

const whole = z.int().min(0);
const positive = z.int().min(1);
const share = z.number().min(0).max(1);

const rateScheduleSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("constant"), warmup: whole }),
  z.strictObject({
    kind: z.literal("cosine"),
    warmup: whole,
    steps: positive,
    minimum: z.number().min(0),
  }),
  z.strictObject({
    kind: z.literal("rsqrt"),
    warmup: whole,
    timescale: z.number().positive(),
    steps: positive,
    cooldown: whole,
  }),
]);

const commonSettings = {
  seed: whole,
  flip: z.boolean(),
  clipNorm: z.number().min(0),
  learningRate: z.number().positive(),
  // Checkpoints from before there were schedules have none.
  rateSchedule: rateScheduleSchema.optional(),
  weightDecay: z.number().min(0),
  headWeightDecay: z.number().min(0).optional(),
  averageDecay: share,
  accumulate: positive.optional(),
};

const ditSettings = z.strictObject({ ...commonSettings, batchSize: positive, labelDropout: share });

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

const navitSettings = z.strictObject({
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

const checksum = z.string().regex(/^[0-9a-f]{8}$/);

const fileRecord = z.strictObject({ bytes: whole, header: checksum, contents: checksum });

/** The manifest of a family with these fields. */
function manifestSchema<Config extends z.ZodType, Settings extends z.ZodType>(
  config: Config,
  run: Settings,
) {
  return z.strictObject({
    format: z.literal("tessera-checkpoint"),
    version: z.literal([1, 2]),
    step: whole,
    savedAt: z.iso.datetime().optional(),
    config,
    classNames: z.array(z.string()),
    run,
    dataFingerprint: z.string(),
    dataPath: z.string(),
    schedule: z.strictObject({
      steps: positive,
      logEvery: positive,
      checkpointEvery: positive,
      keep: positive,
      samples: z.strictObject({ every: positive, steps: positive.max(1000) }).optional(),
    }).optional(),
    position: z.strictObject({ step: whole, groupStart: whole }).optional(),
    files: z.record(z.string().regex(/^[\w-]+\.safetensors$/), fileRecord).optional(),
  });
}

/** For each family, how its manifest is read and its configuration checked. */
const families = {
  dit: {
    schema: manifestSchema(ditConfigSchema, ditSettings) satisfies z.ZodType<ManifestOf<"dit">>,
    check: checkDiTConfig,
  },
  navit: {
    schema: manifestSchema(navitConfigSchema, navitSettings) satisfies z.ZodType<
      ManifestOf<"navit">
    >,
    check: checkNaViTConfig,
  },
} as const;

/** Names of the checkpoints of a run: their steps, with at least seven digits. */
export const checkpointPattern = /^\d{7,}$/;

/** Name of the file in a checkpoint's folder. */
export const manifestFile = "state.json";

/** Whether a folder has a manifest, and not a file of that name of another program. */
export async function hasManifest(folder: string): Promise<boolean> {
  const text = await Deno.readTextFile(join(folder, manifestFile)).catch(() => "");
  return text.includes('"tessera-checkpoint"');
}

/**
 * The manifest as read from a folder. Its own checksum is compared, and its step with the name of the
 * folder; those of the files are compared by whoever reads them.
 *
 * @throws InputError when there is none, when it is damaged, or naming the field that is wrong
 */
export async function readManifest(folder: string): Promise<Manifest> {
  const path = join(folder, manifestFile);
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new InputError(`${folder}: no checkpoint, there is no ${manifestFile} in it`);
    }
    throw error;
  }
  const manifest = parseManifest(path, text);
  requireStepOfName(path, basename(resolve(folder)), manifest);
  return manifest;
}

/** Refuses the checkpoint of one step under the name of another; other names are the user's. */
function requireStepOfName(path: string, name: string, { step }: RunProgress): void {
  if (!checkpointPattern.test(name) || Number(name) === step) return;
  throw new InputError(
    `${path}: says step ${step}, but the folder is that of step ${Number(name)}`,
  );
}

/**
 * The manifest of a checkpoint that must be of one family.
 *
 * @throws InputError when it is of another one
 */
export async function readManifestOf<Family extends Manifest["config"]["family"]>(
  family: Family,
  folder: string,
): Promise<ManifestOf<Family>> {
  const manifest = await readManifest(folder);
  const found = manifest.config.family;
  if (found !== family) {
    throw new InputError(
      `${folder}: the checkpoint holds a model of the family ${found}, not ${family}`,
    );
  }
  return manifest as ManifestOf<Family>;
}

/** The text of a manifest: everything before its checksum, and the checksum. */
const sealPattern = /^(.*"checksum": ")([0-9a-f]{8})"\n\}\n$/s;

/**
 * A manifest as the text of its file, with fields in one order. Its last field is the checksum of all
 * the text before.
 */
export function manifestText(manifest: Manifest & Required<CheckpointRecord>): string {
  const { schema } = families[manifest.config.family];
  const fields = schema.parse({ ...manifest, version: 2 });
  const text = JSON.stringify({ ...fields, checksum: "" }, null, 2);
  const sealed = text.slice(0, -'"\n}'.length);
  return `${sealed}${textChecksum(sealed)}"\n}\n`;
}

/** What a run is, without what belongs to one of its checkpoints. */
export function descriptionOf<Run extends RunDescription>(
  manifest: Run & RunProgress & CheckpointRecord,
): Run {
  const { step: _, schedule: __, position: ___, savedAt: ____, files: _____, ...run } = manifest;
  return run as unknown as Run;
}

/** The field of a document that tells the families apart; the first family where it is missing. */
function familyOf(value: unknown): keyof typeof families {
  const config = (value as { config?: { family?: unknown } } | null)?.config;
  return Object.hasOwn(families, String(config?.family))
    ? config!.family as keyof typeof families
    : "dit";
}

/**
 * The document in a manifest's file, without its checksum.
 *
 * @throws InputError when the checksum is wrong, or missing where the version has one
 */
function unseal(path: string, text: string): unknown {
  const [, sealed, recorded] = sealPattern.exec(text) ?? [];
  const found = sealed === undefined ? undefined : textChecksum(sealed);
  if (found !== recorded) {
    throw new InputError(
      `${path}: damaged: its checksum (${found}) differs from what was written (${recorded})`,
    );
  }
  const { checksum: _, ...document } = Object(parseJson(path, text));
  if (recorded === undefined && document.version === 2) {
    throw new InputError(`${path}: damaged: it does not end in its checksum`);
  }
  return document;
}

function parseJson(path: string, text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new InputError(`${path}: not valid JSON, the file is damaged`);
  }
  const repeated = findDuplicateKey(text);
  if (repeated === undefined) return value;
  throw new InputError(`${path}: the field ${quote(repeated)} is there twice`);
}

function parseManifest(path: string, text: string): Manifest {
  const value = unseal(path, text);
  const { schema, check } = families[familyOf(value)];
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new InputError(`${path}: ${issue.path.join(".") || "manifest"}: ${issue.message}`);
  }
  const { classNames, config } = parsed.data;
  check(config, path);
  const isContrastive = config.family === "navit" && config.text !== undefined;
  if (!isContrastive && classNames.length > config.classes) {
    throw new InputError(
      `${path}: ${classNames.length} classNames, but the model has ${config.classes} classes`,
    );
  }
  return parsed.data;
}
