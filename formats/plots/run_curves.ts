/**
 * What training runs measure, over their steps: of one run every value thin and light and their
 * course thick, of several runs their courses.
 *
 * @module
 */

import type { Point, Series, XYChart } from "./chart.ts";

/** One value of a measure. */
export interface Reading {
  /** Steps taken so far. */
  readonly step: number;
  /** May be NaN or infinite; such readings are left out, and counted. */
  readonly value: number;
}

/** What one run measured. */
export interface RunReadings {
  /** Name of the run, for the legend. */
  readonly name: string;
  /** In the order of steps. */
  readonly readings: readonly Reading[];
}

/** Width of the window that a course averages over, as a share of the run. */
const smoothing = 0.04;

/** Most stretches of the run that are drawn apart: finer ones are not seen. */
const maximumStretches = 600;

const rawColor = "#a8cbe6";
const courseColor = "#0072b2";

/** Sums of the first 0, 1, 2 ... values. */
function runningSums(values: readonly number[]): Float64Array {
  const sums = new Float64Array(values.length + 1);
  values.forEach((value, index) => sums[index + 1] = sums[index] + value);
  return sums;
}

/** Means over windows; `reach(i)` is how far the window of value i goes to each side. */
function movingMean(values: readonly number[], reach: (index: number) => number): number[] {
  const sums = runningSums(values);
  return values.map((_, index) => {
    const first = Math.max(0, index - reach(index));
    const end = Math.min(values.length, index + reach(index) + 1);
    return (sums[end] - sums[first]) / (end - first);
  });
}

/**
 * The course of noisy readings: means over windows that are centred, so that it does not lag
 * behind, and short at the start of the run, where a loss falls fast.
 *
 * @param readings finite values
 */
export function courseOf(readings: readonly Reading[]): Reading[] {
  const widest = Math.floor(smoothing * readings.length / 2);
  const reach = (index: number) => Math.min(widest, index >> 2);
  // A second pass takes away the corners that windows with sharp ends leave.
  const once = movingMean(readings.map(({ value }) => value), reach);
  const twice = movingMean(once, reach);
  return readings.map(({ step }, index) => ({ step, value: twice[index] }));
}

/** Splits a run into stretches of equally many steps. */
function stretches(readings: readonly Reading[]): Reading[][] {
  const first = readings[0].step;
  const span = readings[readings.length - 1].step - first;
  const parts: Reading[][] = [];
  for (const reading of readings) {
    const share = span > 0 ? (reading.step - first) / span : 0;
    const part = Math.min(maximumStretches - 1, Math.floor(share * maximumStretches));
    (parts[part] ??= []).push(reading);
  }
  return parts.filter(Boolean);
}

/** The least and greatest value of each stretch: looks like all of them in little room. */
function envelope(readings: readonly Reading[]): Reading[] {
  if (readings.length <= 2 * maximumStretches) return [...readings];
  return stretches(readings).flatMap((part) => {
    const least = part.reduce((a, b) => b.value < a.value ? b : a);
    const greatest = part.reduce((a, b) => b.value > a.value ? b : a);
    const ordered = least.step <= greatest.step ? [least, greatest] : [greatest, least];
    return least === greatest ? [least] : ordered;
  });
}

/** One reading a stretch. */
function thinOut(readings: readonly Reading[]): Reading[] {
  if (readings.length <= maximumStretches) return [...readings];
  return [...stretches(readings).map(([first]) => first), readings[readings.length - 1]];
}

/** Whether values fall so far that only a logarithmic axis shows the start and the end. */
function fallsFar(course: readonly Reading[]): boolean {
  const least = course.reduce((least, { value }) => Math.min(least, value), Infinity);
  return least > 0 && course.length > 0 && course[0].value >= 4 * least;
}

function toPoints(readings: readonly Reading[]): Point[] {
  return readings.map(({ step, value }) => ({ x: step, y: value }));
}

/** The lines of the only run of a chart. */
function seriesOfOne(finite: readonly Reading[], course: readonly Reading[]): Series[] {
  return [
    { name: "as logged", points: toPoints(envelope(finite)), weight: "thin", color: rawColor },
    { name: "smoothed", points: toPoints(thinOut(course)), weight: "thick", color: courseColor },
  ];
}

/** Words that are written in their own way. */
const spellings: Readonly<Record<string, string>> = {
  fid: "FID",
  frechet: "Frechet",
  psnr: "PSNR",
  ssim: "SSIM",
};

/** The words of a name in camel case: `evalFrechetDistance` is "Frechet distance of evaluations". */
function words(name: string): string {
  const measured = name.replace(/^eval(?=[A-Z])/, "");
  const text = measured.split(/(?=[A-Z])/).map((part) => part.toLowerCase())
    .map((word) => spellings[word] ?? word).join(" ");
  return measured === name ? text : `${text} of evaluations`;
}

/** What a title calls a measure. */
function titleOf(measure: string): string {
  if (measure === "loss") return "Training loss";
  const text = words(measure);
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function noteOf(leftOut: number): string | undefined {
  if (leftOut === 0) return undefined;
  return `${leftOut} non-finite ${leftOut === 1 ? "value" : "values"} left out`;
}

/**
 * The chart of one measure of some runs, for `renderChart`. Its axis is logarithmic when the values
 * of every run fall to a quarter or less.
 *
 * @param measure its name in `metrics.jsonl`
 * @param subtitle a second, lighter line: the run, the data
 *
 * @example
 * ```ts
 * import { renderChart } from "./render.ts";
 * import { runCurves } from "./run_curves.ts";
 *
 * const readings = [{ step: 1, value: 1.02 }, { step: 2, value: 0.91 }, { step: 3, value: 0.86 }];
 * const chart = runCurves("loss", [{ name: "000-DiT-S-2", readings }], "Fashion-MNIST");
 * const svg = await renderChart(chart);
 * ```
 */
export function runCurves(
  measure: string,
  runs: readonly RunReadings[],
  subtitle?: string,
): XYChart {
  const curves = runs.map(({ name, readings }) => {
    const finite = readings.filter(({ value }) => Number.isFinite(value));
    return { name, finite, course: courseOf(finite), leftOut: readings.length - finite.length };
  });
  const leftOut = curves.reduce((sum, curve) => sum + curve.leftOut, 0);
  const series = curves.length === 1
    ? seriesOfOne(curves[0].finite, curves[0].course)
    : curves.map(({ name, course }): Series => ({ name, points: toPoints(thinOut(course)) }));
  return {
    kind: "xy",
    title: titleOf(measure),
    subtitle: [subtitle, noteOf(leftOut)].filter(Boolean).join(" · ") || undefined,
    x: { title: "step", integer: true },
    y: {
      title: words(measure),
      scale: curves.every(({ course }) => fallsFar(course)) ? "log" : "linear",
    },
    series: series.filter(({ points }) => points.length > 0),
  };
}
