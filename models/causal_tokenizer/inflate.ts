/**
 * A tokenizer of clips from one of pictures (Yu et al., arXiv:2310.05737, appendix A.1).
 *
 * @module
 */
import { elementCount, sameShape, type Shape } from "../../kernels/shape.ts";
import { mismatch } from "../../nn/parameters.ts";
import type { MatchOptions, OtherForm } from "../../nn/weights_file.ts";
import { type CausalTokenizerConfig, causalTokenizerParameters } from "./model.ts";

/** The tokenizer of pictures that has the layers of one of clips. */
export function imageForm(config: CausalTokenizerConfig): CausalTokenizerConfig {
  const temporalDownsampling = config.temporalDownsampling.map(() => false);
  return { ...config, temporalKernel: 1, temporalDownsampling };
}

/**
 * The weights of a tokenizer of pictures as those of one of clips, which treats a picture as the given one
 * does: kernels go to the last slice in time, before which there are zeros; where up-sampling doubles the
 * frames, both get the channels of the picture. Undefined for a tokenizer of pictures.
 */
export function inflation(config: CausalTokenizerConfig): OtherForm | undefined {
  if (config.temporalKernel === 1) return undefined;
  const specifications = causalTokenizerParameters(imageForm(config));
  const flat = new Map(specifications.map(({ name, shape }) => [name, shape]));
  const full = new Map(causalTokenizerParameters(config).map(({ name, shape }) => [name, shape]));
  const changed = [...full].filter(([name, shape]) => !sameShape(shape, flat.get(name)!));
  const doubled = config.temporalDownsampling.filter((halves) => halves).length;
  const kernels = changed.filter(([, shape]) => shape.length > 1).length;
  return {
    specifications,
    convert: (name, values) => inflated(values, flat.get(name)!, full.get(name)!),
    note:
      `a tokenizer of pictures, inflated to clips: ${kernels} kernels look at the frame at hand ` +
      `only, ${doubled} up-samplings in time repeat it`,
  };
}

/** Says of weights of pictures why they are not those of a tokenizer of clips. */
export function explainPictures(config: CausalTokenizerConfig): MatchOptions["explain"] {
  const form = inflation(config);
  return (found) => {
    if (!form || found.get("encoder.conv_in.weight")?.[2] !== 1) return undefined;
    const problem = mismatch(form.specifications, found);
    const what = "the weights are those of a tokenizer of pictures";
    return problem === undefined
      ? `${what}, which train tokenizer --init-from inflates`
      : `${what}, which must be the same as this one but for time: ${problem}`;
  };
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
