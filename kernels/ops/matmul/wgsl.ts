/**
 * Matrix products in WGSL: four variants for different situations. Which is best for a class of sizes
 * depends on the adapter and is measured (see `webgpu/tuner.ts`).
 *
 * @module
 */
import type { FloatType } from "../../shape.ts";
import type { WebGPULowering } from "../../webgpu/lowering.ts";
import type { MatmulStep } from "./step.ts";
import { lowerDirect } from "./wgsl_direct.ts";
import { lowerSimple } from "./wgsl_simple.ts";
import { lowerTiles } from "./wgsl_tiles.ts";
import { lowerWindows } from "./wgsl_windows.ts";

/** Variants by name. */
const lowerings: Readonly<Record<string, WebGPULowering<MatmulStep>>> = {
  simple: lowerSimple,
  tiles: lowerTiles,
  windows: lowerWindows,
  direct: lowerDirect,
};

/** Names of the variants. */
export const matmulVariants: readonly string[] = Object.keys(lowerings);

/** Classes of sizes that are tuned apart; products below them all are always "simple". */
export type MatmulSizeClass = "thin" | "small" | "large";

/** The class of a product; `undefined` for a tiny one. */
export function matmulSizeClass({ m, n, k }: MatmulStep): MatmulSizeClass | undefined {
  const multiplyAdds = m * n * k;
  if (multiplyAdds <= 2 ** 15) return undefined;
  if (Math.min(m, n) <= 16) return "thin";
  return multiplyAdds <= 2 ** 20 ? "small" : "large";
}

/** Products that are tuned together. */
export interface MatmulFamily {
  readonly sizeClass: MatmulSizeClass;
  /** How the left factor is stored, which is an activation or a gradient of one. */
  readonly type: FloatType;
}

/** The family of a product; `undefined` for a tiny one. */
export function matmulFamilyOf(step: MatmulStep): MatmulFamily | undefined {
  const sizeClass = matmulSizeClass(step);
  return sizeClass && { sizeClass, type: step.a.dtype === "f16" ? "f16" : "f32" };
}

/** Name under which the context is asked for the variant of a family. */
export const matmulFamilyName = ({ sizeClass, type }: MatmulFamily): string =>
  `matmul.${sizeClass}${type === "f16" ? ".f16" : ""}`;

/**
 * Lowers a product.
 *
 * The variant is what the context names for `matmul` (an order for all sizes) or for the size's
 * family, e.g. `matmul.thin`, or `matmul.thin.f16` of activations in half precision; without a name a guess from the kind of adapter.
 */
export const lowerMatmul: WebGPULowering<MatmulStep> = (step, context) => {
  const family = matmulFamilyOf(step);
  const chosen = context.variant("matmul") ??
    (family ? context.variant(matmulFamilyName(family)) : "simple");
  const variant = chosen ?? (context.software ? "direct" : "tiles");
  const lower = lowerings[variant];
  if (!lower) {
    throw new RangeError(
      `matmul has no variant "${variant}" (it has ${matmulVariants.join(", ")})`,
    );
  }
  return lower(step, context);
};
