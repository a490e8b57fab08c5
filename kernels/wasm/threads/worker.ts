/**
 * A worker thread of the device. It alternates between two states: at its event loop it receives
 * messages (programs to link or to forget); otherwise it sleeps until a run begins and takes part
 * in it. The control word `messages` calls it back to the event loop.
 *
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import type { Call } from "../lowering.ts";
import { controlWord, link, type LinkedPhases, TeamMember } from "./team.ts";

/** Handed over when the worker starts. */
export interface WorkerStart {
  readonly memory: WebAssembly.Memory;
  readonly thread: number;
  readonly threads: number;
}

/** What the main thread sends. */
export interface WorkerMessage {
  /** Programs that will not run any more. */
  readonly forget: readonly number[];
  /** A program to link. */
  readonly load?: {
    readonly program: number;
    readonly module: WebAssembly.Module;
    readonly phases: readonly (readonly Call[])[];
  };
}

/** The answer to every message: the error text when it failed. */
export interface WorkerReply {
  readonly error?: string;
}

const { memory, thread, threads } = workerData as WorkerStart;
const member = new TeamMember(memory, thread, threads);
const programs = new Map<number, LinkedPhases>();
let handledMessages = 0;
let finishedRuns = 0;

function handle(message: WorkerMessage): WorkerReply {
  handledMessages++;
  message.forget.forEach((program) => programs.delete(program));
  if (!message.load) return {};
  try {
    programs.set(message.load.program, link(message.load.module, memory, message.load.phases));
    return {};
  } catch (error) {
    return { error: String(error) };
  }
}

/** Takes part in runs until a message is due or the device is closed. */
function serve(): void {
  while (true) {
    const generation = Atomics.load(member.words, controlWord.generation);
    if (Atomics.load(member.words, controlWord.quit) || member.aborted) return;
    if (Atomics.load(member.words, controlWord.runs) !== finishedRuns) {
      finishedRuns++;
      member.walk(programs.get(member.words[controlWord.program])!);
    } else if (Atomics.load(member.words, controlWord.messages) !== handledMessages) {
      return;
    } else {
      member.waitForChange(controlWord.generation, generation);
    }
  }
}

parentPort!.on("message", (message: WorkerMessage) => {
  parentPort!.postMessage(handle(message));
  // A new task, so that the reply is on its way before this thread falls asleep.
  setTimeout(serve);
});
