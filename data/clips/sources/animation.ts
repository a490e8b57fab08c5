/**
 * Animated pictures: WebP and GIF.
 *
 * @module
 */
import { attempt, mostPixels, mostSeconds, withinSeconds } from "../../pictures/attempt.ts";
import { type Picture, pixelsOf } from "../../pictures/picture.ts";
import type { ClipHead, ClipSource, FramePlace, SourceKind } from "./source.ts";

/**
 * Shortest time of a frame in milliseconds that browsers keep to; they show shorter ones for
 * {@link usualDelay}, and so are files meant that leave the time out.
 */
const shortestDelay = 11;
const usualDelay = 100;

/** Pixels decoded at once: frames of an animation are decoded in runs. */
const pixelsAtOnce = 1 << 24;

/** Animations that sharp reads. A picture that does not move is one of a single frame. */
export const animation: SourceKind = { head, frames };

async function head({ path }: ClipSource): Promise<ClipHead> {
  const { width, height, pages = 1, delay = [] } = await attempt(
    path,
    path,
    async (open) => await withinSeconds(mostSeconds, open(mostPixels).metadata()),
  );
  const starts = new Float64Array(pages + 1);
  for (let index = 0; index < pages; index++) {
    const shown = delay[index] ?? usualDelay;
    starts[index + 1] = starts[index] + (shown < shortestDelay ? usualDelay : shown) / 1000;
  }
  return { width, height, frames: pages, starts };
}

async function* frames(
  { path }: ClipSource,
  places: readonly FramePlace[],
): AsyncGenerator<Picture> {
  const { width, height } = await head({ kind: "animation", path });
  const longest = Math.max(1, Math.floor(pixelsAtOnce / (width * height)));
  for (const run of runsOf(places, longest)) {
    const page = run[0].index;
    const pages = run.at(-1)!.index - page + 1;
    const tall = await attempt(path, path, async (open) => {
      return await withinSeconds(mostSeconds, pixelsOf(open(mostPixels, { page, pages })));
    });
    const size = tall.data.length / pages;
    for (const { index } of run) {
      const start = (index - page) * size;
      yield { width, height, channels: 3, data: tall.data.subarray(start, start + size) };
    }
  }
}

/** Divides ascending places into runs that span at most so many frames. */
function runsOf(places: readonly FramePlace[], longest: number): FramePlace[][] {
  const runs: FramePlace[][] = [];
  for (const place of places) {
    const run = runs.at(-1);
    if (run && place.index - run[0].index < longest) run.push(place);
    else runs.push([place]);
  }
  return runs;
}
