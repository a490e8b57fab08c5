/**
 * Telling the user which pictures were left out.
 *
 * @module
 */

import { InputError } from "../../base/errors.ts";

/** How many skipped pictures are reported one by one. */
const reportedSkips = 5;

/** Reports skipped pictures: the first few by name, all of them by number. */
export class SkipReport {
  readonly #skipped = new Set<string>();
  readonly #said = new Set<string>();

  readonly #folder: string;
  readonly #warn: (line: string) => void;
  readonly #noun: string;

  /**
   * Starts with none.
   *
   * @param folder what they were in, for the summary
   * @param warn gets the lines
   * @param noun what they are, in the plural
   */
  constructor(
    folder: string,
    warn: (line: string) => void,
    noun = "pictures",
  ) {
    this.#folder = folder;
    this.#warn = warn;
    this.#noun = noun;
  }

  /** How many were skipped. */
  get count(): number {
    return this.#skipped.size;
  }

  /**
   * Notes that a picture was skipped; again and again is as good as once.
   *
   * @param path tells it from every other picture
   * @param error why; thrown again unless it is an {@link InputError}
   */
  add(path: string, error: unknown): void {
    if (!(error instanceof InputError)) throw error;
    if (this.#skipped.has(path)) return;
    this.#skipped.add(path);
    if (this.count <= reportedSkips) this.say(`skipped: ${error.message}`);
  }

  /** Says something about the pictures, once. */
  say(line: string): void {
    if (this.#said.has(line)) return;
    this.#said.add(line);
    this.#warn(line);
  }

  /**
   * Says how many of `total` were skipped, if any.
   *
   * @param instead what was done instead of them
   */
  summarize(total: number, instead = ""): void {
    if (this.count === 0) return;
    this.#warn(`${this.#folder}: skipped ${this.count} of ${total} ${this.#noun}${instead}`);
  }
}
