/**
 * The forward pass of a NaViT over packed batches, on a device.
 *
 * @module
 */
import type { Device, DeviceBuffer, Executable } from "../../../kernels/device.ts";
import type { HostArray } from "../../../kernels/shape.ts";
import { compile } from "../../../kernels/graph/compile.ts";
import { graphInputs } from "../../../kernels/graph/graph.ts";
import type { NaViTConfig } from "../model.ts";
import { navitForwardGraph, type NaViTOutput, type PackShape } from "../graph.ts";

/** The forward pass of packed batches of one shape. */
export class PackedForward {
  readonly #executable: Executable;
  readonly #inputs: ReadonlySet<string>;
  readonly #output: NaViTOutput;

  private constructor(
    executable: Executable,
    inputs: ReadonlySet<string>,
    output: NaViTOutput,
  ) {
    this.#executable = executable;
    this.#inputs = inputs;
    this.#output = output;
  }

  /** Compiles the pass and binds it to parameters, which stay the caller's. */
  static async create(
    device: Device,
    config: NaViTConfig,
    parameters: ReadonlyMap<string, DeviceBuffer>,
    shape: PackShape,
    output: NaViTOutput,
  ): Promise<PackedForward> {
    const graph = navitForwardGraph(config, shape, output);
    const executable = await device.load(compile(graph, device), parameters);
    return new PackedForward(executable, graphInputs(graph), output);
  }

  /**
   * Runs a batch.
   *
   * @param batch its arrays by name; those that the model does not read are left out
   * @returns logits (B, E, K) or vectors (B, E, d), valid until the next run
   */
  async run(batch: object): Promise<Float32Array> {
    for (const [name, data] of Object.entries(batch)) {
      if (this.#inputs.has(name)) this.#executable.buffer(name).write(data as HostArray);
    }
    this.#executable.run();
    return await this.#executable.buffer(this.#output).read() as Float32Array;
  }

  /** Frees the program. */
  destroy(): void {
    this.#executable.destroy();
  }
}
