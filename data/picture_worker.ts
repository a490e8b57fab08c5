/**
 * A worker thread that decodes pictures and writes their tokens into batches.
 *
 * @module
 */

import { InputError } from "../formats/errors.ts";
import type { Picture } from "./picture.ts";
import { type PictureJob, prepareTokens } from "./picture_tokens.ts";

/** What the main thread sends. */
export interface WorkerJob {
  /** Comes back with the reply. */
  readonly id: number;
  /** What is to be done. */
  readonly job: PictureJob;
  /** Whether the decoded picture is wanted, to be kept. */
  readonly isKept: boolean;
}

/** The answer to every message. */
export interface WorkerReply {
  /** The job's. */
  readonly id: number;
  /** The decoded picture in memory that threads share, when it was wanted. */
  readonly picture?: Picture;
  /** Why the picture cannot be decoded. */
  readonly damage?: string;
  /** What else went wrong. */
  readonly error?: string;
}

/** A copy of a picture in memory that threads share. */
function shared(picture: Picture): Picture {
  const data = new Uint8Array(new SharedArrayBuffer(picture.data.length));
  data.set(picture.data);
  return { ...picture, data };
}

async function work({ id, job, isKept }: WorkerJob): Promise<WorkerReply> {
  try {
    const picture = await prepareTokens(job);
    return isKept ? { id, picture: shared(picture) } : { id };
  } catch (error) {
    if (error instanceof InputError) return { id, damage: error.message };
    return { id, error: error instanceof Error ? error.stack ?? error.message : String(error) };
  }
}

/**
 * What becomes of jobs in work: each starts when the one before it in its lane has ended. There are
 * two lanes, so that one picture is resized while sharp's own threads decode another.
 */
const lanes = [Promise.resolve(), Promise.resolve()];
let received = 0;

/** The global scope of a worker, as far as it is used here. */
interface WorkerScope {
  onmessage: (event: MessageEvent<WorkerJob>) => void;
  postMessage(reply: WorkerReply): void;
}

// Not `parentPort`: through it, messages that refer to shared memory take 30 ms each.
const scope = globalThis as unknown as WorkerScope;
scope.onmessage = ({ data }) => {
  const lane = received++ % lanes.length;
  lanes[lane] = lanes[lane].then(async () => scope.postMessage(await work(data)));
};
