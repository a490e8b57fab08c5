import assert from "node:assert/strict";
import { join } from "@std/path";
import { viewOf } from "../../../formats/video/boxes.ts";
import { describeClip, summarizeClips } from "../../../data/clips/clip_report.ts";
import type { ClipSet } from "../../../data/clips/clip_set.ts";
import { openClips, type OpenClipsOptions } from "../../../data/clips/open_clips.ts";
import { missingFrames } from "../../../data/clips/sources/frame_folder.ts";
import { createLoader } from "../../../data/order/loader.ts";
import { assertInputError, withFolder } from "../../formats/helpers.ts";
import { differenceOf, movingSpot } from "../../formats/video/clips.ts";
import { writeClipAs } from "./files.ts";

/** Opens clips whose warnings are kept. */
async function open(
  path: string,
  options: Partial<OpenClipsOptions> = {},
): Promise<{ readonly set: ClipSet; readonly warnings: readonly string[] }> {
  const warnings: string[] = [];
  const warn = (line: string) => warnings.push(line);
  return { set: await openClips(path, { frames: 4, warn, ...options }), warnings };
}

const namesOf = (set: ClipSet) =>
  Array.from({ length: set.length }, (_, index) => set.clipName(index));

Deno.test("clips: every kind of file gives its frames, in order, in class folders", async () => {
  await withFolder(async (folder) => {
    const names = ["a/one.webp", "a/two.gif", "b/deep/four.mp4", "b/three"];
    for (const name of names) await writeClipAs(join(folder, name));
    const { set, warnings } = await open(folder);
    assert.deepEqual(warnings, []);
    assert.deepEqual(set.classNames, ["a", "b"]);
    assert.deepEqual(namesOf(set), names.map((name) => `${name} 0-3`));
    assert.deepEqual(names.map((_, index) => set.label(index)), [0, 0, 1, 1]);
    assert.deepEqual(names.map((_, index) => set.fps(index)).map(Math.round), [8, 8, 8, 24]);
    const { data } = movingSpot(4, 8, 8);
    // WebP and PNG keep every byte; a GIF has colours of its own, an MP4 is compressed with loss.
    for (const [index, mean] of [0, 6, 4, 0].entries()) {
      const clip = await set.decode(index);
      assert.deepEqual([clip.frames, clip.height, clip.width, clip.channels], [4, 8, 8, 3]);
      const found = differenceOf(clip.data, data).mean;
      assert.ok(found <= mean, `${names[index]}: ${found}`);
    }
    const values = new Float32Array(2 * 3 * 4 * 8 * 8);
    await set.read([3, 0], values);
    const byte = (channel: number, frame: number, pixel: number) =>
      data[(frame * 64 + pixel) * 3 + channel] / 127.5 - 1;
    for (const [channel, frame, pixel] of [[0, 0, 5], [2, 3, 63], [1, 2, 30]]) {
      const at = (channel * 4 + frame) * 64 + pixel;
      assert.ok(Math.abs(values[at] - byte(channel, frame, pixel)) < 1e-6);
      assert.equal(values[at + values.length / 2], values[at]);
    }
  });
});

