/**
 * Decoding the clips of a set.
 *
 * @module
 */
import { forEachIndex } from "../../base/concurrency.ts";
import { InputError } from "../../base/errors.ts";
import { copyPlanar } from "../pictures/picture.ts";
import { defaultWorkers, PicturePool } from "../pictures/pool.ts";
import { SkipReport } from "../pictures/skip_report.ts";
import type { OpeningWatch } from "../sources/scan.ts";
import { clipNameOf, type PlannedClip } from "./clip_plan.ts";
import type { ClipJob } from "./decode_clip.ts";

/** How clips are decoded. */
export interface DecoderOptions extends Pick<ClipJob, "height" | "width" | "crop" | "channels"> {
  /** Bytes that decoded clips may take in memory. */
  readonly memoryBudget: number;
  /** Hears of clips that turn out to be damaged when they are read. */
  readonly warn: (line: string) => void;
}

/**
 * Decodes clips in worker threads, and keeps them while there is room. One that turns out to be damaged
 * when it is read is replaced by the next one of its class, always the same.
 */
export class ClipDecoder {
  readonly #planned: readonly PlannedClip[];
  readonly #how: Pick<ClipJob, "height" | "width" | "crop" | "channels">;
  readonly #kept = new Map<PlannedClip, Uint8Array>();
  readonly #damaged = new Map<PlannedClip, InputError>();
  readonly #skips: SkipReport;
  #budget: number;
  #pool: PicturePool | undefined;
  #isClosed = false;

  constructor(
    name: string,
    planned: readonly PlannedClip[],
    { height, width, crop, channels, memoryBudget, warn }: DecoderOptions,
  ) {
    this.#planned = planned;
    this.#how = { height, width, crop, channels };
    this.#budget = memoryBudget;
    this.#skips = new SkipReport(name, warn, "clips");
  }

  /** Decodes all clips where they fit into memory; returns what is wrong with the damaged ones. */
  async decodeAhead(watch: OpeningWatch = () => {}): Promise<ReadonlyMap<PlannedClip, InputError>> {
    const { length } = this.#planned;
    const needed = this.#planned.reduce((sum, clip) => sum + this.#lengthOf(clip), 0);
    if (needed > this.#budget) return new Map();
    let done = 0;
    watch("clips decoded", done, length);
    await forEachIndex(length, 4 * defaultWorkers(), async (index) => {
      await this.#decode(this.#planned[index]);
      watch("clips decoded", ++done, length);
    });
    this.#endWorkers();
    return this.#damaged;
  }

  /** The bytes of a clip, or of the next whole one of its class. */
  async bytes(clips: readonly PlannedClip[], wanted: number): Promise<Uint8Array> {
    const { label } = clips[wanted].file;
    for (let distance = 0; distance < clips.length; distance++) {
      const clip = clips[(wanted + distance) % clips.length];
      if (clip.file.label !== label) continue;
      const bytes = await this.#decode(clip);
      if (bytes) return bytes;
      this.#skips.add(clipNameOf(clip), this.#damaged.get(clip));
    }
    throw this.#damaged.get(clips[wanted])!;
  }

  /** Ends the workers for good. */
  close(): void {
    this.#isClosed = true;
    this.#endWorkers();
  }

  #endWorkers(): void {
    this.#pool?.close();
    this.#pool = undefined;
  }

  #lengthOf({ window: { places } }: PlannedClip): number {
    const { height, width, channels } = this.#how;
    return places.length * height * width * channels;
  }

  /** The bytes of a clip; undefined when it is damaged. */
  async #decode(clip: PlannedClip): Promise<Uint8Array | undefined> {
    const kept = this.#kept.get(clip);
    if (kept || this.#damaged.has(clip)) return kept;
    if (this.#isClosed) throw new Error("the set of clips is closed");
    const { source: { kind, path }, window: { places } } = clip;
    this.#pool ??= new PicturePool(defaultWorkers());
    try {
      const frames = await this.#pool.clip({ ...this.#how, source: { kind, path }, places });
      const bytes = new Uint8Array(frames.data.length);
      copyPlanar(frames, bytes, 0);
      this.#keep(clip, bytes);
      return bytes;
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      this.#damaged.set(clip, error);
      return undefined;
    }
  }

  /** Nothing is replaced: where every clip is seen once an epoch, it would be the next one needed. */
  #keep(clip: PlannedClip, bytes: Uint8Array): void {
    if (this.#kept.has(clip) || bytes.length > this.#budget) return;
    this.#budget -= bytes.length;
    this.#kept.set(clip, bytes);
  }
}
