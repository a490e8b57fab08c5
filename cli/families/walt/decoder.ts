/**
 * The decoder of a W.A.L.T that draws latents: that of the autoencoder which its run has recorded.
 *
 * @module
 */
import { InputError } from "../../../base/errors.ts";
import type { LatentSettings } from "../../../data/latents/cache.ts";
import type { Device } from "../../../kernels/device.ts";
import type { Program } from "../../../kernels/program.ts";
import { tileProgram } from "../../../models/autoencoder_kl/codec.ts";
import { checkAutoencoderKLConfig } from "../../../models/autoencoder_kl/config.ts";
import type { ClipSize } from "../../../models/codec.ts";
import type { WaltConfig } from "../../../models/walt/model.ts";
import type { ClipDecoder } from "../../../models/walt/run_clips.ts";
import { findDecoder, LatentDecoder } from "../autoencoder_kl/decoder.ts";
import {
  findTokenizerDecoder,
  TokenizerDecoder,
  tokenizerDecoderProgram,
} from "../causal_tokenizer/decoder.ts";
import { usualWayOut } from "../latent_source.ts";

/** A decoder with a line about how it works. */
export type DescribedDecoder = ClipDecoder & { readonly note: string };

const latentOf = ({ latentFrames: frames, latentSize: [height, width] }: WaltConfig): ClipSize => ({
  frames,
  height,
  width,
});

/** Whether latents are those of a VAE, which knows pictures only. */
const isVae = ({ autoencoder: { config } }: LatentSettings): boolean =>
  config.family === "autoencoder-kl";

/** Side of the pictures' latents, which a VAE decodes. */
function sideOf({ frames, height, width }: ClipSize, { autoencoder }: LatentSettings): number {
  if (frames === 1 && height === width) return height;
  throw new InputError(
    `${autoencoder.path}: decodes squares of single pictures, the model draws ` +
      `${frames} x ${height} x ${width}`,
  );
}

/**
 * Opens the decoder of a model's latents.
 *
 * @param given where the autoencoder is, if not at its recorded place
 * @param wayOut what helps when it is not there any more
 * @throws InputError when it is not there, or is not that of the latents
 */
export async function openClipDecoder(
  device: Device,
  config: WaltConfig,
  settings: LatentSettings,
  given?: string,
  wayOut: string = usualWayOut,
): Promise<DescribedDecoder> {
  const latent = latentOf(config);
  if (isVae(settings)) {
    const inputSize = sideOf(latent, settings);
    const drawn = { channels: config.latentChannels, inputSize, settings };
    const decoder = await LatentDecoder.open(
      device,
      await findDecoder(given, drawn, wayOut),
      undefined,
    );
    const { path, note, pictures: { channels, inputSize: side } } = decoder;
    return {
      ...{ path, note, clips: { channels, frames: 1, height: side, width: side } },
      decode: (latents) => decoder.decode(latents),
      destroy: () => decoder.destroy(),
    };
  }
  const found = await findTokenizerDecoder(given, settings, wayOut);
  using _weights = found.weights;
  return await TokenizerDecoder.open(device, found, latent);
}

/** The program that decodes what a model draws, in one piece. */
export function decoderProgram(config: WaltConfig, settings: LatentSettings): Program {
  const latent = latentOf(config);
  if (!isVae(settings)) return tokenizerDecoderProgram(settings, latent);
  const side = sideOf(latent, settings);
  const size = { height: side, width: side };
  const { autoencoder } = settings;
  const vae = checkAutoencoderKLConfig(autoencoder.config, autoencoder.path);
  return tileProgram(vae, { half: "decode", batch: 1, size, tile: size });
}
