import assert from "node:assert/strict";
import { join } from "@std/path";
import { decodePicture } from "../../../data/pictures/picture.ts";
import { frameOf } from "../../../formats/video/clip.ts";
import { boxesIn, findBox, viewOf } from "../../../formats/video/boxes.ts";
import { Mp4File, readMp4Comment } from "../../../formats/video/mp4_reader.ts";
import { encodeMp4 } from "../../../formats/video/mp4_writer.ts";
import { withFolder } from "../helpers.ts";
import { differenceOf, movingSpot } from "./clips.ts";

for (const channels of [1, 3] as const) {
  Deno.test(`MP4: frames and times come back, within the codec's loss, ${channels} channels`, async () => {
    await withFolder(async (folder) => {
      const clip = movingSpot(5, 32, 48, channels, 24);
      const path = join(folder, "clip.mp4");
      await Deno.writeFile(path, await encodeMp4(clip));
      using file = await Mp4File.open(path);
      assert.deepEqual([file.width, file.height], [48, 32]);
      const times = Float64Array.from({ length: 6 }, (_, index) => index / 24);
      file.starts.forEach((start, index) => assert.ok(Math.abs(start - times[index]) < 1e-9));
      for (let index = 0; index < clip.frames; index++) {
        const frame = await decodePicture(file.frame(index), path);
        assert.deepEqual([frame.width, frame.height], [48, 32]);
        const original = frameOf(clip, index).data;
        const expected = channels === 3
          ? original
          : Uint8Array.from(frame.data, (_, place) => original[Math.floor(place / 3)]);
        const { mean, largest } = differenceOf(frame.data, expected);
        assert.ok(mean < 1.5 && largest < 16, `frame ${index}: ${mean}, ${largest}`);
        const other = frameOf(clip, (index + 2) % clip.frames).data;
        const unlike = differenceOf(original, other).mean;
        assert.ok(unlike > 2 * mean, `frames look alike: ${unlike}, ${mean}`);
      }
    });
  });
}

Deno.test("MP4: the same clip is the same file, with its comment, its colours, and contents first", async () => {
  await withFolder(async (folder) => {
    const clip = movingSpot(3, 16, 16);
    const comment = JSON.stringify({ seed: 1, class: "Größe <&>", nothing: null });
    const [mp4, again, bare] = [
      await encodeMp4(clip, { comment }),
      await encodeMp4(clip, { comment }),
      await encodeMp4(clip),
    ];
    assert.deepEqual(mp4, again);
    const path = join(folder, "clip.mp4");
    await Deno.writeFile(path, mp4);
    assert.equal(await readMp4Comment(path), comment);
    using file = await Mp4File.open(path);
    await Deno.writeFile(join(folder, "bare.mp4"), bare);
    using other = await Mp4File.open(join(folder, "bare.mp4"));
    assert.equal(await readMp4Comment(join(folder, "bare.mp4")), undefined);
    assert.deepEqual(file.frame(2), other.frame(2));

    const boxes = [...boxesIn(mp4, 0, mp4.length, path)];
    assert.deepEqual(boxes.map(({ type }) => type), ["ftyp", "moov", "mdat"]);
    const entry = "trak/mdia/minf/stbl/stsd";
    const table = findBox(mp4, boxes[1], entry, path)!;
    const text = new TextDecoder("latin1").decode(mp4.subarray(table.body, table.end));
    const colours = text.indexOf("colrnclx");
    // sRGB as ITU-T H.273 numbers it, the matrix of BT.601, full range.
    const [primaries, transfer, matrix] = [8, 10, 12].map((at) =>
      viewOf(mp4).getUint16(table.body + colours + at)
    );
    assert.deepEqual([primaries, transfer, matrix], [1, 13, 6]);
    assert.equal(mp4[table.body + colours + 14], 128);
  });
});

Deno.test("MP4: rates that are no whole number do not drift; odd sides name the nearest even ones", async () => {
  await withFolder(async (folder) => {
    const clip = { ...movingSpot(25, 2, 2), fps: 24000 / 1001 };
    const path = join(folder, "clip.mp4");
    await Deno.writeFile(path, await encodeMp4(clip, { quality: 50 }));
    using file = await Mp4File.open(path);
    assert.ok(Math.abs(file.starts[24] - 24 / clip.fps) < 2 / 57600, `${file.starts[24]}`);
  });
  await assert.rejects(encodeMp4(movingSpot(1, 5, 8)), {
    name: "InputError",
    message: "an MP4 has even sides, the clip is 8 x 5; the nearest are 8 x 4 and 8 x 6",
  });
});
