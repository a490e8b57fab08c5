/**
 * The Inception network of FID on a device: features of pictures.
 *
 * @module
 */
import type {
  ExtractedFeatures,
  ExtractorDescription,
  FeatureExtractor,
} from "../../evaluation/features/extractor.ts";
import type { Bitmap } from "../../formats/pictures/bitmap.ts";
import type { Device, DeviceBuffer, Executable } from "../../kernels/device.ts";
import { compile } from "../../kernels/graph/compile.ts";
import { makeGraph } from "../../kernels/graph/graph.ts";
import type { FeatureMatrix } from "../../metrics/features/feature_matrix.ts";
import { inceptionSide } from "./model.ts";
import { inceptionResize, writeResized } from "./resize.ts";
import { type InceptionWeights, traceInception } from "./weights.ts";

/** The network with its weights on a device. */
export class InceptionExtractor implements FeatureExtractor {
  readonly description: ExtractorDescription;
  readonly batch: number;
  readonly #executable: Executable;
  readonly #weights: readonly DeviceBuffer[];
  readonly #pictures: Float32Array;

  private constructor(
    { path, hash }: InceptionWeights,
    batch: number,
    executable: Executable,
    weights: readonly DeviceBuffer[],
  ) {
    this.description = {
      name: "Inception",
      path,
      hash,
      resize: inceptionResize,
      isStandard: true,
    };
    this.batch = batch;
    this.#executable = executable;
    this.#weights = weights;
    this.#pictures = new Float32Array(batch * inceptionSide ** 2 * 3);
  }

  /** Compiles the network for `batch` pictures at a time and takes over its weights. */
  static async create(
    device: Device,
    weights: InceptionWeights,
    batch: number,
  ): Promise<InceptionExtractor> {
    const { pooled, spatial, logits } = traceInception(weights, batch);
    const buffers = new Map<string, DeviceBuffer>();
    for (const [name, values] of weights.values) {
      const buffer = device.createBuffer(name, "f32", values.length);
      buffer.write(values);
      buffers.set(name, buffer);
    }
    const graph = makeGraph("Inception", { outputs: { pooled, spatial, logits } });
    const executable = await device.load(compile(graph), buffers);
    return new InceptionExtractor(weights, batch, executable, [...buffers.values()]);
  }

  /** Features of at most as many pictures as the network takes at a time. */
  async extract(pictures: readonly Bitmap[]): Promise<ExtractedFeatures> {
    const length = this.#pictures.length / this.batch;
    pictures.forEach((picture, index) => writeResized(picture, this.#pictures, index * length));
    this.#executable.buffer("pictures").write(this.#pictures);
    this.#executable.run();
    const features = async (name: string): Promise<FeatureMatrix> => {
      const values = await this.#executable.buffer(name).read() as Float32Array;
      const columns = values.length / this.batch;
      const rows = pictures.length;
      return { rows, columns, values: values.slice(0, rows * columns) };
    };
    return {
      pooled: await features("pooled"),
      spatial: await features("spatial"),
      logits: await features("logits"),
    };
  }

  /** Frees everything on the device. */
  [Symbol.dispose](): void {
    this.#executable.destroy();
    this.#weights.forEach((buffer) => buffer.destroy());
  }
}
