import assert from "node:assert/strict";
import fc from "fast-check";
import { join } from "@std/path";
import { concatenateBytes } from "../../../base/bytes.ts";
import { InputError } from "../../../base/errors.ts";
import { decodePicture } from "../../../data/pictures/picture.ts";
import { makeFullBox, u32, viewOf } from "../../../formats/video/boxes.ts";
import { ForeignVideoError, Mp4File, readMp4Comment } from "../../../formats/video/mp4_reader.ts";
import { encodeMp4 } from "../../../formats/video/mp4_writer.ts";
import { binaryDamage } from "../../crash/damage.ts";
import { scale } from "../../scale.ts";
import { assertInputError, withFolder } from "../helpers.ts";
import { movingSpot } from "./clips.ts";

const whole = await encodeMp4(movingSpot(3, 16, 16), { comment: "{}" });

/** Where the contents of the only box of a type begin. */
function bodyOf(type: string): number {
  return new TextDecoder("latin1").decode(whole).indexOf(type) + 4;
}

/** A file with one more table of its frames, which it moves on. */
function withTable(mp4: Uint8Array, table: Uint8Array): Uint8Array {
  const view = viewOf(mp4);
  const end = bodyOf("stbl") - 8 + view.getUint32(bodyOf("stbl") - 8);
  for (const type of ["moov", "trak", "mdia", "minf", "stbl"]) {
    const start = bodyOf(type) - 8;
    view.setUint32(start, view.getUint32(start) + table.length);
  }
  const place = bodyOf("stco") + 8;
  view.setUint32(place, view.getUint32(place) + table.length);
  return concatenateBytes([mp4.subarray(0, end), table, mp4.subarray(end)]);
}

/** Opens a file that was changed. */
async function openChanged(
  change: (mp4: Uint8Array, view: DataView) => Uint8Array | void,
): Promise<void> {
  await withFolder(async (folder) => {
    const path = join(folder, "x.mp4");
    const mp4 = whole.slice();
    await Deno.writeFile(path, change(mp4, viewOf(mp4)) ?? mp4);
    using file = await Mp4File.open(path);
    file.frame(2);
  });
}

Deno.test("MP4: what is cut off, or no video at all, is told", async () => {
  await assertInputError(openChanged(() => new Uint8Array(0)), "", /not an MP4 file/);
  await assertInputError(
    openChanged(() => new TextEncoder().encode("hello world")),
    "",
    /not an MP4/,
  );
  await assertInputError(openChanged((mp4) => mp4.subarray(0, 100)), "", /has no room for itself/);
  await assertInputError(
    openChanged((mp4, view) => mp4.subarray(0, view.getUint32(0))),
    "",
    /no table of/,
  );
  await assertInputError(
    openChanged((mp4) => void mp4.set([0x73, 0x6f, 0x75, 0x6e], bodyOf("mhlr"))), // "soun"
    "",
    /no video in it/,
  );
});

Deno.test("MP4: tables that claim more than there is are refused before anything is made of it", async () => {
  const lies: [type: string, at: number, value: number][] = [
    ["stsz", 8, 2 ** 32 - 1], // frames
    ["stsz", 8, 0],
    ["stts", 4, 2 ** 32 - 1], // rows
    ["stts", 8, 1], // frames of a row
    ["stsc", 4, 2 ** 31],
    ["stco", 4, 2 ** 30],
    ["stco", 4, 0],
    ["stco", 8, 2 ** 32 - 1], // place
    ["mdhd", 12, 0], // ticks a second
  ];
  for (const [type, at, value] of lies) {
    await assertInputError(
      openChanged((_, view) => view.setUint32(bodyOf(type) + at, value)),
      "",
      /damaged|needed|ends at/,
    );
  }
  // All frames of one length, and four billion of them.
  await assertInputError(
    openChanged((_, view) => {
      view.setUint32(bodyOf("stsz") + 4, 1);
      view.setUint32(bodyOf("stsz") + 8, 2 ** 32 - 1);
    }),
    "",
    /more than there is room for/,
  );
});

Deno.test("MP4: a header at the end of the table of contents that is cut off is told", async () => {
  const truncate = (mp4: Uint8Array, view: DataView) => {
    // What is behind the media header becomes part of a box before it.
    const [media, header] = [bodyOf("mdia"), bodyOf("mdhd") - 8];
    const end = media - 8 + view.getUint32(media - 8);
    const length = view.getUint32(header);
    const rest = mp4.slice(header + length, end);
    mp4.set(rest, header);
    const left = header + rest.length;
    view.setUint32(left, length - 12);
    mp4.set(new TextEncoder().encode("free"), left + 4);
    view.setUint32(end - 12, 12);
    mp4.set(new TextEncoder().encode("mdhd"), end - 8);
  };
  await assertInputError(openChanged(truncate), "", /damaged: "mdhd" is cut off/);
});

Deno.test("MP4: another codec, and frames that need others, are for another reader", async () => {
  const isForeign = (error: unknown) => error instanceof ForeignVideoError;
  const avc1 = [0x61, 0x76, 0x63, 0x31];
  await assert.rejects(openChanged((mp4) => void mp4.set(avc1, bodyOf("stsd") + 12)), isForeign);
  const keyFrames = (count: number) => makeFullBox("stss", 0, 0, u32(count, 1, 2, 3));
  await assert.rejects(openChanged((mp4) => withTable(mp4, keyFrames(1))), isForeign);
  await openChanged((mp4) => withTable(mp4, keyFrames(3)));
  const shifts = makeFullBox("ctts", 0, 0, u32(0));
  await assert.rejects(openChanged((mp4) => withTable(mp4, shifts)), isForeign);
});

Deno.test("MP4: damage anywhere is an InputError or harmless", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "x.mp4");
    const property = fc.asyncProperty(binaryDamage, async (damage) => {
      await Deno.writeFile(path, damage.apply(whole));
      try {
        using file = await Mp4File.open(path);
        for (let index = 0; index < file.starts.length - 1; index++) file.frame(index);
        await decodePicture(file.frame(0), path);
        await readMp4Comment(path);
      } catch (error) {
        assert.ok(error instanceof InputError, String(error));
      }
    });
    await fc.assert(property, { numRuns: scale(150, 5000), seed: 20261128 });
  });
});

Deno.test("MP4: a file of ffmpeg, whose frames and not whose boxes say how colours are stored", async () => {
  using file = await Mp4File.open("tests/fixtures/ffmpeg_av1.mp4");
  assert.deepEqual([...file.starts], [0, 0.2, 0.4]);
  const { width, height, data } = await decodePicture(file.frame(1), "frame");
  assert.deepEqual([width, height], [16, 16]);
  // Taken for full range, 16 to 235 would be a dull orange.
  const [red, green, blue] = data;
  assert.ok(red > 250 && Math.abs(green - 128) < 5 && blue < 6, `${[red, green, blue]}`);
});
