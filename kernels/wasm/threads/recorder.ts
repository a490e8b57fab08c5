/**
 * Recording of what the threads do: each writes the time into its own part of the shared memory
 * whenever it begins a phase, ends a step within it, or arrives at the barrier; after a run the main
 * thread turns the marks into spans.
 *
 * @module
 */
import type { Profile, ProfiledRun, ProfiledSpan } from "../../profile.ts";
import type { Program } from "../../program.ts";
import type { Phase } from "../lowering.ts";
import type { SharedMemory } from "../memory.ts";
import { clock, recordedMarks } from "./team.ts";

/** For every phase and thread: the steps whose calls it makes, in their order. */
export type StepsOfPhases = readonly (readonly (readonly number[])[])[];

/** Which steps the threads of a program work on. */
export function stepsOfPhases(phases: readonly Phase[]): StepsOfPhases {
  return phases.map((phase) =>
    phase.map((calls) =>
      calls.flatMap(({ step = 0 }, index) => calls[index - 1]?.step === step ? [] : [step])
    )
  );
}

/** A recording of the runs of a pool of threads. */
export class Recorder {
  /** Byte address of the marks: those of thread 0, then of thread 1, ... */
  readonly address: number;
  readonly #start = clock();
  readonly #runs: ProfiledRun[] = [];
  readonly #spans: ProfiledSpan[] = [];

  constructor(readonly memory: SharedMemory, readonly threads: number) {
    this.address = memory.allocate("times of a profile", 8 * recordedMarks * threads);
  }

  /** Reads the marks of a run that has just ended. */
  collect(program: Program, phases: StepsOfPhases, start: number): void {
    const end = clock();
    const run = this.#runs.push({ program, start: start - this.#start, end: end - this.#start }) -
      1;
    const bytes = 8 * recordedMarks;
    for (let thread = 0; thread < this.threads; thread++) {
      const address = this.address + thread * bytes;
      const marks = new Float64Array(this.memory.memory.buffer, address, recordedMarks);
      this.#addSpans({ run, thread, marks }, phases.map((phase) => phase[thread]));
    }
  }

  #addSpans(
    { run, thread, marks }: { run: number; thread: number; marks: Float64Array<ArrayBufferLike> },
    phases: readonly (readonly number[])[],
  ): void {
    let mark = 0;
    const add = (step?: number): void => {
      const [start, end] = [marks[mark - 1] - this.#start, marks[mark] - this.#start];
      this.#spans.push({ run, thread, step, start, end });
    };
    for (const steps of phases) {
      // From the arrival at the barrier before to the start of this phase.
      if (mark > 0) add();
      mark++;
      for (const step of steps) {
        add(step);
        mark++;
      }
    }
    const { end } = this.#runs[run];
    this.#spans.push({ run, thread, start: marks[mark - 1] - this.#start, end });
    if (mark > recordedMarks) {
      throw new RangeError(`a profile has room for ${recordedMarks} marks a run, not ${mark}`);
    }
  }

  /** Ends the recording. */
  stop(): Pick<Profile, "runs" | "spans"> {
    this.memory.release(this.address);
    return { runs: this.#runs, spans: this.#spans };
  }
}
