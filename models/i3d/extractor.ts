/**
 * I3D on a device: features of clips.
 *
 * @module
 */
import { InputError } from "../../base/errors.ts";
import type {
  ExtractedFeatures,
  ExtractorDescription,
  FeatureExtractor,
} from "../../evaluation/features/extractor.ts";
import { type Clip, framesOf } from "../../formats/video/clip.ts";
import type { Device } from "../../kernels/device.ts";
import { writeBilinear } from "../bilinear.ts";
import { FeatureProgram } from "../feature_program.ts";
import type { NormedWeights } from "../normed_layers.ts";
import { i3dFewestFrames, i3dSide } from "./model.ts";
import { traceI3D } from "./weights.ts";

/** The network with its weights on a device. */
export class I3DExtractor implements FeatureExtractor<Clip> {
  readonly description: ExtractorDescription;
  readonly batch: number;
  readonly #program: FeatureProgram;
  readonly #frames: number;
  readonly #clips: Float32Array;

  private constructor(
    { path, hash }: NormedWeights,
    { batch, frames }: ClipBatch,
    program: FeatureProgram,
  ) {
    this.description = {
      ...{ name: "I3D", path, hash, standard: "FVD" },
      resize: "bilinear to 224 x 224 as in the graph of FVD: from the corner, no antialias",
    };
    this.batch = batch;
    this.#program = program;
    this.#frames = frames;
    this.#clips = new Float32Array(batch * frames * i3dSide ** 2 * 3);
  }

  /**
   * Compiles the network for clips of one length.
   *
   * @throws InputError when they are too short for the network
   */
  static async create(
    device: Device,
    weights: NormedWeights,
    size: ClipBatch,
  ): Promise<I3DExtractor> {
    const { batch, frames } = size;
    if (frames < i3dFewestFrames) {
      throw new InputError(
        `${weights.path}: I3D takes clips of ${i3dFewestFrames} frames or more, these have ${frames}`,
      );
    }
    const outputs = { logits: traceI3D(weights, batch, frames) };
    const program = await FeatureProgram.create(device, "I3D", weights.values, outputs, batch);
    return new I3DExtractor(weights, size, program);
  }

  /**
   * The logits of clips, which are their features.
   *
   * @throws RangeError for clips of another length
   */
  async extract(clips: readonly Clip[]): Promise<ExtractedFeatures> {
    const length = i3dSide ** 2 * 3;
    clips.forEach((clip, index) => {
      if (clip.frames !== this.#frames) {
        throw new RangeError(`a clip has ${clip.frames} frames, the others ${this.#frames}`);
      }
      framesOf(clip).forEach((frame, place) => {
        const start = (index * this.#frames + place) * length;
        writeBilinear(frame, i3dSide, (value) => 2 * value / 255 - 1, this.#clips, start);
      });
    });
    this.#program.run("clips", this.#clips);
    return { pooled: await this.#program.read("logits", clips.length) };
  }

  /** Frees everything on the device. */
  [Symbol.dispose](): void {
    this.#program[Symbol.dispose]();
  }
}

/** Clips at a time. */
interface ClipBatch {
  readonly batch: number;
  /** Frames of each. */
  readonly frames: number;
}
