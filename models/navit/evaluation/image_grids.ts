/**
 * The settings of an evaluation: at what size, in patches, a model sees an image.
 *
 * @module
 */
import {
  effectiveSide,
  gridAtSide,
  largestGrid,
  limitedGrid,
  type PatchGrid,
  type PictureSize,
  square,
} from "../../../data/packing/patch_grid.ts";

/** How images become grids of patches. Resolutions are sides of squares of the same area. */
export type ImageSetting =
  /** As many patches as fit a budget, aspect ratio kept, scaled up or down. */
  | { readonly kind: "tokens"; readonly tokens: number }
  /** At the image's own resolution, or the budget's if that is less. */
  | { readonly kind: "native"; readonly tokens: number }
  /** As `native`, one image a sequence, filled up to the largest: what packing is compared with. */
  | { readonly kind: "padded"; readonly tokens: number }
  /** Squashed to a square of a side in pixels. */
  | { readonly kind: "square"; readonly side: number }
  /** At one effective resolution, aspect ratio kept. */
  | { readonly kind: "resolution"; readonly side: number }
  /** At one effective resolution, the ratio of width to height multiplied. */
  | { readonly kind: "aspect"; readonly side: number; readonly factor: number };

/** What a setting is called. */
export function settingName(setting: ImageSetting): string {
  switch (setting.kind) {
    case "tokens":
      return `${setting.tokens} tokens`;
    case "native":
      return "native";
    case "padded":
      return "native, padded";
    case "square":
      return `${setting.side} x ${setting.side}`;
    case "resolution":
      return `resolution ${setting.side}`;
    case "aspect":
      return `resolution ${setting.side}, aspect ratio x ${setting.factor}`;
  }
}

/**
 * The grid of an image under a setting.
 *
 * @param patch side of a patch in pixels
 * @param longest most patches along a side, which position tables limit
 */
export function gridOf(
  setting: ImageSetting,
  size: PictureSize,
  patch: number,
  longest: number,
): PatchGrid {
  const at = (shape: PictureSize, side: number, tokens = Infinity) =>
    limitedGrid(shape, gridAtSide(shape, side, patch), tokens, longest);
  switch (setting.kind) {
    case "tokens":
      return largestGrid(size, setting.tokens, longest);
    case "native":
    case "padded":
      return at(size, effectiveSide(size), setting.tokens);
    case "square":
      return at(square, setting.side);
    case "resolution":
      return at(size, setting.side);
    case "aspect": {
      const stretch = Math.sqrt(setting.factor);
      const stretched = { width: size.width * stretch, height: size.height / stretch };
      return at(stretched, setting.side);
    }
  }
}
