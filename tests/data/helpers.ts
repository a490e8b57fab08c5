/** What the tests of data sets share. */

import { MemoryDataset } from "../../data/memory_dataset.ts";

/** A data set whose bytes are all different for small sizes; picture i has label i mod 3. */
export function memorySet(
  count: number,
  channels: number,
  height: number,
  width: number,
): MemoryDataset {
  return new MemoryDataset({
    name: "made up",
    channels,
    height,
    width,
    classNames: ["a", "b", "c"],
    pixels: Uint8Array.from({ length: count * channels * height * width }, (_, index) => index),
    labels: Array.from({ length: count }, (_, index) => index % 3),
  });
}
