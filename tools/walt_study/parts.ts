/**
 * The parts of the study: kinds of clips, with the runs that are trained on them and how these are measured.
 *
 * @module
 */
import { distanceOf, motionOf } from "./measures.ts";
import {
  animationClips,
  animationFlags,
  animationStudies,
  movingFlags,
  movingStudies,
  type Study,
} from "./studies.ts";
import type { StudySettings } from "./tool.ts";

/** A measure of clips. */
export interface ClipMeasure {
  /** Its name in the results. */
  readonly field: string;
  readonly title: string;
  /** What results are multiplied with, to be shown. */
  readonly factor: number;
}

/** Runs on one kind of clips, which are measured alike. */
export interface Part {
  readonly name: string;
  /** Its folder in that of the study. */
  readonly folder: string;
  readonly studies: readonly Study[];
  /** Flags of all its runs. */
  readonly flags: readonly string[];
  /** Steps of its runs, unless told. */
  readonly steps: number;
  /** Clips that are drawn to measure a run, the same number of each class. */
  readonly clipsDrawn: number;
  /** Measures the clips of an archive. */
  measure(settings: StudySettings, path: string): Promise<Readonly<Record<string, number>>>;
  /** Its measures; the last is the one of the chart. */
  readonly measures: readonly ClipMeasure[];
  /** What they are, in words. */
  readonly about: string;
  /** Picture of the chart, and what stands above it. */
  readonly chart: {
    readonly file: string;
    readonly title: string;
    readonly shows: string;
    readonly axis: string;
    readonly domain?: [number, number];
  };
}

const movingPictures: Part = {
  name: "moving pictures",
  folder: "",
  studies: movingStudies,
  flags: movingFlags,
  steps: 1000,
  clipsDrawn: 256,
  measure: motionOf,
  measures: [
    { field: "direction", title: "direction %", factor: 100 },
    { field: "speed", title: "speed %", factor: 100 },
    { field: "motion", title: "motion %", factor: 100 },
  ],
  about: "Motion: direction and speed are those of the class.",
  chart: {
    file: "walt-study.png",
    title: "Claims of W.A.L.T, on pictures that move",
    shows: "clips in the right direction at the right speed",
    axis: "clips %",
    domain: [0, 100],
  },
};

const animations: Part = {
  name: "animations",
  folder: "animations",
  studies: animationStudies,
  flags: animationFlags,
  steps: 2000,
  clipsDrawn: animationClips.count,
  measure: distanceOf,
  measures: [{ field: "distance", title: "Frechet distance", factor: 1 }],
  about:
    `Frechet distance: from the ${animationClips.count} clips of ${animationClips.frames} frames of ` +
    `${animationClips.size} x ${animationClips.size} in shipped:motion, which the runs were trained on, by ` +
    "features of a classifier of single frames (eval clips with a NaViT of width 32), so that nothing is " +
    "said of clips that no run has seen. It is 0 for these clips themselves, and means the same for all " +
    "runs, which the loss does not.",
  chart: {
    file: "walt-study-animations.png",
    title: "Claims of W.A.L.T, on animations",
    shows: "Frechet distance of frame features, less is better,",
    axis: "Frechet distance",
  },
};

/** All parts. */
export const parts: readonly Part[] = [movingPictures, animations];
