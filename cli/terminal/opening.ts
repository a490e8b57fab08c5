/**
 * The opening of a data set as it is shown: what is left out of it, and how far it is where it takes
 * longer than a moment.
 *
 * @module
 */
import type { ImageDataset } from "../../data/dataset.ts";
import type { OpeningStage } from "../../data/open.ts";
import type { Io } from "./io.ts";
import { Progress } from "./progress.ts";

/** Milliseconds until something is shown, and between two changes of a live line. */
const moment = 500;

/** Seconds between two lines where no line is live. */
const interval = 5;

/** How a stage is announced, and what it counts. */
const stages: Readonly<Record<OpeningStage, { title(total: string): string; noun: string }>> = {
  "files seen": { title: () => "data: looking for pictures", noun: "file" },
  "pictures decoded": { title: (total) => `data: decoding ${total} pictures`, noun: "picture" },
  "pictures fitted": { title: (total) => `data: resizing ${total} pictures`, noun: "picture" },
  "clips looked into": { title: (total) => `data: looking into ${total} clips`, noun: "clip" },
  "clips decoded": { title: (total) => `data: decoding ${total} clips`, noun: "clip" },
  "heads read": {
    title: (total) => `data: reading the sizes of ${total} pictures`,
    noun: "picture",
  },
  "lengths read": { title: (total) => `data: reading the lengths of ${total} files`, noun: "file" },
  "captions read": { title: (total) => `data: reading ${total} captions`, noun: "caption" },
};

/** A line about a set of pictures, or of clips, which say how many frames they have. */
export function describePictures(
  { name, length, classNames, frames }:
    & Pick<ImageDataset, "name" | "length" | "classNames">
    & { readonly frames?: number },
): string {
  const what = frames === undefined ? "picture" : "clip";
  const samples = length === 1 ? what : `${what}s`;
  const classes = classNames.length === 1 ? "class" : "classes";
  return `${name}, ${length} ${samples}, ${classNames.length} ${classes}`;
}

/** Shows the opening of one data set, or of several parts of one. Ends with its block (`using`). */
export class Opening implements Disposable {
  readonly #io: Io;
  readonly #quiet: boolean;
  /** For where nothing is heard in a while; timers alone starve while decoded pictures come in. */
  readonly #timer = setInterval(() => this.#show(), moment / 2);
  #due = performance.now() + moment;
  readonly #said = new Set<string>();
  #latest: { stage: OpeningStage; done: number; total?: number } | undefined;
  #shown: { stage: OpeningStage; progress: Progress<never> } | undefined;

  /** @param quiet whether only warnings are shown */
  constructor(io: Io, quiet: boolean) {
    this.#io = io;
    this.#quiet = quiet;
  }

  /** Says what is left out; what two parts have in common is said once. */
  readonly warn = (line: string): void => {
    if (this.#said.has(line)) return;
    this.#said.add(line);
    this.#io.tell(line);
  };

  /** Hears how far it is. */
  readonly watch = (stage: OpeningStage, done: number, total?: number): void => {
    this.#latest = { stage, done, total };
    this.#show();
  };

  #show(): void {
    const now = performance.now();
    if (this.#quiet || !this.#latest || now < this.#due) return;
    this.#due = now + moment;
    const { stage, done, total } = this.#latest;
    if (this.#shown?.stage !== stage) {
      const { title, noun } = stages[stage];
      this.#io.tell(title(String(total)));
      const progress = new Progress<never>(this.#io, { noun, total, columns: {}, interval });
      this.#shown = { stage, progress };
    }
    this.#shown.progress.update(done);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#io.draw("");
  }
}
