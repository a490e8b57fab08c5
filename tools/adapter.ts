/**
 * Prints the default WebGPU adapter of this machine as JSON, or nothing where there is none.
 *
 * @module
 */

/** The part of an adapter that setup reports. */
export interface AdapterSummary {
  readonly description: string;
  /** Whether it computes on the CPU. */
  readonly software: boolean;
}

if (import.meta.main) {
  const info = (await navigator.gpu?.requestAdapter())?.info;
  if (info) {
    const summary: AdapterSummary = {
      description: info.description || info.vendor,
      software: info.isFallbackAdapter,
    };
    console.log(JSON.stringify(summary));
  }
}
