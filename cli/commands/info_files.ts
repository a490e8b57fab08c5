/**
 * What `tessera info` reports about files: checkpoints by their headers, pictures by the parameters
 * inside of them. Tensor data is read only to verify it.
 *
 * @module
 */
import { join } from "@std/path";
import { InputError } from "../../base/errors.ts";
import { oneLine } from "../../base/control_characters.ts";
import { quoteName } from "../../base/names.ts";
import { cachedPictures, readCacheManifest } from "../../data/latents/cache.ts";
import { openShard } from "../../data/latents/shard.ts";
import { readRegularFile } from "../../formats/files/regular_file.ts";
import { readPngText } from "../../formats/pictures/png.ts";
import { readWebpComment } from "../../formats/video/animated_webp.ts";
import { readMp4Comment } from "../../formats/video/mp4_reader.ts";
import { sourceOf } from "../../data/clips/find_clips.ts";
import { readHead } from "../../data/clips/sources/kinds.ts";
import { formatShape } from "../../kernels/shape.ts";
import { isWeightsFile, openCheckpointFile } from "../../training/checkpoints/checkpoint.ts";
import { type Manifest, manifestFile } from "../../training/checkpoints/manifest.ts";
import { listTensorFiles, orNewestWhole } from "../../training/checkpoints/whole_checkpoint.ts";
import { resolveCheckpoint } from "../../training/runs/run_folder.ts";
import { formatBytes, formatCount } from "../terminal/numbers.ts";

/** One tensor of a file. */
export interface TensorReport {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: number;
}

/** One safetensors file, or a sharded one. */
export interface FileReport {
  readonly path: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Elements of all tensors. */
  readonly elements: number;
  /** Bytes of all tensors. */
  readonly bytes: number;
  readonly tensors: readonly TensorReport[];
}

/** A checkpoint, or a bare file of weights. */
export interface CheckpointReport {
  /** The path that was resolved: a checkpoint folder or a file. */
  readonly path: string;
  /** Everything the checkpoint says about itself; absent for a bare file. */
  readonly manifest?: Manifest;
  readonly files: readonly FileReport[];
  /** What was compared with its checksum, if that was asked for. */
  readonly verified?: { readonly files: number; readonly bytes: number };
}

/**
 * Looks into a run folder, a checkpoint folder or a safetensors file.
 *
 * @param verify reads everything that has a checksum
 * @throws InputError when there is nothing, or what is there is damaged
 */
export async function inspectCheckpoint(
  path: string,
  { verify }: { readonly verify: boolean },
): Promise<CheckpointReport> {
  if (await isWeightsFile(path)) {
    const files = [await inspectFile(path, verify)];
    return verify ? { path, files, verified: { files: 0, bytes: 0 } } : { path, files };
  }
  const folder = await resolveCheckpoint(path);
  return await orNewestWhole(folder, inspectFolder(folder, verify));
}

async function inspectFolder(folder: string, verify: boolean): Promise<CheckpointReport> {
  // Loaded here, because a single file needs no family.
  const { readAnyManifest } = await import("../../models/registry.ts");
  const manifest = await readAnyManifest(folder);
  const recorded = Object.keys(manifest.files ?? {});
  const names = [...new Set([...recorded, ...await listTensorFiles(folder)])].sort();
  if (names.length === 0) throw new InputError(`${folder}: there are no safetensors files in it`);
  const files = await Promise.all(names.map((name) => inspectFile(join(folder, name), verify)));
  const report = { path: folder, manifest, files };
  return verify ? { ...report, verified: await countVerified(folder, manifest) } : report;
}

/** The files that have checksums, and the manifest that has them. */
async function countVerified(
  folder: string,
  { files }: Manifest,
): Promise<NonNullable<CheckpointReport["verified"]>> {
  if (files === undefined) return { files: 0, bytes: 0 };
  const { size } = await Deno.stat(join(folder, manifestFile));
  const lengths = Object.values(files).map(({ bytes }) => bytes);
  return { files: lengths.length + 1, bytes: lengths.reduce((sum, bytes) => sum + bytes, size) };
}

async function inspectFile(path: string, verify: boolean): Promise<FileReport> {
  using reader = await openCheckpointFile(path);
  if (verify) reader.checkContents();
  const tensors = [...reader.tensors.values()].map(({ name, type, shape, byteLength }) => ({
    name,
    dtype: type,
    shape,
    bytes: byteLength,
  }));
  const infos = [...reader.tensors.values()];
  return {
    path,
    metadata: reader.metadata,
    elements: infos.reduce((sum, { elementCount }) => sum + elementCount, 0),
    bytes: infos.reduce((sum, { byteLength }) => sum + byteLength, 0),
    tensors,
  };
}

