/**
 * The terminal as commands see it. Results go to stdout, everything else to stderr.
 *
 * @module
 */

/** Where a command writes; tests put another in its place. */
export interface Io {
  /** Writes a result to stdout; the line end is added. */
  out(text: string): void;
  /** Writes to stderr exactly what is given: messages end in a line end, live lines do not. */
  err(text: string): void;
  /** Whether stderr is a terminal that can redraw a line. */
  readonly live: boolean;
  /** Whether stderr may be coloured. */
  readonly colour: boolean;
  /** Width of the terminal in characters; 80 where there is none. */
  columns(): number;
}

/** Writes all of `text`; leaves quietly when the reader is gone (`tessera ... | head`). */
function writeAll(stream: typeof Deno.stdout | typeof Deno.stderr, text: string): void {
  let bytes = new TextEncoder().encode(text);
  try {
    while (bytes.length > 0) bytes = bytes.subarray(stream.writeSync(bytes));
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    if (stream === Deno.stdout) Deno.exit(0);
  }
}

/** An environment variable; undefined when it is not set or must not be read. */
export function environment(name: string): string | undefined {
  try {
    return Deno.env.get(name);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}

/** The terminal of this process. */
export function processIo(): Io {
  const live = Deno.stderr.isTerminal() && environment("TERM") !== "dumb";
  return {
    out: (text) => writeAll(Deno.stdout, `${text}\n`),
    err: (text) => writeAll(Deno.stderr, text),
    live,
    colour: live && !Deno.noColor,
    columns: () => {
      try {
        return Deno.consoleSize().columns || 80;
      } catch {
        return 80;
      }
    },
  };
}
