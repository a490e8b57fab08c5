/**
 * What the main thread and the workers that prepare pictures send each other.
 *
 * Arrays travel as the shared memory they lie in: Deno would look at every element of a typed array
 * in a message, which takes longer than all the rest.
 *
 * @module
 */

import type { ClipJob } from "../clips/decode_clip.ts";
import type { Picture } from "./picture.ts";
import type { PictureJob } from "./picture_tokens.ts";

/** A picture whose pixels lie in memory that threads share. */
export interface SharedPicture extends Omit<Picture, "data"> {
  /** All of it is pixels. */
  readonly data: SharedArrayBuffer;
}

/** A picture that is wanted as a square, see `centerCrop`. */
export interface CropJob {
  /** A file. */
  readonly path: string;
  /** Side of the square in pixels. */
  readonly imageSize: number;
  /** 1 (grey) or 3 (red, green, blue). */
  readonly channels: number;
}

/** A {@link PictureJob}, taken apart. */
export interface TokensMessage {
  /** Tells the messages apart. */
  readonly kind: "tokens";
  /** Where the picture is. */
  readonly source: string | SharedPicture;
  /** Memory of the batch's arrays. */
  readonly memory: Readonly<Record<keyof PictureJob["arrays"], ArrayBufferLike>>;
  /** The rest of the job. */
  readonly rest: Omit<PictureJob, "source" | "arrays">;
  /** Whether the decoded picture is wanted, to be kept. */
  readonly isKept: boolean;
}

/** A {@link CropJob}; the reply has the square. */
export interface CropMessage extends CropJob {
  /** Tells the messages apart. */
  readonly kind: "crop";
}

/** A {@link ClipJob}; the reply has its frames below each other. */
export interface ClipMessage extends ClipJob {
  /** Tells the messages apart. */
  readonly kind: "clip";
}

/** What the main thread sends. */
export interface WorkerJob {
  /** Comes back with the reply. */
  readonly id: number;
  /** What is to be done. */
  readonly message: TokensMessage | CropMessage | ClipMessage;
}

/** The answer to every message. */
export interface WorkerReply {
  /** The job's. */
  readonly id: number;
  /** The decoded picture or the square, when it was wanted. */
  readonly picture?: SharedPicture;
  /** Why the picture cannot be decoded. */
  readonly damage?: string;
  /** What else went wrong. */
  readonly error?: string;
}

/** A picture in memory that threads share; a copy unless it is that already. */
export function sharePicture({ height, width, channels, data }: Picture): SharedPicture {
  const { buffer } = data;
  if (buffer instanceof SharedArrayBuffer && buffer.byteLength === data.length) {
    return { height, width, channels, data: buffer };
  }
  const copy = new SharedArrayBuffer(data.length);
  new Uint8Array(copy).set(data);
  return { height, width, channels, data: copy };
}

/** A shared picture as others are. */
export function viewPicture(picture: SharedPicture): Picture {
  return { ...picture, data: new Uint8Array(picture.data) };
}

/** Takes a job apart. Its arrays fill the shared memory they lie in. */
export function toMessage(job: PictureJob, isKept: boolean): TokensMessage {
  const { source, arrays: { patches, rows, columns }, ...rest } = job;
  return {
    kind: "tokens",
    source: typeof source === "string" ? source : sharePicture(source),
    memory: { patches: patches.buffer, rows: rows.buffer, columns: columns.buffer },
    rest,
    isKept,
  };
}

/** Puts a job together again. */
export function fromMessage({ source, memory, rest }: TokensMessage): PictureJob {
  return {
    ...rest,
    source: typeof source === "string" ? source : viewPicture(source),
    arrays: {
      patches: new Float32Array(memory.patches),
      rows: new Int32Array(memory.rows),
      columns: new Int32Array(memory.columns),
    },
  };
}
