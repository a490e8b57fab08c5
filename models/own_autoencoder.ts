/**
 * What diffusion models say of the autoencoder of their latents, in checkpoints that have it with them: in a
 * folder inside their own, named by a relative path.
 *
 * @module
 */
import { isAbsolute, join } from "@std/path";
import type { LatentAutoencoder, LatentSettings } from "../data/latents/cache.ts";
import type { Manifest } from "../training/checkpoints/manifest.ts";

/** What runs of diffusion models say of latents, whatever their family. */
export interface LatentRun {
  readonly latents?: LatentSettings;
  readonly lowResolution?: { readonly cache?: { readonly latents: LatentSettings } };
}

/** A run with what it says of autoencoders replaced. */
export function mapAutoencoders<Run extends object>(
  run: Run,
  change: (autoencoder: LatentAutoencoder) => LatentAutoencoder,
): Run {
  const { latents, lowResolution } = run as LatentRun;
  const changed = (settings: LatentSettings): LatentSettings => ({
    ...settings,
    autoencoder: change(settings.autoencoder),
  });
  const cache = lowResolution?.cache;
  return {
    ...run,
    ...latents && { latents: changed(latents) },
    ...cache && {
      lowResolution: { ...lowResolution, cache: { ...cache, latents: changed(cache.latents) } },
    },
  };
}

/** A manifest with the autoencoders that lie in the checkpoint's folder found there. */
export function withOwnAutoencoder<M extends Pick<Manifest, "run">>(
  folder: string,
  manifest: M,
): M {
  const found = (autoencoder: LatentAutoencoder): LatentAutoencoder =>
    isAbsolute(autoencoder.path)
      ? autoencoder
      : { ...autoencoder, path: join(folder, autoencoder.path) };
  return { ...manifest, run: mapAutoencoders(manifest.run, found) };
}
