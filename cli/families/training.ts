/**
 * What a model family brings to `tessera train`. The rest is written once, in
 * `cli/runs/prepare.ts`.
 *
 * @module
 */
import type { OpenPictureSetOptions } from "../../data/open.ts";
import type { Device } from "../../kernels/device.ts";
import type { Program } from "../../kernels/program.ts";
import type { TrainedFamily } from "../../models/family.ts";
import type { FamilyConfig } from "../../nn/config.ts";
import type { LoopEvents } from "../../training/runs/loop.ts";
import type {
  Description,
  EvaluationSchedule,
  SampleSchedule,
} from "../../training/checkpoints/manifest.ts";
import type { RunPlan } from "../../training/runs/run.ts";
import type { CommonSettings } from "../../training/checkpoints/settings.ts";
import type { Trainer } from "../../training/step/trainer.ts";
import type { Values } from "../flags/flags.ts";
import type { RecordedFlags } from "../flags/run_file.ts";
import type { CommonTrainFlags } from "../flags/train_flags.ts";
import type { Io } from "../terminal/io.ts";
import type { Column } from "../terminal/progress.ts";

/** Values of the flags that the shared part of `train` reads. */
export type TrainValues = Values<CommonTrainFlags> & {
  /** The model to start from. */
  readonly model: string;
  /** A file that describes it in place of a name. */
  readonly config: string | undefined;
  /** Where the data is. */
  readonly dataPath: string | undefined;
  /** Whether samples are mirrored. */
  readonly flip: boolean;
};

/** What a command line of `train` said. */
export interface ParsedTrain<V extends TrainValues> {
  /** Values of all flags. */
  readonly values: V;
  /** Names of those that were given rather than defaulted. */
  readonly given: ReadonlySet<string>;
  /** The flags that make the run what it is, as its file keeps them. */
  readonly recorded?: RecordedFlags;
}

/** Data of a run, as far as it is the same for all families. */
export interface TrainingData {
  /** Name for messages. */
  readonly name: string;
  /** Identifies the contents. */
  readonly fingerprint: string;
  /** Number of samples. */
  readonly length: number;
  /** Frames of a sample, where samples are clips. */
  readonly frames?: number;
  /** Names in the order of the labels. */
  readonly classNames: readonly string[];
}

/** Who hears of the opening of data: what is left out, and how far it is. */
export type OpeningEvents = Pick<OpenPictureSetOptions, "warn" | "watch">;

/** What training needs besides the plan. */
export type TrainEvents = LoopEvents & { ready?(trainer: Trainer): void };

/** A run with its data. */
export interface PlannedRun<
  Config extends FamilyConfig,
  Settings extends CommonSettings,
  Data extends TrainingData,
> {
  readonly plan: RunPlan<Description<Config, Settings>>;
  readonly data: Data;
  /** What it is evaluated on, if it is. */
  readonly heldOut?: Data;
  /** What is to be told before it starts. */
  readonly notes: readonly string[];
}

/** A family's part of `tessera train`. */
export interface TrainingCommand<
  V extends TrainValues,
  Config extends FamilyConfig,
  Settings extends CommonSettings,
  Data extends TrainingData,
> {
  readonly family: TrainedFamily<Config, Settings>;
  /** The data that comes with the tool: how manifests name it, and where it lies. */
  readonly shipped: { readonly name: string; readonly folder: string };
  /** Makes what the data of a new run needs, where flags ask for it; returns the flags that then hold. */
  prepare?(io: Io, values: V): Promise<V>;
  /**
   * Refuses flags that no data could make right, before any are opened, which may take long.
   *
   * @throws InputError with the nearest valid values
   */
  foresee?(base: Config, values: V): void;
  /**
   * Opens the data of a new run.
   *
   * @throws InputError when it cannot be used; UsageError when the flags are wrong
   */
  open(place: string, values: V, base: Config, events: OpeningEvents): Promise<Data>;
  /** Opens the data of an earlier run. */
  reopen(
    place: string,
    run: Description<Config, Settings>,
    events: OpeningEvents,
  ): Promise<Data>;
  /** Data opened again, known to be the same, with labels that count in the classes of the run. */
  relabel?(data: Data, classNames: readonly string[]): Data;
  /**
   * The model for the data, with the fields that flags replace.
   *
   * @throws InputError with the nearest valid values
   */
  configure(base: Config, data: Data, values: V): Config;
  /** The highest learning rate where the flags give none. */
  learningRate(config: Config): number;
  /** What a step is made on, which `--accumulate` divides: how many, and how messages call them. */
  batch(values: V): { readonly size: number; readonly what: string };
  /** All settings, from those that every family has. */
  settings(
    parsed: ParsedTrain<V>,
    config: Config,
    common: CommonSettings,
    data: Data,
  ): Settings | Promise<Settings>;
  /** Steps that see as many samples as there are. */
  stepsPerEpoch(data: Data, config: Config, settings: Settings): number;
  /** Refuses settings that do not go with each other or with the data. */
  check?(config: Config, settings: Settings, data: Data): void;
  /** What tells data from those that a run was trained on, where more than their contents differs. */
  difference?(settings: Settings, data: Data): string | undefined;
  /** When samples are drawn; where the flags say nothing, as in the run so far. */
  samples?(
    parsed: ParsedTrain<V>,
    config: Config,
    before: SampleSchedule | undefined,
    settings: Settings,
  ): SampleSchedule | undefined;
  /** Evaluations during the run. */
  readonly evaluation?: {
    /**
     * When they are made; where the flags say nothing, as in the run so far.
     *
     * @throws UsageError when the run cannot be evaluated so
     */
    schedule(
      values: V,
      run: Settings,
      before: EvaluationSchedule | undefined,
    ): EvaluationSchedule | undefined;
    /** Opens what the run is not trained on; undefined: it is evaluated on what it is trained on. */
    open(
      place: string,
      run: Description<Config, Settings>,
      events: OpeningEvents,
    ): Promise<Data | undefined>;
    /** What was measured, in a few words. */
    describe(measures: Readonly<Record<string, number>>): string;
    /** Programs that are in memory beside those of training; none when absent. */
    programs?(config: Config, settings: Settings): readonly Program[];
  };
  /** What the user should know before a new run starts. */
  warnings?(config: Config, settings: Settings, data: Data): readonly string[];
  /** What became of every file of the data, a line each, for the run folder. */
  reportData?(data: Data): readonly string[];
  /** What a step is made on, in a few words. */
  describeBatch(settings: Settings): string;
  /** Readings of the progress line besides loss, norm, rate and speed. */
  columns(settings: Settings): Readonly<Record<string, Column>>;
  /** What can be done with the result, as arguments of the tool; gets the run folder. */
  next(plan: RunPlan<Description<Config, Settings>>): {
    readonly what: string;
    command(folder: string): string;
  };
  /** Lines of `--dry-run`: titles and texts. */
  describePlan(
    plan: RunPlan<Description<Config, Settings>>,
    data: Data,
  ): readonly (readonly [title: string, text: string])[];
  /** The programs that draw samples during a run. */
  samplerPrograms?(
    config: Config,
    schedule: SampleSchedule,
    settings: Settings,
  ): readonly Program[];
  /** Trains; the plan has its folder. */
  train(
    device: Device,
    data: Data,
    plan: RunPlan<Description<Config, Settings>>,
    events: TrainEvents,
    heldOut?: Data,
  ): Promise<Trainer>;
}
