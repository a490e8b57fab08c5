/**
 * Data sets in memory brought to another size or number of channels.
 *
 * @module
 */

import { MemoryDataset } from "./memory_dataset.ts";
import type { OpeningWatch } from "./sources/scan.ts";
import { centerCrop, copyPlanar, fromPlanar, withChannels } from "./pictures/picture.ts";

/** After so many pictures others get their turn: to show how far this is, to hear a signal. */
const picturesAtOnce = 256;

/**
 * A data set whose pictures are `imageSize` x `imageSize` with `channels` channels: centre-cropped
 * as in ADM, grey repeated or colours weighted. The same object when nothing is to be done.
 *
 * @param watch hears how far it is
 */
export async function fitDataset(
  dataset: MemoryDataset,
  imageSize: number | undefined,
  channels: number = dataset.channels,
  watch: OpeningWatch = () => {},
): Promise<MemoryDataset> {
  const height = imageSize ?? dataset.height;
  const width = imageSize ?? dataset.width;
  const isSameSize = height === dataset.height && width === dataset.width;
  if (isSameSize && channels === dataset.channels) return dataset;

  const length = channels * height * width;
  const pixels = new Uint8Array(dataset.length * length);
  for (let index = 0; index < dataset.length; index++) {
    if (index % picturesAtOnce === 0) {
      watch("pictures fitted", index, dataset.length);
      await new Promise((resolve) => setTimeout(resolve));
    }
    const { channels: from, height: rows, width: columns } = dataset;
    const picture = fromPlanar(dataset.bytes(index), from, rows, columns);
    const sized = isSameSize ? picture : centerCrop(picture, height, dataset.name);
    copyPlanar(withChannels(sized, channels), pixels, index * length);
  }
  const labels = Int32Array.from({ length: dataset.length }, (_, index) => dataset.label(index));
  const { name, classNames } = dataset;
  return new MemoryDataset({ name, channels, height, width, classNames, pixels, labels });
}
