/**
 * Reference batches as ADM's evaluator reads them (Dhariwal and Nichol, "Diffusion Models Beat GANs on
 * Image Synthesis", 2021): an npz archive with pictures `arr_0` (n, height, width, channels) of bytes,
 * mean `mu` and covariance `sigma` of their pooled features, `mu_s` and `sigma_s` of their spatial ones.
 * Batches of this tool say whose features they are.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";
import { describeNonFinite } from "../../base/finite.ts";
import { type NpzArray, NpzFile, writeNpz } from "../../formats/tensors/npz.ts";
import type { Gaussian } from "../../metrics/features/gaussian.ts";

/** What is known of the features of a batch. */
export interface ReferenceStatistics {
  /** Of pooled features. */
  readonly pooled?: Gaussian;
  /** Of spatial features. */
  readonly spatial?: Gaussian;
  /** SHA-256 of the weights of the extractor; ADM's batches, all of FID's network, do not say it. */
  readonly extractor?: string;
}

/** Pictures of a batch, in order. */
export interface ReferencePictures {
  /** (n, height, width, channels). */
  readonly shape: readonly [number, number, number, number];
  /** Their bytes, any number of pictures at a time. */
  readonly bytes: Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** Names of the arrays of means and covariances. */
const arrays = { pooled: ["mu", "sigma"], spatial: ["mu_s", "sigma_s"] } as const;

/**
 * The statistics of a batch; those that it does not have are absent.
 *
 * @throws InputError when an array is missing beside another, damaged, not finite or of another shape
 */
export async function readReferenceStatistics(path: string): Promise<ReferenceStatistics> {
  using file = await NpzFile.open(path);
  return {
    pooled: await readGaussian(file, arrays.pooled),
    spatial: await readGaussian(file, arrays.spatial),
    extractor: await readExtractor(file),
  };
}

/** Name of the array that holds the hash of the extractor, in hexadecimal as bytes. */
const extractorArray = "extractor";

/** Length of a SHA-256 in hexadecimal. */
const hashLength = 64;

async function readExtractor(file: NpzFile): Promise<string | undefined> {
  if (!file.names.includes(extractorArray)) return undefined;
  const { type, shape } = await file.info(extractorArray);
  if (type !== "U8" || shape.length !== 1 || shape[0] !== hashLength) {
    throw new InputError(
      `${file.path}: ${extractorArray} is no hash of ${hashLength} characters as bytes`,
    );
  }
  return new TextDecoder().decode((await file.read(extractorArray)).data as Uint8Array);
}

async function readGaussian(
  file: NpzFile,
  [mu, sigma]: readonly [string, string],
): Promise<Gaussian | undefined> {
  if (!file.names.includes(mu) && !file.names.includes(sigma)) return undefined;
  const [{ shape }, { shape: square }] = [await file.info(mu), await file.info(sigma)];
  const [features] = shape;
  if (shape.length !== 1 || square.length !== 2 || square.some((size) => size !== features)) {
    throw new InputError(
      `${file.path}: ${mu} (${shape}) and ${sigma} (${square}) are no mean and covariance: ` +
        `the shapes are (d) and (d, d)`,
    );
  }
  return { mean: await readNumbers(file, mu), covariance: await readNumbers(file, sigma) };
}

async function readNumbers(file: NpzFile, name: string): Promise<Float64Array> {
  const { type } = await file.info(name);
  if (type !== "F64" && type !== "F32") {
    throw new InputError(`${file.path}: ${name} is of type ${type}; F64 and F32 are read`);
  }
  const values = Float64Array.from((await file.read(name)).data as Float32Array | Float64Array);
  const problem = describeNonFinite(name, values);
  if (problem !== undefined) throw new InputError(`${file.path}: ${problem}`);
  return values;
}

/**
 * Writes a batch, all or nothing. Statistics are asked for when the pictures are through.
 *
 * @returns the length of the file in bytes
 */
export async function writeReferenceBatch(
  path: string,
  pictures: ReferencePictures | undefined,
  statistics: () => ReferenceStatistics | Promise<ReferenceStatistics>,
): Promise<number> {
  async function* contents(): AsyncGenerator<NpzArray> {
    if (pictures) {
      yield { name: "arr_0", type: "U8", shape: pictures.shape, chunks: pictures.bytes };
    }
    const found = await statistics();
    for (const kind of ["pooled", "spatial"] as const) {
      const gaussian = found[kind];
      if (gaussian) yield* gaussianArrays(arrays[kind], gaussian);
    }
    if (found.extractor !== undefined) {
      const chunks = [new TextEncoder().encode(found.extractor)];
      yield { name: extractorArray, type: "U8", shape: [hashLength], chunks };
    }
  }
  return await writeNpz(path, contents());
}

function gaussianArrays(
  [mu, sigma]: readonly [string, string],
  { mean, covariance }: Gaussian,
): NpzArray[] {
  const features = mean.length;
  return [
    { name: mu, type: "F64", shape: [features], chunks: [mean] },
    { name: sigma, type: "F64", shape: [features, features], chunks: [covariance] },
  ];
}
