/**
 * Caches of latents as what a run is trained on.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";
import type { ImageDataset } from "../../data/dataset.ts";
import type { LatentSettings } from "../../data/latents/cache.ts";
import { isLatentDataset } from "../../data/latents/dataset.ts";

/** What a run says of the latents that it is trained on. */
export interface LatentRun {
  /** Absent where it is trained on pixels. */
  readonly latents?: LatentSettings;
  /** Whether samples are mirrored. */
  readonly flip: boolean;
}

/**
 * Refuses a cache of other latents than those of the run, and one without what the run needs.
 *
 * @throws InputError naming what differs
 */
export function checkLatents({ latents, flip }: LatentRun, data: ImageDataset): void {
  if (!isLatentDataset(data)) return;
  if (latents?.autoencoder.hash !== data.latents.autoencoder.hash) {
    const wanted = latents ? `those of ${latents.autoencoder.path}` : "pictures";
    throw new InputError(
      `${data.name}: holds latents of ${data.latents.autoencoder.path}, the run trains on ${wanted}`,
    );
  }
  if (flip && !data.mirrorOf) {
    throw new InputError(
      `${data.name}: holds no mirrored pictures for --flip; encode --flips makes a cache that does`,
    );
  }
}

/** Refuses pixels at the place of a run that is trained on a cache. */
export function requirePixels(place: string, { latents }: Pick<LatentRun, "latents">): void {
  if (!latents) return;
  throw new InputError(
    `${place}: is no cache of latents; the run trains on those of ${latents.autoencoder.path}, ` +
      "and --data-path says where they are now",
  );
}
