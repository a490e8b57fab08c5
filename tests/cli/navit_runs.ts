/**
 * Small runs of NaViTs for tests of the command line: pictures of mixed sizes and a tiny model.
 *
 * @module
 */
import { join } from "@std/path";
import { randomElement } from "../../base/philox.ts";
import { run, succeed } from "./runs.ts";
import type { Finished } from "./support.ts";

/** What tells the classes apart: where it is light, counted in squares of 8 pixels. */
const patterns: Readonly<Record<string, (row: number, column: number) => boolean>> = {
  checks: (row, column) => (row + column) % 2 === 0,
  columns: (_, column) => column % 2 === 0,
  rows: (row) => row % 2 === 0,
};

/** The classes of {@link writeMixedPictures}. */
export const mixedClasses: readonly string[] = Object.keys(patterns);

/** Sizes between 12 and 80 pixels, most of them far from square; equal for equal numbers. */
function mixedSize(number: number): { width: number; height: number } {
  const share = (draw: number) => randomElement("uniform", [11, 0], number, draw, 1, 0);
  const [side, stretch] = [16 + 32 * share(0), 2 ** (share(1) - 0.5)];
  return { width: Math.round(side * stretch), height: Math.round(side / stretch) };
}

async function writePicture(
  path: string,
  { width, height }: { width: number; height: number },
  isLight: (row: number, column: number) => boolean,
): Promise<void> {
  const { default: sharp } = await import("sharp");
  const pixels = Uint8Array.from({ length: width * height }, (_, place) => {
    const [row, column] = [Math.floor(place / width), place % width];
    return isLight(row >> 3, column >> 3) ? 230 : 20;
  });
  await sharp(pixels, { raw: { width, height, channels: 1 } }).png().toFile(path);
}

/** Writes so many pictures a class, of mixed sizes; `first` numbers them, and other numbers differ. */
export async function writeMixedPictures(
  folder: string,
  perClass: number,
  first = 0,
): Promise<string> {
  for (const [label, [name, isLight]] of Object.entries(patterns).entries()) {
    await Deno.mkdir(join(folder, name), { recursive: true });
    for (let number = first; number < first + perClass; number++) {
      const size = mixedSize(3 * number + label);
      await writePicture(join(folder, name, `${number}.png`), size, isLight);
    }
  }
  return folder;
}

/** Writes a training part and a test part. */
export async function writeMixedParts(folder: string): Promise<string> {
  await writeMixedPictures(join(folder, "train"), 8);
  await writeMixedPictures(join(folder, "test"), 4, 100);
  return folder;
}

/** A model of 10,387 parameters; a group of 8 sequences serves 2 steps. */
export const tinyNaViT: readonly string[] = [
  ...["--patch", "8", "--hidden", "16", "--heads", "2", "--depth", "1", "--position-length", "32"],
  ...["--batch-size", "4", "--sequence-length", "24", "--images-per-sequence", "4"],
  ...["--open-sequences", "8", "--resolution", "16:32", "--lr", "3e-3"],
];

/** Runs `train navit` on the tiny model in this process. */
export async function runTraining(
  results: string,
  data: string,
  ...args: string[]
): Promise<Finished> {
  const flags = ["--data-path", data, "--results-dir", results, ...args];
  return await run("train", "navit", ...tinyNaViT, ...flags);
}

/** Trains the tiny model; returns the run folder. */
export async function trainNaViT(
  results: string,
  data: string,
  ...args: string[]
): Promise<string> {
  const flags = ["--data-path", data, "--results-dir", results, ...args];
  return await succeed("train", "navit", ...tinyNaViT, ...flags);
}
