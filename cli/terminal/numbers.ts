/**
 * Numbers as people read them.
 *
 * @module
 */

/** A count with separators: `33,148,160`. */
export const formatCount = (count: number): string => count.toLocaleString("en-US");

/** A size in binary units: `1.5 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), units.length - 1);
  return `${Number((bytes / 1024 ** power).toFixed(1))} ${units[power]}`;
}

/** A share in percent: `37.5 %`. */
export function formatPercent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** How a batch is worked through, at the end of a sentence. */
export const inParts = (parts = 1): string => parts === 1 ? "" : ` in ${parts} parts`;
