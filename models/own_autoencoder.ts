/**
 * What diffusion models say of the autoencoder of their latents. Checkpoints may have it with them, in a folder
 * inside their own, named by a relative path.
 *
 * @module
 */
import { dirname, isAbsolute, join } from "@std/path";
import {
  type LatentAutoencoder,
  type LatentSettings,
  latentSettingsSchema,
} from "../data/latents/cache.ts";
import { isWeightsFile } from "../training/checkpoints/checkpoint.ts";
import { type Manifest, readManifest } from "../training/checkpoints/manifest.ts";
import { orNewestWhole } from "../training/checkpoints/whole_checkpoint.ts";
import { resolveCheckpoint } from "../training/runs/run_folder.ts";

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
  const found = (autoencoder: LatentAutoencoder): LatentAutoencoder => ({
    ...autoencoder,
    path: placeOf(folder, autoencoder),
  });
  return { ...manifest, run: mapAutoencoders(manifest.run, found) };
}

/** Where the autoencoder of a checkpoint is. */
const placeOf = (folder: string, { path }: LatentAutoencoder): string =>
  isAbsolute(path) ? path : join(folder, path);

/** The autoencoder whose latents a model was trained on; undefined where it was on something else. */
export function autoencoderOf({ run }: Pick<Manifest, "run">): LatentAutoencoder | undefined {
  return latentSettingsSchema.safeParse((run as LatentRun).latents).data?.autoencoder;
}

/**
 * The folder of an autoencoder's checkpoint: that of a run or checkpoint, or where this is a diffusion model's,
 * that of the autoencoder whose latents it was trained on.
 *
 * @param family of the autoencoder
 * @throws InputError when there is no checkpoint
 */
export async function autoencoderCheckpoint(family: string, path: string): Promise<string> {
  const folder = await resolveCheckpoint(path);
  const manifest = await orNewestWhole(folder, readManifest(folder));
  const own = autoencoderOf(manifest);
  if (manifest.config.family === family || own?.config.family !== family) return folder;
  const place = placeOf(folder, own);
  return await isWeightsFile(place) ? dirname(place) : await resolveCheckpoint(place);
}
