import assert from "node:assert/strict";
import { join } from "@std/path";
import { readPngMetadata } from "../../../formats/pictures/png.ts";
import { NpzFile } from "../../../formats/tensors/npz.ts";
import type { ClipFormat } from "../../../formats/video/clip_files.ts";
import { openClips } from "../../../data/clips/open_clips.ts";
import { exportClips, exportClipsNpz } from "../../../data/clips/export_clips.ts";
import { withFolder } from "../../formats/helpers.ts";
import { differenceOf } from "../../formats/video/clips.ts";
import { writeClipAs } from "./files.ts";

/** Two classes, one file of which has two clips, and captions. */
async function openExample(folder: string) {
  await writeClipAs(join(folder, "a/deep/long.webp"), { frames: 8, height: 16, width: 16 });
  await writeClipAs(join(folder, "b/walk"), { frames: 4, height: 16, width: 16 });
  await Deno.writeTextFile(join(folder, "b/walk.txt"), "a walk");
  return await openClips(folder, { frames: 4, folderFps: 8, captions: true });
}

/** Mean differences of a codec: nothing, or what 4:2:0 and a quality of 90 leave. */
const losses: Readonly<Record<ClipFormat, number>> = { webp: 0, png: 0, mp4: 3 };

for (const format of ["webp", "mp4", "png"] as const) {
  Deno.test(`exported clips, read again, are the same within the codec's loss: ${format}`, async () => {
    await withFolder(async (folder) => {
      const set = await openExample(join(folder, "in"));
      const out = join(folder, "out");
      await Deno.mkdir(out);
      await exportClips(set, out, { format });
      const again = await openClips(out, { frames: 4, folderFps: 8, captions: true });
      const ending = format === "png" ? "" : `.${format}`;
      const names = Array.from({ length: 3 }, (_, index) => again.clipName(index).split(" ")[0]);
      assert.deepEqual(names, [`a/long-1${ending}`, `a/long-2${ending}`, `b/walk${ending}`]);
      assert.deepEqual(again.classNames, ["a", "b"]);
      for (let index = 0; index < 3; index++) {
        const [clip, original] = [await again.decode(index), await set.decode(index)];
        assert.ok(Math.abs(clip.fps - original.fps) < 1e-9);
        const { mean } = differenceOf(clip.data, original.data);
        assert.ok(mean <= losses[format], `${mean}`);
        assert.equal(again.caption!(index), set.caption!(index));
      }
      if (format !== "png") return;
      const frame = await Deno.readFile(join(out, "a", "long-2", "frame-0003.png"));
      assert.deepEqual(readPngMetadata(frame), {
        ...{ clip: "a/deep/long.webp 4-7", class: "a", fps: 8, caption: "a: long" },
      });
    });
  });
}

Deno.test("exported clips of a single class keep its name", async () => {
  await withFolder(async (folder) => {
    await writeClipAs(join(folder, "in/only/x.webp"));
    const set = await openClips(join(folder, "in"), { frames: 4 });
    await Deno.mkdir(join(folder, "out"));
    await exportClips(set, join(folder, "out"), { format: "webp" });
    const again = await openClips(join(folder, "out"), { frames: 4 });
    assert.deepEqual([again.clipName(0), again.classNames], ["only/x.webp 0-3", ["only"]]);
  });
});

Deno.test("exported clips never share a file, whatever theirs were called", async () => {
  await withFolder(async (folder) => {
    for (const name of ["walk.webp", "walk-1.webp", "sub/walk-2.webp"]) {
      const frames = name === "walk.webp" ? 8 : 4;
      await writeClipAs(join(folder, "in/a", name), { frames });
    }
    const set = await openClips(join(folder, "in"), { frames: 4 });
    await Deno.mkdir(join(folder, "out"));
    await exportClips(set, join(folder, "out"), { format: "webp" });
    const names = Array.from(Deno.readDirSync(join(folder, "out/a")), ({ name }) => name).sort();
    assert.deepEqual(names, ["walk--1.webp", "walk--2.webp", "walk-1.webp", "walk-2.webp"]);
  });
});

Deno.test("exported clips in one array: bytes, labels, and what they are beside them", async () => {
  await withFolder(async (folder) => {
    const set = await openExample(join(folder, "in"));
    const path = join(folder, "clips.npz");
    await exportClipsNpz(set, path);
    using npz = await NpzFile.open(path);
    const [pixels, labels] = [await npz.read("arr_0"), await npz.read("arr_1")];
    assert.deepEqual([pixels.type, pixels.shape], ["U8", [3, 4, 16, 16, 3]]);
    const { data } = await set.decode(1);
    const bytes = new Uint8Array(pixels.data.buffer, pixels.data.byteOffset, 3 * data.length);
    assert.deepEqual(bytes.slice(data.length, 2 * data.length), data);
    assert.deepEqual(Array.from(labels.data as BigInt64Array, Number), [0, 0, 1]);
    const { classNames, clips } = JSON.parse(await Deno.readTextFile(join(folder, "clips.json")));
    assert.deepEqual([classNames, clips.length, clips[2].caption], [["a", "b"], 3, "a walk"]);
  });
});
