/**
 * What the charts of evaluations share: accuracies in percent, and one series a line of settings.
 *
 * @module
 */
import type { Axis, Point, Series } from "../../formats/plots/chart.ts";
import { accuracyInterval } from "../../metrics/accuracy.ts";
import type { SettingKind, SettingRow } from "../report/report.ts";

/** The axis of accuracies. */
export const accuracyAxis: Axis = { title: "top-1 accuracy (%)" };

/** What a subtitle says about error bars of accuracies. */
export const intervalNote = "bars: 95 % intervals";

/** How far the 95 % interval of an accuracy reaches below and above it, in percent. */
export function accuracyReach(accuracy: number, images: number): [below: number, above: number] {
  const [low, high] = accuracyInterval(accuracy, images);
  return [100 * (accuracy - low), 100 * (high - accuracy)];
}

/** An accuracy with its interval as a point, in percent. */
export function accuracyPoint(x: number, accuracy: number, images: number): Point {
  return { x, y: 100 * accuracy, error: accuracyReach(accuracy, images) };
}

/** Kinds of settings in a legend. */
const kindNames: Readonly<Record<SettingKind, string>> = {
  native: "native size",
  square: "square",
  tokens: "aspect ratio kept",
  resolution: "given resolution",
  padded: "native size, padded",
};

/** Settings that belong on one line, from the cheapest up. */
export interface SettingLine {
  /** Checkpoint and kind, as far as they differ. */
  readonly name: string;
  /** Ordered by tokens. */
  readonly rows: readonly SettingRow[];
}

/** Sorts settings into lines: one a checkpoint and kind. */
function settingLines(settings: readonly SettingRow[]): SettingLine[] {
  const hasCheckpoints = new Set(settings.map(({ checkpoint }) => checkpoint)).size > 1;
  const nameOf = ({ checkpoint, kind }: SettingRow) =>
    hasCheckpoints ? `${checkpoint}, ${kindNames[kind]}` : kindNames[kind];
  const lines = Map.groupBy(settings, nameOf);
  return [...lines].map(([name, rows]) => ({
    name,
    rows: rows.toSorted((a, b) => a.tokens - b.tokens),
  }));
}

/** One series a line of settings. */
export function settingSeries(
  settings: readonly SettingRow[],
  toPoint: (row: SettingRow) => Point,
  mark: Series["mark"],
): Series[] {
  return settingLines(settings).map(({ name, rows }) => ({
    name,
    mark,
    points: rows.map(toPoint),
  }));
}
