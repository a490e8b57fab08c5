import assert from "node:assert/strict";
import { join } from "@std/path";
import { encodeWebp } from "../../../../formats/video/animated_webp.ts";
import { movingSpot } from "../../../formats/video/clips.ts";
import { assertRefuses, namesIn, run, succeed, withFolder } from "../../runs.ts";

Deno.test("export clips: a folder of files that carry where they come from; nothing half done", async () => {
  await withFolder(async (folder) => {
    const source = join(folder, "in");
    await Deno.mkdir(source);
    await Deno.writeFile(join(source, "x.webp"), await encodeWebp(movingSpot(9, 15, 16)));
    const out = join(folder, "out");
    const args = ["export", "clips", source, "--frames", "4", "--hop", "5"];
    assert.equal(await succeed(...args, "--out", out), out);
    assert.deepEqual(await namesIn(out), ["metadata.jsonl", "x-1.webp", "x-2.webp"]);
    const { tessera } = JSON.parse(await succeed("info", join(out, "x-2.webp")));
    assert.deepEqual(tessera, { clip: "x.webp 5-8", class: "in", fps: 8, caption: "in: x" });
    await assertRefuses(folder, [...args, "--out", out, "-q"], 1, /exists already/);
    await assertRefuses(folder, args, 2, /--out is needed/);
    // An odd side shows when the first file is written; the folder is not made.
    const before = await namesIn(folder);
    const { code, err } = await run(...args, "--out", join(folder, "new"), "--format", "mp4", "-q");
    assert.equal(code, 1);
    assert.match(
      err,
      /an MP4 has even sides, the clip is 16 x 15; the nearest are 16 x 14 and 16 x 16/,
    );
    assert.deepEqual(await namesIn(folder), before);
    const npz = join(folder, "clips.npz");
    assert.equal(await succeed(...args, "--out", npz), npz);
    assert.ok((await Deno.stat(npz)).size > 2 * 4 * 15 * 16 * 3);
    await assertRefuses(folder, [...args, "--out", npz, "--format", "png"], 2, /no --format/);
    const pictures = ["--format", "png", "--quality", "5"];
    await assertRefuses(folder, [...args, "--out", out, ...pictures], 2, /--quality is for MP4/);
    // The list beside an archive is a file of its own, and replaces none.
    await Deno.remove(npz);
    await assertRefuses(folder, [...args, "--out", npz, "-q"], 1, /clips\.json: exists already/);
    const loud = join(folder, "new", "LOUD.NPZ");
    assert.equal(await succeed(...args, "--out", loud), loud);
    assert.deepEqual(await namesIn(join(folder, "new")), ["LOUD.NPZ", "LOUD.json"]);
  });
});
