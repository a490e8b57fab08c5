/**
 * The evaluation of NaViTs: every checkpoint under every setting, and what follows from it.
 *
 * @module
 */
import type { PictureSet } from "../../../data/picture_set.ts";
import type { Device, DeviceBuffer } from "../../../kernels/device.ts";
import type { Machine } from "../../../base/machine.ts";
import { type NaViTConfig, navitParameters } from "../model.ts";
import { countParameters, describeNonFiniteParameter } from "../../../nn/parameters.ts";
import { classTable, topAccuracy } from "../../../metrics/accuracy.ts";
import { calibrationBuckets, calibrationError } from "../../../metrics/calibration.ts";
import { allCascades } from "../../../metrics/cascade.ts";
import { type BatchOptions, type LoadedNaViT, type NaViTOutputs, runNaViT } from "./evaluate.ts";
import { type ImageSetting, settingName } from "./image_grids.ts";
import { linearProbe } from "../../../metrics/linear_probe.ts";
import { NonFiniteLogitError, predict, type Prediction } from "../../../metrics/prediction.ts";
import type { Activation } from "../../../metrics/probabilities.ts";
import type {
  CalibrationTable,
  ClassTable,
  EvaluationReport,
  ProbeRow,
  SettingRow,
} from "../../../evaluation/report/report.ts";
import { robustness, type RobustnessTable } from "../../../metrics/robustness.ts";
import { ZeroShotClassifier } from "./zero_shot.ts";

/** A model to evaluate. */
export interface EvaluatedModel {
  /** What tables call it. */
  readonly name: string;
  /** Size and shape of the model. */
  readonly config: NaViTConfig;
  /** Names in the order of the labels. */
  readonly classNames: readonly string[];
  /** The probabilities that its loss has trained. */
  readonly activation: Activation;
  /** Brings its parameters to a device. */
  load(device: Device): Promise<ReadonlyMap<string, DeviceBuffer>>;
}

/** What is measured. */
export interface EvaluationPlan {
  /** Settings of the table; those of `tokens` make the cascades. At least one. */
  readonly settings: readonly ImageSetting[];
  /** Resolutions in pixels to compare accuracies at, the base among them; empty: none. */
  readonly resolutions: readonly number[];
  /** Factors on the aspect ratio, 1 among them; empty: none. */
  readonly aspects: readonly number[];
  /** The resolution that stands for unchanged images. */
  readonly baseSide: number;
  /** Images a class of the linear probe; absent: no probe. */
  readonly shots?: number;
  /** How batches are made. */
  readonly batches: BatchOptions;
}

/** The pictures of an evaluation. */
export interface EvaluationData {
  /** Name with the part that is used. */
  readonly name: string;
  /** What is classified. */
  readonly pictures: PictureSet;
  /** Where the shots of the linear probe come from; needed for one. */
  readonly training?: PictureSet;
}

/** What is said about where it was measured. */
export interface EvaluationPlace {
  readonly machine: Machine;
  readonly device: Device;
  /** Path of the checkpoint, or of the folder of checkpoints. */
  readonly checkpoint: string;
}

/** The error of a model that puts out NaN, with the name of the weight that is to blame, if one is. */
async function withCause(
  error: unknown,
  { name }: EvaluatedModel,
  parameters: ReadonlyMap<string, DeviceBuffer>,
): Promise<unknown> {
  if (!(error instanceof NonFiniteLogitError)) return error;
  const problem = await describeNonFiniteParameter(parameters) ?? error.message;
  return new NonFiniteLogitError(`${name}: ${problem}`, { cause: error });
}

