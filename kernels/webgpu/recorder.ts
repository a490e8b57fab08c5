/**
 * Recording of what the GPU does: while it goes on, every step of a program is a pass of its own,
 * which has the GPU write down when it begins and ends.
 *
 * @module
 */
import type { Profile, ProfiledRun, ProfiledSpan } from "../profile.ts";
import type { Program } from "../program.ts";

/** Most passes of one query set: the specification allows 4096 times. */
const passesOfSet = 2048;

/** The times of some passes of a run, still on the GPU. */
interface Pending {
  readonly run: number;
  readonly firstStep: number;
  readonly count: number;
  readonly times: GPUBuffer;
  /** Frees what the times came by. */
  release(): void;
}

/** A recording of the runs of a GPU. */
export class Recorder {
  readonly #programs: Program[] = [];
  readonly #pending: Pending[] = [];

  constructor(readonly device: GPUDevice) {}

  /** Encodes a run; `encodeStep` puts the dispatches of a step into its pass. */
  encode(
    encoder: GPUCommandEncoder,
    program: Program,
    encodeStep: (pass: GPUComputePassEncoder, step: number) => void,
  ): void {
    const run = this.#programs.push(program) - 1;
    const steps = program.steps.length;
    for (let firstStep = 0; firstStep < steps; firstStep += passesOfSet) {
      const count = Math.min(passesOfSet, steps - firstStep);
      const querySet = this.device.createQuerySet({ type: "timestamp", count: 2 * count });
      for (let index = 0; index < count; index++) {
        const pass = encoder.beginComputePass({
          timestampWrites: {
            querySet,
            beginningOfPassWriteIndex: 2 * index,
            endOfPassWriteIndex: 2 * index + 1,
          },
        });
        encodeStep(pass, firstStep + index);
        pass.end();
      }
      this.#pending.push({ run, firstStep, count, ...this.#resolve(encoder, querySet) });
    }
  }

  /** A buffer from which the host can read the times of a query set. */
  #resolve(
    encoder: GPUCommandEncoder,
    querySet: GPUQuerySet,
  ): Pick<Pending, "times" | "release"> {
    const size = 8 * querySet.count;
    const resolved = this.device.createBuffer({
      size,
      usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    });
    const times = this.device.createBuffer({
      size,
      usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
    });
    encoder.resolveQuerySet(querySet, 0, querySet.count, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, times, 0, size);
    const release = () => [times, resolved, querySet].forEach((part) => part.destroy());
    return { times, release };
  }

  /** Waits for the GPU and reads all times. */
  async stop(): Promise<Profile> {
    const spans: ProfiledSpan[] = [];
    let origin: bigint | undefined;
    for (const { run, firstStep, count, times, release } of this.#pending) {
      await times.mapAsync(GPUMapMode.READ);
      const nanoseconds = new BigUint64Array(times.getMappedRange());
      const first = origin ??= nanoseconds[0];
      const milliseconds = (position: number) => Number(nanoseconds[position] - first) / 1e6;
      for (let index = 0; index < count; index++) {
        const [start, end] = [milliseconds(2 * index), milliseconds(2 * index + 1)];
        spans.push({ run, thread: 0, step: firstStep + index, start, end });
      }
      release();
    }
    return {
      threads: 1,
      runs: this.#programs.map((program, i) => runOf(program, i, spans)),
      spans,
    };
  }
}

/** A run lasts from its first step's beginning to the end of its last one. */
function runOf(program: Program, run: number, spans: readonly ProfiledSpan[]): ProfiledRun {
  const own = spans.filter((span) => span.run === run);
  return { program, start: own[0].start, end: Math.max(...own.map(({ end }) => end)) };
}
