import assert from "node:assert/strict";
import { openClips } from "../../../data/clips/open_clips.ts";
import { frameOf } from "../../../formats/video/clip.ts";
import { differenceOf } from "../../formats/video/clips.ts";

const folder = "data/samples/motion";

Deno.test("shipped animations: ten classes of eight, every one decodes and moves, under 2 MB", async () => {
  const set = await openClips(folder, { frames: 17 });
  assert.deepEqual(set.report.filter(({ leftOut }) => leftOut), []);
  assert.equal(set.classNames.length, 10);
  const counts = new Map<number, number>();
  for (let index = 0; index < set.length; index++) {
    counts.set(set.label(index), (counts.get(set.label(index)) ?? 0) + 1);
    const clip = await set.decode(index);
    assert.deepEqual([clip.frames, clip.height, clip.width, clip.fps], [17, 32, 32, 8]);
    const changes = Array.from(
      { length: 16 },
      (_, frame) => differenceOf(frameOf(clip, 0).data, frameOf(clip, frame + 1).data).mean,
    );
    assert.ok(Math.max(...changes) > 1, `${set.clipName(index)}: ${Math.max(...changes)}`);
  }
  assert.deepEqual([...counts.values()], new Array(10).fill(8));
  let bytes = 0;
  for (const className of set.classNames) {
    for await (const { name } of Deno.readDir(`${folder}/${className}`)) {
      bytes += (await Deno.stat(`${folder}/${className}/${name}`)).size;
    }
  }
  assert.ok(bytes < 2e6, `${bytes}`);
});
