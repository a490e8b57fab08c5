/**
 * What a NaViT is trained on: the losses of a packed batch (NaViT, sections 2.3 and 3). `step_graphs.ts` makes a step of
 * it.
 *
 * Every loss is a weighted sum over slots: `weights` is 1 / (images in the batch) for a slot with an
 * image and 0 for an empty one, so that images count alike however they were packed.
 *
 * @module
 */
import { input, type Tensor } from "../../kernels/tensor.ts";
import {
  imageVectors,
  isHeadParameter,
  navit,
  type NaViTConfig,
  navitParameters,
  type PackedImages,
} from "./model.ts";
import { captionInputs, imageInputs, type PackShape } from "./graph.ts";
import { captionVectors, type PackedCaptions, sharedSpace } from "./text.ts";
import { lookup, type Parameters, parameterStates } from "../../nn/parameters.ts";
import { classificationLoss } from "../../training/losses/classification.ts";
import { contrastiveLoss } from "../../training/losses/contrastive.ts";
import {
  type Measured,
  type StepGraphs,
  type StepLosses,
  stepOf,
  type StepSettings,
} from "../../training/step/step_graphs.ts";

/** What is minimised. */
export type NaViTLoss = "softmax" | "sigmoid" | "contrastive";

/** Settings that shape the graph. */
export interface NaViTStepSettings extends PackShape, StepSettings {
  /** What is minimised; `contrastive` needs a model with a text tower. */
  readonly loss: NaViTLoss;
  /** Tokens Lt of a sequence of captions; contrastive only. */
  readonly textLength?: number;
}

/**
 * The graphs of a step, whole or in parts.
 *
 * Inputs: those of `imageInputs`, `weights` (B, E), `labels` i32 (B, E) or, contrastive,
 * `textTokens`, `textSegments` and `textPositions` i32 (B, Lt). In parts, the weights of a part are
 * those of the whole batch times the number of parts.
 */
export function navitTrainingGraphs(config: NaViTConfig, settings: NaViTStepSettings): StepGraphs {
  if (settings.loss === "contrastive" && (settings.accumulate ?? 1) > 1) {
    throw new RangeError("a contrastive batch cannot be divided: all its images are negatives");
  }
  return stepOf(
    settings.sequences,
    settings,
    (sequences) => navitLosses(config, { ...settings, sequences }),
  );
}

/** The losses of a batch that is an input. */
export function navitLosses(config: NaViTConfig, settings: NaViTStepSettings): StepLosses {
  const { sequences, slots, loss } = settings;
  const specifications = navitParameters(config);
  const states = parameterStates(specifications);
  const parameters = lookup(states);
  const images = imageInputs(config, settings);
  const weights = input("weights", [sequences, slots]);
  const measured = loss === "contrastive"
    ? contrast(config, parameters, images, captionInputs(captionShape(settings)), weights)
    : classificationLoss(
      navit(config, parameters, images),
      { labels: input("labels", [sequences, slots], "i32"), weights },
      loss,
    );
  return { specifications, states, isHead: isHeadParameter, ...measured };
}

/** The shape of the packed captions that go with the images. */
function captionShape({ sequences, slots, textLength }: NaViTStepSettings): PackShape {
  if (textLength === undefined) throw new RangeError("contrastive: textLength is missing");
  return { sequences, slots, length: textLength };
}

/** Similarities of images and captions are logits; each image's own caption is its class. */
function contrast(
  config: NaViTConfig,
  parameters: Parameters,
  images: PackedImages,
  captions: PackedCaptions,
  weights: Tensor,
): Measured {
  const { text, mlpBias } = config;
  if (!text) throw new RangeError("contrastive: the model has no text tower");
  const seen = imageVectors(config, parameters, images);
  const read = captionVectors(text, mlpBias, parameters, captions);
  return contrastiveLoss(
    sharedSpace(parameters, "image_projection", seen),
    sharedSpace(parameters, "text_projection", read),
    parameters("logit_scale"),
    weights,
  );
}