/** The report as people read it; lists the tensors of a single file. */
export function describeCheckpoint(
  { path, manifest, files, verified }: CheckpointReport,
): string {
  const about = manifest ? [`checkpoint  ${path}`, ...describeManifest(manifest)] : [];
  const summaries = files.map(({ path, tensors, elements, bytes }) => {
    const types = [...new Set(tensors.map(({ dtype }) => dtype))].join(", ");
    const count = `${formatCount(tensors.length)} tensor${tensors.length === 1 ? "" : "s"}`;
    return `${path}: ${count}, ${formatCount(elements)} elements, ` +
      `${types}, ${formatBytes(bytes)}`;
  });
  const details = files.length === 1 ? ["", ...describeFile(files[0])] : [];
  const checked = verified ? [describeVerified(verified)] : [];
  return [...about, ...checked, ...summaries, ...details].join("\n");
}

function describeVerified({ files, bytes }: NonNullable<CheckpointReport["verified"]>): string {
  return files === 0
    ? "verified    nothing: there are no checksums, as in bare files and older checkpoints"
    : `verified    ${files} files, all ${formatCount(bytes)} bytes are what was written`;
}

function describeManifest(
  { step, savedAt, config, classNames, dataPath, run }: Manifest,
): string[] {
  return [
    `step        ${formatCount(step)}`,
    ...(savedAt === undefined ? [] : [`saved       ${savedAt}`]),
    `config      ${JSON.stringify(config)}`,
    `classes     ${classNames.map(quoteName).join(", ")}`,
    `data        ${oneLine(dataPath)}`,
    `run         ${JSON.stringify(run)}`,
  ];
}

/** How much of a file is listed, which may hold a million tensors; lengths in characters. */
const listed = { entries: 1000, name: 100, value: 1000 } as const;

function describeFile({ metadata, tensors }: FileReport): string[] {
  const lines = tensors.slice(0, listed.entries).map(({ name, dtype, shape }) => [
    shortened(name, listed.name),
    `${dtype}  ${formatShape(shape)}`,
  ]);
  const width = Math.max(...lines.map(([name]) => name.length), 0);
  const left = tensors.length - lines.length;
  return [
    ...Object.entries(metadata).slice(0, listed.entries)
      .map(([key, value]) => `${shortened(key, listed.name)}: ${shortened(value, listed.value)}`),
    ...lines.map(([name, about]) => `${name.padEnd(width)}  ${about}`),
    ...(left > 0 ? [`and ${formatCount(left)} more, which --json lists`] : []),
  ];
}

/** A text from a file on one line of its own, which none of its line ends can make look like two. */
const shortened = (text: string, length: number): string =>
  oneLine(text.length > length ? `${text.slice(0, length - 3)}...` : text);

/** The texts inside a PNG file by keyword; Tessera's own as the JSON it is. */
export async function inspectPicture(path: string): Promise<Record<string, unknown>> {
  const texts = readPngText(await readFile(path), path);
  if (texts.size === 0) {
    throw new InputError(`${path}: there are no parameters in this picture`);
  }
  return Object.fromEntries([...texts].map(([keyword, text]) => [keyword, parsed(text)]));
}

/** What a clip is, and the parameters inside of its file. */
export async function inspectClip(path: string): Promise<Record<string, unknown>> {
  const { head: { frames, width, height, starts } } = await readHead(sourceOf(path)!);
  const seconds = starts && starts[frames] - starts[0];
  const comment = /\.webp$/i.test(path) ? await readWebpComment(path) : await readMp4Comment(path);
  return {
    clip: { frames, width, height, ...(seconds && { seconds, fps: frames / seconds }) },
    ...(comment !== undefined && { tessera: parsed(comment) }),
  };
}

/**
 * What a cache of latents says about itself, how far it is, and how many files it has.
 *
 * @param verify reads every file and compares its checksums
 * @throws InputError when it is damaged
 */
export async function inspectCache(
  path: string,
  { verify }: { readonly verify: boolean },
): Promise<Record<string, unknown>> {
  const manifest = await readCacheManifest(path);
  const { shards, ...about } = manifest;
  let first = 0;
  for (const shard of verify ? shards : []) {
    using file = await openShard(path, manifest, shard, first);
    file.checkContents();
    first += shard.pictures;
  }
  const bytes = shards.reduce((sum, { record }) => sum + record.bytes, 0);
  return {
    path,
    ...about,
    encoded: cachedPictures(manifest),
    files: shards.length,
    bytes,
    ...(verify && { verified: shards.length }),
  };
}

async function readFile(path: string): Promise<Uint8Array> {
  try {
    return await readRegularFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new InputError(`${path}: no such file`);
    throw error;
  }
}

/** Texts of other programs need not be JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
