/**
 * Taking turns at decoding: many pictures together, or one alone.
 *
 * libvips keeps the messages of all threads in one place, so why a picture cannot be decoded is only
 * known when nothing else was decoded meanwhile.
 *
 * @module
 */

/** Milliseconds between two looks at whose turn it is. Turns alone are rare. */
const pause = 5;

/** Places in the shared memory. */
const [together, alone] = [0, 1];

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, pause));
}

/** Turns of the threads that share a memory. */
export class Turns {
  readonly #counts: Int32Array;

  /** @param memory what the threads share: eight bytes, zero at the beginning */
  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(8)) {
    this.#counts = new Int32Array(memory);
  }

  /** Runs `body` while others do the same, but nobody is alone. */
  async together<T>(body: () => Promise<T>): Promise<T> {
    await until(() => this.#enter());
    try {
      return await body();
    } finally {
      Atomics.sub(this.#counts, together, 1);
    }
  }

  /** Runs `body` while nobody else does anything. Must not be called inside of a turn. */
  async alone<T>(body: () => Promise<T>): Promise<T> {
    await until(() => Atomics.compareExchange(this.#counts, alone, 0, 1) === 0);
    try {
      await until(() => Atomics.load(this.#counts, together) === 0);
      return await body();
    } finally {
      Atomics.store(this.#counts, alone, 0);
    }
  }

  /** Starts a turn together unless somebody is alone, or waits to be. */
  #enter(): boolean {
    Atomics.add(this.#counts, together, 1);
    if (Atomics.load(this.#counts, alone) === 0) return true;
    Atomics.sub(this.#counts, together, 1);
    return false;
  }
}
