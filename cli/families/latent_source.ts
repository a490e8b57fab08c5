/**
 * The autoencoder that the latents of a model come from: the one that the model's run has recorded, or the
 * same one at another place.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";
import type { LatentSettings } from "../../data/latents/cache.ts";

/** What helps where the autoencoder of a model is not there any more. */
export const usualWayOut = "--vae says where it is now";

/**
 * Reads an autoencoder; when it is not where the run has recorded it, the error says what helps.
 *
 * @param given whether the user has said where it is
 * @throws InputError when it is not there any more
 */
export async function recordedAutoencoder<Autoencoder>(
  given: boolean,
  reading: Promise<Autoencoder>,
  wayOut: string,
): Promise<Autoencoder> {
  try {
    return await reading;
  } catch (error) {
    const isMissing = error instanceof InputError || error instanceof Deno.errors.NotFound;
    if (given || !isMissing) throw error;
    throw new InputError(
      `${error.message}; the model's latents come from this autoencoder, ${wayOut}`,
      { cause: error },
    );
  }
}

/**
 * Checks that an autoencoder has the encoder that a model's latents come from.
 *
 * @throws InputError when it has another one
 */
export function requireEncoder(
  { path, hash }: { readonly path: string; readonly hash: string },
  { autoencoder }: LatentSettings,
): void {
  if (hash === autoencoder.hash) return;
  throw new InputError(
    `${path}: its encoder is not the one that the model's latents come from, that of ` +
      autoencoder.path,
  );
}
