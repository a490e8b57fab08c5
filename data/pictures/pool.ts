/**
 * Worker threads that prepare pictures.
 *
 * Jobs go to the workers at once, not when they ask for more: the main thread may be busy with a
 * training step for seconds, and batches shall get ready meanwhile. Workers keep the process alive
 * only while they have something to do, so that a program ends although it forgot to close its loader.
 *
 * @module
 */

import { Worker } from "node:worker_threads";
import { InputError } from "../../base/errors.ts";
import type { ClipJob } from "../clips/decode_clip.ts";
import type { Picture } from "./picture.ts";
import { turnsOfWorkers } from "./attempt.ts";
import {
  type CropJob,
  toMessage,
  viewPicture,
  type WorkerJob,
  type WorkerReply,
} from "./messages.ts";
import type { PictureJob } from "./picture_tokens.ts";

/** Who waits for a job. */
interface Task {
  readonly resolve: (picture: Picture | undefined) => void;
  readonly reject: (error: Error) => void;
}

/** A worker and the tasks it has, by number. */
interface Member {
  readonly worker: Worker;
  readonly tasks: Map<number, Task>;
}

/** Half of the cores: the rest computes. */
export const defaultWorkers = (): number =>
  Math.min(4, Math.ceil(navigator.hardwareConcurrency / 2));

/** Threads that do {@link PictureJob}s, {@link CropJob}s and {@link ClipJob}s. */
export class PicturePool {
  readonly #members: Member[];
  #failure: Error | undefined;
  #tasks = 0;

  /**
   * Starts the workers; they need not be waited for.
   *
   * @throws {RangeError} when `workers` is not a whole number from 1 up
   */
  constructor(workers: number) {
    if (!(Number.isSafeInteger(workers) && workers >= 1)) {
      throw new RangeError(`${workers} workers: give a whole number from 1 up`);
    }
    const workerData = turnsOfWorkers();
    this.#members = Array.from({ length: workers }, () => this.#start(workerData));
  }

  #start(workerData: ReturnType<typeof turnsOfWorkers>): Member {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { workerData });
    const member = { worker, tasks: new Map<number, Task>() };
    worker.on("message", (reply: WorkerReply) => this.#settle(member, reply));
    worker.on("error", (error: Error) => this.#fail(`a worker died: ${error.message}`));
    worker.on("exit", () => this.#fail("a worker ended"));
    worker.unref();
    return member;
  }

  /**
   * Writes a picture's tokens.
   *
   * @param isKept whether the decoded picture is wanted, in memory that threads share
   * @throws {InputError} when the picture is damaged
   * @throws {Error} when a worker fails or the pool is closed; it is of no use any more then
   */
  run(job: PictureJob, isKept: boolean): Promise<Picture | undefined> {
    return this.#send(toMessage(job, isKept));
  }

  /**
   * Decodes a picture and crops it to a square. Throws as {@link run} does.
   */
  async crop(job: CropJob): Promise<Picture> {
    return (await this.#send({ kind: "crop", ...job }))!;
  }

  /**
   * Decodes a clip, see `decodeClip`. Throws as {@link run} does.
   *
   * @returns the frames below each other, in memory that threads share
   */
  async clip(job: ClipJob): Promise<Picture> {
    return (await this.#send({ kind: "clip", ...job }))!;
  }

  /** Sends a message to the worker with the least to do. */
  #send(message: WorkerJob["message"]): Promise<Picture | undefined> {
    if (this.#failure) return Promise.reject(this.#failure);
    const { promise, resolve, reject } = Promise.withResolvers<Picture | undefined>();
    const member = this.#members.reduce((a, b) => b.tasks.size < a.tasks.size ? b : a);
    const job: WorkerJob = { id: this.#tasks++, message };
    if (member.tasks.size === 0) member.worker.ref();
    member.tasks.set(job.id, { resolve, reject });
    member.worker.postMessage(job);
    return promise;
  }

  #settle(member: Member, { id, picture, damage, error }: WorkerReply): void {
    if (error !== undefined) return this.#fail(error);
    const task = member.tasks.get(id);
    if (!task) return; // the pool has failed meanwhile
    member.tasks.delete(id);
    if (member.tasks.size === 0) member.worker.unref();
    if (damage === undefined) task.resolve(picture && viewPicture(picture));
    else task.reject(new InputError(damage));
  }

  /** Rejects everything from now on, ends the workers. */
  #fail(message: string): void {
    if (this.#failure) return;
    this.#failure = new Error(message);
    for (const { worker, tasks } of this.#members) {
      for (const task of tasks.values()) task.reject(this.#failure);
      tasks.clear();
      worker.terminate();
    }
  }

  /** Ends the workers; what is under way is rejected. */
  close(): void {
    this.#fail("the loader is closed");
  }
}
