/**
 * The files of a cache of latents.
 *
 * @module
 */
import { join } from "@std/path";
import { oneLine } from "../../base/control_characters.ts";
import { InputError } from "../../base/errors.ts";
import { openSafetensors, type TensorReader } from "../../formats/tensors/safetensors.ts";
import { formatShape, sameShape } from "../../kernels/shape.ts";
import { type CacheDescription, type CacheShard, samplesOf, storedShape } from "./cache.ts";

/** What the metadata of a file say of its place: the number of its first picture or clip. */
export const placeMetadata = (first: number): Record<string, string> => ({ first: `${first}` });

/**
 * Opens a file of a cache.
 *
 * @param first pictures or clips in the files before it
 * @throws InputError when it is damaged, or does not hold what the description says
 */
export async function openShard(
  folder: string,
  description: CacheDescription,
  { file, pictures, record }: CacheShard,
  first: number,
): Promise<TensorReader> {
  const reader = await openSafetensors(join(folder, file), record);
  try {
    checkContents(reader, description, pictures);
    checkPlace(reader, samplesOf(description), first);
    return reader;
  } catch (error) {
    reader.close();
    throw error;
  }
}

function checkContents(
  reader: TensorReader,
  { latent, posterior, mirrored, classNames: { length: classes } }: CacheDescription,
  pictures: number,
): void {
  const damaged = (problem: string) => new InputError(`${reader.path}: damaged: ${problem}`);
  const shape = storedShape({ latent, posterior }, pictures);
  const wanted: [string, readonly number[]][] = [
    ["latents", shape],
    ...(mirrored ? [["mirrored", shape] satisfies [string, number[]]] : []),
    ["labels", [pictures]],
  ];
  const wrong = wanted.find(([name, shape]) => !sameShape(reader.info(name).shape, shape));
  if (wrong) throw damaged(`${wrong[0]} is not of the shape ${formatShape(wrong[1])}`);
  const label = reader.readInt32("labels").find((label) => label < 0 || label >= classes);
  if (label !== undefined) throw damaged(`label ${label} is not one of ${classes} classes`);
}

/** Refuses a file that belongs elsewhere in the order; those of older caches do not say where. */
function checkPlace({ path, metadata }: TensorReader, samples: string, first: number): void {
  const { first: own = `${first}` } = metadata;
  if (own === `${first}`) return;
  throw new InputError(
    `${path}: holds the ${samples} from number ${
      oneLine(own)
    } on, but cache.json names it for those ` +
      `from ${first} on; the same encode command mends the cache`,
  );
}
