/**
 * `--profile FILE`: where the time of a device goes, as a table on stderr and a trace in a file.
 *
 * @module
 */
import { chromeTrace, describeProfile } from "../../bench/runner/profile.ts";
import { InputError } from "../../base/errors.ts";
import { writeTextAtomically } from "../../formats/files/atomic_file.ts";
import type { Device } from "../../kernels/device.ts";
import type { Profile, Profiler } from "../../kernels/profile.ts";
import type { Io } from "./io.ts";

/** Steps of a run that go by before it is profiled, since V8 is still optimising their code. */
const warmUpSteps = 5;

/** Steps that are profiled. */
const profiledSteps = 20;

/**
 * What starts a recording.
 *
 * @throws InputError where the device cannot make one
 */
function profilerOf(device: Device): () => Profiler {
  if (device.profile) return () => device.profile!();
  throw new InputError(
    `--profile: this ${device.kind.name} device does not tell times; --device wasm does`,
  );
}

/** Profiles some steps of a training run. */
export class StepProfile {
  readonly #start: () => Profiler;
  readonly #first: number;
  #made = 0;
  #profiler: Profiler | undefined;
  #result: Promise<Profile> | undefined;

  /**
   * @param steps how many the run is going to make
   * @throws InputError where the device cannot be profiled
   */
  constructor(device: Device, steps: number) {
    this.#start = profilerOf(device);
    this.#first = Math.min(warmUpSteps, steps >> 1);
    if (this.#first === 0) this.#profiler = this.#start();
  }

  /** Call it after every step. */
  afterStep(): void {
    this.#made++;
    if (this.#made === this.#first) this.#profiler = this.#start();
    if (this.#made === this.#first + profiledSteps) this.#result = this.#profiler?.stop();
  }

  /** Writes the trace and shows the table; does nothing in a run that ended before the first step. */
  async report(io: Io, path: string): Promise<void> {
    this.#result ??= this.#profiler?.stop();
    const profile = await this.#result;
    if (profile && profile.runs.length > 0) await report(io, path, new Map([["train", profile]]));
  }
}

/** Profiles rows of benchmarks, after each has been timed. */
export class RowProfiles {
  readonly #profiles = new Map<string, Profile>();

  /** Records `runs` executions of what a row has timed. */
  async record(name: string, device: Device, run: () => void, runs: number): Promise<void> {
    const profiler = profilerOf(device)();
    for (let i = 0; i < runs; i++) run();
    this.#profiles.set(name, await profiler.stop());
  }

  /** Writes the trace and shows the tables. */
  async report(io: Io, path: string): Promise<void> {
    await report(io, path, this.#profiles);
  }
}

async function report(io: Io, path: string, profiles: ReadonlyMap<string, Profile>): Promise<void> {
  for (const [name, profile] of profiles) {
    for (const line of `${name}: ${describeProfile(profile)}`.split("\n")) io.tell(line);
  }
  await writeTextAtomically(path, chromeTrace(profiles));
  io.tell(`wrote ${path}; chrome://tracing and ui.perfetto.dev show it`);
}