/** Evaluates models one after the other, the best first in the report; `note` hears what starts. */
export async function evaluateNaViT(
  { machine, device, checkpoint }: EvaluationPlace,
  models: readonly EvaluatedModel[],
  data: EvaluationData,
  plan: EvaluationPlan,
  note: (line: string) => void = () => {},
): Promise<EvaluationReport> {
  const results: ModelResult[] = [];
  for (const model of models) {
    const parameters = await model.load(device);
    try {
      const loaded = { device, config: model.config, parameters };
      results.push(await new ModelEvaluation(model, loaded, data, plan, note).run());
    } catch (error) {
      throw await withCause(error, model, parameters);
    } finally {
      for (const buffer of parameters.values()) buffer.destroy();
    }
  }
  const ranked = results.toSorted((a, b) => b.best - a.best);
  const [best] = ranked;
  return {
    machine,
    device: device.description,
    model: describe(models[0].config),
    checkpoint,
    dataSet: `${data.name}, ${data.pictures.length} pictures`,
    protocol: protocol(plan),
    settings: ranked.flatMap(({ settings }) => settings),
    classes: best.classes,
    calibration: ranked.map(({ calibration }) => calibration),
    cascades: models.length === 1 && best.stages.length > 1
      ? { cost: "multiplyAdds", cascades: allCascades(best.stages) }
      : undefined,
    probes: ranked.flatMap(({ probes }) => probes),
    robustness: ranked.flatMap(({ robustness }) => robustness),
  };
}

/** A model in one line. */
function describe(config: NaViTConfig): string {
  const { depth, hidden, heads, patch, positions, coordinates, text } = config;
  const { parameters } = countParameters(navitParameters(config));
  return `NaViT of ${depth} blocks, width ${hidden}, ${heads} heads, patch ${patch}, ` +
    `${coordinates} ${positions} positions${text ? ", with a text tower" : ""}, ` +
    `${(parameters / 1e6).toFixed(1)} M parameters`;
}

/** How the numbers came about. */
function protocol({ batches }: EvaluationPlan): string[] {
  return [
    "Pictures keep their aspect ratio but for squares, are resized with an antialiased triangle " +
    "filter to whole patches, and no token is dropped.",
    "Probabilities are those of the loss a model was trained with, softmax or sigmoid; ECE is the " +
    "l1 error of the top-1 probability in 30 buckets of equal width.",
    `Packed by first-fit into ${batches.sequences} sequences of at least ${batches.length} tokens.`,
    "ms/image is the model alone, from arrays in memory to logits in memory; images/s includes " +
    "reading, resizing and packing. Multiply-adds are those of a picture by itself.",
  ];
}

/** Everything about one model. */
interface ModelResult {
  readonly settings: SettingRow[];
  readonly classes: ClassTable;
  readonly calibration: CalibrationTable;
  /** Token budgets as stages of cascades. */
  readonly stages: Parameters<typeof allCascades>[0][number][];
  readonly probes: ProbeRow[];
  readonly robustness: RobustnessTable[];
  /** The best top-1 accuracy. */
  readonly best: number;
}

/** A setting with what the model said under it. */
interface Measured {
  readonly setting: ImageSetting;
  readonly outputs: NaViTOutputs;
  readonly predictions: Prediction[];
  readonly row: SettingRow;
}

class ModelEvaluation {
  #classifier?: Promise<ZeroShotClassifier>;
  readonly #model: EvaluatedModel;
  readonly #loaded: LoadedNaViT;
  readonly #data: EvaluationData;
  readonly #plan: EvaluationPlan;
  readonly #note: (line: string) => void;

  constructor(
    model: EvaluatedModel,
    loaded: LoadedNaViT,
    data: EvaluationData,
    plan: EvaluationPlan,
    note: (line: string) => void,
  ) {
    this.#model = model;
    this.#loaded = loaded;
    this.#data = data;
    this.#plan = plan;
    this.#note = note;
  }

