/**
 * Pictures that move: clips whose classes are the direction and the speed of the motion, so that what
 * a model has learnt can be measured (`motionLabel`).
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { Clip } from "../../formats/video/clip.ts";
import { divide } from "../holdout.ts";
import { MissingPartError } from "../open.ts";
import type { MemoryDataset } from "../memory_dataset.ts";
import { dataStreams, Draws } from "../order/draws.ts";
import { fromPlanar, type Picture } from "../pictures/picture.ts";
import { resize, triangleFilter } from "../pictures/resample.ts";
import { openPictureSheets } from "../sources/picture_sheet.ts";
import type { Split } from "../sources/idx.ts";
import { type ClipSet, clipSetOf } from "./clip_set.ts";

/** Directions: how a step goes in columns and in rows. */
const directions = [
  { name: "right", x: 1, y: 0 },
  { name: "left", x: -1, y: 0 },
  { name: "down", x: 0, y: 1 },
  { name: "up", x: 0, y: -1 },
] as const;

/** Speeds: which part of its free way a picture goes from the first frame to the last. */
const speeds = [{ name: "slow", share: 3 / 8 }, { name: "fast", share: 3 / 4 }] as const;

/** Names of the classes: `right slow`, `right fast`, `left slow`, ... */
export const motionNames: readonly string[] = directions.flatMap((direction) =>
  speeds.map((speed) => `${direction.name} ${speed.name}`)
);

/** What the clips are like. */
export interface MovingOptions {
  /** Frames of a clip, at least 2; 17 unless told. */
  readonly frames?: number;
  /** Side of the frames in pixels, at least 8; 32 unless told. Pictures have half of it. */
  readonly size?: number;
  /** 1 (grey) or 3 (the same three times); 1 unless told. */
  readonly channels?: number;
  /** Frames a second that clips say they have; 8 unless told. */
  readonly fps?: number;
  /** Seed of the places, a whole number from 0 to 2^53 - 1; 0 unless told. */
  readonly seed?: number;
  /** Which part; "train" unless told. */
  readonly split?: Split;
  /** The share of every class that is the test part; without it all clips are for training. */
  readonly holdout?: number;
}

/**
 * Makes clips of grey pictures, one of each: shrunk, on black, moving at an even speed and never
 * leaving the frame. Where clip i begins is a function of the seed and i, its class is i mod 8.
 *
 * @throws {RangeError} for fewer than 2 frames, or frames smaller than 8 x 8
 * @throws {MissingPartError} for the test part where none is held out
 */
export function movingPictures(pictures: MemoryDataset, options: MovingOptions = {}): ClipSet {
  const { frames = 17, size = 32, channels = 1, fps = 8, seed = 0 } = options;
  if (!(frames >= 2 && size >= 8)) {
    throw new RangeError(`${frames} frames of side ${size}: at least 2 of side 8 show a motion`);
  }
  const labelOf = (index: number) => index % motionNames.length;
  const chosen = partOf(pictures.length, labelOf, options);
  const side = Math.floor(size / 2);
  const hash = createHash("sha256").update(pictures.fingerprint);
  return clipSetOf({
    name: `moving ${pictures.name}`,
    length: chosen.length,
    channels,
    frames,
    height: size,
    width: size,
    classNames: motionNames,
    fingerprint: hash.update(`moving ${[frames, size, channels, seed, chosen]}`).digest("hex"),
    report: [],
    labels: chosen.map(labelOf),
    fps: () => fps,
    clipName: (index) => `${motionNames[labelOf(chosen[index])]} ${chosen[index]}`,
    bytes: (position) => {
      const index = chosen[position];
      const { channels, height, width } = pictures;
      const picture = fromPlanar(pictures.bytes(index), channels, height, width);
      const shrunk = resize(picture, triangleFilter, side, side);
      const clip = drawMotion(
        shrunk,
        startOf(seed, index, labelOf(index), size - side),
        frames,
        size,
      );
      return Promise.resolve(repeated(clip, options.channels ?? 1));
    },
  });
}

/** Opens picture sheets, such as the shipped ones, as pictures that move. */
export async function openMovingPictures(
  folder: string,
  options?: MovingOptions,
): Promise<ClipSet> {
  return movingPictures(await openPictureSheets(folder), options);
}

/** The numbers of the clips of a part. */
function partOf(
  length: number,
  label: (index: number) => number,
  { split = "train", holdout }: MovingOptions,
): number[] {
  if (holdout === undefined) {
    if (split === "test") throw new MissingPartError("moving pictures: have no separate test part");
    return Array.from({ length }, (_, index) => index);
  }
  const set = { name: "moving pictures", length, classNames: motionNames, label };
  return divide({ ...set, pictureName: String }, holdout)[split];
}

