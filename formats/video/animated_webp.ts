/**
 * Clips as animated WebP, which every browser shows in a page.
 *
 * @module
 */
import { loadSharp } from "../pictures/bitmap.ts";
import { escapeXml } from "../text/xml.ts";
import { type Clip, requireRate } from "./clip.ts";

/** How a clip becomes an animated WebP. */
export interface WebpOptions {
  /** 1 (small) to 100 (large); without it every pixel is kept. */
  readonly quality?: number;
  /** A text that the file carries as its description, such as parameters as JSON. */
  readonly comment?: string;
}

/** Longest time of a frame in milliseconds: the format has 24 bits, and sharp takes 16. */
const longestDelay = 2 ** 16 - 1;

/** How long each frame is shown, in whole milliseconds that do not drift from the frame rate. */
export function frameDelays({ frames, fps }: Pick<Clip, "frames" | "fps">): number[] {
  const at = (index: number) => Math.round(1000 * index / fps);
  return Array.from(
    { length: frames },
    (_, index) => Math.max(at(index + 1) - at(index), 1),
  );
}

/**
 * A clip as an animated WebP that plays over and over.
 *
 * @throws {InputError} when a frame is shown for longer than a minute
 */
export async function encodeWebp(
  clip: Clip,
  { quality, comment }: WebpOptions = {},
): Promise<Uint8Array> {
  requireRate("a WebP", longestDelay / 1000, clip);
  const { frames, height, width, channels, data } = clip;
  const sharp = await loadSharp();
  const raw = { width, height: height * frames, channels: channels as 1 | 3, pageHeight: height };
  const picture = sharp(data, { raw }).toColourspace("srgb");
  if (comment !== undefined) picture.withXmp(describe(comment));
  return await picture
    .webp({
      lossless: quality === undefined,
      quality,
      loop: 0,
      delay: frameDelays(clip),
      effort: 6,
    })
    .toBuffer();
}

/** A description as XMP, where programs that show what is in a picture look for it. */
function describe(comment: string): string {
  return '<x:xmpmeta xmlns:x="adobe:ns:meta/">' +
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">' +
    '<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/">' +
    `<dc:description><rdf:Alt><rdf:li xml:lang="x-default">${escapeXml(comment)}</rdf:li>` +
    "</rdf:Alt></dc:description></rdf:Description></rdf:RDF></x:xmpmeta>";
}

/**
 * The comment in a WebP file of {@link encodeWebp}; undefined when there is none.
 *
 * @param source path or contents of the file
 */
export async function readWebpComment(source: string | Uint8Array): Promise<string | undefined> {
  const { xmp } = await (await loadSharp())(source).metadata();
  return xmp && readDescription(new TextDecoder().decode(xmp));
}

function readDescription(xmp: string): string | undefined {
  const text = /<dc:description>\s*<rdf:Alt>\s*<rdf:li[^>]*>([^<]*)</.exec(xmp)?.[1];
  const entities: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"' };
  return text?.replace(/&(amp|lt|gt|quot);/g, (_, name: string) => entities[name]);
}
