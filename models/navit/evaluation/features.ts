/**
 * A NaViT as an extractor of features: the vector of a picture before the classifier, and its logits.
 * Pictures have their own size, or that which fits a sequence of the run, as in an evaluation.
 *
 * @module
 */
import { InputError } from "../../../base/errors.ts";
import { gridTokens, type PatchGrid } from "../../../data/packing/patch_grid.ts";
import { withChannels } from "../../../data/pictures/picture.ts";
import { writeTokens } from "../../../data/pictures/picture_tokens.ts";
import type {
  ExtractedFeatures,
  ExtractorDescription,
  FeatureExtractor,
} from "../../../evaluation/features/extractor.ts";
import { hashOfWeights } from "../../../evaluation/features/weights_hash.ts";
import type { Bitmap } from "../../../formats/pictures/bitmap.ts";
import type { Device, DeviceBuffer, Executable } from "../../../kernels/device.ts";
import { compile } from "../../../kernels/graph/compile.ts";
import { type Graph, graphInputs, makeGraph } from "../../../kernels/graph/graph.ts";
import type { FeatureMatrix } from "../../../metrics/features/feature_matrix.ts";
import { linear } from "../../../nn/layers.ts";
import { lookup, parameterStates } from "../../../nn/parameters.ts";
import { matchWeights } from "../../../nn/weights_file.ts";
import { openCheckpointFile } from "../../../training/checkpoints/checkpoint.ts";
import { imageInputs, type PackShape } from "../graph.ts";
import { imageVectors, type NaViTConfig, navitParameters } from "../model.ts";
import { longestGridSide } from "../positions.ts";
import type { NaViTSource } from "../weights.ts";
import { gridOf } from "./image_grids.ts";

/** The forward pass of pictures of one grid, and the inputs that the model reads. */
interface FeatureProgram {
  readonly executable: Executable;
  readonly inputs: ReadonlySet<string>;
}

/** A NaViT with its weights on a device. */
export class NaViTExtractor implements FeatureExtractor {
  readonly description: ExtractorDescription;
  readonly batch: number;
  readonly #device: Device;
  readonly #config: NaViTConfig;
  readonly #tokens: number;
  readonly #weights: ReadonlyMap<string, DeviceBuffer>;
  /** Programs by the grid of the pictures that they take. */
  readonly #programs = new Map<string, FeatureProgram>();

