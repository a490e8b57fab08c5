/**
 * Which frames of a source make clips. A clip plays at the speed of its source: what is chosen is how
 * often the source is looked at, and frames are never moved in time.
 *
 * @module
 */
import type { ClipHead, FramePlace } from "./sources/source.ts";

/** What clips are to be like. */
export interface WindowOptions {
  /** Frames of a clip, at least 1. */
  readonly frames: number;
  /** Frames a second at which sources are looked at; those of the source unless told. */
  readonly fps?: number;
  /** Every how-many-th frame of a source is taken, where `fps` is not given; 1 unless told. */
  readonly stride?: number;
  /** Frames from the beginning of a clip to that of the next; those of a clip unless told. */
  readonly hop?: number;
  /** Frames a second of folders of pictures, which say nothing of it; `fps`, or else 24. */
  readonly folderFps?: number;
}

/** A clip: frames of a source. */
export interface Window {
  /** In the order of the clip, never going back; a frame that is shown for long may be repeated. */
  readonly places: readonly FramePlace[];
  /** Frames a second. */
  readonly fps: number;
}

/** Why no clip can be made of a source. */
export type WindowProblem = "too short" | "too slow" | "nothing moves";

/** The clips of a source, or why there are none. */
export interface Windows {
  /** Frames a second of the source: 1 over the usual time of a frame. */
  readonly fps: number;
  /** Whether that rate is an assumption. */
  readonly isAssumed: boolean;
  /** Whether all frames are shown for about as long. */
  readonly isEven: boolean;
  /** Seconds. */
  readonly duration: number;
  /** The clips, in order. */
  readonly windows: readonly Window[];
  /** How many more there would be in which one frame is shown all the time. */
  readonly still: number;
  /** Why there are none. */
  readonly problem?: WindowProblem;
  /** What there is and what would be needed. */
  readonly detail?: string;
}

/** Frames a second of a folder of pictures where nothing tells. */
const usualFolderFps = 24;

/** A rate that is lower by so much is still the one asked for: 23.976 for 24, 42 ms for 24. */
const rateTolerance = 0.02;

/** Times of frames are rounded to so many seconds in some formats (GIF). */
const timeRounding = 0.01;

/** Chooses the clips of a source. */
export function planWindows(head: ClipHead, options: WindowOptions): Windows {
  const { folderFps = options.fps ?? usualFolderFps } = options;
  // Times that stand still say nothing either.
  const told = head.starts && head.starts[head.frames] > head.starts[0] ? head.starts : undefined;
  const starts = told ??
    Float64Array.from({ length: head.frames + 1 }, (_, index) => index / folderFps);
  const durations = starts.subarray(1).map((end, index) => end - starts[index]);
  const duration = starts[head.frames] - starts[0];
  const period = durations.toSorted()[durations.length >> 1] || duration / head.frames;
  const timing = {
    fps: 1 / period,
    isAssumed: told === undefined,
    isEven: durations.every((duration) =>
      Math.abs(duration - period) <= timeRounding + period / 10
    ),
    duration,
  };
  const { fps } = options;
  if (fps !== undefined && period * fps > 1 + rateTolerance) {
    const detail = `${formatFps(1 / period)}, ${formatFps(fps)} wanted`;
    return { ...timing, windows: [], still: 0, problem: "too slow", detail };
  }
  const { windows, still } = chooseWindows(starts, period, options);
  if (windows.length > 0) return { ...timing, windows, still };
  if (still > 0) {
    const detail = "one frame is shown all the time";
    return { ...timing, windows, still, problem: "nothing moves", detail };
  }
  const detail = fps === undefined
    ? `${countFrames(head.frames)}, ${neededFrames(options)} needed`
    : `${formatSeconds(duration)}, ${options.frames} frames at ${formatFps(fps)} take ` +
      formatSeconds(options.frames / fps);
  return { ...timing, windows, still, problem: "too short", detail };
}

const neededFrames = ({ frames, stride = 1 }: WindowOptions): number => (frames - 1) * stride + 1;

/** The clips that fit into a source, one after the other; of those in which nothing moves the number. */
function chooseWindows(
  starts: Float64Array,
  period: number,
  { frames, fps, stride = 1, hop = frames }: WindowOptions,
): Pick<Windows, "windows" | "still"> {
  const indexAt = fps === undefined
    ? (sample: number) => sample * stride
    : shownAt(starts, period, fps);
  const count = starts.length - 1;
  // Clips that overlap have frames in common: with a hop of 1 an hour has a million places, of 86,400 frames.
  const made = new Map<number, FramePlace>();
  const placeOf = (index: number): FramePlace => {
    const place = made.get(index) ?? { index, start: starts[index] };
    made.set(index, place);
    return place;
  };
  const windows: Window[] = [];
  let still = 0;
  for (let first = 0; indexAt(first + frames - 1) < count; first += hop) {
    const [from, to] = [indexAt(first), indexAt(first + frames - 1)];
    if (frames > 1 && from === to) {
      // A frame may claim to be shown for years.
      const alike = countWhile((more) => indexAt(first + more * hop + frames - 1) === from);
      still += alike;
      first += (alike - 1) * hop;
      continue;
    }
    const places = Array.from({ length: frames }, (_, frame) => placeOf(indexAt(first + frame)));
    windows.push({ places, fps: fps ?? 1 / (period * stride) });
  }
  return { windows, still };
}

/** How many of the numbers 0, 1, 2, ... hold, of which all before one that holds do; 0 does. */
function countWhile(holds: (number: number) => boolean): number {
  let above = 1;
  while (holds(above)) above *= 2;
  let below = Math.floor(above / 2);
  while (above - below > 1) {
    const middle = Math.floor((below + above) / 2);
    if (holds(middle)) below = middle;
    else above = middle;
  }
  return above;
}

/**
 * The frame that is shown at the times 0, 1 / fps, 2 / fps, ... of a source. Times are taken half a
 * frame of the source later, so that a time that is rounded down does not mean the frame before.
 */
function shownAt(starts: Float64Array, period: number, fps: number): (sample: number) => number {
  return (sample) => {
    const time = starts[0] + sample / fps + period / 2;
    let [low, high] = [0, starts.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (starts[middle] <= time) low = middle;
      else high = middle;
    }
    return low;
  };
}

/** A frame rate as people read it. */
export const formatFps = (fps: number): string =>
  `${Number(fps < 0.01 ? fps.toPrecision(1) : fps.toFixed(2))} fps`;

/** A time as people read it. */
export const formatSeconds = (seconds: number): string => `${Number(seconds.toFixed(2))} s`;

/** A number of frames with its noun. */
export const countFrames = (frames: number): string => `${frames} frame${frames === 1 ? "" : "s"}`;