Deno.test("clips: what is left out is reported, file by file and summed up by reason", async () => {
  await withFolder(async (folder) => {
    await writeClipAs(join(folder, "good.webp"), { frames: 9, fps: 24 });
    await writeClipAs(join(folder, "short.webp"), { frames: 2, fps: 24 });
    await writeClipAs(join(folder, "slow.gif"), { frames: 9, fps: 4 });
    await writeClipAs(join(folder, "lone.webp"), { frames: 1 });
    await Deno.writeTextFile(join(folder, "broken.mp4"), "no video");
    const frames = await Deno.readFile(join(folder, "good.webp"));
    await Deno.writeFile(join(folder, "torn.webp"), frames.subarray(0, frames.length / 2));
    await Deno.writeFile(join(folder, "still.png"), new Uint8Array(8));
    const { set } = await open(folder, { fps: 8, frames: 3 });
    assert.deepEqual(namesOf(set), ["good.webp 0-6"]);
    const reasons = new Map(set.report.map(({ name, leftOut }) => [name, leftOut?.reason]));
    assert.deepEqual(Object.fromEntries(reasons), {
      "broken.mp4": "unreadable",
      "good.webp": undefined,
      "lone.webp": "too short",
      "short.webp": "too short",
      "slow.gif": "too slow",
      "still.png": "still picture",
      "torn.webp": "unreadable",
    });
    const lines = summarizeClips("set", set.report);
    assert.match(
      lines[0],
      /^set: 1 clip of 1 of 7 files: 1 of 23\.\d+ fps at 8 fps$|24 fps at 8 fps$/,
    );
    const short = lines.find((line) => line.includes("too short"))!;
    assert.match(
      short,
      /^set: left out: 2 too short: lone\.webp \(.*\), short\.webp \(0\.08 s, 3 frames at 8 fps take 0\.38 s\)$/,
    );
    const good = set.report.find(({ name }) => name === "good.webp")!;
    assert.match(
      describeClip(good),
      /^good\.webp: 8 x 8, 9 frames, 2[34].* fps, 0\.3[78] s; frames 0 to 6, 1 clip at 8 fps$/,
    );
    const slow = set.report.find(({ name }) => name === "slow.gif")!;
    assert.match(describeClip(slow), /left out: too slow: 4 fps, 8 fps wanted$/);

    await Deno.remove(join(folder, "good.webp"));
    await assertInputError(
      open(folder, { fps: 8, frames: 3 }),
      folder,
      /no clip can be used: .*2 too short/,
    );
  });
});

Deno.test("clips: frames that a folder lacks are told, and frames of another size leave its clips out", async () => {
  assert.equal(missingFrames(["a0.png", "a3.png", "a6.png"]), undefined);
  assert.equal(missingFrames(["1033.png", "1066.png", "1100.png", "1133.png"]), undefined);
  assert.deepEqual(missingFrames(["f07.png", "f8.png", "f11.png", "f13.png"]), {
    count: 3,
    first: 9,
  });
  await withFolder(async (folder) => {
    for (const name of ["whole", "gap", "mixed"]) {
      await writeClipAs(join(folder, name), { frames: 6 });
    }
    await Deno.remove(join(folder, "gap", "frame-10.png"));
    await writeClipAs(join(folder, "large"), { frames: 6, width: 16, height: 16 });
    await Deno.rename(
      join(folder, "large", "frame-10.png"),
      join(folder, "mixed", "frame-10.png"),
    );
    await Deno.remove(join(folder, "large"), { recursive: true });
    const { set } = await open(folder, { frames: 4, fps: 24 });
    const about = new Map(set.report.map((report) => [report.name, describeClip(report)]));
    assert.match(
      about.get("gap")!,
      /8 x 8, 5 frames, 1 missing, the first number 10 without times/,
    );
    assert.match(about.get("whole")!, /8 x 8, 6 frames without times/);
    assert.match(
      about.get("mixed")!,
      /left out: unreadable: .*frame-10\.png: is 16 x 16, the frames before it are 8 x 8$/,
    );
    assert(
      summarizeClips("set", set.report).includes(
        "set: frames are missing in 1 folder: gap (1, the first number 10)",
      ),
    );
    set.close();
  });
});

Deno.test("clips: frames with one number, and times that no clip has, are told, each on one line", async () => {
  await withFolder(async (folder) => {
    for (const name of ["a", "b\nc", "d.1"]) await writeClipAs(join(folder, name), { frames: 6 });
    await Deno.copyFile(join(folder, "a/frame-9.png"), join(folder, "a/frame-09.png"));
    await Deno.writeTextFile(join(folder, "d.1.txt"), "the first");
    const { set } = await open(folder, { frames: 4, captions: true });
    assert.deepEqual(set.report.map(describeClip).map((line) => line.split("; ").at(-1)), [
      'a: left out: unreadable: "frame-09.png" and "frame-9.png" have one number',
      "frames 0 to 3, 1 clip at 24 fps",
      "frames 0 to 3, 1 clip at 24 fps",
    ]);
    assert.match(describeClip(set.report[1]), /^b c: 8 x 8, 6 frames/);
    assert.equal(set.caption!(1), "the first", "what stands behind a dot belongs to a folder");
    set.close();
    const path = join(folder, "x.mp4");
    await writeClipAs(path, { frames: 2, height: 16, width: 16 });
    const mp4 = await Deno.readFile(path);
    const times = new TextDecoder("latin1").decode(mp4).indexOf("stts") + 16;
    const scale = new TextDecoder("latin1").decode(mp4).indexOf("mdhd") + 16;
    viewOf(mp4).setUint32(times, 2 ** 32 - 1);
    viewOf(mp4).setUint32(scale, 1);
    await Deno.writeFile(path, mp4);
    await assertInputError(
      open(path, { frames: 2 }),
      path,
      /unreadable: x\.mp4 \(damaged: its frames are shown for 8\.6e\+9 s\)/,
    );
  });
});