/** A motion: where a picture is in the first frame, and how far it goes, in pixels. */
interface Motion {
  readonly x: number;
  readonly y: number;
  readonly goesX: number;
  readonly goesY: number;
}

/** Draws where a motion begins. @param room how far a picture can go */
function startOf(seed: number, index: number, label: number, room: number): Motion {
  const direction = directions[Math.floor(label / speeds.length)];
  const way = room * speeds[label % speeds.length].share;
  const draws = new Draws(seed, dataStreams.movingPicture, index);
  const start = (step: number) => {
    const free = room - way * Math.abs(step);
    return draws.uniform() * free + (step < 0 ? way : 0);
  };
  const [x, y] = [start(direction.x), start(direction.y)];
  return { x, y, goesX: way * direction.x, goesY: way * direction.y };
}

/** Draws a grey picture in every frame: (frames, size, size) bytes. */
function drawMotion(picture: Picture, motion: Motion, frames: number, size: number): Uint8Array {
  const clip = new Uint8Array(frames * size * size);
  for (let frame = 0; frame < frames; frame++) {
    const part = frame / (frames - 1);
    const [x, y] = [motion.x + part * motion.goesX, motion.y + part * motion.goesY];
    drawAt(picture, x, y, clip.subarray(frame * size * size, (frame + 1) * size * size), size);
  }
  return clip;
}

/** Adds a picture to a frame at a place between pixels, by linear interpolation. */
function drawAt(
  { height, width, data }: Picture,
  x: number,
  y: number,
  frame: Uint8Array,
  size: number,
): void {
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [right, down] = [x - left, y - top];
  const at = (row: number, column: number) =>
    row >= 0 && row < height && column >= 0 && column < width ? data[row * width + column] : 0;
  for (let row = 0; row <= height && top + row < size; row++) {
    for (let column = 0; column <= width && left + column < size; column++) {
      const above = (1 - right) * at(row - 1, column) + right * at(row - 1, column - 1);
      const here = (1 - right) * at(row, column) + right * at(row, column - 1);
      frame[(top + row) * size + left + column] = Math.round(down * above + (1 - down) * here);
    }
  }
}

/** Grey planes as many times as there are channels. */
function repeated(planes: Uint8Array, channels: number): Uint8Array {
  const bytes = new Uint8Array(channels * planes.length);
  for (let channel = 0; channel < channels; channel++) bytes.set(planes, channel * planes.length);
  return bytes;
}

/** Bytes up to here are background: a model's black is not quite black. */
const darkest = 24;

/** Where the light of a frame is on average, in pixels. */
function centerOf(clip: Clip, frame: number): { readonly x: number; readonly y: number } {
  const { height, width, channels, data } = clip;
  let [sum, x, y] = [0, 0, 0];
  for (let pixel = 0; pixel < height * width; pixel++) {
    const light = data[(frame * height * width + pixel) * channels];
    if (light <= darkest) continue;
    sum += light;
    x += light * (pixel % width);
    y += light * Math.floor(pixel / width);
  }
  return sum > 0 ? { x: x / sum, y: y / sum } : { x: (width - 1) / 2, y: (height - 1) / 2 };
}

/** The slope of the line through some values by least squares, times their number less one. */
function wayOf(values: readonly number[]): number {
  const middle = (values.length - 1) / 2;
  const squares = values.reduce((sum, _, index) => sum + (index - middle) ** 2, 0);
  return values.reduce((sum, value, index) => sum + (index - middle) * value, 0) / squares *
    (values.length - 1);
}

/**
 * The class of a clip of {@link movingPictures}, measured: the line that the centre of its light
 * follows, by least squares over all frames.
 */
export function motionLabel(clip: Clip): number {
  const centers = Array.from({ length: clip.frames }, (_, frame) => centerOf(clip, frame));
  const [goesX, goesY] = [wayOf(centers.map(({ x }) => x)), wayOf(centers.map(({ y }) => y))];
  const isAcross = Math.abs(goesX) >= Math.abs(goesY);
  const way = isAcross ? goesX : goesY;
  const direction = (isAcross ? 0 : 2) + (way < 0 ? 1 : 0);
  const room = clip.width - Math.floor(clip.width / 2);
  const isFast = Math.abs(way) / room > (speeds[0].share + speeds[1].share) / 2;
  return direction * speeds.length + (isFast ? 1 : 0);
}
