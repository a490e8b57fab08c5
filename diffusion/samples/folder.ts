/**
 * A folder of samples: a file for each, an overview and a record of how they were made. What an earlier run
 * has left there is told from the user's own files by the parameters inside.
 *
 * @module
 */
import { join } from "@std/path";
import { forEachIndex } from "../../base/concurrency.ts";
import { InputError } from "../../base/errors.ts";
import { removeTemporaries } from "../../formats/files/atomic_file.ts";
import { readRegularFile, readRegularText } from "../../formats/files/regular_file.ts";
import { readPngMetadata } from "../../formats/pictures/png.ts";
import { readWebpComment } from "../../formats/video/animated_webp.ts";
import { firstFrame } from "../../formats/video/clip_files.ts";
import { readMp4Comment } from "../../formats/video/mp4_reader.ts";

/** Pictures that show many samples at once. */
const overviews = ["grid.png", "sheet.png"];

/** The file that says how all samples of a folder were made. */
const recordFile = "samples.json";

/** Path of that file. */
export const recordPath = (folder: string): string => join(folder, recordFile);

/** Path of a sample in its folder, such as `000007`, without an ending. */
export const samplePath = (folder: string, index: number): string =>
  join(folder, sampleName(index));

const sampleName = (index: number): string => String(index).padStart(6, "0");

/** Endings of samples; a clip of pictures is a folder, which has none. */
type SampleEnding = ".png" | ".mp4" | ".webp" | "";

/** A sample by its name; undefined for what is none. */
function sampleOf(name: string): { index: number; ending: SampleEnding } | undefined {
  const [, digits, ending] = /^(\d{6,})(\.png|\.mp4|\.webp|)$/.exec(name) ?? [];
  if (digits === undefined || sampleName(Number(digits)) !== digits) return undefined;
  return { index: Number(digits), ending: ending as SampleEnding };
}

/** Whether a run of this tool writes under that name into a folder of samples. */
const isSampleFile = (name: string): boolean =>
  overviews.includes(name) || name === recordFile || sampleOf(name) !== undefined;

/** How many files are looked into at a time. */
const filesAtATime = 16;

/**
 * What an earlier run has left in a folder where samples are to be drawn. What a killed run left
 * half-written is removed.
 *
 * @param count samples to be drawn
 * @param ending of their files
 * @returns paths, for {@link removeSamples}
 * @throws InputError when a file that is not of an earlier run would be overwritten
 */
export async function findEarlierSamples(
  folder: string,
  count: number,
  ending: SampleEnding,
): Promise<string[]> {
  await removeTemporaries(folder, isSampleFile);
  const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name)
    .filter(isSampleFile).sort();
  const earlier: string[] = [];
  await forEachIndex(names.length, filesAtATime, async (position) => {
    const path = join(folder, names[position]);
    const sample = sampleOf(names[position]);
    if (await isWrittenHere(path, sample)) earlier.push(path);
    else if (!sample || (sample.index < count && sample.ending === ending)) {
      throw new InputError(
        `${path}: is not of an earlier sample run and would be overwritten; choose another folder`,
      );
    }
  });
  return earlier;
}

/** Removes what an earlier run has left. */
export async function removeSamples(paths: readonly string[]): Promise<void> {
  for (const path of paths) await Deno.remove(path, { recursive: true });
}

/** Whether a file holds what a run of this tool writes under its name. */
async function isWrittenHere(
  path: string,
  sample: ReturnType<typeof sampleOf>,
): Promise<boolean> {
  const { isFile, isDirectory } = await Deno.lstat(path);
  if (sample?.ending === "" ? !isDirectory : !isFile) return false;
  try {
    const about = await parametersIn(path) as Record<string, unknown> | undefined;
    return typeof about?.samplingSteps === "number" && about.index === sample?.index;
  } catch (error) {
    const isOther = error instanceof SyntaxError || error instanceof InputError ||
      error instanceof Deno.errors.NotFound;
    if (isOther) return false;
    throw error;
  }
}

/** The parameters inside of a file or a folder of pictures. */
async function parametersIn(path: string): Promise<unknown> {
  if (path.endsWith(".json")) return JSON.parse(await readRegularText(path));
  if (path.endsWith(".mp4")) return JSON.parse(await readMp4Comment(path) ?? "null");
  if (path.endsWith(".webp")) return JSON.parse(await readWebpComment(path) ?? "null");
  const picture = path.endsWith(".png") ? path : firstFrame(path);
  return readPngMetadata(await readRegularFile(picture));
}
