/**
 * Data sets of pictures and of clips, and how pictures of any size are cut into patches and packed into
 * sequences (NaViT, section 2).
 *
 * @example Pack the shipped pictures
 * ```ts
 * import { createPackedLoader, openPictureSet } from "./mod.ts";
 *
 * const pictures = await openPictureSet("data/samples/clipart", { split: "test" });
 * const loader = createPackedLoader(pictures, {
 *   sequences: 2,
 *   sequenceLength: 64,
 *   images: 8,
 *   patch: 8,
 *   seed: 0,
 *   resolution: { kind: "fixed", side: 32 },
 *   workers: 1,
 * });
 * const { patches } = await loader.next();
 * loader.close();
 * if (patches.length !== 2 * 64 * 8 * 8 * 3) throw new Error(`${patches.length} numbers`);
 * ```
 *
 * @module
 */
export {
  type OpeningStage,
  type OpeningWatch,
  openPictureSet,
  type OpenPictureSetOptions,
  type Split,
} from "./open.ts";
export type { LatentAutoencoder, LatentNormalization, LatentSettings } from "./latents/cache.ts";
export type { PictureSet, PictureSource } from "./picture_set.ts";
export type { ImageDataset } from "./dataset.ts";
export { type Batch, createLoader, type Loader, type LoaderOptions } from "./order/loader.ts";
export { openClips, type OpenClipsOptions } from "./clips/open_clips.ts";
export type { ClipSet } from "./clips/clip_set.ts";
export type { CropMode } from "./clips/decode_clip.ts";
export type { WindowOptions, WindowProblem } from "./clips/windows.ts";
export {
  type ClipProblem,
  type ClipReport,
  describeClip,
  type KeptFrames,
  summarizeClips,
} from "./clips/clip_report.ts";
export type { MissingFrames } from "./clips/sources/frame_folder.ts";
export type { LeftOutReason } from "./clips/find_clips.ts";
export {
  motionLabel,
  motionNames,
  type MovingOptions,
  openMovingPictures,
} from "./clips/moving_pictures.ts";
export type { SkipReport } from "./pictures/skip_report.ts";
export {
  createPackedLoader,
  type EvaluationOptions,
  type PackedLoader,
  type PackedLoaderOptions,
  packForEvaluation,
  type PreparationOptions,
} from "./packing/loader.ts";
export type {
  PackedArrays,
  PackedBatch,
  PackedCounts,
  PackedShape,
  PackedTextShape,
  PackingPosition,
} from "./packing/batch.ts";
export type { PackingOptions } from "./packing/plan.ts";
export { gridAtSide, largestGrid, type PatchGrid, type PictureSize } from "./packing/patch_grid.ts";
export type { EvaluationPicture } from "./packing/evaluation_plan.ts";
export type { Resolution, UnitDistribution } from "./packing/resolution.ts";
export type { TokenDropping } from "./packing/token_dropping.ts";
