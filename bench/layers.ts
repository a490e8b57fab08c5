/**
 * Layers of autoencoders by name: what `tessera bench convolution` times.
 *
 * @module
 */

/**
 * What a layer can be timed at. The gradients of a convolution (input and weight) are by themselves;
 * those of a group norm include the forward pass, whose statistics they need.
 */
export const layerPasses = ["forward", "gradient"] as const;

/** One of `layerPasses`. */
export type LayerPass = (typeof layerPasses)[number];

/** A layer on one picture or clip. */
export interface Layer {
  /** As `parseLayer` reads it. */
  readonly name: string;
  /** Sizes of the kernel, as many as the input has; or a group norm, by itself or with SiLU behind. */
  readonly kernel: readonly number[] | "norm" | "norm-silu";
  /** Channels of the input and of the output. */
  readonly channels: readonly [input: number, output: number];
  /** Sizes of the input without batch and channels. */
  readonly sizes: readonly number[];
}

/** Layers that are timed where nothing is asked for. */
export const usualLayers: readonly string[] = [
  "3x3:128-128@64x64",
  "3x3:512-512@16x16",
  "3x3x3:64-64@9x32x32",
  "norm:256-256@32x32",
  "norm-silu:256-256@32x32",
];

/** Groups of a group norm. */
export const groups = 32;

/**
 * Reads a layer: `KERNEL:INPUTS-OUTPUTS@SIZES`, as in `3x3:128-128@64x64` or, causal in time,
 * `3x3x3:64-64@9x32x32`; with `norm` or `norm-silu` for a kernel, in 32 groups.
 *
 * @returns undefined where the text is none
 */
export function parseLayer(name: string): Layer | undefined {
  const match = /^(norm|norm-silu|\d+(?:x\d+){0,2}):(\d+)-(\d+)@(\d+(?:x\d+){0,2})$/.exec(name);
  if (!match) return undefined;
  const numbers = (text: string): number[] => text.split("x").map(Number);
  const [, first] = match;
  const kernel = first === "norm" || first === "norm-silu" ? first : numbers(first);
  const channels = [Number(match[2]), Number(match[3])] as const;
  const sizes = numbers(match[4]);
  const isNorm = typeof kernel === "string";
  const positive = [...isNorm ? [] : kernel, ...channels, ...sizes].every((size) => size >= 1);
  const fits = !isNorm
    ? kernel.length === sizes.length
    : channels[0] === channels[1] && channels[0] % groups === 0 && sizes.length > 1;
  return positive && fits ? { name, kernel, channels, sizes } : undefined;
}
