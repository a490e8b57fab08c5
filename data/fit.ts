/**
 * Data sets in memory brought to another size or number of channels.
 *
 * @module
 */

import { MemoryDataset } from "./memory_dataset.ts";
import { centerCrop, copyPlanar, fromPlanar, withChannels } from "./pictures/picture.ts";

/**
 * A data set whose pictures are `imageSize` x `imageSize` with `channels` channels: centre-cropped
 * as in ADM, grey repeated or colours weighted. The same object when nothing is to be done.
 */
export function fitDataset(
  dataset: MemoryDataset,
  imageSize: number | undefined,
  channels: number = dataset.channels,
): MemoryDataset {
  const height = imageSize ?? dataset.height;
  const width = imageSize ?? dataset.width;
  const isSameSize = height === dataset.height && width === dataset.width;
  if (isSameSize && channels === dataset.channels) return dataset;

  const length = channels * height * width;
  const pixels = new Uint8Array(dataset.length * length);
  for (let index = 0; index < dataset.length; index++) {
    const { channels: from, height: rows, width: columns } = dataset;
    const picture = fromPlanar(dataset.bytes(index), from, rows, columns);
    const sized = isSameSize ? picture : centerCrop(picture, height, dataset.name);
    copyPlanar(withChannels(sized, channels), pixels, index * length);
  }
  const labels = Int32Array.from({ length: dataset.length }, (_, index) => dataset.label(index));
  const { name, classNames } = dataset;
  return new MemoryDataset({ name, channels, height, width, classNames, pixels, labels });
}
