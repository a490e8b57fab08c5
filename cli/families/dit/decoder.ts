/**
 * The decoder of a DiT that draws latents: that of a VAE, or of a tokenizer of pictures.
 *
 * @module
 */
import { InputError } from "../../../base/errors.ts";
import type { LatentSettings } from "../../../data/latents/cache.ts";
import type { PictureModel } from "../../../diffusion/samples/picture_files.ts";
import type { Device } from "../../../kernels/device.ts";
import type { Program } from "../../../kernels/program.ts";
import { tileProgram } from "../../../models/autoencoder_kl/codec.ts";
import { checkAutoencoderKLConfig } from "../../../models/autoencoder_kl/config.ts";
import { causalTokenizerCodec } from "../../../models/causal_tokenizer/graph.ts";
import { colours } from "../../../models/causal_tokenizer/model.ts";
import { openTokenizer } from "../../../models/causal_tokenizer/source.ts";
import type { DiTConfig } from "../../../models/dit/model.ts";
import type { PictureDecoder } from "../../../models/dit/run_samples.ts";
import { type DrawnLatents, findDecoder, LatentDecoder } from "../autoencoder_kl/decoder.ts";
import {
  findTokenizerDecoder,
  TokenizerDecoder,
  tokenizerDecoderProgram,
} from "../causal_tokenizer/decoder.ts";
import { usualWayOut } from "../latent_source.ts";

/** A decoder at work. */
export interface OpenPictureDecoder extends PictureDecoder, Disposable {
  /** How it works. */
  readonly note: string;
  /** Batch after batch of latents as pictures. */
  decodeAll(batches: AsyncIterable<Float32Array>): AsyncGenerator<Float32Array>;
}

/** An autoencoder that fits the latents of a model. */
export interface FoundPictureDecoder {
  /** Path of its weights. */
  readonly path: string;
  /** The pictures that it makes. */
  readonly pictures: PictureModel;
  /**
   * Takes it into the memory that the device has left.
   *
   * @param tile side of tiles in pixels, if it was asked for
   */
  open(device: Device, tile?: number): Promise<OpenPictureDecoder>;
}

/** Whether latents are those of a tokenizer. */
const isTokenizer = ({ autoencoder }: LatentSettings): boolean =>
  autoencoder.config.family === "causal-tokenizer";

/** A latent as the clip of one frame that tokenizers know. */
const frameOf = ({ inputSize }: Pick<DiTConfig, "inputSize">) => ({
  ...{ frames: 1, height: inputSize, width: inputSize },
});

/**
 * Finds the autoencoder of latents: the given one, or else the one that the run knows.
 *
 * @param wayOut what helps when it is not there any more
 * @throws InputError when it is not there any more, or is not that of the latents
 */
export async function findPictureDecoder(
  given: string | undefined,
  latents: DrawnLatents,
  wayOut: string = usualWayOut,
): Promise<FoundPictureDecoder> {
  const { settings } = latents;
  if (settings && isTokenizer(settings)) {
    return await findOfTokenizer(given, latents, settings, wayOut);
  }
  const found = await findDecoder(given, latents, wayOut);
  const { weights: { path }, pictures } = found;
  return { path, pictures, open: (device, tile) => LatentDecoder.open(device, found, tile) };
}

async function findOfTokenizer(
  given: string | undefined,
  latents: DrawnLatents,
  settings: LatentSettings,
  wayOut: string,
): Promise<FoundPictureDecoder> {
  const { source, weights, normalization } = await findTokenizerDecoder(given, settings, wayOut);
  // Opened again when it is needed, which may be never.
  weights.close();
  const { path, config } = source;
  const { side } = causalTokenizerCodec.grid(config);
  return {
    path,
    pictures: { channels: colours, inputSize: side * latents.inputSize },
    async open(device, tile) {
      if (tile !== undefined) {
        throw new InputError(`${path}: --tile is for VAEs; a tokenizer is divided as memory asks`);
      }
      using weights = await openTokenizer(source);
      const found = { source, weights, normalization };
      return await TokenizerDecoder.open(device, found, frameOf(latents));
    },
  };
}

/** The program that decodes what a model of latents draws, in one piece. */
export function decoderProgram(config: DiTConfig, settings: LatentSettings): Program {
  if (isTokenizer(settings)) return tokenizerDecoderProgram(settings, frameOf(config));
  const { autoencoder } = settings;
  const size = { height: config.inputSize, width: config.inputSize };
  const vae = checkAutoencoderKLConfig(autoencoder.config, autoencoder.path);
  return tileProgram(vae, { half: "decode", batch: 1, size, tile: size });
}