  async run(): Promise<ModelResult> {
    const measured: Measured[] = [];
    for (const setting of this.#plan.settings) measured.push(await this.#measure(setting));
    const best = measured.reduce((a, b) => b.row.top1 > a.row.top1 ? b : a);
    const title = `${this.#model.name}, ${best.row.setting}`;
    const buckets = calibrationBuckets(best.predictions);
    return {
      settings: measured.map(({ row }) => row),
      classes: {
        name: title,
        rows: classTable(best.predictions, this.#classNames()),
      },
      calibration: { name: title, error: calibrationError(buckets), buckets },
      stages: measured.filter(({ setting }) => setting.kind === "tokens").map((
        { row, predictions },
      ) => ({ name: row.setting, predictions, cost: row.multiplyAdds })),
      probes: await this.#probe(best.setting),
      robustness: [
        ...await this.#shifted("resolution (pixels)", this.#plan.baseSide, this.#resolutions()),
        ...await this.#shifted("aspect ratio (times width / height)", 1, this.#aspects()),
      ],
      best: best.row.top1,
    };
  }

  /** Names of all classes; a classifier may have more than its data set had. */
  #classNames(): readonly string[] {
    const { classNames, config } = this.#model;
    if (config.text) return classNames;
    return Array.from({ length: config.classes }, (_, k) => classNames[k] ?? String(k));
  }

  async #predictions(setting: ImageSetting): Promise<[NaViTOutputs, Prediction[]]> {
    this.#note(`${this.#model.name}: ${settingName(setting)}`);
    const { pictures } = this.#data;
    const { batches } = this.#plan;
    const classifier = await this.#zeroShot();
    const output = classifier ? "embeddings" : "logits";
    const outputs = await runNaViT(this.#loaded, pictures, setting, output, batches);
    const { values, labels } = outputs;
    const logits = classifier ? classifier.logits(values) : values;
    const classes = this.#classNames().length;
    return [outputs, predict({ logits, labels, classes }, this.#model.activation)];
  }

  /** What makes a classifier of a contrastive model; undefined for one that classifies itself. */
  #zeroShot(): Promise<ZeroShotClassifier> | undefined {
    if (!this.#model.config.text) return undefined;
    this.#classifier ??= ZeroShotClassifier.create(this.#loaded, this.#classNames());
    return this.#classifier;
  }

  async #measure(setting: ImageSetting): Promise<Measured> {
    const [outputs, predictions] = await this.#predictions(setting);
    const { tokens, multiplyAdds, milliseconds, imagesPerSecond, fillRate } = outputs;
    const row: SettingRow = {
      checkpoint: this.#model.name,
      setting: settingName(setting),
      kind: setting.kind === "aspect" ? "resolution" : setting.kind,
      tokens,
      multiplyAdds,
      milliseconds,
      imagesPerSecond,
      top1: topAccuracy(predictions),
      ...(this.#classNames().length > 5 ? { top5: topAccuracy(predictions, 5) } : {}),
      images: predictions.length,
      calibrationError: calibrationError(calibrationBuckets(predictions)),
      fillRate,
    };
    return { setting, outputs, predictions, row };
  }

  #resolutions(): [number, ImageSetting][] {
    return this.#plan.resolutions.map((side) => [side, { kind: "resolution", side }]);
  }

  #aspects(): [number, ImageSetting][] {
    const side = this.#plan.baseSide;
    return this.#plan.aspects.map((factor) => [factor, { kind: "aspect", side, factor }]);
  }

  /** Accuracy under changes of the images; no table where there are none. */
  async #shifted(
    shift: string,
    base: number,
    settings: readonly [value: number, setting: ImageSetting][],
  ): Promise<RobustnessTable[]> {
    if (settings.length === 0) return [];
    const measured: { value: number; predictions: Prediction[] }[] = [];
    for (const [value, setting] of settings) {
      const [, predictions] = await this.#predictions(setting);
      measured.push({ value, predictions });
    }
    return [{ name: this.#model.name, shift, base, rows: robustness(measured, base) }];
  }

  /** A linear probe on the vectors of the images under a setting. */
  async #probe(setting: ImageSetting): Promise<ProbeRow[]> {
    const { shots, batches } = this.#plan;
    const { training, pictures } = this.#data;
    if (shots === undefined || !training) return [];
    this.#note(`${this.#model.name}: linear probe, ${shots} shots a class`);
    const features = async (set: PictureSet) => {
      const { values, labels } = await runNaViT(this.#loaded, set, setting, "vectors", batches);
      return { features: values, labels };
    };
    const result = linearProbe(
      await features(training),
      await features(pictures),
      pictures.classNames,
      { shots },
    );
    return [{ name: `${this.#model.name}, ${settingName(setting)}`, ...result }];
  }
}
