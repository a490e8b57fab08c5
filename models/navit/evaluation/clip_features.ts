/**
 * A NaViT as an extractor of features of clips: the mean of the vectors of its frames, and how they go
 * from the first frame to the last. It has been trained on single pictures, so that this is no FVD.
 *
 * @module
 */
import type {
  ExtractedFeatures,
  ExtractorDescription,
  FeatureExtractor,
} from "../../../evaluation/features/extractor.ts";
import { type Clip, framesOf } from "../../../formats/video/clip.ts";
import { type FeatureMatrix, rowOf } from "../../../metrics/features/feature_matrix.ts";
import type { NaViTExtractor } from "./features.ts";

/** A NaViT that looks at the frames of clips. */
export class NaViTClipExtractor implements FeatureExtractor<Clip> {
  readonly description: ExtractorDescription;
  /** Clips are looked at one by one, frames in batches. */
  readonly batch = 1;
  readonly #frames: NaViTExtractor;

  /** Takes over an extractor of pictures. */
  constructor(frames: NaViTExtractor) {
    this.#frames = frames;
    this.description = { ...frames.description, name: "NaViT frame" };
  }

  /** Features of a clip: those of its frames on average, then those of the last less the first. */
  async extract([clip]: readonly Clip[]): Promise<ExtractedFeatures> {
    const frames = framesOf(clip);
    const parts: FeatureMatrix[] = [];
    for (let first = 0; first < frames.length; first += this.#frames.batch) {
      const part = await this.#frames.extract(frames.slice(first, first + this.#frames.batch));
      parts.push(part.pooled);
    }
    const rows = parts.flatMap((part) =>
      Array.from({ length: part.rows }, (_, row) => rowOf(part, row))
    );
    const { columns } = parts[0];
    const values = new Float32Array(2 * columns);
    for (let column = 0; column < columns; column++) {
      values[column] = rows.reduce((sum, row) => sum + row[column], 0) / rows.length;
      values[columns + column] = rows.at(-1)![column] - rows[0][column];
    }
    return { pooled: { rows: 1, columns: 2 * columns, values } };
  }

  /** Frees everything on the device. */
  [Symbol.dispose](): void {
    this.#frames[Symbol.dispose]();
  }
}
