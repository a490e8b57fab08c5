/** Places for what is written, where links are in the way. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { writeTextAtomically } from "../../../formats/files/atomic_file.ts";
import { makeFolder, requireFree, requireOutside } from "../../../formats/files/folder.ts";
import { assertRefuses, namesIn, onWasm, withFolder, writeTinyData } from "../../cli/runs.ts";

const posix = { ignore: Deno.build.os === "windows" };

/** Runs `body` in a folder with a file, a folder, and links to both, to nowhere and to themselves. */
const withLinks = (body: (at: (...names: string[]) => string) => Promise<void>) =>
  withFolder(async (folder) => {
    const at = (...names: string[]) => join(folder, ...names);
    await Deno.writeTextFile(at("file"), "mine");
    await Deno.mkdir(at("folder"));
    for (const target of ["file", "folder", "nowhere"]) {
      await Deno.symlink(target, at(`to ${target}`));
    }
    await Deno.symlink("circle", at("circle"));
    await body(at);
  });

/** What is wrong with places where there can be no folder, by the name of the place. */
const problems = {
  "file": "is a file, not a folder",
  "to file": "is a file, not a folder",
  "to nowhere": "is a symbolic link to nowhere, where there is nothing",
  "circle": "is a symbolic link that leads in a circle",
} as const;

Deno.test(
  "a folder is made, or is there, be it through a link",
  posix,
  () =>
    withLinks(async (at) => {
      for (
        const path of [at("new", "deep"), at("folder"), at("to folder"), at("to folder", "in")]
      ) {
        await makeFolder(path);
        assert((await Deno.stat(path)).isDirectory);
      }
      assert.deepEqual(await namesIn(at("folder")), ["in"]);
    }),
);

Deno.test(
  "what is in the way of a folder is told by its own path and kind",
  posix,
  () =>
    withLinks(async (at) => {
      const before = await namesIn(at());
      for (const [name, problem] of Object.entries(problems)) {
        const error = { name: "InputError", message: `${at(name)}: ${problem}` };
        for (const path of [at(name), `${at(name)}/`, at(name, "deep"), at(name, "very", "deep")]) {
          await assert.rejects(makeFolder(path), error, path);
        }
        await assert.rejects(writeTextAtomically(at(name, "new.txt"), "x"), error);
      }
      assert.deepEqual(await namesIn(at()), before);
    }),
);

Deno.test(
  "a name is free when nothing has it, not even a link to nowhere",
  posix,
  () =>
    withLinks(async (at) => {
      await requireFree(at("new"));
      await requireFree(at("none", "new"));
      for (const name of ["file", "folder", "to file", "to folder"]) {
        const message = `${at(name)}: exists already; give a new name`;
        await assert.rejects(requireFree(at(name)), { name: "InputError", message });
      }
      for (const name of ["to nowhere", "circle"] as const) {
        const message = `${at(name)}: ${problems[name]}; give a new name`;
        await assert.rejects(requireFree(at(name)), { name: "InputError", message });
        await assert.rejects(requireFree(`${at(name)}/`), { name: "InputError", message });
      }
    }),
);

Deno.test(
  "a file takes the place of a link, and what that leads to stays",
  posix,
  () =>
    withLinks(async (at) => {
      for (const name of ["to file", "to nowhere", "circle"]) {
        await writeTextAtomically(at(name), "new");
        assert((await Deno.lstat(at(name))).isFile, name);
      }
      assert.equal(await Deno.readTextFile(at("file")), "mine");
      assert(!(await namesIn(at())).includes("nowhere"));
      await assert.rejects(writeTextAtomically(at("to folder"), "x"), /is a folder; give the name/);
    }),
);

Deno.test(
  "commands tell links that are no folders by what they are",
  posix,
  () =>
    withLinks(async (at) => {
      const fashion = "shipped:fashion";
      const data = await writeTinyData(at("data.npz"));
      for (const name of ["to nowhere", "circle"] as const) {
        const message = new RegExp(`${name}: ${problems[name]}`);
        for (
          const command of [
            ["sample", "dit", ...onWasm, "--out"],
            ["sample", "dit", ...onWasm, "--save-latents"].concat(at(name, "latents.safetensors")),
            ["export", fashion, "--out"],
            ["convert", fashion],
            ["convert", fashion, "--layout", "diffusers"],
            ["export", "clips", "shipped:motion", "--out"],
            ["train", "dit", "--patch", "4", "--data-path", data, ...onWasm, "-q", "--results-dir"],
          ]
        ) {
          const isWhole = command.at(-1)!.startsWith(at());
          await assertRefuses(at(), isWhole ? command : [...command, at(name)], 1, message);
        }
      }
    }),
);

Deno.test(
  "a place for output is outside of what is read, links or not",
  posix,
  () =>
    withLinks(async (at) => {
      const inside = [
        at("folder"),
        at("folder", "a", "b"),
        at("to folder", "a"),
        at("folder", "..a"),
      ];
      for (const path of inside) {
        for (const source of [at("folder"), at("to folder")]) {
          await assert.rejects(requireOutside(path, source), /lies in .*folder, which is read/);
        }
      }
      for (const path of [at("new"), at("folders"), at("folder", "..", "a"), at("to file")]) {
        await requireOutside(path, at("folder"));
      }
      await requireOutside(at("file"), at("nowhere"));
      await requireOutside(at("a", "b.npz"), "shipped:motion");
    }),
);
