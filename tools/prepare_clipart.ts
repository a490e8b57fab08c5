/**
 * Makes a folder of labelled pictures of mixed sizes, `train/<class>/` and `test/<class>/`, from the
 * public-domain clip art of Debian's package `openclipart-png`, which need not be installed:
 *
 *     apt-get download openclipart-png && dpkg-deb -x openclipart-png_*.deb /tmp/clipart
 *     deno run --allow-read --allow-write --allow-env --allow-ffi --allow-sys \
 *       tools/prepare_clipart.ts clipart --from /tmp/clipart/usr/share/openclipart/png
 *
 * That takes about 2,200 pictures of 15 classes at up to 512 pixels (38 MB). With `--sample` it makes what is
 * shipped in `data/samples/clipart` instead: 12 classes, at most 40 small pictures each.
 *
 * Pictures are cropped to what is not transparent and laid on white. Near-duplicates are left out, and
 * pictures whose names only differ in numbers or in "bw" are all for training or all for testing.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { parseArgs } from "node:util";
import { basename, extname, join, relative } from "@std/path";
import { forEachIndex } from "../base/concurrency.ts";
import { readPictureSize } from "../data/pictures/picture.ts";
import { picturesBelow } from "../data/sources/picture_files.ts";
import { scanFolder } from "../data/sources/scan.ts";
import { writeBytesAtomically } from "../formats/files/atomic_file.ts";
import { loadSharp } from "../formats/pictures/bitmap.ts";

/** What is made of the package. */
interface Recipe {
  /** Folders of the package by class. */
  readonly classes: Readonly<Record<string, readonly string[]>>;
  /** The most pictures of a class. */
  readonly mostPictures: number;
  /** The longest side of a picture, by a share from 0 to 1 that its name decides. */
  readonly longestSide: (share: number) => number;
}

const flags = ["africa", "america", "asia", "europe", "historic", "oceania"];

/** What is shipped: areas vary by a factor of 22 at the same aspect ratio. */
const sample: Recipe = {
  classes: {
    birds: ["animals/birds"],
    bugs: ["animals/bugs"],
    buildings: ["buildings"],
    desserts: ["food/desserts"],
    drinks: ["food/beverages"],
    flags: flags.map((part) => `signs_and_symbols/flags/${part}`),
    fruit: ["food/fruit", "food/vegetables"],
    mammals: ["animals/mammals"],
    music: ["recreation/music"],
    plants: ["plants"],
    "road-signs": ["transportation/roadsigns"],
    vehicles: ["transportation/vehicles"],
  },
  mostPictures: 40,
  longestSide: (share) => Math.round(24 * (112 / 24) ** share),
};

/** All top folders that hold pictures of things. */
const whole: Recipe = {
  classes: Object.fromEntries(
    [
      "animals",
      "buildings",
      "decorations",
      "education",
      "electronics",
      "food",
      "geography",
      "office",
      "people",
      "plants",
      "recreation",
      "science",
      "signs_and_symbols",
      "tools",
      "transportation",
    ].map((folder) => [folder.replaceAll("_", "-"), [folder]]),
  ),
  mostPictures: Infinity,
  longestSide: () => 512,
};

/** Pictures that do not show what their folder is called, or only that they are broken. */
const misplaced = new RegExp(
  [
    "buildings/.*(?:furniture|wall)",
    "duck_yellow_ii_kurt|tux_didier_fabert", // "Linked Image Not Found"
    "flags/.*(?:_outline_|inukshuk|madrid|map_of)",
    "fruit/.*grenade",
    "music/.*(?:bach_|beethov|handel)",
    "plants/.*(?:bowsaw|bypass|christmas_balls|fall_scene)",
    "vehicles/.*(?:blueprint|crossroads|curve|cycle_|lighthouse|parking|rocket|sign)",
  ].join("|"),
);

/** Pictures of more pixels are left out: some have 168 million. */
const mostPixels = 3_000_000;

/** Pictures with less colour than this share of a black page are left out: hardly anything shows. */
const faintest = 0.04;

/** The longest side of a picture may be so many times the shortest. */
const mostElongated = 6;

/** Share of a class's pictures that is for testing. */
const testShare = 0.2;

/** The part of a picture that is not transparent, in pixels. */
interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** A picture that may be used. */
interface Candidate {
  readonly className: string;
  /** Path inside the package. */
  readonly name: string;
  readonly box: Box;
  /** 16 x 16 pixels of three bytes, to compare with. */
  readonly thumbnail: Uint8Array;
  /** How far the thumbnail is from white, summed over its bytes. */
  readonly ink: number;
}

/** A number from 0 to 1 that a text decides. */
function shareOf(text: string): number {
  return createHash("sha256").update(text).digest().readUInt32BE() / 2 ** 32;
}

/** The box around all that is not 0. */
function boxOf(data: Uint8Array, width: number): Box {
  let [left, right, top, bottom] = [width, -1, Infinity, -1];
  for (let row = 0; row * width < data.length; row++) {
    const line = data.subarray(row * width, (row + 1) * width);
    const first = line.findIndex(Boolean);
    if (first < 0) continue;
    [left, right] = [Math.min(left, first), Math.max(right, line.findLastIndex(Boolean))];
    [top, bottom] = [Math.min(top, row), row];
  }
  return { left, top, width: right - left + 1, height: bottom - top + 1 };
}

