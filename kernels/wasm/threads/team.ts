/**
 * What the threads of the device share: control words at the start of the shared memory, a barrier,
 * and the loop in which every thread walks its own list of calls. The main thread (thread 0) and the
 * workers run the same code.
 *
 * Waiting spins for a bounded time, because a sleeping thread needs up to half a millisecond to wake,
 * and then sleeps in `Atomics.wait`, so that idle workers cost nothing. The time is shortened where
 * waits are longer anyway, because threads share a processor with each other or with other programs:
 * polling takes it from the thread that is waited for.
 *
 * Nothing waits without looking at the abort flag: a thread whose kernel traps raises it, records
 * where it was, and every other thread leaves its loop at the next barrier.
 *
 * @module
 */
import type { Call } from "../lowering.ts";

/** Bytes at address 0 that hold the control words and the text of an error. */
export const controlBytes = 65536;

/** Positions of the control words (32-bit, each on its own cache line). */
export const controlWord = {
  /** Incremented whenever workers have something to look at: a run, a message, the end. */
  generation: 0,
  /** Number of runs started so far. */
  runs: 16,
  /** Number of messages posted to the workers so far. */
  messages: 32,
  /** 1 when workers shall end. */
  quit: 48,
  /** Identifier of the program to run. */
  program: 64,
  /** Threads that have reached the current barrier. */
  arrived: 80,
  /** Number of barriers passed so far. */
  barriers: 96,
  /** Where times are recorded, in units of 64 bytes; 0 when they are not. */
  recording: 104,
  /** 1 after an error: the run is over. */
  aborted: 112,
  /** Thread, phase and bytes of text of the error. */
  errorThread: 128,
  errorPhase: 129,
  errorLength: 130,
  /** From here on one line a thread: calls begun so far, a sign of life. */
  progress: 1024,
} as const;

/** Most threads there is room for. */
export const maximumThreads = 256;

const progressStride = 16;
const errorTextOffset = 32768;
const errorTextBytes = 4096;

/** Most polls before a waiting thread goes to sleep: some 50 to 100 microseconds. */
const longestSpin = 20000;

/** Fewest polls, after waits that were longer: some 10 microseconds. */
const shortestSpin = 2500;

/** Waits after which a long spin is tried again. */
const waitsBetweenTrials = 8;

/** A sleeping thread looks around this often. */
const sleepMilliseconds = 100;

/** Times that a thread can record in one run. */
export const recordedMarks = 2 ** 16;

/** Milliseconds on a clock that all threads share. */
export function clock(): number {
  return performance.timeOrigin + performance.now();
}

type Kernel = (...args: number[]) => void;

/** A call with its function looked up. */
interface LinkedCall {
  readonly name: string;
  readonly kernel: Kernel;
  readonly arguments: readonly number[];
  readonly step?: number;
}

/** The lists of calls of one thread, one list a phase. */
export type LinkedPhases = readonly (readonly LinkedCall[])[];

/** Instantiates a module on this thread and looks up the functions its calls name. */
export function link(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  phases: readonly (readonly Call[])[],
): LinkedPhases {
  const kernels = new WebAssembly.Instance(module, { env: { memory } }).exports;
  return phases.map((calls) =>
    calls.map((call) => ({
      name: call.function,
      kernel: kernels[call.function] as Kernel,
      arguments: call.arguments,
      step: call.step,
    }))
  );
}

/** One thread's end of the team. */
export class TeamMember {
  readonly words: Int32Array<ArrayBufferLike>;
  readonly #progressWord: number;
  /** Polls of the next wait before it sleeps. */
  #spin = longestSpin;
  #waits = 0;

  constructor(
    readonly memory: WebAssembly.Memory,
    readonly thread: number,
    readonly threads: number,
  ) {
    this.words = new Int32Array(memory.buffer, 0, controlBytes / 4);
    this.#progressWord = controlWord.progress + thread * progressStride;
  }

  /** Whether a thread has reported an error. */
  get aborted(): boolean {
    return Atomics.load(this.words, controlWord.aborted) !== 0;
  }

  /** Sum over all threads of the calls begun: changes as long as anything happens. */
  get teamProgress(): number {
    let sum = 0;
    for (let thread = 0; thread < this.threads; thread++) {
      sum += this.words[controlWord.progress + thread * progressStride];
    }
    return sum;
  }

