/**
 * Checkpoints: a folder of safetensors files and a manifest, complete or not there at all.
 *
 * `model.safetensors` (weights), `ema.safetensors` (their moving averages), `optim.safetensors`
 * (moments, and what else training needs, such as a discriminator or the scale of losses) and `state.json` (everything else, see `manifest.ts`). The folder is written under a
 * temporary name, the manifest last, and renamed when everything is on disk. The manifest has a
 * checksum of every file, which is compared as the file is read.
 *
 * @module
 */
import { basename, dirname, join } from "@std/path";
import { writeFolderAtomically, writeTextAtomically } from "../../formats/files/atomic_file.ts";
import { InputError, quote } from "../../base/errors.ts";
import {
  type FileRecord,
  type TensorReader,
  type TensorToWrite,
  writeSafetensors,
} from "../../formats/tensors/safetensors.ts";
import { openWeights } from "../../formats/weights.ts";
import type { DeviceBuffer } from "../../kernels/device.ts";
import type { StoredArray } from "../../kernels/shape.ts";
import type { ParameterSpecification } from "../../nn/parameters.ts";
import {
  type MatchOptions,
  matchWeights,
  type ModelWeights,
  type OtherForm,
} from "../../nn/weights_file.ts";
import {
  hasManifest,
  type Manifest,
  manifestFile,
  manifestText,
  readManifest,
  type RunDescription,
  type RunProgress,
} from "./manifest.ts";
import { orNewestWhole } from "./whole_checkpoint.ts";
import { exists, isLatestFile, resolveCheckpoint } from "../runs/run_folder.ts";
import type { ParameterBuffers, TrainingState } from "../step/trainer.ts";

const files = {
  raw: "model.safetensors",
  ema: "ema.safetensors",
  optimizer: "optim.safetensors",
} as const;

/** Names of the tensors in the optimizer's file. */
const momentNames = { first: "exp_avg.", second: "exp_avg_sq.", companion: "with." } as const;

/** Name of the state of loss scaling in that file; those of parameters have a prefix. */
const lossScaleName = "loss_scale";

/** Which weights to take from a checkpoint. */
export type WeightChoice = "ema" | "raw";

/**
 * Whether a path leads to a bare weights file and not to a checkpoint or a run: a file of whatever
 * name, or nothing under the name of a file.
 */
export async function isWeightsFile(path: string): Promise<boolean> {
  if (isLatestFile(path)) return false;
  return await Deno.stat(path).then(
    ({ isFile }) => isFile,
    () => /\.(?:safetensors|json|pt|pth|ckpt|bin)$/.test(path),
  );
}

/** A weights file, and what is to be told about it. */
export interface FoundWeights {
  readonly path: string;
  /** Says that these are not the weights that were asked for. */
  readonly note?: string;
}

/**
 * The chosen weights of a checkpoint, or the averages of one that was written without others, as an
 * exported one is. A file that has disappeared since is not replaced.
 */
export async function findWeights(folder: string, choice: WeightChoice): Promise<FoundWeights> {
  const [wanted, averages] = [weightsPath(folder, choice), weightsPath(folder, "ema")];
  const { files } = await readManifest(folder);
  const isMissing = !Object.hasOwn(files ?? {}, basename(wanted)) && !await exists(wanted);
  if (choice === "ema" || !isMissing || !await exists(averages)) return { path: wanted };
  return {
    path: averages,
    note: `${folder}: holds averages only, so ${basename(averages)} is taken`,
  };
}

/**
 * Refuses to go on from a checkpoint that was written without an optimizer, as exported ones are. A
 * file that has disappeared since is found missing where it is read.
 *
 * @throws InputError that says what the checkpoint is good for
 */
export async function requireOptimizer(
  checkpoint: string,
  { files: recorded = {} }: Pick<Manifest, "files">,
): Promise<void> {
  if (Object.hasOwn(recorded, files.optimizer)) return;
  if (await exists(join(checkpoint, files.optimizer))) return;
  throw new InputError(
    `checkpoint ${checkpoint}: holds weights without an optimizer, so no run can go on from it; ` +
      "--init-from starts a new run from its weights",
  );
}

/**
 * The weights of a file, a checkpoint or a run.
 *
 * @throws InputError when there is no checkpoint
 */
