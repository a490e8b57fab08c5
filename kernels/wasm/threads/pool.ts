/**
 * The persistent pool of threads: the main thread plus one worker for every further thread. Programs
 * are linked on every thread once; a run only changes a few control words.
 *
 * Workers are created through `node:worker_threads`, whose `unref` lets a process end although its
 * user forgot to close the device; an `unload` listener then wakes the workers for their end, since
 * a worker that sleeps in `Atomics.wait` keeps the process alive.
 *
 * @module
 */
import { Worker } from "node:worker_threads";
import type { Phase } from "../lowering.ts";
import { controlWord, link, type LinkedPhases, maximumThreads, TeamMember } from "./team.ts";
import { type StepsOfPhases, stepsOfPhases } from "./recorder.ts";
import type { WorkerMessage, WorkerReply, WorkerStart } from "./worker.ts";

/** A program as the pool keeps it. */
export interface PooledProgram {
  readonly id: number;
  readonly phases: LinkedPhases;
  /** Names the step that a phase belongs to, for messages. */
  readonly describePhase: (phase: number) => string;
  /** The steps that each thread works on, for profiles. */
  readonly steps: StepsOfPhases;
}

/** Seconds without any progress of any thread after which a run is given up. */
const defaultStallSeconds = 120;

export class ThreadPool {
  readonly #member: TeamMember;
  readonly #workers: Worker[];
  readonly #stallSeconds: number;
  readonly #onUnload = () => this.#wakeToQuit();
  /** Set once: after an error nothing runs any more, since the memory's contents are undefined. */
  #failure: Error | undefined;
  #programs = 0;
  #forgotten: number[] = [];
  /** Messages are sent one at a time. */
  #queue: Promise<unknown> = Promise.resolve();

  /** Starts `threads - 1` workers; they need not be waited for. */
  constructor(memory: WebAssembly.Memory, threads: number, stallSeconds = defaultStallSeconds) {
    if (!Number.isInteger(threads) || threads < 1 || threads > maximumThreads) {
      throw new RangeError(`threads must be between 1 and ${maximumThreads}, not ${threads}`);
    }
    this.#stallSeconds = stallSeconds;
    this.#member = new TeamMember(memory, 0, threads);
    this.#workers = Array.from(
      { length: threads - 1 },
      (_, index) => this.#startWorker({ memory, thread: index + 1, threads }),
    );
    if (threads > 1) addEventListener("unload", this.#onUnload);
  }

  #startWorker(start: WorkerStart): Worker {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { workerData: start });
    worker.on(
      "error",
      (error: Error) => this.#fail(`thread ${start.thread} died: ${error.message}`),
    );
    worker.unref();
    return worker;
  }

  #fail(message: string): Error {
    this.#failure ??= new Error(message);
    return this.#failure;
  }

  /** Links a program on all threads. `phases` lists the calls of every thread. */
  load(
    module: WebAssembly.Module,
    phases: readonly Phase[],
    describePhase: (phase: number) => string,
  ): Promise<PooledProgram> {
    const loading = this.#queue.then(async () => {
      this.#check();
      const id = ++this.#programs;
      const forget = this.#forgotten;
      this.#forgotten = [];
      const callsOf = (thread: number) => phases.map((phase) => phase[thread]);
      await this.#send((thread) => ({
        forget,
        load: { program: id, module, phases: callsOf(thread) },
      }));
      const linked = link(module, this.#member.memory, callsOf(0));
      return { id, phases: linked, describePhase, steps: stepsOfPhases(phases) };
    });
    this.#queue = loading.catch(() => {});
    return loading;
  }

  /** Posts a message to every worker, calls them to their event loops and awaits the replies. */
  async #send(message: (thread: number) => WorkerMessage): Promise<void> {
    // The signal comes first: a worker at its event loop would otherwise take the message, find no
    // signal to match it, and never serve again.
    this.#signal(controlWord.messages);
    const replies = this.#workers.map((worker, index) => {
      const reply = this.#reply(worker);
      worker.postMessage(message(index + 1));
      return reply;
    });
    for (const { error } of await Promise.all(replies)) if (error) throw this.#fail(error);
  }

  #reply(worker: Worker): Promise<WorkerReply> {
    const { promise, resolve } = Promise.withResolvers<WorkerReply>();
    const settle = (reply: WorkerReply) => {
      worker.off("message", settle).off("error", died).off("exit", ended);
      worker.unref();
      resolve(reply);
    };
    const died = (error: Error) => settle({ error: `a worker died: ${error.message}` });
    const ended = () => settle({ error: "a worker ended while a program was loaded" });
    // Waiting for the reply must keep the process alive.
    worker.ref();
    worker.on("message", settle).on("error", died).on("exit", ended);
    return promise;
  }

  /** Increments a counter and wakes the workers. */
  #signal(word: number): void {
    Atomics.add(this.#member.words, word, 1);
    Atomics.add(this.#member.words, controlWord.generation, 1);
    Atomics.notify(this.#member.words, controlWord.generation);
  }

  /**
   * Runs a program once on all threads and returns when it is done.
   *
   * @throws Error naming the step and the function when a kernel traps or a thread stops responding;
   * from then on every run throws.
   */
  run(program: PooledProgram): void {
    this.#check();
    const member = this.#member;
    if (this.#workers.length > 0) {
      member.words[controlWord.program] = program.id;
      this.#signal(controlWord.runs);
    }
    member.walk(program.phases, this.#stallWatch());
    if (!member.aborted) return;
    const { thread, phase, message } = member.abortReport();
    throw this.#fail(
      `${program.describePhase(phase)}: ${message} (thread ${thread} of ${member.threads})`,
    );
  }

  /** Called whenever the main thread is about to sleep: gives up when nothing moves any more. */
  #stallWatch(): (phase: number) => void {
    let progress = -1;
    let since = 0;
    return (phase) => {
      const now = performance.now();
      if (this.#member.teamProgress !== progress) {
        progress = this.#member.teamProgress;
        since = now;
      } else if (now - since > 1000 * this.#stallSeconds) {
        this.#member.abort(`no thread has made progress for ${this.#stallSeconds} s`, phase);
      }
    };
  }

  #check(): void {
    if (this.#failure) throw this.#failure;
  }

  /** Has all threads record times from the next run on, at a byte address; 0 ends it. */
  record(address: number): void {
    this.#member.words[controlWord.recording] = address / 64;
  }

  /** Lets the workers drop a program with their next message. */
  forget(program: PooledProgram): void {
    this.#forgotten.push(program.id);
  }

  #wakeToQuit(): void {
    this.#signal(controlWord.quit);
  }

  /** Ends the workers. */
  close(): void {
    this.#fail("the device is closed");
    removeEventListener("unload", this.#onUnload);
    this.#wakeToQuit();
    for (const worker of this.#workers) worker.terminate();
    this.#workers.length = 0;
  }
}
