/**
 * What a run is and how far it has come: the manifest of a checkpoint, everything but the tensors.
 *
 * @module
 */
import { basename, join, resolve } from "@std/path";
import { z } from "zod";
import { type FileRecord, textChecksum } from "../../formats/files/checksum.ts";
import { readRegularText } from "../../formats/files/regular_file.ts";
import { InputError, quote } from "../../base/errors.ts";
import { findDuplicateKey } from "../../formats/text/json.ts";
import { checkFields, type FamilyConfig } from "../../nn/config.ts";
import type { DataPosition } from "../runs/batch_source.ts";
import type { RunFamily } from "./families.ts";
import { type CommonSettings, commonSettings, positive, whole } from "./settings.ts";

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
  /** Evaluations on the way; absent: none. */
  readonly evaluations?: EvaluationSchedule;
}

/** When a run is evaluated on held-out data. */
export interface EvaluationSchedule {
  /** Training steps between evaluations. */
  readonly every: number;
  /** Path of the network whose features are compared, where samples are evaluated. */
  readonly features?: string;
}

/** When pictures are drawn during a run. */
export interface SampleSchedule {
  /** Training steps between drawings. */
  readonly every: number;
  /** Steps of the sampler. */
  readonly steps: number;
}

/** What was different about a run until one of its steps. */
export interface RunChange {
  /** The last step that was made as before. */
  readonly step: number;
  /** When the run was changed, in ISO 8601. */
  readonly at: string;
  /** What held until then, of the fields that were changed; null: there was none. */
  readonly before: Readonly<Record<string, unknown>>;
}

/** The checkpoint that a run goes on from in a folder of its own. */
export interface ForkOrigin {
  /** Path of the checkpoint when the run started. */
  readonly checkpoint: string;
  /** Its step. */
  readonly step: number;
}

/** What a run is: the part of a manifest that stays the same unless the user has the run changed. */
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
  /** Where the run comes from, if it has not started at step 0. */
  readonly forkedFrom?: ForkOrigin;
  /** How the run has been changed on its way, the first change first; absent: never. */
  readonly changes?: readonly RunChange[];
}

/** The run of any model. */
export type RunDescription = Description<FamilyConfig, CommonSettings>;

/** How far a run has come. */
export interface RunProgress {
  /** Optimizer steps made. */
  readonly step: number;
  /** What the run was to do; a resumed run goes on so. */
  readonly schedule?: RunSchedule;
  /** Where the data of the next step starts, if its number does not tell. */
  readonly position?: DataPosition;
}

/** What a manifest says about its checkpoint as a thing on a disk; all from version 2 on. */
export interface CheckpointRecord {
  /** When it was written, in ISO 8601. */
  readonly savedAt?: string;
  /** Length and checksums of the files beside the manifest, by name. */
  readonly files?: Readonly<Record<string, FileRecord>>;
}

/** A checkpoint's manifest. */
export type Manifest<Run extends RunDescription = RunDescription> =
  & Run
  & RunProgress
  & CheckpointRecord;

const checksum = z.string().regex(/^[0-9a-f]{8}$/);

const fileRecord = z.strictObject({ bytes: whole, header: checksum, contents: checksum });

/** What the manifests of all families have in common; what a family has of its own is let through. */
const manifestSchema = z.strictObject({
  format: z.literal("tessera-checkpoint"),
  version: z.literal([1, 2]),
  step: whole,
  savedAt: z.iso.datetime().optional(),
  config: z.looseObject({ family: z.string() }),
  classNames: z.array(z.string()),
  run: z.looseObject(commonSettings),
  dataFingerprint: z.string(),
  dataPath: z.string(),
  forkedFrom: z.strictObject({ checkpoint: z.string(), step: whole }).optional(),
  changes: z.array(
    z.strictObject({
      step: whole,
      at: z.iso.datetime(),
      before: z.record(z.string(), z.unknown()),
    }),
  ).optional(),
  schedule: z.strictObject({
    steps: positive,
    logEvery: positive,
    checkpointEvery: positive,
    keep: positive,
    samples: z.strictObject({ every: positive, steps: positive.max(1000) }).optional(),
    evaluations: z.strictObject({ every: positive, features: z.string().optional() }).optional(),
  }).optional(),
  position: z.looseObject({}).optional(),
  files: z.record(z.string().regex(/^[\w-]+\.safetensors$/), fileRecord).optional(),
}) satisfies z.ZodType<Manifest>;

