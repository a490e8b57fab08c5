/** Videos through ffmpeg: a script that answers like it, and in `deno task soak` the real one. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { soaking } from "../../../scale.ts";
import { withFolder } from "../../../cli/runs.ts";
import { type Finished, taskPermissions } from "../../../cli/support.ts";
import { ByteReader } from "../../../../data/clips/sources/byte_reader.ts";
import { assertInputError } from "../../../formats/helpers.ts";
import { encodeMp4 } from "../../../../formats/video/mp4_writer.ts";
import { decodePng } from "../../../formats/pictures.ts";
import { differenceOf, movingSpot } from "../../../formats/video/clips.ts";

/** What `tessera info clips` says of a folder when programs are looked for in others. */
async function infoClips(
  folder: string,
  path: string,
  flags: readonly string[] = [],
  permissions: readonly string[] = taskPermissions,
): Promise<Finished> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", ...permissions, "cli/main.ts", "info", "clips", folder, ...flags],
    env: { XDG_RUNTIME_DIR: "/tmp", NO_COLOR: "1", PATH: path },
    stdin: "null",
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, out, err };
}

/**
 * A program that answers like ffmpeg about a video of 20 frames of 4 x 2 pixels, 10 a second. Seeking
 * in it leads nowhere, as in some transport streams.
 */
const imitation = `#!/bin/sh
case "$*" in
*-version*) echo "ffmpeg version 4.4.2-imitation" ;;
*damaged*) echo "[x @ 0x1] it is torn" >&2; exit 1 ;;
*framecrc*)
  echo "#tb 0: 1/10"
  i=0; while [ $i -lt 20 ]; do echo "0, $i, $i, 1, 9, 0x0"; i=$((i + 1)); done ;;
*-ss*) ;;
*)
  case "$*" in *"-vsync passthrough"*) ;; *) exit 1 ;; esac
  count=$(echo "$*" | sed 's/.*-frames:v \\([0-9]*\\).*/\\1/')
  i=0; while [ $i -lt $count ]; do printf 'P6\\n4 2\\n255\\nabcdefghijklmnopqrstuvwx'; i=$((i + 1)); done ;;
esac
`;

Deno.test("ffmpeg: a video becomes clips, those behind a failed seek too; a torn one is named", async () => {
  await withFolder(async (folder) => {
    const programs = join(folder, "bin");
    await Deno.mkdir(programs);
    await Deno.writeTextFile(join(programs, "ffmpeg"), imitation, { mode: 0o755 });
    const videos = join(folder, "videos");
    await Deno.mkdir(videos);
    for (const name of ["a.mkv", "damaged.webm"]) await Deno.writeTextFile(join(videos, name), "x");
    const path = `${programs}:/usr/bin:/bin`;
    const { code, out, err } = await infoClips(videos, path, ["--fps", "5", "--frames", "4"]);
    assert.equal(code, 0, err);
    const [a, damaged] = out.split("\n");
    assert.equal(a, "a.mkv: 4 x 2, 20 frames, 10 fps, 2 s; frames 0 to 14, 2 clips at 5 fps");
    assert.match(
      damaged,
      /^damaged\.webm: left out: unreadable: ffmpeg cannot read it: it is torn$/,
    );
    const others = taskPermissions.filter((word) => !word.startsWith("--allow-run"));
    const forbidden = await infoClips(videos, path, [], others);
    assert.equal(forbidden.code, 1);
    assert.match(forbidden.err, /may not be run here: start Deno with --allow-run=ffmpeg/);
  });
});

Deno.test("ffmpeg: what it says is read line by line, and a line that does not end is refused", async () => {
  const read = (...parts: string[]) => {
    const bytes = ReadableStream.from(parts).pipeThrough(new TextEncoderStream());
    return Array.fromAsync(new ByteReader("x.mkv", bytes, 1).lines());
  };
  assert.deepEqual(await read("a\nb", "c\n", "\nd"), ["a", "bc", "", "d"]);
  const endless = read(...new Array<string>(40).fill("x".repeat(4000)));
  await assertInputError(endless, "x.mkv", /a line without an end/);
});

/** Whether a program is on the path. */
async function isInstalled(program: string): Promise<boolean> {
  const folders = (Deno.env.get("PATH") ?? "").split(":").filter(Boolean);
  const found = await Promise.all(
    folders.map((folder) => Deno.stat(join(folder, program)).then(() => true, () => false)),
  );
  return found.includes(true);
}

Deno.test({
  name: "ffmpeg: the real one gives the frames that the own reader gives, wherever a clip begins",
  // Not in every run: which codecs a machine's ffmpeg has is not ours to say.
  ignore: !soaking || !await isInstalled("ffmpeg"),
  fn: async () => {
    await withFolder(async (folder) => {
      const sheets = await Promise.all(["own.mp4", "other.mkv"].map(async (name) => {
        const path = join(folder, name);
        await Deno.writeFile(path, await encodeMp4(movingSpot(30, 32, 32, 3, 10)));
        const sheet = `${path}.png`;
        const args = ["--frames", "3", "--fps", "5", "--hop", "2", "--preview-data", sheet];
        const { code, err } = await infoClips(path, Deno.env.get("PATH")!, args);
        assert.equal(code, 0, err);
        const { height, width, data } = await decodePng(await Deno.readFile(sheet));
        // The frames, without the names at their left.
        return Array.from({ length: height }, (_, row) => {
          const end = 3 * width * (row + 1);
          return [...data.subarray(end - 3 * 270, end)];
        }).flat();
      }));
      const [own, other] = sheets.map((pixels) => Uint8Array.from(pixels));
      assert.equal(own.length, other.length);
      const { mean } = differenceOf(own, other);
      assert.ok(mean < 0.5, `${mean}`); // roundings of colours
    });
  },
});

Deno.test("ffmpeg: where there is none the message says how it is got, and nothing else is affected", async () => {
  assert.ok(taskPermissions.includes("--allow-run=ffmpeg"));
  await withFolder(async (folder) => {
    await Deno.writeTextFile(join(folder, "a.mkv"), "x");
    const { code, out, err } = await infoClips(folder, join(folder, "nothing"));
    assert.equal(code, 1);
    assert.equal(out, "");
    assert.match(
      err,
      /^tessera: .*no clip can be used: 1 unreadable: a\.mkv \(reading it takes ffmpeg, which is not on the PATH \(.*ffmpeg\)\)\n$/m,
    );
  });
});
