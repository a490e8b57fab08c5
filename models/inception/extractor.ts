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
import type { Device } from "../../kernels/device.ts";
import { FeatureProgram } from "../feature_program.ts";
import { inceptionSide } from "./model.ts";
import { inceptionResize, writeResized } from "./resize.ts";
import { type InceptionWeights, traceInception } from "./weights.ts";

/** The network with its weights on a device. */
export class InceptionExtractor implements FeatureExtractor {
  readonly description: ExtractorDescription;
  readonly batch: number;
  readonly #program: FeatureProgram;
  readonly #pictures: Float32Array;

  private constructor({ path, hash }: InceptionWeights, batch: number, program: FeatureProgram) {
    this.description = {
      ...{ name: "Inception", path, hash, resize: inceptionResize, standard: "FID" },
    };
    this.batch = batch;
    this.#program = program;
    this.#pictures = new Float32Array(batch * inceptionSide ** 2 * 3);
  }

  /** Compiles the network for `batch` pictures at a time and takes over its weights. */
  static async create(
    device: Device,
    weights: InceptionWeights,
    batch: number,
  ): Promise<InceptionExtractor> {
    const outputs = { ...traceInception(weights, batch) };
    const { values } = weights;
    const program = await FeatureProgram.create(device, "Inception", values, outputs, batch);
    return new InceptionExtractor(weights, batch, program);
  }

  /** Features of at most as many pictures as the network takes at a time. */
  async extract(pictures: readonly Bitmap[]): Promise<ExtractedFeatures> {
    const length = this.#pictures.length / this.batch;
    pictures.forEach((picture, index) => writeResized(picture, this.#pictures, index * length));
    this.#program.run("pictures", this.#pictures);
    const read = (name: string) => this.#program.read(name, pictures.length);
    return {
      pooled: await read("pooled"),
      spatial: await read("spatial"),
      logits: await read("logits"),
    };
  }

  /** Frees everything on the device. */
  [Symbol.dispose](): void {
    this.#program[Symbol.dispose]();
  }
}
