/** What the tests of clips share. */

import type { Clip } from "../../../formats/video/clip.ts";

/** A clip with a soft spot that moves to the right over a gradient. */
export function movingSpot(
  frames: number,
  height: number,
  width: number,
  channels: 1 | 3 = 3,
  fps = 8,
): Clip {
  const data = Uint8Array.from({ length: frames * height * width * channels }, (_, place) => {
    const pixel = Math.floor(place / channels);
    const [x, y] = [pixel % width, Math.floor(pixel / width) % height];
    const frame = Math.floor(pixel / (height * width));
    const distance = Math.hypot(x - (0.2 + 0.6 * frame / frames) * width, y - height / 2);
    const spot = 200 * Math.exp(-((distance / (0.2 * width)) ** 2));
    return Math.round(Math.min(255, 20 * (place % channels) + 30 * y / height + spot));
  });
  return { frames, height, width, channels, data, fps };
}

/** Mean and largest difference of two clips' bytes. */
export function differenceOf(
  a: Uint8Array,
  b: Uint8Array,
): { readonly mean: number; readonly largest: number } {
  let [sum, largest] = [0, 0];
  a.forEach((byte, index) => {
    const difference = Math.abs(byte - b[index]);
    sum += difference;
    largest = Math.max(largest, difference);
  });
  return { mean: sum / a.length, largest };
}
