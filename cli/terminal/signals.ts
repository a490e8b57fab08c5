/**
 * Ctrl-C, `kill` and a terminal that is closed, for runs that must not lose work: the first signal
 * asks the run to stop at the next safe point, the second one leaves at once.
 *
 * @module
 */
import { fstatSync } from "node:fs";
import type { Io } from "./io.ts";

/** The signals that end a run. */
const exitCodes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

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

/** The signals that end a run here. */
function watchedSignals(): (keyof typeof exitCodes)[] {
  // Windows knows SIGINT only.
  return Deno.build.os === "windows" ? ["SIGINT"] : ["SIGHUP", "SIGINT", "SIGTERM"];
}

/**
 * Whether the run was started with `nohup`, to go on when its terminal is closed. What a process
 * ignores cannot be asked for, but `nohup` leaves a standard input that can only be written to.
 */
function ignoresHangUp(): boolean {
  if (Deno.stdin.isTerminal() || !fstatSync(0).isCharacterDevice()) return false;
  try {
    Deno.stdin.readSync(new Uint8Array(1));
    return false;
  } catch {
    return true;
  }
}

/** Starts watching. `stopping` is what the first signal prints, such as "finishing this step". */
export function watchSignals(io: Io, stopping: string): SignalWatch {
  const controller = new AbortController();
  const goesOn = ignoresHangUp();
  const handlers = watchedSignals()
    .map((name) => {
      const handler = () => {
        // Listened to in any case: Deno ends the process where nobody does.
        if (name === "SIGHUP" && goesOn) return;
        if (controller.signal.aborted) {
          // A closed terminal is told of by the system and by the shell.
          if (name === "SIGHUP") return;
          Deno.exit(exitCodes[name]);
        }
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
