/**
 * Ctrl-C and `kill` for runs that must not lose work: the first signal asks the run to stop at the
 * next safe point, the second one leaves at once.
 *
 * @module
 */
import type { Io } from "./io.ts";

/** The signals that end a run. */
const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const;

/** The run was stopped by a signal, after saving what was to be saved. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
  /** 128 plus the number of the signal, as shells have it. */
  readonly exitCode: number;

  constructor(readonly signal: keyof typeof exitCodes) {
    super(`stopped by ${signal}`);
    this.exitCode = exitCodes[signal];
  }
}

/** Signals being watched; `dispose` (or `using`) gives them back to the system. */
export interface SignalWatch extends Disposable {
  /** Aborted by the first signal, with an `Interrupted` to throw once everything is saved. */
  readonly signal: AbortSignal;
}

/** Starts watching. `stopping` is what the first signal prints, such as "finishing this step". */
export function watchSignals(io: Io, stopping: string): SignalWatch {
  const controller = new AbortController();
  const handlers = (["SIGINT", "SIGTERM"] as const)
    // Windows knows SIGINT only.
    .filter((name) => Deno.build.os !== "windows" || name === "SIGINT")
    .map((name) => {
      const handler = () => {
        if (controller.signal.aborted) Deno.exit(exitCodes[name]);
        controller.abort(new Interrupted(name));
        const message = `${stopping}; once more to leave at once`;
        io.tell(`tessera: ${message}`, { message });
      };
      Deno.addSignalListener(name, handler);
      return () => Deno.removeSignalListener(name, handler);
    });
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => handlers.forEach((remove) => remove()),
  };
}
