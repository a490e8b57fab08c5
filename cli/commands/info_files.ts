/**
 * What `tessera info` reports about files: checkpoints by their headers, pictures by the parameters
 * inside of them. Tensor data is never read.
 *
 * @module
 */
import { join } from "@std/path";
import { InputError } from "../../base/errors.ts";
import { readPngText } from "../../formats/pictures/png.ts";
import { openSafetensors } from "../../formats/tensors/safetensors.ts";
import { formatShape } from "../../kernels/shape.ts";
import { isWeightsFile } from "../../training/runs/checkpoint.ts";
import { type Manifest, readManifest } from "../../training/runs/manifest.ts";
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
}

/** Looks into a run folder, a checkpoint folder or a safetensors file. */
export async function inspectCheckpoint(path: string): Promise<CheckpointReport> {
  if (isWeightsFile(path)) return { path, files: [await inspectFile(path)] };
  const folder = await resolveCheckpoint(path);
  const manifest = await readManifest(folder);
  const names: string[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    if (name.endsWith(".safetensors")) names.push(name);
  }
  if (names.length === 0) throw new InputError(`${folder}: there are no safetensors files in it`);
  const files = await Promise.all(names.sort().map((name) => inspectFile(join(folder, name))));
  return { path: folder, manifest, files };
}

async function inspectFile(path: string): Promise<FileReport> {
  using reader = await openSafetensors(path);
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
export function describeCheckpoint({ path, manifest, files }: CheckpointReport): string {
  const about = manifest ? [`checkpoint  ${path}`, ...describeManifest(manifest)] : [];
  const summaries = files.map(({ path, tensors, elements, bytes }) => {
    const types = [...new Set(tensors.map(({ dtype }) => dtype))].join(", ");
    const count = `${formatCount(tensors.length)} tensor${tensors.length === 1 ? "" : "s"}`;
    return `${path}: ${count}, ${formatCount(elements)} elements, ` +
      `${types}, ${formatBytes(bytes)}`;
  });
  const details = files.length === 1 ? ["", ...describeFile(files[0])] : [];
  return [...about, ...summaries, ...details].join("\n");
}

function describeManifest({ step, config, classNames, dataPath, run }: Manifest): string[] {
  return [
    `step        ${formatCount(step)}`,
    `config      ${JSON.stringify(config)}`,
    `classes     ${classNames.join(", ")}`,
    `data        ${dataPath}`,
    `run         ${JSON.stringify(run)}`,
  ];
}

function describeFile({ metadata, tensors }: FileReport): string[] {
  const width = Math.max(...tensors.map(({ name }) => name.length), 0);
  return [
    ...Object.entries(metadata).map(([key, value]) => `${key}: ${value}`),
    ...tensors.map(({ name, dtype, shape }) =>
      `${name.padEnd(width)}  ${dtype}  ${formatShape(shape)}`
    ),
  ];
}

/** The texts inside a PNG file by keyword; Tessera's own as the JSON it is. */
export async function inspectPicture(path: string): Promise<Record<string, unknown>> {
  const texts = readPngText(await readFile(path), path);
  if (texts.size === 0) {
    throw new InputError(`${path}: there are no parameters in this picture`);
  }
  return Object.fromEntries([...texts].map(([keyword, text]) => [keyword, parsed(text)]));
}

async function readFile(path: string): Promise<Uint8Array> {
  try {
    return await Deno.readFile(path);
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