Deno.test("clips: of a file that is damaged at one place the rest is kept, and the damage is told", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "x.mp4");
    await writeClipAs(path, { frames: 8, height: 16, width: 16 });
    const bytes = await Deno.readFile(path);
    await Deno.writeFile(path, bytes.fill(0, bytes.length - 60)); // the last frame
    const { set } = await open(folder, { frames: 2 });
    assert.deepEqual(namesOf(set), ["x.mp4 0-1", "x.mp4 2-3", "x.mp4 4-5"]);
    const [{ kept }] = set.report;
    assert.deepEqual([kept!.clips, kept!.damaged, kept!.last], [3, 1, 5]);
    assert.match(kept!.damage!, /^frame 7: cannot be decoded/);
    assert.match(
      describeClip(set.report[0]),
      /3 clips at 8 fps; 1 more left out: unreadable: frame 7/,
    );
    assert.match(
      summarizeClips("set", set.report).at(-1)!,
      /^set: left out: 1 clip that cannot be decoded: x\.mp4 \(1\)$/,
    );
  });
});

Deno.test("clips: a long file is many clips; held-out files are never in both parts", async () => {
  await withFolder(async (folder) => {
    for (const name of ["a/1.webp", "a/2.webp", "b/1.webp", "b/2.webp"]) {
      await writeClipAs(join(folder, name), { frames: 9 });
    }
    const { set: whole } = await open(folder);
    assert.deepEqual(namesOf(whole).slice(0, 2), ["a/1.webp 0-3", "a/1.webp 4-7"]);
    const [train, test] = [
      (await open(folder, { holdout: 0.5 })).set,
      (await open(folder, { holdout: 0.5, split: "test" })).set,
    ];
    const files = (set: ClipSet) => new Set(namesOf(set).map((name) => name.split(" ")[0]));
    assert.equal(train.length + test.length, whole.length);
    assert.equal(files(train).intersection(files(test)).size, 0);
    assert.deepEqual(test.classNames, whole.classNames);
    assert.notEqual(train.fingerprint, test.fingerprint);
    await assertInputError(open(folder, { split: "test" }), folder, /no separate test part/);
    const known = (await open(folder, { classNames: ["c", "b", "a"] })).set;
    assert.deepEqual([known.label(0), known.label(4)], [1, 2]);
  });
});

Deno.test("clips: sizes are one, or made one; crop takes the middle, pad the whole on black", async () => {
  await withFolder(async (folder) => {
    await writeClipAs(join(folder, "wide.webp"), { height: 8, width: 16 });
    await writeClipAs(join(folder, "square.webp"));
    await assertInputError(
      open(folder),
      folder,
      /several sizes.*--size.*"square.webp" is 8 x 8, "wide.webp" 16 x 8/,
    );
    const size = { width: 8, height: 8 };
    const clips = async (crop: "center" | "pad") => {
      const { set } = await open(folder, { size, crop });
      return await set.decode(1);
    };
    const { data } = movingSpot(4, 8, 16);
    const [center, pad] = [await clips("center"), await clips("pad")];
    const middle = Uint8Array.from(center.data, (_, place) => {
      const [row, column] = [Math.floor(place / 24), Math.floor(place / 3) % 8];
      return data[(row * 16 + column + 4) * 3 + place % 3];
    });
    assert.deepEqual(center.data, middle);
    const rows = Array.from({ length: 8 }, (_, row) => pad.data.subarray(24 * row, 24 * (row + 1)));
    const isBlack = rows.map((row) => row.every((byte) => byte === 0));
    assert.deepEqual(isBlack, [true, true, false, false, false, false, true, true]);
    const { set: grey } = await open(folder, { size, channels: 1 });
    assert.equal((await grey.decode(0)).data.length, 4 * 64);
  });
});

