/**
 * What clips are drawn under, clip by clip, and as the inputs of a batch.
 *
 * @module
 */
import { elementCount, type HostArray } from "../../kernels/shape.ts";
import { waltInputShapes } from "./graph.ts";
import type { WaltConfig, WaltInputs } from "./model.ts";

/** A condition of single clips: fills what a batch has for the clip of that number. */
type Fill<Values extends HostArray = Float32Array> = (clip: number, out: Values) => void;

/** What clips are told. What is absent is not told, where a model can do without. */
export interface ClipConditions {
  /** The class of each. */
  readonly label?: (clip: number) => number;
  /** Clean latents (c, F, h, w) whose first frames are given, and how many are. */
  readonly given?: { readonly latents: Fill; readonly frames: number };
  /** Features of captions (M, textWidth), and which of the M are words. */
  readonly caption?: {
    readonly words: number;
    readonly text: Fill;
    readonly mask: Fill<Int32Array>;
  };
  /** Latents (c, F, h / 2, w / 2) and the time step, 0 .. 999, of the noise that is added to them. */
  readonly lowResolution?: { readonly latents: Fill; readonly noiseLevel: number };
}

/**
 * The inputs of a batch by their names in `WaltInputs`.
 *
 * @param rows numbers of the clips; places whose number `has` denies keep zeros
 */
export function conditionInputs(
  config: WaltConfig,
  conditions: ClipConditions,
  rows: Int32Array,
  has: (clip: number) => boolean,
): Map<string, HostArray> {
  const { given, caption, lowResolution } = conditions;
  const fills: Partial<Record<keyof WaltInputs, Fill | Fill<Int32Array>>> = {
    y: (clip: number, out: Int32Array) => void out.fill(conditions.label?.(clip) ?? 0),
    frameCondition: given?.latents,
    frameMask: given && ((_: number, out: Int32Array) => void out.fill(1, 0, given.frames)),
    text: caption?.text,
    textMask: caption?.mask,
    lowResolution: lowResolution?.latents,
    noiseLevel: lowResolution &&
      ((_: number, out: Int32Array) => void out.fill(lowResolution.noiseLevel)),
  };
  const sizes = {
    batch: rows.length,
    labelGroups: 1,
    textGroups: 1,
    words: caption?.words ?? 1,
    images: false,
  };
  const own = new Set<string>(["x", "t", "selfCondition"]);
  const inputs = waltInputShapes(config, sizes).filter(([name]) => !own.has(name));
  return new Map(inputs.map(([name, shape, dtype]) => {
    const length = elementCount(shape) / rows.length;
    const fill = fills[name] as Fill<HostArray> | undefined;
    const values = new (dtype === "i32" ? Int32Array : Float32Array)(length * rows.length);
    rows.forEach((clip, place) => {
      if (has(clip)) fill?.(clip, values.subarray(place * length, (place + 1) * length));
    });
    return [name, values];
  }));
}
