/**
 * Progress of long runs on stderr: one live line on a terminal, plain lines elsewhere, or one JSON
 * object a line; the plain lines can be kept as well. Results never go through here.
 *
 * @module
 */
import type { Io } from "./io.ts";

/** One quantity of the progress line. */
export interface Column {
  /** How a line names it, such as `loss` or `images/s`. */
  readonly label: string;
  /** Whether the label stands behind the value, as a unit does. */
  readonly unit?: boolean;
  /** What the live line calls the exponential average of the column over the logs, if it shows one. */
  readonly averageLabel?: string;
  /** How a line shows its value. */
  format(value: number): string;
}

/** What a progress shows and how. `K` are the names of the quantities, which JSON lines use. */
export interface ProgressOptions<K extends string> {
  /** What is counted: `step`, `image`. */
  readonly noun: string;
  /** The count at the end, which is not known of everything; counts are padded to its digits. */
  readonly total?: number;
  /** The count when the run starts: not 0 after a resume. */
  readonly start?: number;
  readonly columns: Readonly<Record<K, Column>>;
  readonly quiet?: boolean;
  /** Seconds between the lines of {@link Progress.update} where no live line is drawn; none unless told. */
  readonly interval?: number;
  /** Gets every plain line and every message, whatever is shown: for the log of a run. */
  readonly keep?: (line: string) => void;
  /** Milliseconds, for the rate and for throttling; the process's clock when absent. */
  readonly clock?: () => number;
}

/** What was measured at one moment. Absent ones are left out of the line. */
export type Readings<K extends string> = Readonly<Partial<Record<K, number>>>;

/** How much of an average stays at every log. */
const averageDecay = 0.9;

/** Between the parts of a line. */
const separator = "  ";

/** A live line is redrawn at most this often, in milliseconds. */
const redrawInterval = 100;

/** Numbers with a fixed number of decimals; very small and very large ones in scientific notation. */
export function fixed(label: string, digits: number): Column {
  return {
    label,
    format: (value) => {
      const size = Math.abs(value);
      const fits = size === 0 || !Number.isFinite(size) || (size >= 10 ** -digits && size < 1e6);
      return fits ? value.toFixed(digits) : value.toExponential(2);
    },
  };
}

/** Rates and amounts, three significant digits, the label behind as a unit. */
export function amount(label: string): Column {
  return {
    label,
    unit: true,
    format: (value) => value >= 100 ? value.toFixed(0) : value.toPrecision(3),
  };
}

/** A time span as people say it: `4.2 s`, `3m05s`, `2h07m`, `3d04h`. */
export function describeSeconds(seconds: number): string {
  const pad = (value: number) => String(value).padStart(2, "0");
  if (!Number.isFinite(seconds)) return "unknown";
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const [minutes, hours, days] = [60, 3600, 86400].map((unit) => Math.floor(whole / unit));
  if (minutes < 1) return `${whole} s`;
  if (hours < 1) return `${minutes}m${pad(whole % 60)}s`;
  return days < 1 ? `${hours}h${pad(minutes % 60)}m` : `${days}d${pad(hours % 24)}h`;
}

/** The progress of one run. */
export class Progress<K extends string> {
  readonly #io: Io;
  readonly #options: ProgressOptions<K>;
  readonly #clock: () => number;
  readonly #startTime: number;
  #firstCount?: number;
  #firstTime = 0;
  #drawnAt = -Infinity;
  readonly #averages: Partial<Record<K, number>> = {};

  constructor(io: Io, options: ProgressOptions<K>) {
    this.#io = io;
    this.#options = options;
    this.#clock = options.clock ?? (() => performance.now());
    this.#startTime = this.#clock();
  }

