/**
 * What the commands that draw samples have in common, whatever they draw.
 *
 * @module
 */
import { basename, dirname } from "@std/path";
import { makeFolder } from "../../formats/files/folder.ts";
import { InputError } from "../../base/errors.ts";
import { describeNonFinite } from "../../base/finite.ts";
import { NonFiniteSampleError } from "../../diffusion/sampler_loop.ts";
import { removeTemporaries, requireNoFolder } from "../../formats/files/atomic_file.ts";
import { openSafetensors, type TensorReader } from "../../formats/tensors/safetensors.ts";
import type { DeviceBuffer } from "../../kernels/device.ts";
import { elementCount, formatShape, sameShape, type Shape } from "../../kernels/shape.ts";
import { describeNonFiniteParameter } from "../../nn/parameters.ts";

/** Seconds between the lines of the progress where there is no terminal. */
export const progressInterval = 10;

/** Start noise that was made elsewhere: the tensor `noise` (N, ...) of a safetensors file. */
export class NoiseFile implements Disposable {
  readonly #reader: TensorReader;
  readonly #shape: Shape;
  readonly #noun: string;
  /** How many samples it is for. */
  readonly count: number;

  private constructor(reader: TensorReader, shape: Shape, noun: string, count: number) {
    this.#reader = reader;
    this.#shape = shape;
    this.#noun = noun;
    this.count = count;
  }

  /**
   * Opens the file.
   *
   * @param shape of one sample
   * @param noun what a sample is called
   * @throws InputError when the tensor is missing, or is not of samples of the shape
   */
  static async open(path: string, shape: Shape, noun: string): Promise<NoiseFile> {
    const reader = await openSafetensors(path);
    const { shape: [count, ...sample], shape: found } = reader.info("noise");
    if (sameShape(sample, shape) && count > 0) return new NoiseFile(reader, shape, noun, count);
    reader.close();
    throw new InputError(
      `${path}: noise has the shape ${formatShape(found)}, the model needs (N, ${
        shape.join(", ")
      })`,
    );
  }

  /** Fills `out` with the noise of samples from `first` on. */
  read(first: number, out: Float32Array): void {
    this.#reader.readFloat32Part("noise", first * elementCount(this.#shape), out);
    const problem = describeNonFinite("noise", out);
    if (problem === undefined) return;
    throw new NonFiniteSampleError(
      `${this.#reader.path}: ${problem} of ${this.#noun} ${first} and those after it`,
    );
  }

  [Symbol.dispose](): void {
    this.#reader.close();
  }
}

/** The error of a network that puts out NaN, with the name of the weight that is to blame, if one is. */
export async function withCause(
  error: unknown,
  path: string,
  parameters: ReadonlyMap<string, DeviceBuffer>,
): Promise<unknown> {
  if (!(error instanceof NonFiniteSampleError)) return error;
  const weight = await describeNonFiniteParameter(parameters);
  return weight === undefined
    ? error
    : new NonFiniteSampleError(`${path}: ${weight}`, { cause: error });
}

/**
 * Makes the folders of files that will be written, so that a wrong path shows before the work, and
 * clears away what a killed run left half-written.
 *
 * @param paths files; undefined for those that were not asked for
 */
export async function prepareFiles(paths: readonly (string | undefined)[]): Promise<void> {
  for (const path of paths) {
    if (path === undefined) continue;
    await requireNoFolder(path);
    await makeFolder(dirname(path));
    await removeTemporaries(dirname(path), (name) => name === basename(path));
  }
}

/** The file beside an npz archive that says how its samples were made. */
export const recordOf = (npz: string): string => `${npz}.json`;
