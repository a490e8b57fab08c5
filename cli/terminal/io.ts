/**
 * The terminal as commands see it. Results go to stdout, everything else to stderr.
 *
 * Whatever is written passes through here, and here only are control characters escaped and lines
 * made JSON where `--log-format json` asks for it.
 *
 * @module
 */
import { escapeControls, oneLine } from "../../base/control_characters.ts";

/** How stderr is written: for people, or as one JSON object a line. */
export type LogFormat = "text" | "json";

/** Where a process writes. Tests put another in its place. */
export interface Terminal {
  /** Writes to stdout exactly what is given. */
  out(text: string): void;
  /** Writes to stderr exactly what is given. */
  err(text: string): void;
  /** Whether stderr is a terminal that can redraw a line. */
  readonly live: boolean;
  /** Whether stderr may be coloured. */
  readonly colour: boolean;
  /** Width of the terminal in characters; 80 where there is none. */
  columns(): number;
}

/** What a JSON line says in place of the text. */
export type Fields = Readonly<Record<string, unknown>>;

/** Clears the line that the cursor stands in. */
const clearLine = "\r\x1b[K";

/** Where a command writes. */
export class Io {
  readonly #terminal: Terminal;
  #live = "";

  constructor(terminal: Terminal, readonly logFormat: LogFormat = "text") {
    this.#terminal = terminal;
  }

  /** The same terminal, written to in another format. */
  withLogFormat(logFormat: LogFormat): Io {
    return new Io(this.#terminal, logFormat);
  }

  /** Whether a live line can be drawn. */
  get live(): boolean {
    return this.#terminal.live && this.logFormat === "text";
  }

  /** Width of the terminal in characters; 80 where there is none. */
  columns(): number {
    return this.#terminal.columns();
  }

  /** Writes a result to stdout; the line end is added. */
  out(text: string): void {
    this.#terminal.out(`${escapeControls(text)}\n`);
  }

  /** Writes one line to stderr, above the live one; by default a JSON line is `{"message": ...}`. */
  tell(line: string, fields: Fields = { message: line }): void {
    this.#write(oneLine(line), fields);
  }

  /** Writes a text of several lines to stderr, such as a help or a stack trace. */
  explain(text: string, fields: Fields = { message: text }): void {
    this.#write(escapeControls(text), fields);
  }

  /** Draws the live line in place of the one before; "" takes it away. */
  draw(line: string): void {
    const [start, end] = this.#terminal.colour && line ? ["\x1b[36m", "\x1b[0m"] : ["", ""];
    if (line || this.#live) this.#terminal.err(`${clearLine}${start}${oneLine(line)}${end}`);
    this.#live = line;
  }

  /** Leaves the live line where it stands and goes to the next. */
  leaveLine(): void {
    if (this.#live) this.#terminal.err("\n");
    this.#live = "";
  }

  #write(text: string, fields: Fields): void {
    const live = this.#live;
    this.draw("");
    const json = this.logFormat === "json";
    this.#terminal.err(`${json ? escapeControls(JSON.stringify(fields)) : text}\n`);
    if (live) this.draw(live);
  }
}

/**
 * A function that writes all of a text; it leaves quietly when the reader is gone
 * (`tessera ... | head`), and goes on without a terminal that was closed.
 */
function writerTo(stream: typeof Deno.stdout | typeof Deno.stderr): (text: string) => void {
  // Asked for now: a terminal that is gone is none any more.
  const isTerminal = stream.isTerminal();
  return (text) => {
    let bytes = new TextEncoder().encode(text);
    try {
      while (bytes.length > 0) bytes = bytes.subarray(stream.writeSync(bytes));
    } catch (error) {
      if (isTerminal) return;
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
      if (stream === Deno.stdout) Deno.exit(0);
    }
  };
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

/**
 * Goes to the folder that the user stands in, which relative paths mean: `deno task` starts the tool
 * in the folder of `deno.json`, and hands the user's on in this variable.
 */
export function enterUsersFolder(): void {
  const folder = environment("TESSERA_CWD");
  if (folder) Deno.chdir(folder);
}

/** The terminal of this process. */
export function processIo(): Io {
  const live = Deno.stderr.isTerminal() && environment("TERM") !== "dumb";
  return new Io({
    out: writerTo(Deno.stdout),
    err: writerTo(Deno.stderr),
    live,
    colour: live && !Deno.noColor,
    columns: () => {
      try {
        return Deno.consoleSize().columns || 80;
      } catch {
        return 80;
      }
    },
  });
}
