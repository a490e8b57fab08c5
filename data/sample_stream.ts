/**
 * Samples one after the other, in memory that does not grow with their number.
 *
 * @module
 */
import { NpzFile } from "../formats/tensors/npz.ts";
import { evenIndices } from "./order/spread.ts";

/** Samples that can be gone through once or several times. */
export interface SampleStream<Sample> {
  /** Short name for messages and reports. */
  readonly name: string;
  /** How many. */
  readonly count: number;
  /** Class of each, where there are classes. */
  readonly labels?: readonly number[];
  /** Names of the classes, where they are known. */
  readonly classNames?: readonly string[];
  /** The samples in order. @throws InputError when one turns out to be damaged */
  samples(): AsyncIterable<Sample>;
}

/** At most `most` samples of an array of bytes in an archive, at equal distances. @param of makes one */
export function archiveStream<Sample>(
  path: string,
  length: number,
  most: number,
  of: (bytes: Uint8Array) => Sample,
): SampleStream<Sample> {
  const chosen = evenIndices(length, most);
  return {
    name: path,
    count: chosen.length,
    async *samples() {
      using archive = await NpzFile.open(path);
      const wanted = new Set(chosen);
      let index = 0;
      for await (const { data } of archive.rows("arr_0", 1)) {
        if (wanted.has(index++)) yield of(data as Uint8Array);
      }
    },
  };
}
