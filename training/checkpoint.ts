/**
 * Checkpoints: a folder of safetensors files and a manifest, complete or not there at all.
 *
 * `model.safetensors` (weights), `ema.safetensors` (their moving averages), `optim.safetensors`
 * (moments) and `state.json` (everything else). The folder is written under a temporary name, the
 * manifest last, and renamed when everything is on disk.
 *
 * @module
 */
import { join } from "@std/path";
import { z } from "zod";
import { writeFolderAtomically, writeTextAtomically } from "../formats/atomic_file.ts";
import { InputError } from "../formats/errors.ts";
import {
  openSafetensors,
  type TensorReader,
  type TensorToWrite,
  writeSafetensors,
} from "../formats/safetensors.ts";
import type { DeviceBuffer, StoredArray } from "../kernels/device.ts";
import type { DiTConfig } from "../models/dit.ts";
import { mismatch, type ParameterSpecification } from "../models/parameters.ts";
import { checkDiTConfig, ditConfigSchema } from "../models/dit_config.ts";
import type { DiTStepSettings } from "./dit_step.ts";
import type { OptimizerSettings } from "./optimizer.ts";
import type { ParameterBuffers, TrainingState } from "./trainer.ts";

/** Everything that decides how a run goes on. */
export interface RunSettings extends OptimizerSettings, DiTStepSettings {
  /** Seed of first values, data order, time steps, noise and label dropout. */
  readonly seed: number;
  /** Whether training pictures are mirrored at random. */
  readonly flip: boolean;
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

/** A checkpoint's manifest: everything but the tensors. */
export interface Manifest extends RunDescription {
  /** Optimizer steps made. */
  readonly step: number;
  /** What the run was to do; a resumed run goes on so. */
  readonly schedule?: RunSchedule;
}

/** What a run is: the part of a manifest that stays the same from start to end. */
export interface RunDescription {
  /** Marks the file. */
  readonly format: "tessera-checkpoint";
  /** Version of the layout of the folder. */
  readonly version: 1;
  /** Size and shape of the model. */
  readonly config: DiTConfig;
  /** Names in the order of the labels. */
  readonly classNames: readonly string[];
  /** Settings of the run. */
  readonly run: RunSettings;
  /** Identifies the training data. */
  readonly dataFingerprint: string;
  /** Where the training data was when the run started. */
  readonly dataPath: string;
}

const rateScheduleSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("constant"), warmup: z.int().min(0) }),
  z.object({
    kind: z.literal("cosine"),
    warmup: z.int().min(0),
    steps: z.int().min(1),
    minimum: z.number().min(0),
  }),
]);

const manifestSchema = z.object({
  format: z.literal("tessera-checkpoint"),
  version: z.literal(1),
  step: z.int().min(0),
  config: ditConfigSchema,
  classNames: z.array(z.string()),
  run: z.object({
    seed: z.int().min(0),
    batchSize: z.int().min(1),
    accumulate: z.int().min(1).optional(),
    learningRate: z.number().positive(),
    // Checkpoints from before there were schedules have none.
    rateSchedule: rateScheduleSchema.optional(),
    weightDecay: z.number().min(0),
    clipNorm: z.number().min(0),
    averageDecay: z.number().min(0).max(1),
    labelDropout: z.number().min(0).max(1),
    flip: z.boolean(),
  }),
  dataFingerprint: z.string(),
  dataPath: z.string(),
  schedule: z.object({
    steps: z.int().min(1),
    logEvery: z.int().min(1),
    checkpointEvery: z.int().min(1),
    keep: z.int().min(1),
    samples: z.object({ every: z.int().min(1), steps: z.int().min(1).max(1000) }).optional(),
  }).optional(),
}) satisfies z.ZodType<Manifest>;

const files = {
  manifest: "state.json",
  raw: "model.safetensors",
  ema: "ema.safetensors",
  optimizer: "optim.safetensors",
} as const;

/** Names of the tensors in the optimizer's file. */
const momentNames = { first: "exp_avg.", second: "exp_avg_sq." } as const;

/** Which weights to take from a checkpoint. */
export type WeightChoice = "ema" | "raw";

/**
 * The manifest as read from a folder.
 *
 * @throws InputError when there is none, or naming the field that is wrong
 */
export async function readManifest(folder: string): Promise<Manifest> {
  const path = join(folder, files.manifest);
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new InputError(`${folder}: no checkpoint, there is no ${files.manifest} in it`);
    }
    throw error;
  }
  return parseManifest(path, text);
}

function parseManifest(path: string, text: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new InputError(`${path}: not valid JSON, the file is damaged`);
  }
  const parsed = manifestSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new InputError(`${path}: ${issue.path.join(".") || "manifest"}: ${issue.message}`);
  }
  checkDiTConfig(parsed.data.config, path);
  const { classNames, config } = parsed.data;
  if (classNames.length > config.classes) {
    throw new InputError(
      `${path}: ${classNames.length} classNames, but the model has ${config.classes} classes`,
    );
  }
  return parsed.data;
}

