/**
 * The pace of a loop that replays programs.
 *
 * @module
 */
import type { Device } from "./device.ts";

/** Milliseconds of queued work after which the host waits for the device. */
const queueMilliseconds = 200;

/**
 * Keeps the host from running far ahead of a device that only queues work, and lets the event loop
 * (signals, reading of the next batch) have its turn.
 */
export class Pace {
  #runMilliseconds = Infinity;
  #unfinished = 0;
  #waited = performance.now();

  readonly #device: Device;

  /** For runs on one device. */
  constructor(device: Device) {
    this.#device = device;
  }

  /** Call it after every run. Waits when enough work is queued. */
  async afterRun(): Promise<void> {
    this.#unfinished++;
    // Waiting costs some 10 ms on WebGPU, so short runs share one wait.
    if (this.#unfinished * this.#runMilliseconds < queueMilliseconds) return;
    await this.#device.finish();
    await new Promise((resolve) => setTimeout(resolve, 0));
    const now = performance.now();
    this.#runMilliseconds = (now - this.#waited) / this.#unfinished;
    this.#waited = now;
    this.#unfinished = 0;
  }
}
