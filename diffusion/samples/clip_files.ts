/**
 * Sampled clips as files: a video for each and a contact sheet, each saying how it was made.
 *
 * @module
 */
import { join } from "@std/path";
import { writeBytesAtomically, writeTextAtomically } from "../../formats/files/atomic_file.ts";
import { setPngMetadata } from "../../formats/pictures/png.ts";
import type { Clip } from "../../formats/video/clip.ts";
import { type ClipFormat, writeClip } from "../../formats/video/clip_files.ts";
import type { WeightType } from "../../nn/parameters.ts";
import type { GuidanceSchedule } from "../guidance.ts";
import type { GridText } from "./picture_files.ts";
import { recordPath, removeSamples, samplePath } from "./folder.ts";

/** How clips were made; stored in every file. */
export interface ClipRecord {
  /** Path of the weights. */
  readonly weights: string;
  /** How they were stored on the device. */
  readonly dtype: WeightType;
  /** Optimizer steps behind the weights, if known. */
  readonly step?: number;
  /** Size and shape of the model. */
  readonly config: object;
  /** Path of the tokenizer that decoded what the model drew; absent: none did. */
  readonly tokenizer?: string;
  /** What clips were drawn from besides their classes, by what it is. */
  readonly given?: Readonly<Record<string, unknown>>;
  /** Name of the sampler. */
  readonly sampler: string;
  /** Sampler steps a clip, 1 to 1000. */
  readonly samplingSteps: number;
  /** Scale of classifier-free guidance; 1 is off. */
  readonly cfgScale: number;
  /** How guidance goes along the steps; absent: it is the same in all. */
  readonly cfgSchedule?: GuidanceSchedule;
  /** Seed of the start noise. */
  readonly seed: number;
  /** Path of the start noise, when it was given instead of drawn from the seed. */
  readonly noise?: string;
  /** One line for people. */
  readonly device: string;
  /** Frames of a clip. */
  readonly frames: number;
  /** Frames a second. */
  readonly fps: number;
  /** Class of each clip; absent for models without. */
  readonly labels?: readonly number[];
  /** Names in the order of the labels. */
  readonly classNames: readonly string[];
  /** What each clip is told, for models with text. */
  readonly captions?: readonly string[];
}

/** How clips are written. */
export interface ClipOutput {
  readonly format: ClipFormat;
  /** 1 to 100, see `writeClip`. */
  readonly quality?: number;
  /** What stands on the sheet. */
  readonly text: GridText;
}

/** Clips on a sheet at most. */
const sheetClips = 24;

/** The contact sheet among the clips of a folder. */
export const sheetPath = (folder: string): string => join(folder, "sheet.png");

/** What clip `index` is called: its caption or its class. */
export function clipTitle(
  { labels, classNames, captions }: Pick<ClipRecord, "labels" | "classNames" | "captions">,
  index: number,
): string {
  const label = labels?.[index];
  return captions?.[index] ?? (label === undefined ? `${index}` : classNames[label] ?? `${label}`);
}

/**
 * Passes batches of clips on, each written before to a folder as `000000.mp4` and so on; after the last one
 * come `sheet.png`, with the first 24 clips, and `samples.json`. As soon as there is a clip, those of an
 * earlier run make room.
 *
 * @param earlier from `findEarlierSamples`
 */
export async function* teeClips(
  folder: string,
  batches: AsyncIterable<readonly Clip[]>,
  record: ClipRecord,
  { format, quality, text }: ClipOutput,
  earlier: readonly string[] = [],
): AsyncGenerator<readonly Clip[]> {
  const { labels, captions, ...shared } = record;
  const onSheet: Clip[] = [];
  let index = 0;
  for await (const batch of batches) {
    if (index === 0) await removeSamples(earlier);
    for (const clip of batch) {
      const parameters = { ...shared, index, label: labels?.[index], caption: captions?.[index] };
      await writeClip(samplePath(folder, index), format, clip, { parameters, quality });
      if (index < sheetClips) onSheet.push(clip);
      index++;
    }
    yield batch;
  }
  await writeBytesAtomically(sheetPath(folder), await sampleSheet(onSheet, record, text));
  const json = `${JSON.stringify(record, null, 2)}\n`;
  await writeTextAtomically(recordPath(folder), json);
}

/** A contact sheet as PNG bytes, a row a clip. */
export async function sampleSheet(
  clips: readonly Clip[],
  record: ClipRecord,
  text: GridText,
): Promise<Uint8Array> {
  const names = clips.map((_, index) => clipTitle(record, index));
  // What draws letters is loaded with the first sheet.
  const { clipSheet } = await import("../../formats/video/clip_sheet.ts");
  const drawn = {
    ...record,
    labels: record.labels?.slice(0, clips.length),
    captions: record.captions?.slice(0, clips.length),
  };
  return setPngMetadata(await clipSheet(clips, { ...text, names }), drawn, "sheet");
}