/** Whether a path leads to a bare weights file: safetensors, or the index of a sharded one. */
export function isWeightsFile(path: string): boolean {
  return /\.(?:safetensors|json)$/.test(path);
}

/** Path of the weights of a checkpoint. */
export function weightsPath(folder: string, choice: WeightChoice): string {
  return join(folder, files[choice]);
}

/**
 * Writes a checkpoint folder `<parent>/<name>`.
 *
 * @param parent must exist: it is not made anew when it was removed during the run
 * @returns the path of the folder
 */
export async function writeCheckpoint(
  parent: string,
  name: string,
  state: TrainingState,
  manifest: Manifest,
): Promise<string> {
  const folder = join(parent, name);
  const writing = writeFolderAtomically(folder, async (temporary) => {
    await writeTensors(join(temporary, files.raw), state, [["", state.parameters]]);
    await writeTensors(join(temporary, files.ema), state, [["", state.averages]]);
    await writeTensors(join(temporary, files.optimizer), state, [
      [momentNames.first, state.firstMoments],
      [momentNames.second, state.secondMoments],
    ]);
    await writeTextAtomically(
      join(temporary, files.manifest),
      `${JSON.stringify(manifest, null, 2)}\n`,
    );
  });
  try {
    await writing;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new InputError(
      `${folder}: cannot be written, ${parent} was removed while the run was going on`,
      { cause: error },
    );
  }
  return folder;
}

async function writeTensors(
  path: string,
  { specifications }: TrainingState,
  groups: readonly (readonly [prefix: string, buffers: ParameterBuffers])[],
): Promise<void> {
  const tensors = groups.flatMap(([prefix, buffers]) =>
    specifications.filter(({ name }) => buffers.has(name)).map((
      { name, shape },
    ): TensorToWrite => ({
      name: `${prefix}${name}`,
      type: "F32",
      shape,
      data: () => buffers.get(name)!.read(),
    }))
  );
  await writeSafetensors(path, tensors, { format: "pt" });
}

/**
 * Restores everything a run needs to go on exactly.
 *
 * @throws InputError when a tensor is missing, unknown or of another shape
 */
export async function readState(folder: string, state: TrainingState): Promise<void> {
  await readWeights(join(folder, files.raw), state.specifications, state.parameters);
  await readWeights(join(folder, files.ema), state.specifications, state.averages);
  using moments = await openSafetensors(join(folder, files.optimizer));
  for (
    const [prefix, buffers] of [
      [momentNames.first, state.firstMoments],
      [momentNames.second, state.secondMoments],
    ] as const
  ) {
    for (const [name, buffer] of buffers) {
      writeChecked(buffer, moments.readFloat32(`${prefix}${name}`), moments.path);
    }
  }
}

/**
 * Checks that a safetensors file (or the index of a sharded one) holds the weights of a model,
 * without reading them.
 *
 * @throws InputError when a parameter is missing, unknown or of another shape
 */
export async function checkWeights(
  path: string,
  specifications: readonly ParameterSpecification[],
): Promise<void> {
  using reader = await openSafetensors(path);
  requireMatch(reader, specifications);
}

function requireMatch(
  { path, tensors }: TensorReader,
  specifications: readonly ParameterSpecification[],
): void {
  const shapes = new Map([...tensors].map(([name, { shape }]) => [name, shape]));
  const problem = mismatch(specifications, shapes);
  if (problem) throw new InputError(`${path}: ${problem}`);
}

/**
 * Fills a model's parameters from a safetensors file (or the index of a sharded one). Buffers in half
 * precision take the bits of a file in half precision, and other numbers rounded.
 *
 * @throws InputError when a parameter is missing, unknown, of another shape, or too large for `f16`
 */
export async function readWeights(
  path: string,
  specifications: readonly ParameterSpecification[],
  buffers: ReadonlyMap<string, DeviceBuffer>,
): Promise<void> {
  using reader = await openSafetensors(path);
  requireMatch(reader, specifications);
  for (const { name } of specifications) {
    const buffer = buffers.get(name)!;
    const values = buffer.dtype === "f16" ? readHalves(reader, name) : reader.readFloat32(name);
    writeChecked(buffer, values, path);
  }
}

/** A tensor in half precision, rounded to nearest where the file has it in another. */
function readHalves(reader: TensorReader, name: string): Float16Array {
  if (reader.info(name).type === "F16") return new Float16Array(reader.readBytes(name).buffer);
  const values = reader.readFloat32(name);
  const halves = Float16Array.from(values);
  const lost = values.find((value, index) =>
    Number.isFinite(value) && !Number.isFinite(halves[index])
  );
  if (lost === undefined) return halves;
  throw new InputError(
    `${reader.path}: the parameter ${name} holds ${lost}, which is beyond half precision ` +
      "(at most 65504); use --dtype f32",
  );
}

function writeChecked(buffer: DeviceBuffer, values: StoredArray, path: string): void {
  if (values.length !== buffer.elements) {
    throw new InputError(
      `${path}: ${buffer.name} has ${values.length} elements, not ${buffer.elements}`,
    );
  }
  buffer.write(values);
}
