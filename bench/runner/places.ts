/**
 * Where rows are measured. Each row has a device of its own, so that its peak memory is its own; a row
 * that fails is reported with the reason, and the sweep goes on.
 *
 * @module
 */
import { describeVectors, type Device, type VectorWidth } from "../../kernels/device.ts";
import type { DeviceName } from "../../kernels/devices.ts";
import type { FloatType } from "../../kernels/shape.ts";
import { selectDevice } from "../../kernels/select_device.ts";

/** Where rows are measured. */
export interface Place {
  /** Which device; `auto` as `selectDevice` decides. */
  readonly device: "auto" | DeviceName;
  /** Threads of a device on the processor; one a core when absent. */
  readonly threads?: number;
  /** No relaxed multiply-add on wasm. */
  readonly strictMath?: boolean;
  /** How results of operations are kept; `f32` when absent. */
  readonly activations?: FloatType;
}

/** The device that a place turned out to be. */
export interface MeasuredPlace {
  /** There are numbers. */
  readonly status: "ok";
  /** The name of the kind that was taken. */
  readonly device: string;
  /** Threads of a device on the processor. */
  readonly threads?: number;
  /** How results of operations were kept. */
  readonly activations: FloatType;
  /** The device's own words. */
  readonly description: string;
  /** Vectors of the processor that it computes with, and why. */
  readonly vectors?: VectorWidth;
  /** Whether it emulates a GPU on the processor. */
  readonly software: boolean;
}

/** A place that could not be measured. */
export interface FailedPlace {
  /** What went wrong. */
  readonly status: string;
  /** The device that was asked for. */
  readonly device: Place["device"];
  readonly threads?: number;
  readonly activations?: FloatType;
}

/** A row's place and numbers, or why there are none. */
export type Outcome<Numbers> = (MeasuredPlace & Numbers) | FailedPlace;

/** Measures on a device of its own; never throws because of what is measured. */
export async function measureAt<Numbers>(
  place: Place,
  measure: (device: Device) => Promise<Numbers>,
): Promise<Outcome<Numbers>> {
  try {
    const { device } = await selectDevice(place);
    try {
      return { ...await measuredPlace(device, place), ...await measure(device) };
    } finally {
      device.close();
    }
  } catch (error) {
    const status = error instanceof Error ? error.message : String(error);
    const { device, threads, activations } = place;
    return { status, device, threads, activations };
  }
}

async function measuredPlace(
  { kind, description, vectors, activations = "f32" }: Device,
  { threads }: Place,
): Promise<MeasuredPlace> {
  return {
    status: "ok",
    device: kind.name,
    threads: kind.threads && (threads ?? navigator.hardwareConcurrency),
    activations,
    description,
    vectors,
    software: (await kind.probe()).software,
  };
}

/** Whether a row has numbers. */
export function isMeasured<Row extends { readonly status: string }>(
  row: Row,
): row is Extract<Row, MeasuredPlace> {
  return row.status === "ok";
}

/** A place in a cell of a table. */
export function describePlace(row: MeasuredPlace | FailedPlace): string {
  const threads = row.threads === undefined ? "" : ` ${row.threads}t`;
  const halves = row.activations === "f16" ? " f16" : "";
  if (!isMeasured(row)) return `${row.device}${threads}${halves}`;
  const bits = row.vectors ? ` ${row.vectors.bits}-bit` : "";
  return `${row.device}${threads}${bits}${halves}${row.software ? " (software)" : ""}`;
}

/** The device's own words, with the width of its vectors. */
export function describeDevice(
  { description, vectors }: Pick<Device, "description" | "vectors">,
): string {
  return vectors ? `${description}; ${describeVectors(vectors)}` : description;
}

/** One line for each device that was measured: what it is. */
export function deviceNotes(rows: readonly (MeasuredPlace | FailedPlace)[]): string[] {
  return [...new Set(rows.filter(isMeasured).map(describeDevice))];
}
