/**
 * Weights for latents and windows of another size or aspect ratio (W.A.L.T's aspect-ratio finetuning):
 * positions in space and relative biases are interpolated linearly, everything else stays.
 *
 * @module
 */
import { elementCount, formatShape, sameShape, type Shape } from "../../kernels/shape.ts";
import type { ParameterSpecification } from "../../nn/parameters.ts";
import { type WaltConfig, waltParameters } from "./model.ts";

/** Where the entries of an axis of another length lie between those of the old one. */
type Placement = (index: number, from: number, to: number) => number;

/** Centres of equal cells, as patches of a frame lie. */
const cellCentres: Placement = (index, from, to) =>
  Math.min(Math.max((index + 0.5) * from / to - 0.5, 0), from - 1);

/** Both ends stay where they are, and so does the middle: offsets of tokens. */
const fixedEnds: Placement = (index, from, to) => to === 1 ? 0 : index * (from - 1) / (to - 1);

/** A tensor whose axis `axis` is interpolated to `length` entries. */
function interpolated(
  values: Float32Array,
  shape: Shape,
  axis: number,
  length: number,
  placement: Placement,
): Float32Array {
  const inner = elementCount(shape.slice(axis + 1));
  const outer = elementCount(shape.slice(0, axis));
  const from = shape[axis];
  const result = new Float32Array(outer * length * inner);
  for (let index = 0; index < length; index++) {
    const place = placement(index, from, length);
    const low = Math.min(Math.floor(place), from - 1);
    const high = Math.min(low + 1, from - 1);
    const share = place - low;
    for (let block = 0; block < outer; block++) {
      for (let i = 0; i < inner; i++) {
        const a = values[(block * from + low) * inner + i];
        const b = values[(block * from + high) * inner + i];
        result[(block * length + index) * inner + i] = a + share * (b - a);
      }
    }
  }
  return result;
}

/**
 * A parameter of one model as that of another, whose latents and windows have other sizes.
 *
 * @param name of the parameter, which both have
 * @throws RangeError where sizes differ that are not those of latents or windows
 */
export function resizeParameter(
  name: string,
  values: Float32Array,
  from: Shape,
  to: Shape,
): Float32Array {
  if (sameShape(from, to)) return values;
  const isPosition = name === "pos_embed.space";
  const axes = isPosition ? [0, 1] : name.endsWith("relative_bias") ? [1, 2, 3] : [];
  const fits = from.length === to.length &&
    from.every((size, axis) => axes.includes(axis) || size === to[axis]);
  if (!fits) {
    throw new RangeError(
      `walt: ${name} ${formatShape(from)} cannot be resized to ${formatShape(to)}`,
    );
  }
  const placement = isPosition ? cellCentres : fixedEnds;
  let [result, shape] = [values, [...from]];
  for (const axis of axes) {
    if (shape[axis] === to[axis]) continue;
    result = interpolated(result, shape, axis, to[axis], placement);
    shape = shape.with(axis, to[axis]);
  }
  return result;
}

/** Whether a parameter is interpolated where latents or windows have another size. */
const isResized = (name: string): boolean =>
  name === "pos_embed.space" || name.endsWith("relative_bias");

/** The parameters of a model, which weights of models of other sizes can be made of. */
export function resizableParameters(config: WaltConfig): ParameterSpecification[] {
  return waltParameters(config).map((parameter) => {
    const { name, shape } = parameter;
    if (!isResized(name)) return parameter;
    const resized = (values: Float32Array, from: Shape): Float32Array | undefined => {
      try {
        return resizeParameter(name, values, from, shape);
      } catch (error) {
        if (error instanceof RangeError) return undefined;
        throw error;
      }
    };
    return { ...parameter, resized };
  });
}

/**
 * The weights of a model for another configuration, by name.
 *
 * @throws RangeError where they differ in more than the sizes of latents and windows
 */
export function resizeWeights(
  weights: ReadonlyMap<string, Float32Array>,
  from: WaltConfig,
  to: WaltConfig,
): Map<string, Float32Array> {
  const shapes = new Map(waltParameters(from).map(({ name, shape }) => [name, shape]));
  return new Map(
    waltParameters(to).map(({ name, shape }) => {
      const [values, before] = [weights.get(name), shapes.get(name)];
      if (!values || !before) throw new RangeError(`walt: there is no parameter ${name} to resize`);
      return [name, resizeParameter(name, values, before, shape)];
    }),
  );
}
