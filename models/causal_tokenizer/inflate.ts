/**
 * A tokenizer of clips from one of pictures (Yu et al., arXiv:2310.05737, appendix A.1).
 *
 * @module
 */
import { elementCount, formatShape, type Shape } from "../../kernels/shape.ts";
import { type CausalTokenizerConfig, causalTokenizerParameters } from "./model.ts";

/** The tokenizer of pictures that has the layers of one of clips. */
export function imageForm(config: CausalTokenizerConfig): CausalTokenizerConfig {
  const temporalDownsampling = config.temporalDownsampling.map(() => false);
  return { ...config, temporalKernel: 1, temporalDownsampling };
}

/**
 * Weights of a tokenizer of clips that treats a picture as the given one does: kernels go to the last
 * slice in time, before which there are zeros; where up-sampling doubles the frames, both get the
 * channels of the picture.
 *
 * @param config of the tokenizer of clips
 * @param image weights of a tokenizer of the configuration {@link imageForm}, by name
 * @throws RangeError when a weight is missing or has another length
 */
export function inflate(
  config: CausalTokenizerConfig,
  image: ReadonlyMap<string, Float32Array>,
): Map<string, Float32Array> {
  const flat = new Map(causalTokenizerParameters(imageForm(config)).map((p) => [p.name, p.shape]));
  return new Map(
    causalTokenizerParameters(config).map(({ name, shape }) => {
      const from = flat.get(name)!;
      const values = image.get(name);
      if (values?.length !== elementCount(from)) {
        throw new RangeError(`inflate: the picture's ${name} is not ${formatShape(from)}`);
      }
      return [name, inflated(values, from, shape)];
    }),
  );
}

/** Values of the shape `from` in one of the shape `to`, which has more rows, more time, or both. */
function inflated(values: Float32Array, from: Shape, to: Shape): Float32Array {
  const result = new Float32Array(elementCount(to));
  const plane = elementCount(from.slice(3));
  const [planes, time] = [elementCount(to) / plane, to[2] ?? 1];
  for (let index = time - 1; index < planes; index += time) {
    const start = Math.floor(index / time) * plane % values.length;
    result.set(values.subarray(start, start + plane), index * plane);
  }
  return result;
}
