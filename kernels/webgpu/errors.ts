/**
 * Errors of WebGPU are asynchronous: a call that fails returns an invalid object and everything
 * after it silently computes nothing. This file turns them into ordinary errors that name what
 * failed. The first failure of a device is final: from then on every call reports it.
 *
 * @module
 */

const scopes: readonly GPUErrorFilter[] = ["validation", "out-of-memory", "internal"];

const explanations: Record<GPUErrorFilter, string> = {
  "validation": "rejected by WebGPU",
  "out-of-memory": "out of memory",
  "internal": "internal error of the driver",
};

/** Watches a device and remembers the first thing that went wrong. */
export class ErrorWatch {
  readonly #device: GPUDevice;
  readonly #pending = new Set<Promise<void>>();
  /** What rejects the promises that are being waited for. */
  readonly #waiting = new Set<(failure: Error) => void>();
  #failure: string | undefined;

  constructor(device: GPUDevice) {
    this.#device = device;
    device.addEventListener("uncapturederror", (event) => {
      event.preventDefault();
      this.fail(`WebGPU: ${(event as GPUUncapturedErrorEvent).error.message}`);
    });
    device.lost.then(({ reason, message }) =>
      this.fail(`the WebGPU device was lost (${reason ?? "unknown reason"}): ${message}`)
    );
  }

  /** Records a failure unless there is one already. */
  fail(message: string): void {
    if (this.#failure !== undefined) return;
    this.#failure = message;
    for (const reject of this.#waiting) reject(new Error(message));
  }

  /** Throws the recorded failure, if any. */
  check(): void {
    if (this.#failure !== undefined) throw new Error(this.#failure);
  }

  /** Runs `action` (synchronous) so that whatever it breaks is reported as a failure of `what`. */
  guard<T>(what: string, action: () => T): T {
    this.check();
    for (const scope of scopes) this.#device.pushErrorScope(scope);
    let result: T;
    try {
      result = action();
    } finally {
      for (const scope of scopes.toReversed()) this.#collect(what, scope);
    }
    return result;
  }

  #collect(what: string, scope: GPUErrorFilter): void {
    const collected = this.#device.popErrorScope()
      .then((error) => {
        if (error) this.fail(`${what}: ${explanations[scope]}: ${error.message}`);
      })
      .catch((error: unknown) => this.fail(`${what}: ${error}`))
      .finally(() => this.#pending.delete(collected));
    this.#pending.add(collected);
  }

  /** Waits for the outcome of everything guarded so far and throws the first failure. */
  async settle(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
    this.check();
  }

  /** Waits for `work`, but not longer than the device lives. */
  async orFailure<T>(work: Promise<T>): Promise<T> {
    this.check();
    // A race against one promise that lives as long as the device would leave a trace in it for ever.
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#waiting.add(reject);
    work.then(resolve, reject);
    try {
      return await promise;
    } catch (error) {
      // On a lost device operations may fail a moment before the loss is reported.
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, 50);
      await Promise.race([this.#device.lost, promise]);
      clearTimeout(timer);
      this.check();
      this.fail(`WebGPU: ${error instanceof Error ? error.message : error}`);
      throw error;
    } finally {
      this.#waiting.delete(reject);
    }
  }
}
