/**
 * Accuracy class by class as bars, from the best down.
 *
 * @module
 */
import type { BarChart } from "../../formats/plots/chart.ts";
import type { ClassRow } from "../../metrics/accuracy.ts";
import type { ClassTable } from "../report/report.ts";
import { accuracyReach, intervalNote } from "./series.ts";

/** Bars that are still read one by one; of more classes the best and the worst are shown. */
const maximumBars = 40;

/** The chart; classes without images are left out. */
export function classChart({ name, rows }: ClassTable): BarChart {
  const measured = rows
    .flatMap(({ accuracy, ...row }) => accuracy === undefined ? [] : [{ ...row, accuracy }])
    .toSorted((a, b) => b.accuracy - a.accuracy);
  const half = maximumBars / 2;
  const isCut = measured.length > maximumBars;
  const shown = isCut ? [...measured.slice(0, half), ...measured.slice(-half)] : measured;
  const cut = isCut ? ` · the best and the worst ${half} of ${measured.length} classes` : "";
  return {
    kind: "bar",
    title: "Accuracy by class",
    subtitle: `${name} · ${intervalNote}${cut}`,
    value: { title: "accuracy (%)" },
    bars: shown.map((row) => ({ category: labelOf(row), ...barOf(row) })),
  };
}

function labelOf({ name, images }: Pick<ClassRow, "name" | "images">): string {
  return `${name} (n ${images.toLocaleString("en-US")})`;
}

function barOf({ accuracy, images }: { readonly accuracy: number; readonly images: number }) {
  return { value: 100 * accuracy, error: accuracyReach(accuracy, images) };
}
