/**
 * Worker threads that prepare pictures, and the decoded pictures they have in common.
 *
 * Workers keep the process alive only while they have something to do, so that a program ends
 * although it forgot to close its loader.
 *
 * @module
 */

import { Worker } from "node:worker_threads";
import { InputError } from "../formats/errors.ts";
import type { Picture } from "./picture.ts";
import type { PictureJob } from "./picture_tokens.ts";
import type { WorkerJob, WorkerReply } from "./picture_worker.ts";

/** Jobs a worker has at once: one is computed while sharp's own threads decode the other. */
const jobsPerWorker = 2;

/** A job that waits or is being done. */
interface Task {
  readonly job: PictureJob;
  readonly isKept: boolean;
  readonly resolve: (picture: Picture | undefined) => void;
  readonly reject: (error: Error) => void;
}

/** A worker and the tasks it has, by number. */
interface Member {
  readonly worker: Worker;
  readonly tasks: Map<number, Task>;
}

/** Threads that do {@link PictureJob}s. */
export class PicturePool {
  private readonly members: Member[];
  private readonly waiting: Task[] = [];
  private failure: Error | undefined;
  private tasks = 0;

  /**
   * Starts the workers; they need not be waited for.
   *
   * @throws {RangeError} when `workers` is not a whole number from 1 up
   */
  constructor(workers: number) {
    if (!(Number.isSafeInteger(workers) && workers >= 1)) {
      throw new RangeError(`${workers} workers: give a whole number from 1 up`);
    }
    this.members = Array.from({ length: workers }, () => this.start());
  }

  private start(): Member {
    const worker = new Worker(new URL("./picture_worker.ts", import.meta.url));
    const member = { worker, tasks: new Map<number, Task>() };
    worker.on("message", (reply: WorkerReply) => this.settle(member, reply));
    worker.on("error", (error: Error) => this.fail(`a worker died: ${error.message}`));
    worker.unref();
    return member;
  }

  /**
   * Does a job.
   *
   * @param isKept whether the decoded picture is wanted, in memory that threads share
   * @throws {InputError} when the picture is damaged
   * @throws {Error} when a worker fails or the pool is closed; it is of no use any more then
   */
  run(job: PictureJob, isKept: boolean): Promise<Picture | undefined> {
    if (this.failure) return Promise.reject(this.failure);
    const { promise, resolve, reject } = Promise.withResolvers<Picture | undefined>();
    this.waiting.push({ job, isKept, resolve, reject });
    this.distribute();
    return promise;
  }

  /** Hands waiting tasks to the workers with the fewest. */
  private distribute(): void {
    while (this.waiting.length > 0) {
      const [member] = this.members.toSorted((a, b) => a.tasks.size - b.tasks.size);
      if (member.tasks.size >= jobsPerWorker) return;
      const task = this.waiting.shift()!;
      const message: WorkerJob = { id: this.tasks++, job: task.job, isKept: task.isKept };
      if (member.tasks.size === 0) member.worker.ref();
      member.tasks.set(message.id, task);
      member.worker.postMessage(message);
    }
  }

  private settle(member: Member, { id, picture, damage, error }: WorkerReply): void {
    const task = member.tasks.get(id);
    if (!task) return; // the pool has failed meanwhile
    member.tasks.delete(id);
    if (member.tasks.size === 0) member.worker.unref();
    if (error !== undefined) this.fail(error);
    if (this.failure) return task.reject(this.failure);
    if (damage !== undefined) task.reject(new InputError(damage));
    else task.resolve(picture);
    this.distribute();
  }

  /** Rejects everything from now on, ends the workers. */
  private fail(message: string): void {
    if (this.failure) return;
    this.failure = new Error(message);
    const tasks = this.members.flatMap(({ tasks }) => [...tasks.values()]);
    for (const task of [...tasks, ...this.waiting.splice(0)]) task.reject(this.failure);
    for (const { worker, tasks } of this.members) {
      tasks.clear();
      worker.terminate();
    }
  }

  /** Ends the workers; what is under way is rejected. */
  close(): void {
    this.fail("the loader is closed");
  }
}