/** What is in a box of a picture, on white. */
function cropped(path: string, box: Box) {
  return sharp(path).extract(box).flatten({ background: "#ffffff" }).toColourspace("srgb");
}

/** Looks at a picture; undefined when it is of no use. */
async function readCandidate(
  root: string,
  className: string,
  path: string,
): Promise<Candidate | undefined> {
  const name = relative(root, path).replaceAll("\\", "/");
  if (misplaced.test(name)) return undefined;
  const size = await readPictureSize(path, path).catch(() => undefined);
  if (!size || size.width * size.height > mostPixels) return undefined;
  const alpha = await sharp(path).ensureAlpha().extractChannel("alpha").raw().toBuffer();
  const box = boxOf(alpha, size.width);
  const [shortest, longest] = [box.width, box.height].sort((a, b) => a - b);
  if (shortest < 8 || longest > mostElongated * shortest) return undefined;
  const thumbnail = await cropped(path, box).resize(16, 16, { fit: "fill" }).raw().toBuffer();
  const ink = thumbnail.reduce((sum, byte) => sum + 255 - byte, 0);
  if (ink < faintest * 255 * thumbnail.length) return undefined;
  return { className, name, box, thumbnail, ink };
}

async function readCandidates(root: string, recipe: Recipe): Promise<Candidate[]> {
  const files: [className: string, path: string][] = [];
  for (const [className, folders] of Object.entries(recipe.classes)) {
    for (const folder of folders) {
      const paths = picturesBelow(await scanFolder(join(root, folder)));
      files.push(...paths.map((path): [string, string] => [className, path]));
    }
  }
  const candidates: Candidate[] = [];
  await forEachIndex(files.length, 4, async (index) => {
    const candidate = await readCandidate(root, ...files[index]);
    if (candidate) candidates.push(candidate);
  });
  return candidates.sort((a, b) => a.name < b.name ? -1 : 1);
}

/** How much of what is not white may differ between pictures that look alike. */
const alikeBelow = 0.12;

/** Whether two pictures look alike. */
function isAlike(a: Candidate, b: Candidate): boolean {
  const most = alikeBelow * (a.ink + b.ink) / 2;
  let difference = Math.abs(a.ink - b.ink) < most ? 0 : most;
  for (let index = 0; index < a.thumbnail.length && difference < most; index++) {
    difference += Math.abs(a.thumbnail[index] - b.thumbnail[index]);
  }
  return difference < most;
}

/** One of each set of pictures that look alike; none where they are in several classes. */
function withoutDuplicates(candidates: readonly Candidate[]): Candidate[] {
  const kept: Candidate[] = [];
  const ambiguous = new Set<Candidate>();
  for (const candidate of candidates) {
    const same = kept.find((other) => isAlike(candidate, other));
    if (!same) kept.push(candidate);
    else if (same.className !== candidate.className) ambiguous.add(same);
  }
  return kept.filter((candidate) => !ambiguous.has(candidate));
}

/** What the names of variants of a picture have in common. */
function family({ name }: Candidate): string {
  return basename(name, extname(name)).replace(/\d+|_bw(?=_|$)/g, "").replace(/[_-]+/g, " ").trim();
}

/** The pictures of a class by family, in an order that names decide; at most two of a family. */
function families(candidates: readonly Candidate[]): Candidate[][] {
  const grouped = Map.groupBy(candidates, family);
  return [...grouped].sort(([a], [b]) => shareOf(a) - shareOf(b))
    .map(([_, members]) => members.slice(0, 2));
}

/** Writes a picture to the folder of its class, under its path without the package's top folder. */
async function write(
  root: string,
  folder: string,
  { className, name, box }: Candidate,
  recipe: Recipe,
): Promise<void> {
  const side = recipe.longestSide(shareOf(name));
  const bytes = await cropped(join(root, name), box)
    .resize(side, side, { fit: "inside", withoutEnlargement: true })
    .webp({ lossless: true })
    .toBuffer();
  const path = name.slice(0, -extname(name).length).split("/").slice(1).join("-");
  await Deno.mkdir(join(folder, className), { recursive: true });
  await writeBytesAtomically(join(folder, className, `${path}.webp`), bytes);
}

const sharp = await loadSharp();
const { values, positionals } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    from: { type: "string", default: "/usr/share/openclipart/png" },
    sample: { type: "boolean", default: false },
  },
});
if (positionals.length !== 1) {
  console.error("usage: prepare_clipart.ts OUT [--from FOLDER] [--sample]");
  Deno.exit(2);
}
const [target] = positionals;
const recipe = values.sample ? sample : whole;
const candidates = withoutDuplicates(await readCandidates(values.from, recipe));
for (const className of Object.keys(recipe.classes)) {
  const groups = families(candidates.filter((candidate) => candidate.className === className));
  const most = Math.min(recipe.mostPictures, groups.flat().length);
  const counts = { train: 0, test: 0 };
  for (const group of groups) {
    const part = counts.test < testShare * most ? "test" : "train";
    for (const candidate of group) {
      if (counts.train + counts.test === most) break;
      await write(values.from, join(target, part), candidate, recipe);
      counts[part]++;
    }
  }
  console.log(`${className}: ${counts.train} for training, ${counts.test} for testing`);
}
