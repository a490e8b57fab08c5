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
  private readonly skipped = new Set<string>();

  /**
   * Starts with none.
   *
   * @param folder what they were in, for the summary
   * @param warn gets the lines
   */
  constructor(private readonly folder: string, private readonly warn: (line: string) => void) {}

  /** How many were skipped. */
  get count(): number {
    return this.skipped.size;
  }

  /**
   * Notes that a picture was skipped; again and again is as good as once.
   *
   * @param path tells it from every other picture
   * @param error why; thrown again unless it is an {@link InputError}
   */
  add(path: string, error: unknown): void {
    if (!(error instanceof InputError)) throw error;
    if (this.skipped.has(path)) return;
    this.skipped.add(path);
    if (this.count <= reportedSkips) this.warn(`skipped: ${error.message}`);
  }

  /** Says how many of `total` pictures were skipped, if any. */
  summarize(total: number): void {
    if (this.count > 0) this.warn(`${this.folder}: skipped ${this.count} of ${total} pictures`);
  }
}