Deno.test("clips: those that do not fit into memory are decoded by the loader; damage is replaced and told", async () => {
  await withFolder(async (parent) => {
    const folder = join(parent, "x");
    const other = join(parent, "y", "x");
    for (const name of ["a.webp", "b.webp"]) {
      await writeClipAs(join(folder, name));
      await writeClipAs(join(other, name));
    }
    const { set: kept } = await open(other);
    const { set, warnings } = await open(folder, { memoryBudget: 0 });
    assert.equal(set.fingerprint, kept.fingerprint);
    const bytes = await Deno.readFile(join(folder, "a.webp"));
    await Deno.writeFile(join(folder, "a.webp"), bytes.subarray(0, bytes.length / 2));
    const loader = createLoader(set, { seed: 0, batchSize: 2, flip: true });
    const { images, indices } = await loader.next();
    assert.equal(images.length, 2 * 3 * 4 * 64);
    assert.deepEqual([...indices].sort(), [0, 1]);
    assert.deepEqual((await set.decode(0)).data, (await kept.decode(1)).data);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0], /^skipped: .*a\.webp: cannot be decoded/);
    await loader.next();
    set.close();
  });
});

Deno.test("clips: captions are in metadata.jsonl, beside the clip, or made of its name", async () => {
  await withFolder(async (folder) => {
    const names = ["cats/tabby.webp", "cats/tom.webp", "dogs/rex.webp", "dogs/walk"];
    for (const name of names) await writeClipAs(join(folder, name));
    await Deno.writeTextFile(join(folder, "cats/tom.txt"), "a cat named Tom\n");
    await Deno.writeTextFile(join(folder, "dogs/walk.txt"), "a dog on a walk");
    const lines = [{ file_name: "dogs/rex.webp", text: "Rex" }, {
      path: "gone.mp4",
      caption: "no",
    }];
    const list = join(folder, "metadata.jsonl");
    await Deno.writeTextFile(list, lines.map((line) => `${JSON.stringify(line)}\n`).join("\n"));
    const { set, warnings } = await open(folder, { captions: true });
    const captions = Array.from({ length: 4 }, (_, index) => set.caption!(index));
    assert.deepEqual(captions, ["cats: tabby", "a cat named Tom", "Rex", "a dog on a walk"]);
    assert.match(warnings.join("\n"), /1 of 2 captions are of no clip here, such as "gone.mp4"$/);
    const twice = ["one", "two"].map((text) => JSON.stringify({ path: "dogs/rex.webp", text }));
    await Deno.writeTextFile(list, twice.join("\n"));
    const last = await open(folder, { captions: true });
    assert.equal(last.set.caption!(2), "two");
    assert.match(
      last.warnings.join("\n"),
      /metadata\.jsonl: 1 line is a further caption of a clip, such as "dogs\/rex\.webp"; the last/,
    );
    const blank = ["dogs/../cats//tom.webp", "dogs/rex.webp"].map((path, index) =>
      JSON.stringify({ path, text: ["Tom ", " "][index] })
    );
    await Deno.writeTextFile(list, `\ufeff${blank.join("\r\n")}`);
    const named = (await open(folder, { captions: true })).set;
    assert.deepEqual([named.caption!(1), named.caption!(2)], ["Tom", "dogs: rex"]);
    await Deno.writeTextFile(list, '{"file_name": "dogs/rex.webp", "text": "Rex"}\n[1]\n');
    await assertInputError(open(folder, { captions: true }), list, /line 2 is not \{"file_name"/);
    assert.equal((await open(folder)).set.caption, undefined);
    await Deno.remove(list);
    await Deno.mkdir(list);
    await assertInputError(open(folder, { captions: true }), list, /is a folder, not a file/);
  });
});
