/** What the tests of sets of clips share. */

import { dirname, join } from "@std/path";
import { encodePng } from "../../../formats/pictures/bitmap.ts";
import { encodeWebp } from "../../../formats/video/animated_webp.ts";
import { framesOf } from "../../../formats/video/clip.ts";
import { encodeMp4 } from "../../../formats/video/mp4_writer.ts";
import { movingSpot } from "../../formats/video/clips.ts";

/** A clip in a file of the kind that its name says, or in a folder of numbered pictures. */
export async function writeClipAs(
  path: string,
  { frames = 4, height = 8, width = 8, fps = 8 } = {},
): Promise<void> {
  const clip = movingSpot(frames, height, width, 3, fps);
  await Deno.mkdir(dirname(path), { recursive: true });
  if (path.endsWith(".webp")) return await Deno.writeFile(path, await encodeWebp(clip));
  if (path.endsWith(".mp4")) return await Deno.writeFile(path, await encodeMp4(clip));
  if (path.endsWith(".gif")) return await Deno.writeFile(path, await encodeGif(clip));
  await Deno.mkdir(path, { recursive: true });
  for (const [index, frame] of framesOf(clip).entries()) {
    // Written so that only numbers bring them in order: 8, 9, 10.
    await Deno.writeFile(join(path, `frame-${index + 8}.png`), await encodePng(frame));
  }
}

async function encodeGif(
  { frames, height, width, data, fps }: ReturnType<typeof movingSpot>,
): Promise<Uint8Array> {
  const { default: sharp } = await import("sharp");
  const raw = { width, height: height * frames, channels: 3, pageHeight: height } as const;
  const delay = new Array(frames).fill(Math.round(1000 / fps));
  return await sharp(data, { raw }).gif({ delay, colours: 256, dither: 0 }).toBuffer();
}
