/**
 * What the rest of the house asks of a model family: one object a family, found in `registry.ts`.
 *
 * Commands, counts, timing, checks and runs go through these faces and know no family by name. A family
 * brings the faces it has; what several families share is written once, below or beside this folder.
 *
 * @module
 */
import type { VerificationCase } from "../evaluation/verify/verification.ts";
import type { Column } from "../formats/text/table.ts";
import type { HostArray } from "../kernels/shape.ts";
import type { Tensor } from "../kernels/tensor.ts";
import type { FamilyConfig } from "../nn/config.ts";
import type { ParameterSpecification, WeightType } from "../nn/parameters.ts";
import type { MatchOptions, OtherForm } from "../nn/weights_file.ts";
import type { RunFamily, RunSchemas } from "../training/checkpoints/families.ts";
import type { CommonSettings } from "../training/checkpoints/settings.ts";
import type { StepGraphs } from "../training/step/step_graphs.ts";
import type { ClipSize, CodecFace } from "./codec.ts";

/** How large a sample is. */
export interface SampleSize {
  /** Tokens of a sample; those of a codec are the positions of the latent. */
  readonly tokens: number;
  /** Its pixels, where the number of tokens does not tell them. */
  readonly clip?: ClipSize;
}

/** What flags may say of a sample in place of its tokens. */
export interface AskedSize {
  /** Height and width, in pixels. */
  readonly side?: number;
  /** Frames of a clip. */
  readonly frames?: number;
}

/** What a model is counted and timed on. */
export interface WorkSize extends SampleSize {
  /** Samples at a time. */
  readonly batch: number;
  /** How the weights are stored; `f32` when absent. */
  readonly weights?: WeightType;
}

/** A forward pass on inputs of its own. */
export interface TracedModel {
  /** What the model puts out. */
  readonly out: Tensor;
  /** The parameters as states, by name. */
  readonly parameters: ReadonlyMap<string, Tensor>;
}

/** A model with made-up samples, ready to be timed. */
export interface Workload {
  /** The model's parameters. */
  readonly specifications: readonly ParameterSpecification[];
  /** The forward pass. */
  readonly traced: TracedModel;
  /** What goes into the forward pass, by name. */
  readonly inputs: Readonly<Record<string, HostArray>>;
}

/** The training step of a model on made-up samples. */
export interface TrainingWorkload {
  /** The model's parameters. */
  readonly specifications: readonly ParameterSpecification[];
  /** The step of `tessera train`. */
  readonly graphs: StepGraphs;
  /** Inputs that stay the same for all steps. */
  readonly constants: Readonly<Record<string, HostArray>>;
  /** Inputs of a step, counted from 0. */
  inputs(step: number): Readonly<Record<string, HostArray>>;
}

/** Counts by others, beside which those of the running graph are shown. */
export interface PublishedCounts<Config extends FamilyConfig> {
  /** Fields of the row of a model that counts `multiplyAdds` for a sample. */
  fields(config: Config, tokens: number, multiplyAdds: number): {
    readonly [field: string]: number | undefined;
    /** How far the count is from the published one, as a part of it. */
    readonly difference?: number;
  };
  /** How tables show the fields, without `difference`. */
  readonly columns: readonly Column<Readonly<Record<string, unknown>>>[];
  /** What a reader of the table must know. */
  readonly note?: string;
}

/** How outputs and gradients of another framework are read. */
export interface CaseFace<Config extends FamilyConfig> {
  /**
   * Reads and checks a case.
   *
   * @param weights how the weights are stored on the device
   * @throws InputError naming the file, the tensor and what does not fit
   */
  read(path: string, config: Config, weights: WeightType): Promise<VerificationCase>;
}

/** How models of a family are trained. */
export interface TrainingFace<Config extends FamilyConfig, Settings extends CommonSettings>
  extends RunSchemas<Settings> {
  /** The programs of a step. */
  graphs(config: Config, settings: Settings): StepGraphs;
  /** What the model is trained with and has no part of, such as a discriminator; none when absent. */
  companions?(config: Config, settings: Settings): readonly ParameterSpecification[];
}

/** A family of models. */
export interface Family<
  Config extends FamilyConfig = FamilyConfig,
  Settings extends CommonSettings = CommonSettings,
> extends Omit<RunFamily<Config, Settings>, "training"> {
  /** Name in messages and tables. */
  readonly title: string;
  /** The class in diffusers whose `config.json` it reads too. */
  readonly publishedClass?: string;
  /**
   * The fields of `config.json` of diffusers; absent where weights are not written for it.
   *
   * @throws InputError for a model that diffusers does not have
   */
  publishedConfig?(config: Config, where: string): Readonly<Record<string, unknown>>;
  /** The models that have a name. */
  readonly configs: ReadonlyMap<string, Config>;
  /** The parameters in declaration order. */
  parameters(config: Config): ParameterSpecification[];
  /** Says what weights are that do not fit a model; absent where their names and shapes tell nothing. */
  explainMisfit?(config: Config): MatchOptions["explain"];
  /** Another form of weights that a run may start from; undefined where a model has none. */
  otherForm?(config: Config): OtherForm | undefined;
  /**
   * The sample that a model is counted and timed on; what is not asked for has its usual value.
   * Undefined where the model takes any number of tokens and no side is given that tells it.
   *
   * @throws InputError with the nearest valid values for a size that the model does not take
   */
  sample(config: Config, asked: AskedSize): SampleSize | undefined;
  /** Traces the forward pass of samples. */
  trace(config: Config, size: WorkSize): TracedModel;
  /** A forward pass to be timed. */
  workload(config: Config, size: WorkSize): Workload;
  /**
   * A training step to be counted and timed; absent where there is none.
   *
   * @throws InputError where made-up samples cannot train the model
   */
  trainingWorkload?(config: Config, size: WorkSize): TrainingWorkload;
  /** Its runs; absent where its models are not trained here. */
  readonly training?: TrainingFace<Config, Settings>;
  /** Pixels to latents and back; absent where its models are no codecs. */
  readonly codec?: CodecFace<Config>;
  /** Counts by others. */
  readonly published?: PublishedCounts<Config>;
  /** Cases of other frameworks. */
  readonly case: CaseFace<Config>;
}

/** A family whose models are trained here. */
export type TrainedFamily<
  Config extends FamilyConfig = FamilyConfig,
  Settings extends CommonSettings = CommonSettings,
> = Family<Config, Settings> & { readonly training: TrainingFace<Config, Settings> };
