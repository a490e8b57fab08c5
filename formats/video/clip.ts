/**
 * Clips as 8-bit pixels: from what a model gives, values in [-1, 1] laid out (N, C, T, H, W), to what
 * the writers of this folder take.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";
import { type Bitmap, toByte } from "../pictures/bitmap.ts";

/** A clip: `data` holds (frames, height, width, channels) bytes, row-major. */
export interface Clip {
  /** Number of frames, at least 1. */
  readonly frames: number;
  /** Rows of every frame. */
  readonly height: number;
  /** Columns of every frame. */
  readonly width: number;
  /** 1 (grey) or 3 (red, green, blue). */
  readonly channels: number;
  /** Values 0..255. */
  readonly data: Uint8Array;
  /** Frames a second. */
  readonly fps: number;
}

/**
 * Refuses a rate at which a frame is shown for longer than a format can say.
 *
 * @param format its name, with an article
 * @param longest in seconds
 * @throws {InputError} with the lowest rate
 */
export function requireRate(format: string, longest: number, { fps }: Pick<Clip, "fps">): void {
  if (fps * longest >= 1) return;
  const slowest = Number((1.005 / longest).toPrecision(2));
  throw new InputError(
    `${format} has frames of at most ${longest} s, the clip has ${Number(fps.toPrecision(3))} ` +
      `frames a second; the nearest rate is ${slowest}`,
  );
}

/** A frame of a clip, as a view. */
export function frameOf({ height, width, channels, data }: Clip, index: number): Bitmap {
  const size = height * width * channels;
  return { height, width, channels, data: data.subarray(index * size, (index + 1) * size) };
}

/** All frames of a clip in order, as views. */
export function framesOf(clip: Clip): Bitmap[] {
  return Array.from({ length: clip.frames }, (_, index) => frameOf(clip, index));
}

/**
 * A clip of frames.
 *
 * @throws {RangeError} when there are none, or they are not all of one size
 */
export function clipOf(frames: readonly Bitmap[], fps: number): Clip {
  if (frames.length === 0) throw new RangeError("a clip has at least one frame");
  const [{ height, width, channels, data: { length } }] = frames;
  const data = new Uint8Array(frames.length * length);
  frames.forEach((frame, index) => {
    if (frame.height !== height || frame.width !== width || frame.channels !== channels) {
      throw new RangeError(`frame ${index} of a clip differs in size from the first`);
    }
    data.set(frame.data, index * length);
  });
  return { frames: frames.length, height, width, channels, data, fps };
}

/**
 * The clips of a batch.
 *
 * @param values (N, C, T, H, W) row-major; -1 becomes black, 1 white, what lies outside is clamped
 * @param shape `[N, C, T, H, W]` with C = 1 or 3
 * @param fps frames a second of all of them
 * @throws {RangeError} when C is neither 1 nor 3 or `values` has another length
 *
 * @example
 * ```ts
 * import { toClips } from "./clip.ts";
 *
 * const [clip] = toClips(Float32Array.of(-1, 0, 0.5, 1), [1, 1, 2, 1, 2], 8);
 * clip.data; // 0, 128, 191, 255: two frames of two pixels
 * ```
 */
export function toClips(
  values: Float32Array,
  shape: readonly [count: number, channels: number, frames: number, height: number, width: number],
  fps: number,
): Clip[] {
  const [count, channels, frames, height, width] = shape;
  if (channels !== 1 && channels !== 3) {
    throw new RangeError(`clips have 1 or 3 channels, these have ${channels}`);
  }
  const pixels = frames * height * width;
  if (values.length !== count * channels * pixels) {
    throw new RangeError(`shape (${shape.join(", ")}) does not hold ${values.length} values`);
  }
  return Array.from({ length: count }, (_, index) => {
    const data = new Uint8Array(channels * pixels);
    for (let channel = 0; channel < channels; channel++) {
      const start = (index * channels + channel) * pixels;
      for (let pixel = 0; pixel < pixels; pixel++) {
        data[pixel * channels + channel] = toByte(values[start + pixel]);
      }
    }
    return { frames, height, width, channels, data, fps };
  });
}
