/**
 * From flags to an autoencoder, and to the tiles it works in.
 *
 * @module
 */
import type { ImageDataset } from "../../../data/dataset.ts";
import type { Device } from "../../../kernels/device.ts";
import {
  codingMemory,
  type CodingRequest,
  type CodingSettings,
  PictureCoder,
  planCoding,
} from "../../../models/autoencoder_kl/codec.ts";
import { autoencoderKLFamily } from "../../../models/autoencoder_kl/family.ts";
import { type AutoencoderKLConfig, spatialFactor } from "../../../models/autoencoder_kl/model.ts";
import {
  type AutoencoderKLWeights,
  findAutoencoderKL,
  readAutoencoderKL,
} from "../../../models/autoencoder_kl/source.ts";
import type { Sides } from "../../../models/tiles.ts";
import { requireMultiple } from "../../../nn/config.ts";
import { namedConfigOrFile } from "../../flags/model_config.ts";
import type { Values } from "../../flags/flags.ts";
import type { OpenCoder } from "../../runs/encode.ts";
import { asUsage, UsageError } from "../../terminal/errors.ts";
import { formatBytes } from "../../terminal/numbers.ts";
import type { autoencoderFlags } from "./encode_flags.ts";

/** The autoencoder that flags mean. */
export async function autoencoderOf(
  { ckpt, config, weights }: Values<typeof autoencoderFlags>,
): Promise<AutoencoderKLWeights> {
  if (ckpt === undefined) {
    throw new UsageError("--ckpt is needed: a run of train vae, a folder of diffusers, or weights");
  }
  const given = config === undefined
    ? undefined
    : await namedConfigOrFile(autoencoderKLFamily, config);
  return await readAutoencoderKL(await findAutoencoderKL(ckpt, weights, given));
}

/**
 * How pictures are coded in the memory that a device has left, and a line that says so.
 *
 * @param asked side of tiles in pixels, if it was asked for
 * @throws UsageError for a side that the autoencoder does not take
 */
export async function codingOf(
  config: AutoencoderKLConfig,
  request: Omit<CodingRequest, "tile">,
  device: Device,
  asked: number | undefined,
): Promise<{ readonly settings: CodingSettings; readonly note: string }> {
  const { size, half } = request;
  const target = { kind: device.kind, threads: 0, taken: device.allocatedBytes };
  const chosen = asked === undefined ? undefined : askedTile(config, size, asked);
  const settings = await planCoding(config, { ...request, tile: chosen }, target);
  const { batch, tile } = settings;
  const memory = formatBytes(codingMemory(config, settings, target));
  const factor = spatialFactor(config);
  const isWhole = tile.height === size.height && tile.width === size.width;
  const way = isWhole
    ? "in one piece"
    : `in tiles of ${factor * tile.width} x ${factor * tile.height} pixels, blended`;
  return { settings, note: `${half}: ${way}, ${batch} at a time; ${memory} of memory` };
}

/** Sides of the latents of pictures. */
export function latentSides(
  config: AutoencoderKLConfig,
  { height, width }: Pick<ImageDataset, "height" | "width">,
): Sides {
  const factor = spatialFactor(config);
  return { height: height / factor, width: width / factor };
}

/**
 * Takes one half into the memory that a device has left, for the pictures of a data set.
 *
 * @throws UsageError for a side of tiles that the autoencoder does not take
 */
export async function openCoder(
  device: Device,
  { config, path, values }: AutoencoderKLWeights,
  dataset: ImageDataset,
  { half, batch, tile }: Pick<CodingRequest, "half" | "batch"> & { readonly tile?: number },
): Promise<OpenCoder> {
  const size = latentSides(config, dataset);
  const { settings, note } = await codingOf(config, { half, batch, size }, device, tile);
  const coder = await PictureCoder.create(device, config, settings, values);
  return {
    ...{ path, note, batch: settings.batch },
    run: (from, progress) => coder.run(from, progress),
    [Symbol.dispose]: () => coder[Symbol.dispose](),
  };
}

function askedTile(config: AutoencoderKLConfig, { height, width }: Sides, asked: number): Sides {
  const factor = spatialFactor(config);
  asUsage(() =>
    requireMultiple("--tile", ["side", asked], [`divisible by ${factor}`, factor], "sides")
  );
  const side = asked / factor;
  return { height: Math.min(side, height), width: Math.min(side, width) };
}
