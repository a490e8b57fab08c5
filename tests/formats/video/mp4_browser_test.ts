/** MP4 files of the tool in a real browser: size, frames, colours. Only in the soak. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { frameOf } from "../../../formats/video/clip.ts";
import { encodeMp4 } from "../../../formats/video/mp4_writer.ts";
import { soaking } from "../../scale.ts";
import { withFolder } from "../helpers.ts";
import type { Seen } from "./browser.ts";
import { differenceOf, movingSpot } from "./clips.ts";

/** What Chromium is called on the PATH. */
const names = ["chromium", "chromium-browser", "google-chrome"];

async function findBrowser(): Promise<string | undefined> {
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    for (const name of names) {
      const path = join(folder, name);
      if (await Deno.stat(path).then(({ isFile }) => isFile, () => false)) return path;
    }
  }
  return undefined;
}

const browser = soaking ? await findBrowser() : undefined;
if (soaking && browser === undefined) {
  console.log(`skipped: MP4 in a browser: none of ${names.join(", ")} is on the PATH`);
}

/** Shows a file in the browser, by a process that may start it. */
async function show(file: string, fps: number): Promise<Seen> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "--allow-read", "--allow-write", "--allow-net=127.0.0.1"],
      ...[`--allow-run=${browser}`, "tests/formats/video/browser.ts", browser!, file, String(fps)],
    ],
  }).output();
  const text = new TextDecoder();
  assert.equal(code, 0, text.decode(stderr));
  return JSON.parse(text.decode(stdout));
}

Deno.test({
  name: "MP4: a browser plays every frame, in its size and colours",
  ignore: browser === undefined,
  fn: () =>
    withFolder(async (folder) => {
      for (const [channels, fps, frames] of [[3, 24, 12], [1, 8, 5]] as const) {
        const clip = movingSpot(frames, 32, 48, channels, fps);
        const file = join(folder, "clip.mp4");
        await Deno.writeFile(file, await encodeMp4(clip));
        const { problem, width, height, duration, played, frames: seen } = await show(file, fps);
        assert.equal(problem, undefined);
        assert.deepEqual([width, height, played, seen.length], [48, 32, frames, frames]);
        assert(Math.abs(duration - frames / fps) < 1e-3, `${duration} s`);
        for (let index = 0; index < frames; index++) {
          const original = frameOf(clip, index).data;
          const pixels = Uint8Array.fromBase64(seen[index]);
          const expected = channels === 3
            ? original
            : Uint8Array.from(pixels, (_, place) => original[Math.floor(place / 3)]);
          const { mean, largest } = differenceOf(pixels, expected);
          assert(mean < 2 && largest < 24, `frame ${index}: ${mean}, ${largest}`);
        }
      }
    }),
});
