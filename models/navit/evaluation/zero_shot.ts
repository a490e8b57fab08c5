/**
 * Zero-shot classification with a contrastive model: the classes' names are captions, and the logits
 * of a picture are its similarities to them (NaViT, section 3).
 *
 * @module
 */
import { captionTokens } from "../../../data/packing/text_tokens.ts";
import { compile } from "../../../kernels/graph/compile.ts";
import { captionGraph } from "../graph.ts";
import type { LoadedNaViT } from "./evaluate.ts";

/** Turns the unit vectors of pictures into logits. */
export class ZeroShotClassifier {
  /** (classes, e) */
  readonly #captions: Float32Array;
  /** Factor on the similarities. */
  readonly #scale: number;
  readonly #classes: number;

  private constructor(
    captions: Float32Array,
    scale: number,
    classes: number,
  ) {
    this.#captions = captions;
    this.#scale = scale;
    this.#classes = classes;
  }

  /** Runs the text tower over the names of the classes. */
  static async create(
    { device, config, parameters }: LoadedNaViT,
    classNames: readonly string[],
  ): Promise<ZeroShotClassifier> {
    const classes = classNames.length;
    const length = config.text!.length;
    const graph = captionGraph(config, { sequences: classes, length, slots: 1 });
    const executable = await device.load(compile(graph, device), parameters);
    const batch = {
      textTokens: new Int32Array(classes * length),
      textSegments: new Int32Array(classes * length).fill(-1),
      textPositions: new Int32Array(classes * length),
    };
    classNames.forEach((name, row) => {
      captionTokens(name.toLowerCase(), length).forEach((token, position) => {
        batch.textTokens[row * length + position] = token;
        batch.textSegments[row * length + position] = 0;
        batch.textPositions[row * length + position] = position;
      });
    });
    for (const [name, data] of Object.entries(batch)) executable.buffer(name).write(data);
    executable.run();
    const captions = (await executable.buffer("embeddings").read()).slice() as Float32Array;
    executable.destroy();
    const [logarithmicScale] = await parameters.get("logit_scale")!.read();
    return new ZeroShotClassifier(captions, Math.exp(logarithmicScale), classes);
  }

  /** Logits (pictures, classes) of unit vectors (pictures, e). */
  logits(pictures: Float32Array): Float32Array {
    const [captions, scale, classes] = [this.#captions, this.#scale, this.#classes];
    const width = captions.length / classes;
    return Float32Array.from({ length: pictures.length / width * classes }, (_, index) => {
      const [picture, caption] = [Math.floor(index / classes), index % classes];
      let similarity = 0;
      for (let k = 0; k < width; k++) {
        similarity += pictures[picture * width + k] * captions[caption * width + k];
      }
      return scale * similarity;
    });
  }
}
