import assert from "node:assert/strict";
import { join } from "@std/path";
import { encodeWebp } from "../../../../formats/video/animated_webp.ts";
import { encodeMp4 } from "../../../../formats/video/mp4_writer.ts";
import { decodePng } from "../../../formats/pictures.ts";
import { movingSpot } from "../../../formats/video/clips.ts";
import { assertFails, run, succeed, withFolder } from "../../runs.ts";

Deno.test("info clips: a folder is reported and drawn; --json has all of it", async () => {
  await withFolder(async (folder) => {
    await Deno.mkdir(join(folder, "a"));
    await Deno.writeFile(join(folder, "a", "x.webp"), await encodeWebp(movingSpot(9, 8, 8)));
    await Deno.writeFile(join(folder, "a", "y.webp"), await encodeWebp(movingSpot(3, 8, 8)));
    const sheet = join(folder, "sheet.png");
    const args = ["info", "clips", folder, "--frames", "4"];
    assert.deepEqual((await succeed(...args, "--preview-data", sheet)).split("\n"), [
      "a/x.webp: 8 x 8, 9 frames, 8 fps, 1.13 s; frames 0 to 7, 2 clips at 8 fps",
      "a/y.webp: 8 x 8, 3 frames, 8 fps, 0.38 s; left out: too short: 3 frames, 4 needed",
      `${folder}: 2 clips of 1 of 2 files: 1 of 8 fps at 8 fps`,
      `${folder}: left out: 1 too short: a/y.webp (3 frames, 4 needed)`,
      "2 clips of 4 x 8 x 8, 1 class",
    ]);
    const { width, height } = await decodePng(await Deno.readFile(sheet));
    assert.ok(width > 4 * 80 && height > 2 * 80, `${width} x ${height}`);
    const { length, classNames, report } = JSON.parse(await succeed(...args, "--json"));
    assert.deepEqual([length, classNames], [2, ["a"]]);
    assert.deepEqual(report[0].kept, { first: 0, last: 7, clips: 2, fps: 8, still: 0, damaged: 0 });
    assert.equal(report[1].leftOut.reason, "too short");
  });
});

Deno.test("info clips: shipped clips by name; flags that contradict each other are usage", async () => {
  const moving = ["info", "clips", "shipped:moving-fashion"];
  assert.equal(await succeed(...moving), "4000 clips of 17 x 32 x 32, 8 classes");
  assertFails(await run(...moving, "--stride", "2"), 2, /is made, not cut out of videos/);
  assertFails(await run(...moving, "--size", "32x16"), 2, /squares/);
  const motion = ["info", "clips", "shipped:motion"];
  assertFails(await run(...motion, "--fps", "8", "--stride", "2"), 2, /give one of them/);
  assertFails(await run(...motion, "--size", "big"), 2, /not a side, 32, nor a size, 64x48/);
  assertFails(await run(...motion, "--preview-data", "x.jpg"), 2, /ending must be \.png/);
  assertFails(await run(...motion, "--holdout", "1"), 2, /nearest valid value is 0\.99/);
  assertFails(await run("info", "clips", "nowhere"), 1, /no such file or folder/);
  assertFails(await run("info", "clips", ""), 2, /<path> needs a value that is not empty/);
});

Deno.test("info: a clip's frames, rate and parameters come back from its file", async () => {
  await withFolder(async (folder) => {
    const clip = movingSpot(5, 16, 16, 3, 4);
    const comment = JSON.stringify({ seed: 7, class: "é" });
    const files = {
      "clip.mp4": await encodeMp4(clip, { comment }),
      "clip.webp": await encodeWebp(clip, { comment }),
    };
    for (const [name, bytes] of Object.entries(files)) {
      const path = join(folder, name);
      await Deno.writeFile(path, bytes);
      assert.deepEqual(JSON.parse(await succeed("info", path)), {
        clip: { frames: 5, width: 16, height: 16, seconds: 1.25, fps: 4 },
        tessera: { seed: 7, class: "é" },
      });
      const torn = join(folder, `torn-${name}`);
      await Deno.writeFile(torn, bytes.subarray(0, 40));
      const finished = await run("info", torn);
      assert.equal(finished.code, 1);
      assert.ok(finished.err.startsWith(`tessera: ${torn}: `), finished.err);
    }
    assertFails(await run("info", join(folder, "gone.mp4")), 1, /gone\.mp4: no such file/);
  });
});

Deno.test("info clips: a sheet has a place before the first clip is decoded", async () => {
  await withFolder(async (folder) => {
    const args = ["info", "clips", "shipped:motion", "--frames", "5", "--preview-data"];
    await Deno.mkdir(join(folder, "sheets.png"));
    const failed = await run(...args, join(folder, "sheets.png"));
    assertFails(failed, 1, /sheets\.png: .*folder/);
    assert.doesNotMatch(failed.err, /clips\/s/);
    await succeed(...args, join(folder, "new", "sheet.png"));
    await decodePng(await Deno.readFile(join(folder, "new", "sheet.png")));
  });
});