  private constructor(
    device: Device,
    { path, manifest: { config, run, classNames } }: NaViTSource,
    values: ReadonlyMap<string, Float32Array>,
    batch: number,
  ) {
    this.batch = batch;
    this.#device = device;
    this.#config = config;
    this.#tokens = run.length;
    this.description = {
      name: "NaViT",
      path,
      hash: hashOfWeights(values),
      resize: `own size, at most ${run.length} patches of ${config.patch} x ${config.patch}; ` +
        "triangle filter",
      classNames,
    };
    this.#weights = new Map(
      [...values].map(([name, numbers]) => {
        const buffer = device.createBuffer(name, "f32", numbers.length);
        buffer.write(numbers);
        return [name, buffer];
      }),
    );
  }

  /**
   * Reads the weights of a trained NaViT.
   *
   * @param batch pictures at a time
   * @throws InputError when they do not fit the model, or it is no classifier
   */
  static async create(device: Device, source: NaViTSource, batch: number): Promise<NaViTExtractor> {
    if (source.manifest.config.text) {
      throw new InputError(`${source.path}: a contrastive model has no classes; give a classifier`);
    }
    using file = await openCheckpointFile(source.path);
    const { tensors } = matchWeights(file, navitParameters(source.manifest.config));
    const values = new Map(
      [...tensors.tensors.keys()].map((name) => [name, tensors.readFloat32(name)]),
    );
    return new NaViTExtractor(device, source, values, batch);
  }

  /** Features of pictures, which may have several sizes. */
  async extract(pictures: readonly Bitmap[]): Promise<ExtractedFeatures> {
    const found = new Array<readonly [vector: Float32Array, logits: Float32Array]>();
    const places = Map.groupBy(pictures.keys(), (place) => {
      const { rows, columns } = this.#gridOf(pictures[place]);
      return `${rows} x ${columns}`;
    });
    for (const same of places.values()) {
      const [vectors, logits] = await this.#run(same.map((place) => pictures[place]));
      same.forEach((place, row) => found[place] = [vectors[row], logits[row]]);
    }
    return {
      pooled: matrixOf(found.map(([vector]) => vector)),
      logits: matrixOf(found.map(([, logits]) => logits)),
    };
  }

  #gridOf(picture: Bitmap): PatchGrid {
    const { patch } = this.#config;
    const setting = { kind: "native", tokens: this.#tokens } as const;
    return gridOf(setting, picture, patch, longestGridSide(this.#config));
  }

  /** Vectors and logits of pictures of one grid, each in a sequence of its own. */
  async #run(pictures: readonly Bitmap[]): Promise<[Float32Array[], Float32Array[]]> {
    const { channels, patch } = this.#config;
    const grid = this.#gridOf(pictures[0]);
    const length = gridTokens(grid);
    const { executable, inputs } = await this.#program(grid);
    const tokens = () => new Int32Array(this.batch * length);
    const arrays = {
      patches: new Float32Array(this.batch * length * channels * patch ** 2),
      rows: tokens(),
      columns: tokens(),
    };
    pictures.forEach((picture, place) =>
      writeTokens(withChannels(picture, channels), {
        ...{ source: picture, size: picture, channels, patch, grid, arrays, isMirrored: false },
        kept: { count: length, seed: 0, position: 0 },
        firstToken: place * length,
      })
    );
    const all = {
      ...arrays,
      gridRows: tokens().fill(grid.rows),
      gridColumns: tokens().fill(grid.columns),
    };
    for (const [name, values] of Object.entries(all)) {
      if (inputs.has(name)) executable.buffer(name).write(values);
    }
    executable.run();
    const rowsOf = async (name: string): Promise<Float32Array[]> => {
      const values = await executable.buffer(name).read() as Float32Array;
      const width = values.length / this.batch;
      return pictures.map((_, row) => values.slice(row * width, (row + 1) * width));
    };
    return [await rowsOf("vectors"), await rowsOf("logits")];
  }

  async #program(grid: PatchGrid): Promise<FeatureProgram> {
    const key = `${grid.rows} x ${grid.columns}`;
    const known = this.#programs.get(key);
    if (known) return known;
    const shape = { sequences: this.batch, length: gridTokens(grid), slots: 1 };
    const graph = featureGraph(this.#config, shape);
    const executable = await this.#device.load(compile(graph), this.#weights);
    const program = { executable, inputs: graphInputs(graph) };
    this.#programs.set(key, program);
    return program;
  }

  /** Frees everything on the device. */
  [Symbol.dispose](): void {
    this.#programs.forEach(({ executable }) => executable.destroy());
    this.#weights.forEach((buffer) => buffer.destroy());
  }
}

/** `vectors` (B, 1, d) and `logits` (B, 1, K) of pictures that fill a sequence each. */
function featureGraph(config: NaViTConfig, shape: PackShape): Graph {
  const parameters = lookup(parameterStates(navitParameters(config)));
  const { segments: _, ...images } = imageInputs(config, shape);
  const vectors = imageVectors(config, parameters, images);
  const logits = linear(parameters, "head", vectors);
  return makeGraph("features", { outputs: { vectors, logits } });
}

function matrixOf(rows: readonly Float32Array[]): FeatureMatrix {
  const columns = rows[0].length;
  const values = new Float32Array(rows.length * columns);
  rows.forEach((row, index) => values.set(row, index * columns));
  return { rows: rows.length, columns, values };
}
