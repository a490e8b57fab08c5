/**
 * A worker thread that decodes pictures, and writes their tokens into batches or crops them, or
 * decodes clips.
 *
 * @module
 */

import { parentPort } from "node:worker_threads";
import { InputError } from "../../base/errors.ts";
import { decodeClip } from "../clips/decode_clip.ts";
import { decodeSquare } from "./picture.ts";
import { fromMessage, sharePicture, type WorkerJob, type WorkerReply } from "./messages.ts";
import { prepareTokens } from "./picture_tokens.ts";

async function work({ id, message }: WorkerJob): Promise<WorkerReply> {
  try {
    if (message.kind === "crop") {
      const { path, imageSize, channels } = message;
      return { id, picture: sharePicture(await decodeSquare(path, imageSize, channels)) };
    }
    if (message.kind === "clip") return { id, picture: sharePicture(await decodeClip(message)) };
    const picture = await prepareTokens(fromMessage(message));
    return message.isKept ? { id, picture: sharePicture(picture) } : { id };
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

parentPort!.on("message", (message: WorkerJob) => {
  const lane = received++ % lanes.length;
  lanes[lane] = lanes[lane].then(async () => parentPort!.postMessage(await work(message)));
});