  /**
   * Moves the live line on a terminal; elsewhere writes a line every so many seconds, if there is an
   * interval. Cheap enough for every step.
   */
  update(count: number, values?: Readings<K>): void {
    this.#observe(count);
    const { quiet, interval = Infinity, total = Infinity } = this.#options;
    const { live } = this.#io;
    if (quiet || !live && interval === Infinity) return;
    const now = this.#clock();
    if (now - this.#drawnAt < (live ? redrawInterval : 1000 * interval) && count < total) return;
    this.#drawnAt = now;
    if (live) this.#draw(count, values);
    else this.log(count, values);
  }

  /** Writes a line of its own, or moves the live line where there is one. */
  log(count: number, values?: Readings<K>): void {
    this.#observe(count);
    this.#average(values);
    const { quiet, noun, keep } = this.#options;
    const line = this.#parts(count, values).join(separator);
    keep?.(line);
    if (quiet) return;
    const seconds = Number(((this.#clock() - this.#startTime) / 1000).toFixed(3));
    if (this.#io.live) this.#draw(count, values);
    else this.#io.tell(line, { [noun]: count, ...values, seconds });
  }

  /** Writes a message above the live line; a JSON line `{"message": ...}` in that format. */
  note(message: string): void {
    const { quiet, keep } = this.#options;
    keep?.(message);
    if (!quiet) this.#io.tell(message);
  }

  /** Writes a message that must not be missed, however quiet the run is. */
  warn(message: string): void {
    this.#options.keep?.(message);
    this.#io.tell(message);
  }

  /** Leaves the live line where it stands and goes to the next: the run has ended. */
  end(): void {
    this.#io.leaveLine();
  }

  /** Seconds until the end at the pace so far; undefined before there is one, and without an end. */
  remainingSeconds(count: number): number | undefined {
    const seconds = this.#secondsEach(count);
    const { total } = this.#options;
    return seconds === undefined || total === undefined ? undefined : seconds * (total - count);
  }

  /** Seconds a count so far; undefined before there is a pace. */
  #secondsEach(count: number): number | undefined {
    const done = count - (this.#firstCount ?? count);
    return done <= 0 ? undefined : (this.#clock() - this.#firstTime) / 1000 / done;
  }

  /** The first count starts the clock of the pace: what came before was compiling and tuning. */
  #observe(count: number): void {
    if (this.#firstCount !== undefined || count <= (this.#options.start ?? 0)) return;
    this.#firstCount = count;
    this.#firstTime = this.#clock();
  }

  /** Moves the averages of the columns that have one. */
  #average(values?: Readings<K>): void {
    const { columns } = this.#options;
    for (const name of Object.keys(columns) as K[]) {
      const value = values?.[name];
      if (!columns[name].averageLabel || value === undefined || !Number.isFinite(value)) continue;
      const average = this.#averages[name] ?? value;
      this.#averages[name] = averageDecay * average + (1 - averageDecay) * value;
    }
  }

  /** The parts of a line, what matters most first; the live one has averages. */
  #parts(count: number, values?: Readings<K>, live = false): string[] {
    const { noun, total, columns } = this.#options;
    const digits = String(total ?? "").length;
    const end = total === undefined ? "" : `/${total}`;
    const parts = [`${noun} ${String(count).padStart(digits, "0")}${end}`];
    const remaining = this.remainingSeconds(count);
    if (remaining !== undefined && count !== total) parts.push(`ETA ${describeSeconds(remaining)}`);
    const seconds = this.#secondsEach(count);
    if (seconds) parts.push(`${amount("").format(1 / seconds)} ${noun}s/s`);
    for (const name of Object.keys(columns) as K[]) {
      const value = values?.[name];
      if (value === undefined) continue;
      const { label, unit, format, averageLabel } = columns[name];
      parts.push(unit ? `${format(value)} ${label}` : `${label} ${format(value)}`);
      const average = live && averageLabel ? this.#averages[name] : undefined;
      if (average !== undefined) parts.push(`${averageLabel} ${format(average)}`);
    }
    return parts;
  }

  /** Draws the live line with as many of its parts as fit. */
  #draw(count: number, values?: Readings<K>): void {
    // The last column stays free: writing there makes some terminals start a new line.
    const room = this.#io.columns() - 1;
    const [first, ...rest] = this.#parts(count, values, true);
    let line = first.slice(0, Math.max(room, 10));
    for (const part of rest) {
      if (line.length + separator.length + part.length > room) break;
      line += separator + part;
    }
    this.#io.draw(line);
  }
}
