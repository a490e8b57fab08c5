/**
 * The loss of a training run over its steps: what was measured thin and light, its course thick.
 *
 * @module
 */

import type { Point, Series, XYChart } from "./chart.ts";

/** One measured loss. */
export interface LossRecord {
  /** Steps taken so far. */
  readonly step: number;
  /** May be NaN or infinite; such steps are left out. */
  readonly loss: number;
}

/** What a loss curve shows. */
export interface LossCurveData {
  /** Losses as logged, in the order of steps. */
  readonly training: readonly LossRecord[];
  /** Losses on held-out data. */
  readonly validation?: readonly LossRecord[];
  /** Losses on held-out data with the averaged weights. */
  readonly ema?: readonly LossRecord[];
}

/** How a loss curve looks. */
export interface LossCurveOptions {
  /** "Training loss" if not given. */
  readonly title?: string;
  /** A second, lighter line: the model, the data. */
  readonly subtitle?: string;
  /** Name of the loss on its axis, with its unit; "loss" if not given. */
  readonly lossName?: string;
  /** Scale of the steps; `linear` if not given. */
  readonly stepScale?: "linear" | "log";
  /** Scale of the loss; by default `log` when the smoothed loss falls to a quarter or less. */
  readonly lossScale?: "linear" | "log";
  /** Width of the window that the thick curve averages over, as a share of the run; 0.04. */
  readonly smoothing?: number;
}

/** Most stretches of the run that are drawn apart: finer ones are not seen. */
const maximumStretches = 600;

const rawColor = "#a8cbe6";

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
 * A curve through the middle of noisy losses: means over windows that are centred, so that it does
 * not lag behind, and short at the start of the run, where the loss falls fast.
 *
 * @param records finite losses
 * @param smoothing width of the window as a share of all values
 */
export function smoothLoss(records: readonly LossRecord[], smoothing = 0.04): LossRecord[] {
  const widest = Math.floor(smoothing * records.length / 2);
  const reach = (index: number) => Math.min(widest, index >> 2);
  // A second pass takes away the corners that windows with sharp ends leave.
  const once = movingMean(records.map(({ loss }) => loss), reach);
  const twice = movingMean(once, reach);
  return records.map(({ step }, index) => ({ step, loss: twice[index] }));
}

/** Splits the run into stretches of equal width on the axis of steps. */
function stretches(records: readonly LossRecord[], scale: "linear" | "log"): LossRecord[][] {
  const place = ({ step }: LossRecord) => scale === "log" ? Math.log(Math.max(step, 0.5)) : step;
  const first = place(records[0]);
  const span = place(records[records.length - 1]) - first;
  const parts: LossRecord[][] = [];
  for (const record of records) {
    const share = span > 0 ? (place(record) - first) / span : 0;
    const part = Math.min(maximumStretches - 1, Math.floor(share * maximumStretches));
    (parts[part] ??= []).push(record);
  }
  return parts.filter(Boolean);
}

/** The least and greatest loss of each stretch: looks like all of them in little room. */
function envelope(records: readonly LossRecord[], scale: "linear" | "log"): LossRecord[] {
  if (records.length <= 2 * maximumStretches) return [...records];
  return stretches(records, scale).flatMap((part) => {
    const least = part.reduce((a, b) => b.loss < a.loss ? b : a);
    const greatest = part.reduce((a, b) => b.loss > a.loss ? b : a);
    const ordered = least.step <= greatest.step ? [least, greatest] : [greatest, least];
    return least === greatest ? [least] : ordered;
  });
}

/** The scale on which both the start and the end of a run can be read. */
function fittingScale(smooth: readonly LossRecord[]): "linear" | "log" {
  const least = smooth.reduce((least, { loss }) => Math.min(least, loss), Infinity);
  const greatest = smooth.reduce((greatest, { loss }) => Math.max(greatest, loss), -Infinity);
  return least > 0 && greatest >= 4 * least ? "log" : "linear";
}

/** One record a stretch. */
function thinOut(records: readonly LossRecord[], scale: "linear" | "log"): LossRecord[] {
  if (records.length <= maximumStretches) return [...records];
  return [...stretches(records, scale).map(([first]) => first), records[records.length - 1]];
}

function toPoints(records: readonly LossRecord[]): Point[] {
  return records.map(({ step, loss }) => ({ x: step, y: loss }));
}

/**
 * The chart of a training run, for `renderChart`.
 *
 * @example
 * ```ts
 * import { renderChart } from "./chart.ts";
 * import { lossCurve } from "./loss_curve.ts";
 *
 * const training = [{ step: 1, loss: 1.02 }, { step: 2, loss: 0.91 }, { step: 3, loss: 0.86 }];
 * const svg = await renderChart(lossCurve({ training }, { subtitle: "DiT-S/2, Fashion-MNIST" }));
 * ```
 */
export function lossCurve(data: LossCurveData, options: LossCurveOptions = {}): XYChart {
  const { stepScale = "linear", smoothing } = options;
  const { validation = [], ema = [] } = data;
  const training = data.training.filter(({ loss }) => Number.isFinite(loss));
  const leftOut = data.training.length - training.length;
  const losses = leftOut === 1 ? "loss" : "losses";
  const note = leftOut > 0 ? `${leftOut} non-finite ${losses} left out` : undefined;
  const smooth = smoothLoss(training, smoothing);
  const lossScale = options.lossScale ?? fittingScale(smooth);
  const series: Series[] = [
    {
      name: "training, as logged",
      points: toPoints(envelope(training, stepScale)),
      weight: "thin",
      color: rawColor,
    },
    {
      name: "training, smoothed",
      points: toPoints(thinOut(smooth, stepScale)),
      weight: "thick",
      color: "#0072b2",
    },
    {
      name: "validation",
      points: toPoints(validation),
      mark: "line-points",
      color: "#d55e00",
    },
    {
      name: "validation, EMA weights",
      points: toPoints(ema),
      mark: "line-points",
      color: "#009e73",
    },
  ];
  return {
    kind: "xy",
    title: options.title ?? "Training loss",
    subtitle: [options.subtitle, note].filter(Boolean).join(" · ") || undefined,
    x: { title: "step", scale: stepScale, integer: true },
    y: { title: options.lossName ?? "loss", scale: lossScale },
    series: series.filter(({ points }) => points.length > 0),
  };
}
