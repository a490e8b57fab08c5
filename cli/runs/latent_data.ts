/**
 * Caches of latents as what a run is trained on.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";
import type { ImageDataset } from "../../data/dataset.ts";
import type { LatentSettings } from "../../data/latents/cache.ts";
import { isLatentDataset } from "../../data/latents/dataset.ts";
import type { Flags } from "../flags/flags.ts";
import { UsageError } from "../terminal/errors.ts";

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

/**
 * Refuses flags that say how pictures or clips are read, where a cache holds what was made of them.
 *
 * @param flags of the command
 * @param reading names of those that do
 * @throws {UsageError} naming the first that was given
 */
export function requireNoReading(
  cache: string,
  flags: Flags,
  given: ReadonlySet<string>,
  reading: readonly string[],
): void {
  const wrong = reading.find((name) => given.has(name));
  if (wrong === undefined) return;
  const [flag] = flags[wrong].usage.split(" ");
  throw new UsageError(`${flag}: ${cache} is a cache of latents, for which encode takes the flag`);
}

/** Numbers of channels as they are told. */
const told = (values: readonly number[]): string => values.map((v) => v.toPrecision(4)).join(", ");

/**
 * What tells the latents of a cache from those that a run was begun with: another autoencoder, or other
 * statistics; undefined where neither is what differs.
 */
export function latentDifference(
  { latents }: Pick<LatentRun, "latents">,
  data: ImageDataset,
): string | undefined {
  if (!latents || !isLatentDataset(data)) return undefined;
  const { autoencoder, shift, scale } = data.latents;
  if (autoencoder.hash !== latents.autoencoder.hash) {
    return `they are of ${autoencoder.path}, the run's of ${latents.autoencoder.path}`;
  }
  const [found, wanted] = [{ shift, scale }, latents].map((normalization) =>
    `shift ${told(normalization.shift)} and scale ${told(normalization.scale)}`
  );
  return found === wanted ? undefined : `they have ${found}, the run's ${wanted}`;
}

/** Refuses pixels at the place of a run that is trained on a cache. */
export function requirePixels(place: string, { latents }: Pick<LatentRun, "latents">): void {
  if (!latents) return;
  throw new InputError(
    `${place}: is no cache of latents; the run trains on those of ${latents.autoencoder.path}, ` +
      "and --data-path says where they are now",
  );
}
