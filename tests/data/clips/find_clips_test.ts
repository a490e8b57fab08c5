import assert from "node:assert/strict";
import { join } from "@std/path";
import { findClips } from "../../../data/clips/find_clips.ts";
import { assertInputError, withFolder } from "../../formats/helpers.ts";
import { encodePng } from "../../../formats/pictures/bitmap.ts";
import { movingSpot } from "../../formats/video/clips.ts";
import { writeClipAs } from "./files.ts";

/** Makes empty files, which are looked at by name only. */
async function touch(folder: string, ...names: string[]): Promise<void> {
  for (const name of names) {
    await Deno.mkdir(join(folder, name, ".."), { recursive: true });
    await Deno.writeFile(join(folder, name), new Uint8Array(0));
  }
}

const find = async (path: string, split: "train" | "test" = "train") => {
  const { clips, classNames, leftOut, isPart } = await findClips(path, { split });
  return {
    clips: clips.map(({ name, label, source: { kind } }) => `${name} ${kind} ${label}`),
    classNames,
    leftOut: leftOut.map(({ name, reason }) => `${name}: ${reason}`),
    isPart,
  };
};

Deno.test("finding clips: files and folders of numbered pictures; lone pictures are none", async () => {
  await withFolder(async (folder) => {
    await touch(folder, "b/2.MKV", "b/10.webm", "a/run/f9.png", "a/run/f10.png", "a/cover.jpg");
    await touch(folder, "a/notes.txt", "x.mp4", "b/1.bmp");
    const { clips, classNames, leftOut, isPart } = await find(folder);
    assert.deepEqual(clips, ["a/run frames 0", "b/10.webm video 1", "b/2.MKV video 1"]);
    assert.deepEqual(classNames, ["a", "b"]);
    assert.deepEqual(leftOut, [
      ...["a/cover.jpg: still picture", "b/1.bmp: unknown format"],
      "x.mp4: beside the classes",
    ]);
    assert.equal(isPart, false);
    const { clips: [{ source }] } = await findClips(folder, { split: "train" });
    assert.deepEqual(source.names, ["f9.png", "f10.png"], "by number");
  });
});

Deno.test("finding clips: without classes, in a file, in a folder of frames, in parts", async () => {
  await withFolder(async (folder) => {
    await touch(folder, "flat/1.mp4", "flat/2/f1.jpg", "flat/2/f2.jpg", "flat/2/g1.jpg");
    assert.deepEqual((await find(join(folder, "flat"))).clips, ["1.mp4 mp4 0"]);
    await Deno.remove(join(folder, "flat/2/g1.jpg"));
    const flat = await find(join(folder, "flat"));
    assert.deepEqual(flat.clips, ["1.mp4 mp4 0", "2 frames 0"]);
    assert.deepEqual(flat.classNames, ["flat"]);
    assert.deepEqual((await find(join(folder, "flat/1.mp4"))).clips, ["1.mp4 mp4 0"]);
    assert.deepEqual((await find(join(folder, "flat/2"))).clips, ["2 frames 0"]);
    await touch(folder, "parts/train/a/1.avi", "parts/test/a/2.avi");
    assert.deepEqual((await find(join(folder, "parts"))).clips, ["a/1.avi video 0"]);
    const test = await find(join(folder, "parts"), "test");
    assert.deepEqual([test.clips, test.isPart], [["a/2.avi video 0"], true]);
  });
});

Deno.test("finding clips: numbered animations are clips of their own, numbered still WebP are frames", async () => {
  await withFolder(async (folder) => {
    for (const index of [1, 2]) {
      await writeClipAs(join(folder, `moving/clip-${index}.webp`), { frames: 2 });
      await writeClipAs(join(folder, `still/clip/frame-${index}.webp`), { frames: 1 });
    }
    const { clips } = await find(folder);
    assert.deepEqual(clips, [
      ...["moving/clip-1.webp animation 0", "moving/clip-2.webp animation 0"],
      "still/clip frames 1",
    ]);
  });
});

Deno.test("finding clips: numbered APNG and AVIF videos are clips of their own too, still AVIF are frames", async () => {
  await withFolder(async (folder) => {
    await touch(folder, "apng/1.apng", "apng/2.apng");
    for (const index of [1, 2]) {
      await writeClipAs(join(folder, `avif/${index}.mp4`), { frames: 2 });
      await Deno.rename(join(folder, `avif/${index}.mp4`), join(folder, `avif/${index}.avif`));
      await Deno.mkdir(join(folder, "still/run"), { recursive: true });
      const picture = await encodePng(movingSpot(1, 16, 16));
      await Deno.writeFile(join(folder, `still/run/${index}.avif`), picture);
    }
    const { clips } = await find(folder);
    assert.deepEqual(clips, [
      ...["apng/1.apng video 0", "apng/2.apng video 0", "avif/1.avif mp4 1", "avif/2.avif mp4 1"],
      "still/run frames 2",
    ]);
  });
});

Deno.test({
  name: "finding clips: a pipe, or a link to nowhere, called like a video is told",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withFolder(async (folder) => {
      await touch(folder, "a.mp4");
      for (const name of ["b.mp4", "c.gif", "d.sock"]) {
        await Deno.symlink(join(folder, "nowhere"), join(folder, name));
      }
      const { clips, leftOut } = await find(folder);
      assert.deepEqual(clips, ["a.mp4 mp4 0"]);
      assert.deepEqual(leftOut, ["b.mp4: unknown format", "c.gif: unknown format"]);
    }),
});

Deno.test("finding clips: nothing there is told, with what was looked for", async () => {
  await withFolder(async (folder) => {
    await assertInputError(find(join(folder, "no")), join(folder, "no"), /no such file/);
    await assertInputError(find(folder), folder, /no clips; looked for animated/);
    await touch(folder, "a.png", "b.txt");
    await assertInputError(
      find(folder),
      folder,
      /no clips, only other files: 1, such as "a\.png" \(still picture\); looked for/,
    );
    await assertInputError(find(join(folder, "b.txt")), join(folder, "b.txt"), /not a clip/);
  });
});
