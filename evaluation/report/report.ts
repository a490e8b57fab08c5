/**
 * The report of an evaluation as data: what was evaluated, where, how, and everything that was
 * measured. Shares are numbers from 0 to 1 here; tables and charts show them in percent.
 *
 * Written as JSON it is complete: text, CSV and HTML are functions of it.
 *
 * @module
 */
import type { Machine } from "../../base/machine.ts";
import type { ClassRow } from "../../metrics/accuracy.ts";
import type { CalibrationBucket } from "../../metrics/calibration.ts";
import type { Cascade } from "../../metrics/cascade.ts";
import type { ProbeResult } from "../../metrics/linear_probe.ts";
import type { RobustnessTable } from "../../metrics/robustness.ts";

/**
 * How images become tokens.
 *
 * - `native`: at their own resolution and aspect ratio
 * - `square`: resized to a square, as for a ViT
 * - `tokens`: resized with their aspect ratio to a number of tokens
 * - `resolution`: resized with their aspect ratio to the area of a square
 * - `padded`: as `native`, one image a sequence, filled up instead of packed
 */
export type SettingKind = "native" | "square" | "tokens" | "resolution" | "padded";

/** One checkpoint under one setting. */
export interface SettingRow {
  /** Name of the checkpoint. */
  readonly checkpoint: string;
  /** Name of the setting: "256 tokens", "224 x 224". */
  readonly setting: string;
  /** How images become tokens. */
  readonly kind: SettingKind;
  /** Mean tokens of an image, padding left out. */
  readonly tokens: number;
  /** Multiply-adds of an image: those of the graph that ran, divided by its images. */
  readonly multiplyAdds: number;
  /** Measured time of the model for an image, in ms. */
  readonly milliseconds: number;
  /** Images a second with everything: reading, resizing, packing, the model. */
  readonly imagesPerSecond: number;
  /** Share of the images whose class was predicted first. */
  readonly top1: number;
  /** Share whose class was among the first five; absent where there are no more than five. */
  readonly top5?: number;
  /** Images that were classified. */
  readonly images: number;
  /** Expected calibration error of the top-1 probability. */
  readonly calibrationError: number;
  /** Share of the places in packed sequences that held a token; absent where nothing is packed. */
  readonly fillRate?: number;
}

/** Accuracy class by class. */
export interface ClassTable {
  /** Which checkpoint and setting. */
  readonly name: string;
  /** In the order of the classes. */
  readonly rows: readonly ClassRow[];
}

/** What a reliability diagram shows. */
export interface CalibrationTable {
  /** Which checkpoint and setting. */
  readonly name: string;
  /** Expected calibration error. */
  readonly error: number;
  /** From confidence 0 to 1. */
  readonly buckets: readonly CalibrationBucket[];
}

/** What an image costs. */
export type CostKind = "milliseconds" | "multiplyAdds";

/** Cascades between the settings of one checkpoint. */
export interface CascadeTable {
  /** The unit of all costs in it. */
  readonly cost: CostKind;
  /** One a pair of settings. */
  readonly cascades: readonly Cascade[];
}

/** A linear probe of one checkpoint. */
export interface ProbeRow extends ProbeResult {
  /** Which checkpoint and setting. */
  readonly name: string;
}

/** Everything that an evaluation has to say. */
export interface EvaluationReport {
  /** Where it was measured. */
  readonly machine: Machine;
  /** The device's own words. */
  readonly device: string;
  /** Name or description of the model. */
  readonly model: string;
  /** Path of the checkpoint, or of the folder of checkpoints. */
  readonly checkpoint: string;
  /** Name of the data set, with the part that was used. */
  readonly dataSet: string;
  /** How it was measured, in sentences: preprocessing, probabilities, what was timed. */
  readonly protocol: readonly string[];
  /** One a checkpoint and setting. */
  readonly settings: readonly SettingRow[];
  /** Accuracy class by class. */
  readonly classes?: ClassTable;
  /** One a reliability curve. */
  readonly calibration?: readonly CalibrationTable[];
  /** Cascades. */
  readonly cascades?: CascadeTable;
  /** Linear probes. */
  readonly probes?: readonly ProbeRow[];
  /** Accuracy under changes of the images. */
  readonly robustness?: readonly RobustnessTable[];
}

/** The report as one JSON document. */
export function reportJson(report: EvaluationReport): string {
  return JSON.stringify(report, null, 2);
}