export async function locateWeights(path: string, choice: WeightChoice): Promise<FoundWeights> {
  if (await isWeightsFile(path)) return { path };
  return await findWeights(await resolveCheckpoint(path), choice);
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
  manifest: RunDescription & RunProgress,
): Promise<string> {
  const folder = join(parent, name);
  const writing = writeFolderAtomically(folder, async (temporary) => {
    const records: Record<string, FileRecord> = {};
    const write = async (name: string, tensors: readonly TensorToWrite[]) => {
      records[name] = await writeSafetensors(join(temporary, name), tensors, { format: "pt" });
    };
    await write(files.raw, tensorsOf(state, ["", modelWeights(state)]));
    await write(files.ema, tensorsOf(state, ["", state.averages]));
    await write(files.optimizer, [
      ...tensorsOf(state, [momentNames.first, state.firstMoments]),
      ...tensorsOf(state, [momentNames.second, state.secondMoments]),
      ...tensorsOf(state, [momentNames.companion, companionsOf(state)]),
      ...(state.lossScale
        ? [storedAs(lossScaleName, [state.lossScale.elements], state.lossScale)]
        : []),
    ]);
    await writeManifest(temporary, { ...manifest, files: records });
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

/**
 * Writes the manifest of a checkpoint, whose other files are on the disk.
 *
 * @param manifest with length and checksums of these files
 */
export async function writeManifest(
  folder: string,
  manifest: RunDescription & RunProgress & Required<Pick<Manifest, "files">>,
): Promise<void> {
  const text = manifestText({ ...manifest, savedAt: new Date().toISOString() });
  await writeTextAtomically(join(folder, manifestFile), text);
}

/** The buffers of some parameters. */
const pick = (
  buffers: ParameterBuffers,
  specifications: readonly ParameterSpecification[],
): ParameterBuffers => new Map(specifications.map(({ name }) => [name, buffers.get(name)!]));

const modelWeights = ({ parameters, specifications }: TrainingState): ParameterBuffers =>
  pick(parameters, specifications);

const companionsOf = ({ parameters, companions }: TrainingState): ParameterBuffers =>
  pick(parameters, companions);

/** Tensors of a file whose names start alike. */
type TensorGroup = readonly [prefix: string, buffers: ParameterBuffers];

function tensorsOf(
  { specifications, companions }: TrainingState,
  [prefix, buffers]: TensorGroup,
): TensorToWrite[] {
  return [...specifications, ...companions]
    .filter(({ name }) => buffers.has(name))
    .map(({ name, shape }) => storedAs(`${prefix}${name}`, shape, buffers.get(name)!));
}

const storedAs = (name: string, shape: readonly number[], buffer: DeviceBuffer): TensorToWrite => ({
  ...{ name, type: "F32", shape },
  data: () => buffer.read(),
});

/**
 * Restores everything a run needs to go on exactly.
 *
 * @throws InputError when a file is damaged, or a tensor missing, unknown or of another shape;
 * DamagedCheckpointError when another checkpoint of the run is whole
 */
export async function readState(folder: string, state: TrainingState): Promise<void> {
  await orNewestWhole(folder, restoreState(folder, state));
}

async function restoreState(folder: string, state: TrainingState): Promise<void> {
  await readWeights(join(folder, files.raw), state.specifications, state.parameters);
  await readWeights(join(folder, files.ema), state.specifications, state.averages);
  using moments = await openCheckpointFile(join(folder, files.optimizer));
  for (
    const [prefix, buffers] of [
      [momentNames.first, state.firstMoments],
      [momentNames.second, state.secondMoments],
      [momentNames.companion, companionsOf(state)],
    ] as const
  ) {
    for (const [name, buffer] of buffers) {
      writeChecked(buffer, moments.readFloat32(`${prefix}${name}`), moments.path);
    }
  }
  if (state.lossScale) {
    writeChecked(state.lossScale, moments.readFloat32(lossScaleName), moments.path);
  }
  moments.checkContents();
}

/**
 * Opens a file (safetensors, the index of a sharded one, PyTorch's). If it is that of a checkpoint, length and
 * header are compared with its manifest, the contents by `checkContents`.
 */
export async function openCheckpointFile(path: string): Promise<TensorReader> {
  return await openWeights(path, await recordOf(path));
}

/** What the manifest beside a file says about it, if there is one. */
async function recordOf(path: string): Promise<FileRecord | undefined> {
  const folder = dirname(path);
  if (!await hasManifest(folder)) return undefined;
  const { files = {} } = await readManifest(folder);
  return Object.hasOwn(files, basename(path)) ? files[basename(path)] : undefined;
}

/**
 * Checks that a file (safetensors, the index of a sharded one, PyTorch's) holds the weights of a model,
 * without reading them.
 *
 * @throws InputError when a parameter is missing, unknown or of another shape
 */
export async function checkWeights(
  path: string,
  specifications: readonly ParameterSpecification[],
  options: MatchOptions = {},
): Promise<Omit<ModelWeights, "tensors">> {
  return await orNewestWhole(dirname(path), matchFile(path, specifications, options));
}

/** Whether a file holds weights of these names and shapes. */
export async function isWeightsOf(
  path: string,
  specifications: readonly ParameterSpecification[],
): Promise<boolean> {
  try {
    await matchFile(path, specifications, {});
    return true;
  } catch (error) {
    if (error instanceof InputError) return false;
    throw error;
  }
}

async function matchFile(
  path: string,
  specifications: readonly ParameterSpecification[],
  options: MatchOptions,
): Promise<ModelWeights> {
  using file = await openCheckpointFile(path);
  return matchWeights(file, specifications, options);
}

/** What to tell about weights: which they are, and what stands before their names. */
export function weightsNotes(
  { path, note }: FoundWeights,
  { prefix, others }: Pick<ModelWeights, "prefix" | "others">,
): string[] {
  const notes = note === undefined ? [] : [note];
  if (prefix === "") return notes;
  const told = others === 0
    ? `all names start with ${quote(prefix)}, which is left out`
    : `holds more than the model: what is under ${quote(prefix)} is taken, ` +
      `${others} other tensors are left out`;
  return [...notes, `${path}: ${told}`];
}

/** How weights are read. */
export interface ReadOptions extends MatchOptions {
  /** The form that the file has them in, where it is not the model's; the parameters are not `f16` then. */
  readonly form?: OtherForm;
}

/**
 * Fills a model's parameters from a file (safetensors, the index of a sharded one, PyTorch's). Buffers in half
 * precision take the bits of a file in half precision, and other numbers rounded.
 *
 * @param options `allowOtherClasses` leaves parameters as they are that the file has for another number of
 * classes
 * @throws InputError when the file is damaged, a parameter is missing, unknown, of another shape, or
 * too large for `f16`
 */
export async function readWeights(
  path: string,
  specifications: readonly ParameterSpecification[],
  buffers: ReadonlyMap<string, DeviceBuffer>,
  options: ReadOptions = {},
): Promise<void> {
  await orNewestWhole(dirname(path), fillFrom(path, specifications, buffers, options));
}

async function fillFrom(
  path: string,
  specifications: readonly ParameterSpecification[],
  buffers: ReadonlyMap<string, DeviceBuffer>,
  { form, ...options }: ReadOptions,
): Promise<void> {
  using file = await openCheckpointFile(path);
  const found = form?.specifications ?? specifications;
  const { tensors, otherClasses, otherSizes } = matchWeights(file, found, options);
  const left = new Set([...otherClasses?.parameters ?? [], ...otherSizes?.computed ?? []]);
  for (const { name, initial } of specifications) {
    const isComputed = otherSizes?.computed.includes(name) && initial.kind === "values";
    if (isComputed) writeChecked(buffers.get(name)!, initial.values(), path);
  }
  const byName = new Map(specifications.map((parameter) => [parameter.name, parameter]));
  // In the order of the file, so that its checksum needs no second reading.
  for (const name of tensors.tensors.keys()) {
    if (left.has(name)) continue;
    const buffer = buffers.get(name)!;
    const from = otherSizes?.resized.get(name);
    if (from) {
      const values = byName.get(name)!.resized!(tensors.readFloat32(name), from)!;
      writeChecked(buffer, values, path);
      continue;
    }
    const values = buffer.dtype === "f16" ? readHalves(tensors, name) : tensors.readFloat32(name);
    writeChecked(buffer, form ? form.convert(name, values as Float32Array) : values, path);
  }
  file.checkContents();
}

/** A tensor in half precision, rounded to nearest where the file has it in another. */
export function readHalves(reader: TensorReader, name: string): Float16Array {
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