/** Names of the checkpoints of a run: their steps, with at least seven digits. */
export const checkpointPattern = /^\d{7,}$/;

/** Name of the file in a checkpoint's folder. */
export const manifestFile = "state.json";

/** Whether a folder has a manifest, and not a file of that name of another program. */
export async function hasManifest(folder: string): Promise<boolean> {
  const text = await readRegularText(join(folder, manifestFile)).catch(() => "");
  return text.includes('"tessera-checkpoint"');
}

/**
 * The manifest as read from a folder, whatever its family. Its own checksum is compared, and its step
 * with the name of the folder; those of the files are compared by whoever reads them.
 *
 * @throws InputError when there is none, when it is damaged, or naming the field that is wrong
 */
export async function readManifest(folder: string): Promise<Manifest> {
  const path = join(folder, manifestFile);
  let text: string;
  try {
    text = await readRegularText(path);
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
 * @throws InputError when it is of another one, or naming the field that is wrong
 */
export async function readManifestOf<Config extends FamilyConfig, Settings extends CommonSettings>(
  family: RunFamily<Config, Settings>,
  folder: string,
): Promise<Manifest<Description<Config, Settings>>> {
  const manifest = await readManifest(folder);
  const found = manifest.config.family;
  if (found !== family.name) {
    throw new InputError(
      `${folder}: the checkpoint holds a model of the family ${found}, not ${family.name}`,
    );
  }
  return checkManifest(family, manifest, folder);
}

/**
 * A manifest with what is its family's own checked.
 *
 * @param folder of the checkpoint, for messages
 * @throws InputError naming the field that is wrong
 */
export function checkManifest<Config extends FamilyConfig, Settings extends CommonSettings>(
  { check, classes, training }: RunFamily<Config, Settings>,
  manifest: Manifest,
  folder: string,
): Manifest<Description<Config, Settings>> {
  const path = join(folder, manifestFile);
  const config = check(manifest.config, `${path}: config`);
  const run = checkFields(training.settings, manifest.run, path, { field: "run" });
  const { classNames, position } = manifest;
  if (position) {
    checkFields(training.position ?? z.never(), position, path, { field: "position" });
  }
  const count = classes(config);
  if (count !== undefined && classNames.length > count) {
    throw new InputError(
      `${path}: ${classNames.length} classNames, but the model has ${count} classes`,
    );
  }
  return { ...manifest, config, run };
}

/** The text of a manifest: everything before its checksum, and the checksum. */
const sealPattern = /^(.*"checksum": ")([0-9a-f]{8})"\n\}\n$/s;

/**
 * A manifest as the text of its file, with fields in one order. Its last field is the checksum of all
 * the text before.
 */
export function manifestText(manifest: Manifest & Required<CheckpointRecord>): string {
  const fields = manifestSchema.parse({ ...manifest, version: 2 });
  const text = JSON.stringify({ ...fields, checksum: "" }, null, 2);
  const sealed = text.slice(0, -'"\n}'.length);
  return `${sealed}${textChecksum(sealed)}"\n}\n`;
}

/** What a run is, without what belongs to one of its checkpoints. */
export function descriptionOf<Run extends RunDescription>(manifest: Manifest<Run>): Run {
  const { step: _, schedule: __, position: ___, savedAt: ____, files: _____, ...run } = manifest;
  return run as unknown as Run;
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
  return checkFields(manifestSchema, unseal(path, text), path, { document: "manifest" });
}
