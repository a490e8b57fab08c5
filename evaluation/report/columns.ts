/**
 * The columns of the tables in a report. Shares are shown in percent.
 *
 * @module
 */
import type { Column } from "../../formats/text/table.ts";
import { accuracyInterval, type ClassRow, type Interval } from "../../metrics/accuracy.ts";
import type { CalibrationBucket } from "../../metrics/calibration.ts";
import type { Cascade, CascadePoint } from "../../metrics/cascade.ts";
import type { RobustnessRow, RobustnessTable } from "../../metrics/robustness.ts";
import type { CostKind, ProbeRow, SettingRow } from "./report.ts";

/** A share in percent; nothing stays nothing. */
function percent(share: number | undefined): number | undefined {
  return share === undefined ? undefined : 100 * share;
}

/** The two ends of a 95 % interval, in percent. */
function intervalColumns<Row>(interval: (row: Row) => Interval | undefined): Column<Row>[] {
  return [
    { title: "low", value: (row) => percent(interval(row)?.[0]), digits: 2 },
    { title: "high", value: (row) => percent(interval(row)?.[1]), digits: 2 },
  ];
}

/** Settings: accuracy with its interval, cost, speed. */
export const settingColumns: readonly Column<SettingRow>[] = [
  { title: "checkpoint", value: ({ checkpoint }) => checkpoint },
  { title: "setting", value: ({ setting }) => setting },
  { title: "kind", value: ({ kind }) => kind },
  { title: "tokens", value: ({ tokens }) => tokens, digits: 1 },
  { title: "MACs (M)", value: ({ multiplyAdds }) => multiplyAdds / 1e6, digits: 1 },
  { title: "ms/image", value: ({ milliseconds }) => milliseconds, digits: 3 },
  { title: "images/s", value: ({ imagesPerSecond }) => imagesPerSecond, digits: 1 },
  { title: "top-1 (%)", value: ({ top1 }) => percent(top1), digits: 2 },
  ...intervalColumns<SettingRow>(({ top1, images }) => accuracyInterval(top1, images)),
  { title: "top-5 (%)", value: ({ top5 }) => percent(top5), digits: 2 },
  { title: "n", value: ({ images }) => images },
  { title: "ECE", value: ({ calibrationError }) => calibrationError, digits: 4 },
  { title: "fill (%)", value: ({ fillRate }) => percent(fillRate), digits: 1 },
];

/** Classes. */
export const classColumns: readonly Column<ClassRow>[] = [
  { title: "class", value: ({ name }) => name },
  { title: "images", value: ({ images }) => images },
  { title: "correct", value: ({ correct }) => correct },
  { title: "accuracy (%)", value: ({ accuracy }) => percent(accuracy), digits: 1 },
  ...intervalColumns<ClassRow>(({ accuracy, images }) =>
    accuracy === undefined ? undefined : accuracyInterval(accuracy, images)
  ),
  { title: "taken for it", value: ({ predicted }) => predicted },
];

/** Buckets of a reliability diagram. */
export const bucketColumns: readonly Column<CalibrationBucket>[] = [
  { title: "from", value: ({ low }) => low, digits: 3 },
  { title: "to", value: ({ high }) => high, digits: 3 },
  { title: "images", value: ({ images }) => images },
  { title: "confidence (%)", value: ({ confidence }) => percent(confidence), digits: 2 },
  { title: "accuracy (%)", value: ({ accuracy }) => percent(accuracy), digits: 2 },
];

/** A cascade at one share, with the settings that it joins. */
export type CascadeRow = CascadePoint & Pick<Cascade, "first" | "second">;

/** Cascades, with costs in a unit. */
export function cascadeColumns(cost: CostKind): Column<CascadeRow>[] {
  const costColumn: Column<CascadeRow> = cost === "milliseconds"
    ? { title: "ms/image", value: ({ cost }) => cost, digits: 3 }
    : { title: "MACs (M)", value: ({ cost }) => cost / 1e6, digits: 1 };
  return [
    { title: "all images", value: ({ first }) => first },
    { title: "then", value: ({ second }) => second },
    { title: "share (%)", value: ({ share }) => percent(share), digits: 1 },
    { title: "confidence at most", value: ({ threshold }) => threshold, digits: 4 },
    costColumn,
    { title: "top-1 (%)", value: ({ accuracy }) => percent(accuracy), digits: 2 },
  ];
}

/** Linear probes. */
export const probeColumns: readonly Column<ProbeRow>[] = [
  { title: "features of", value: ({ name }) => name },
  { title: "shots", value: ({ shots }) => shots },
  { title: "classes", value: ({ classes }) => classes },
  { title: "n", value: ({ images }) => images },
  { title: "seeds", value: ({ runs }) => runs.map(({ seed }) => seed).join(" ") },
  { title: "top-1 (%)", value: ({ mean }) => percent(mean), digits: 2 },
  { title: "sd (%)", value: ({ deviation }) => percent(deviation), digits: 2 },
];

/** Robustness over one kind of change; pixels have no decimals, aspect ratios do. */
export function robustnessColumns({ shift, rows }: RobustnessTable): Column<RobustnessRow>[] {
  const digits = rows.every(({ value }) => Number.isInteger(value)) ? 0 : 2;
  return [
    { title: shift, value: ({ value }) => value, digits },
    { title: "top-1 (%)", value: ({ accuracy }) => percent(accuracy), digits: 2 },
    { title: "difference (points)", value: ({ difference }) => percent(difference), digits: 2 },
    ...intervalColumns<RobustnessRow>(({ differenceInterval }) => differenceInterval),
    { title: "of the base (%)", value: ({ relative }) => percent(relative), digits: 1 },
  ];
}