  /**
   * Waits until a control word differs from `value` or the run is aborted.
   *
   * @param onSleep Called before every nap.
   */
  waitForChange(word: number, value: number, onSleep?: () => void): void {
    const trial = ++this.#waits % waitsBetweenTrials === 0;
    for (let left = trial ? longestSpin : this.#spin; left > 0; left--) {
      if (Atomics.load(this.words, word) === value) continue;
      this.#spin = longestSpin;
      return;
    }
    this.#spin = Math.max(shortestSpin, this.#spin >> 1);
    while (Atomics.load(this.words, word) === value && !this.aborted) {
      onSleep?.();
      Atomics.wait(this.words, word, value, sleepMilliseconds);
    }
  }

  /** Waits for all threads. */
  barrier(onSleep?: () => void): void {
    const passed = Atomics.load(this.words, controlWord.barriers);
    if (Atomics.add(this.words, controlWord.arrived, 1) === this.threads - 1) {
      Atomics.store(this.words, controlWord.arrived, 0);
      Atomics.store(this.words, controlWord.barriers, passed + 1);
      Atomics.notify(this.words, controlWord.barriers);
    } else {
      this.waitForChange(controlWord.barriers, passed, onSleep);
    }
  }

  /** Makes all calls of this thread, with a barrier after every phase; stops early after an abort. */
  walk(phases: LinkedPhases, onSleep?: (phase: number) => void): void {
    const mark = this.#recording();
    for (let phase = 0; phase < phases.length; phase++) {
      const calls = phases[phase];
      if (!(mark ? this.#callRecorded(calls, phase, mark) : this.#callAll(calls, phase))) return;
      if (this.threads === 1) continue;
      this.barrier(onSleep && (() => onSleep(phase)));
      if (this.aborted) return;
    }
  }

  /** What records the time, where that is wanted. */
  #recording(): (() => void) | undefined {
    const line = this.words[controlWord.recording];
    if (line === 0) return undefined;
    const address = 64 * line + 8 * recordedMarks * this.thread;
    const marks = new Float64Array(this.memory.buffer, address, recordedMarks);
    let count = 0;
    return () => void (marks[count++] = clock());
  }

  /** Records the beginning of the phase and the end of every step. */
  #callRecorded(calls: readonly LinkedCall[], phase: number, mark: () => void): boolean {
    mark();
    for (let first = 0; first < calls.length;) {
      const other = calls.findIndex(({ step }, i) => i > first && step !== calls[first].step);
      const next = other < 0 ? calls.length : other;
      if (!this.#callAll(calls.slice(first, next), phase)) return false;
      mark();
      first = next;
    }
    return true;
  }

  #callAll(calls: readonly LinkedCall[], phase: number): boolean {
    let name = "";
    try {
      for (const call of calls) {
        name = call.name;
        this.words[this.#progressWord]++;
        call.kernel(...call.arguments);
      }
      return true;
    } catch (error) {
      this.abort(`function ${name}: ${error instanceof Error ? error.message : error}`, phase);
      return false;
    }
  }

  /** Ends the run of all threads; the first report is kept. */
  abort(message: string, phase: number): void {
    if (Atomics.compareExchange(this.words, controlWord.aborted, 0, 2) !== 0) return;
    const text = new TextEncoder().encode(message).subarray(0, errorTextBytes);
    new Uint8Array(this.memory.buffer, errorTextOffset, errorTextBytes).set(text);
    this.words[controlWord.errorThread] = this.thread;
    this.words[controlWord.errorPhase] = phase;
    this.words[controlWord.errorLength] = text.length;
    Atomics.store(this.words, controlWord.aborted, 1);
    Atomics.notify(this.words, controlWord.barriers);
  }

  /** What the first reporting thread wrote. */
  abortReport(): { readonly thread: number; readonly phase: number; readonly message: string } {
    // The flag is 2 while the reporting thread is still writing.
    while (Atomics.load(this.words, controlWord.aborted) === 2);
    const length = this.words[controlWord.errorLength];
    const text = new Uint8Array(this.memory.buffer, errorTextOffset, length).slice();
    return {
      thread: this.words[controlWord.errorThread],
      phase: this.words[controlWord.errorPhase],
      message: new TextDecoder().decode(text),
    };
  }
}
