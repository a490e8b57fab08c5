/** Appending to regular files, and to nothing else. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { appendText } from "../../../formats/files/append_file.ts";
import { withFolder } from "../../cli/runs.ts";

Deno.test("text is appended to a file, which is made where there is none", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "log.txt");
    appendText(path, "one\n");
    appendText(path, "two\n");
    assert.equal(await Deno.readTextFile(path), "one\ntwo\n");
  });
});

Deno.test("nothing is appended through a link, or to a folder or a device", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await withFolder(async (folder) => {
    const outside = join(folder, "outside.txt");
    await Deno.writeTextFile(outside, "mine\n");
    for (const target of [outside, "/dev/null", join(folder, "nowhere"), folder]) {
      const path = join(folder, "log.txt");
      await Deno.symlink(target, path);
      assert.throws(() => appendText(path, "x\n"), {
        name: "InputError",
        message: `${path}: is a symbolic link, and only a regular file is appended to; remove it`,
      });
      await Deno.remove(path);
    }
    assert.throws(() => appendText(folder, "x\n"), /: is a folder, and only a regular file/);
    assert.equal(await Deno.readTextFile(outside), "mine\n");
    assert.deepEqual(Array.from(Deno.readDirSync(folder), ({ name }) => name), ["outside.txt"]);
  });
});
