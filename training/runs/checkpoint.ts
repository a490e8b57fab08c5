/**
 * Checkpoints: a folder of safetensors files and a manifest, complete or not there at all.
 *
 * `model.safetensors` (weights), `ema.safetensors` (their moving averages), `optim.safetensors`
 * (moments) and `state.json` (everything else, see `manifest.ts`). The folder is written under a temporary name, the
 * manifest last, and renamed when everything is on disk.
 *
 * @module
 */
import { join } from "@std/path";
import { writeFolderAtomically, writeTextAtomically } from "../../formats/files/atomic_file.ts";
import { InputError } from "../../base/errors.ts";
import {
  openSafetensors,
  type TensorReader,
  type TensorToWrite,
  writeSafetensors,
} from "../../formats/tensors/safetensors.ts";
import type { DeviceBuffer } from "../../kernels/device.ts";
import type { StoredArray } from "../../kernels/shape.ts";
import { mismatch, type ParameterSpecification } from "../../nn/parameters.ts";
import { type Manifest, manifestFile, manifestText } from "./manifest.ts";
import type { ParameterBuffers, TrainingState } from "../step/trainer.ts";

const files = {
  manifest: manifestFile,
  raw: "model.safetensors",
  ema: "ema.safetensors",
  optimizer: "optim.safetensors",
} as const;

/** Names of the tensors in the optimizer's file. */
const momentNames = { first: "exp_avg.", second: "exp_avg_sq." } as const;

/** Which weights to take from a checkpoint. */
export type WeightChoice = "ema" | "raw";

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
    await writeTextAtomically(join(temporary, files.manifest), manifestText(manifest));
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
