/**
 * Weights as a folder of diffusers.
 *
 * @module
 */
import { dirname, join } from "@std/path";
import { makeFolder, requireFree } from "../../formats/files/folder.ts";
import { InputError } from "../../base/errors.ts";
import { convertWeights, dtypes, indexEnding } from "../../formats/convert.ts";
import { elementSizes } from "../../formats/tensors/codec.ts";
import { writeFolderAtomically, writeTextAtomically } from "../../formats/files/atomic_file.ts";
import {
  familyOf,
  modelConfigByName,
  parseModelConfig,
  readAnyManifest,
} from "../../models/registry.ts";
import type { FamilyConfig } from "../../nn/config.ts";
import { toOtherLayout } from "../../nn/other_layout.ts";
import { matchWeights } from "../../nn/weights_file.ts";
import {
  isWeightsFile,
  locateWeights,
  openCheckpointFile,
} from "../../training/checkpoints/checkpoint.ts";
import { exists, resolveCheckpoint } from "../../training/runs/run_folder.ts";
import { asUsage, UsageError } from "../terminal/errors.ts";
import { readTextFile } from "../terminal/files.ts";
import type { Io } from "../terminal/io.ts";
import { formatBytes } from "../terminal/numbers.ts";

/** What the flags of `convert` say. */
export interface DiffusersOptions {
  readonly weights: "ema" | "raw";
  readonly dtype?: keyof typeof dtypes;
  readonly shardSize?: number;
  readonly config?: string;
  readonly prefix?: string;
}

/** Gigabytes in one file at most, as diffusers has it. */
const usualShard = 10;

/** Writes a folder that diffusers reads. */
export async function convertToDiffusers(
  io: Io,
  { weights, dtype, shardSize = usualShard, config: given, prefix }: DiffusersOptions,
  from: string,
  to: string,
): Promise<void> {
  await requireFree(to);
  if (prefix !== undefined) {
    throw new UsageError("--prefix is for --layout own: the model says which tensors are its own");
  }
  const config = await configOf(from, given);
  const { publishedConfig, parameters, title } = familyOf(config);
  if (!publishedConfig) {
    throw new InputError(`${from}: weights of a ${title} are not written for diffusers`);
  }
  const fields = publishedConfig(config, from);
  const { path, note } = await locateWeights(from, weights);
  if (note) io.tell(note);
  using file = await openCheckpointFile(path);
  file.checkContents();
  const specifications = parameters(config);
  const tensors = toOtherLayout(matchWeights(file, specifications).tensors, specifications);
  const type = dtype && dtypes[dtype];
  const total = [...tensors.tensors.values()].reduce(
    (sum, { elementCount, byteLength }) =>
      sum + (type ? elementCount * elementSizes[type] : byteLength),
    0,
  );
  const ending = total > 1e9 * shardSize ? indexEnding : ".safetensors";
  await makeFolder(dirname(to));
  let written = 0;
  await writeFolderAtomically(to, async (folder) => {
    const text = `${JSON.stringify(fields, null, 2)}\n`;
    await writeTextAtomically(join(folder, "config.json"), text);
    const file = join(folder, `diffusion_pytorch_model${ending}`);
    const settings = { type, shardBytes: 1e9 * shardSize };
    ({ bytes: written } = await convertWeights(tensors, file, settings));
  });
  io.tell(`${tensors.tensors.size} tensors, ${formatBytes(written)}`);
  io.out(to);
}

/** The configuration of weights: that of their checkpoint, or of the flag. */
async function configOf(from: string, given: string | undefined): Promise<FamilyConfig> {
  if (!await isWeightsFile(from)) {
    if (given !== undefined) {
      throw new UsageError("--config is for bare weights files; a checkpoint folder has its own");
    }
    return (await readAnyManifest(await resolveCheckpoint(from))).config;
  }
  if (given === undefined) {
    throw new UsageError(`${from} is a bare weights file, which needs --config`);
  }
  return await exists(given)
    ? parseModelConfig(await readTextFile(given), given)
    : asUsage(() => modelConfigByName(given));
}
