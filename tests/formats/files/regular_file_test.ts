/** Nothing that a program could wait for is opened. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { readRegularFile, readRegularText } from "../../../formats/files/regular_file.ts";
import { makePipe } from "../../crash/libc.ts";
import { checkpointOf, run, withFolder } from "../../cli/runs.ts";

const linux = { ignore: Deno.build.os !== "linux" };

Deno.test("regular files are read, also through links; folders are refused", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "file");
    await Deno.writeTextFile(path, "é\n");
    await Deno.symlink(path, join(folder, "link"));
    assert.equal(await readRegularText(join(folder, "link")), "é\n");
    assert.deepEqual(await readRegularFile(path), Uint8Array.of(0xc3, 0xa9, 10));
    await assert.rejects(readRegularFile(folder), {
      message: `${folder}: is a folder, not a file`,
    });
    await assert.rejects(readRegularText(join(folder, "none")), Deno.errors.NotFound);
  });
});

Deno.test("what is longer than a text can be is not read, whoever asks for it", async () => {
  await withFolder(async (folder) => {
    const huge = async (name: string) => {
      const path = join(folder, name);
      await Deno.writeTextFile(path, "");
      await Deno.truncate(path, 2 ** 40);
      return path;
    };
    const [config, picture] = [await huge("config.json"), await huge("picture.png")];
    for (const name of ["cache.json", "state.json", "metrics.jsonl"]) await huge(name);
    const commands = [
      ["info", "model", "--config", config],
      ["info", picture],
      ["info", folder],
      ["plot", folder],
    ];
    for (const command of commands) {
      const { code, err } = await run(...command);
      assert.equal(code, 1, `${command}: ${err}`);
      assert.match(err, /: has 1099511627776 bytes, more than the \d+ that are read of it$/m);
    }
  });
});

Deno.test(
  "a pipe instead of a file is refused by every command, and none waits for it",
  linux,
  async () => {
    await withFolder(async (folder) => {
      const pipe = (name: string) => {
        makePipe(join(folder, name));
        return join(folder, name);
      };
      const checkpoint = checkpointOf(join(folder, "run"), 1);
      await Deno.mkdir(checkpoint, { recursive: true });
      makePipe(join(checkpoint, "state.json"));
      const commands = [
        ["train", "dit", "--config", pipe("config.json")],
        ["info", "model", "--config", pipe("model.json")],
        ["info", pipe("picture.png")],
        ["info", join(folder, "run")],
        ["sample", "dit", "--ckpt", join(folder, "run")],
        ["eval", "navit", "--ckpt", checkpoint],
        ["train", "dit", "--resume", join(folder, "run")],
        ["train", "navit", "--init-from", join(folder, "run")],
      ];
      for (const command of commands) {
        const { code, err } = await run(...command);
        assert.equal(code, 1, `${command}: ${err}`);
        assert.match(err, /: is a device or pipe, not a file$/m, `${command}`);
      }
    });
  },
);
