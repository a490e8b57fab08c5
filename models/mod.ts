/**
 * The families of models: configurations with the published names, parameters, the traced forward
 * pass, the graphs of a training step.
 *
 * @example The logits of packed pictures, as a graph
 * ```ts
 * import { countParameters } from "../nn/mod.ts";
 * import { navitConfigs, navitForwardGraph, navitParameters } from "./mod.ts";
 *
 * const config = navitConfigs.get("NaViT-B/16")!;
 * const graph = navitForwardGraph(config, { sequences: 2, length: 64, slots: 4 });
 * const logits = graph.outputs.get("logits")!;
 * if (logits.shape.join() !== `2,4,${config.classes}`) throw new Error(`${logits.shape}`);
 * if (countParameters(navitParameters(config)).parameters < 86e6) throw new Error("too few");
 * ```
 *
 * @module
 */
export type {
  AskedSize,
  CaseFace,
  Family,
  PublishedCounts,
  SampleSize,
  TracedModel,
  TrainedFamily,
  TrainingFace,
  TrainingWorkload,
  Workload,
  WorkSize,
} from "./family.ts";
export {
  checkClipSize,
  type ClipSize,
  clipSize,
  type CodecFace,
  type CodecGrid,
  latentSize,
  noPast,
  type Past,
  positions,
  trimmedFrames,
} from "./codec.ts";
export {
  chunkPlans,
  type Codec,
  Coder,
  codingCost,
  codingMemory,
  type CodingPlan,
  type CodingProgress,
  type CodingRequest,
  type CodingSettings,
  type CodingTarget,
  type Direction,
  planCoding,
} from "./coder.ts";
export type { Sides } from "./tiles.ts";
export { allFamilies, familyByName, registerFamily } from "./registry.ts";
export type { VerificationCase } from "../evaluation/verify/verification.ts";
export type { Expected } from "../evaluation/verify/case_file.ts";
export {
  type AutoencoderKLConfig,
  autoencoderKLConfigs,
  autoencoderKLParameters,
} from "./autoencoder_kl/model.ts";
export { dit, type DiTConfig, ditConfigs, ditParameters } from "./dit/model.ts";
export { type Conditioning, conditionings } from "./dit/blocks.ts";
export {
  walt,
  type WaltConfig,
  waltConfigs,
  type WaltInputs,
  waltParameters,
} from "./walt/model.ts";
export type { Box } from "./walt/windows.ts";
export {
  imageVectors,
  navit,
  type NaViTConfig,
  navitConfigs,
  navitParameters,
  type PackedImages,
} from "./navit/model.ts";
export type { PatchPlaces, PositionConfig } from "./navit/positions.ts";
export type { PackedCaptions, TextConfig } from "./navit/text.ts";
export {
  captionGraph,
  captionInputs,
  describeNaViT,
  imageInputs,
  type NaViTCounts,
  navitForwardGraph,
  type NaViTOutput,
  type PackShape,
} from "./navit/graph.ts";
export { type DiTStepSettings, ditTrainingGraph, ditTrainingGraphs } from "./dit/step.ts";
export { type NaViTLoss, type NaViTStepSettings, navitTrainingGraphs } from "./navit/step.ts";
export type { DiTRun, DiTSettings } from "./dit/settings.ts";
export type { NaViTRun, NaViTSettings } from "./navit/settings.ts";
export { InceptionExtractor } from "./inception/extractor.ts";
export { type InceptionWeights, readInception } from "./inception/weights.ts";
export { I3DExtractor } from "./i3d/extractor.ts";
export { readI3D } from "./i3d/weights.ts";
export type { NormedWeights } from "./normed_layers.ts";
export type { Clip } from "../formats/video/clip.ts";
export type {
  ExtractedFeatures,
  ExtractorDescription,
  FeatureExtractor,
} from "../evaluation/features/extractor.ts";
export type { Bitmap } from "../formats/pictures/bitmap.ts";
export type { FeatureMatrix } from "../metrics/features/feature_matrix.ts";
