/**
 * A network for features on a device: its weights, and its forward pass over a batch.
 *
 * @module
 */
import type { Device, DeviceBuffer, Executable } from "../kernels/device.ts";
import { compile } from "../kernels/graph/compile.ts";
import { makeGraph } from "../kernels/graph/graph.ts";
import type { Tensor } from "../kernels/tensor.ts";
import type { FeatureMatrix } from "../metrics/features/feature_matrix.ts";

/** The forward pass with its weights. */
export class FeatureProgram implements Disposable {
  readonly #executable: Executable;
  readonly #weights: readonly DeviceBuffer[];
  readonly #batch: number;

  private constructor(executable: Executable, weights: readonly DeviceBuffer[], batch: number) {
    this.#executable = executable;
    this.#weights = weights;
    this.#batch = batch;
  }

  /**
   * Compiles the network and takes over its weights.
   *
   * @param weights by the names of its states
   * @param outputs by name, (batch, ...) each
   */
  static async create(
    device: Device,
    name: string,
    weights: ReadonlyMap<string, Float32Array>,
    outputs: Readonly<Record<string, Tensor>>,
    batch: number,
  ): Promise<FeatureProgram> {
    const buffers = new Map<string, DeviceBuffer>();
    for (const [state, values] of weights) {
      const buffer = device.createBuffer(state, "f32", values.length);
      buffer.write(values);
      buffers.set(state, buffer);
    }
    const executable = await device.load(compile(makeGraph(name, { outputs })), buffers);
    return new FeatureProgram(executable, [...buffers.values()], batch);
  }

  /** Runs the network on an input. */
  run(name: string, values: Float32Array): void {
    this.#executable.buffer(name).write(values);
    this.#executable.run();
  }

  /** An output of the last run, flattened, of the first `rows` samples. */
  async read(name: string, rows: number): Promise<FeatureMatrix> {
    const values = await this.#executable.buffer(name).read() as Float32Array;
    const columns = values.length / this.#batch;
    return { rows, columns, values: values.slice(0, rows * columns) };
  }

  /** Frees everything on the device. */
  [Symbol.dispose](): void {
    this.#executable.destroy();
    this.#weights.forEach((buffer) => buffer.destroy());
  }
}
