/** Damage to a checkpoint is noticed, wherever it is, and what is whole is found. */
import assert from "node:assert/strict";
import { basename, join } from "@std/path";
import { createWasmDevice } from "../../kernels/wasm/device.ts";
import { loadDiT } from "../../models/dit/sampling.ts";
import { readState } from "../../training/checkpoints/checkpoint.ts";
import { verifyCheckpoint } from "../../training/checkpoints/whole_checkpoint.ts";
import { ditFamily } from "../../models/dit/family.ts";
import { readManifestOf } from "../../training/checkpoints/manifest.ts";
import { allocateState } from "../../training/step/trainer.ts";
import { ditParameters } from "../../models/dit/model.ts";
import {
  assertFails,
  assertSameTensors,
  checkpointFiles,
  checkpointOf,
  editManifest,
  namesIn,
  onWasm,
  run,
  shellWords,
  succeed,
  tinyModel,
  train,
  withFolder,
  writeTinyData,
} from "../cli/runs.ts";
import { scale } from "../scale.ts";

/** Trains two steps, each with a checkpoint; returns the run folder. */
async function trainTwice(folder: string, ...args: string[]): Promise<string> {
  const data = await writeTinyData(join(folder, "data.npz"));
  return await train(
    join(folder, "results"),
    ...["--patch", "4", "--data-path", data, ...onWasm, "--steps", "2", "--ckpt-every", "1"],
    ...args,
  );
}

/** Places of a file in which a byte is changed: all of a small one, and of a header all but a few. */
function places(bytes: Uint8Array): number[] {
  const header = Number(new DataView(bytes.buffer).getBigUint64(0, true)) + 8;
  const isTensors = header < bytes.length;
  const stride = (index: number): number => {
    if (!isTensors) return 1;
    return index < header ? scale(13, 1) : scale(1009, 29);
  };
  const found: number[] = [];
  for (let index = 0; index < bytes.length; index += stride(index)) found.push(index);
  return [...found, bytes.length - 1];
}

/** Calls `body` with a file changed in one byte at a time; the file is whole again afterwards. */
async function withFlips(
  path: string,
  chosen: (bytes: Uint8Array) => number[],
  body: (where: string) => Promise<void>,
): Promise<number> {
  const whole = await Deno.readFile(path);
  const indices = chosen(whole);
  for (const [count, index] of indices.entries()) {
    const changed = whole.slice();
    changed[index] ^= 1 << count % 8;
    await Deno.writeFile(path, changed);
    await body(`byte ${index} of ${basename(path)}`);
  }
  await Deno.writeFile(path, whole);
  return indices.length;
}

Deno.test("no changed byte of a checkpoint is taken for what was written", async () => {
  await withFolder(async (folder) => {
    const checkpoint = checkpointOf(await trainTwice(folder), 2);
    assert.deepEqual((await verifyCheckpoint(checkpoint)).sort(), checkpointFiles.slice(0, 3));
    let count = 0;
    for (const name of checkpointFiles) {
      count += await withFlips(join(checkpoint, name), places, async (where) => {
        await assert.rejects(verifyCheckpoint(checkpoint), { name: "InputError" }, where);
      });
    }
    console.log(`${count} changed bytes`);
    await verifyCheckpoint(checkpoint);
  });
});

Deno.test("what is read to go on or to sample is checked as it is read", async () => {
  await withFolder(async (folder) => {
    const checkpoint = checkpointOf(await trainTwice(folder), 2);
    const { config } = await readManifestOf(ditFamily, checkpoint);
    const device = await createWasmDevice({ threads: 1 });
    const state = allocateState(device, ditParameters(config));
    const some = (bytes: Uint8Array) => places(bytes).filter((_, index) => index % 10 === 0);
    for (const name of checkpointFiles.slice(0, 3)) {
      const path = join(checkpoint, name);
      await withFlips(path, some, async (where) => {
        await assert.rejects(readState(checkpoint, state), { name: "InputError" }, where);
        if (name === "optim.safetensors") return;
        const loading = loadDiT(device, { config, path, classNames: [] });
        await assert.rejects(loading, { name: "InputError" }, where);
      });
    }
    await readState(checkpoint, state);
    device.close();
  });
});

Deno.test("every command that opens a checkpoint refuses a damaged one", async () => {
  await withFolder(async (folder) => {
    const path = await trainTwice(folder);
    const checkpoint = checkpointOf(path, 2);
    const sample = ["sample", "dit", "--ckpt", path, "--num-sampling-steps", "1", "--count", "1"];
    const commands: Record<string, [name: string, at: number][]> = {
      [["info", path].join("\0")]: [["state.json", 0.5], ["ema.safetensors", 0]],
      [["info", path, "--verify"].join("\0")]: checkpointFiles.map((name) => [name, 0.9]),
      [[...sample, "--out", join(folder, "out"), ...onWasm].join("\0")]: [
        ["state.json", 0.2],
        ["ema.safetensors", 0.7],
      ],
      [["train", "dit", "--resume", path, "--steps", "3", ...onWasm].join("\0")]: checkpointFiles
        .map((name) => [name, 0.8]),
    };
    for (const [command, damages] of Object.entries(commands)) {
      for (const [name, at] of damages) {
        const place = (bytes: Uint8Array) => [Math.floor(at * bytes.length)];
        await withFlips(join(checkpoint, name), place, async (where) => {
          const finished = await run(...command.split("\0"));
          assertFails(finished, 1, new RegExp(`${name}: (?:damaged|truncated|not )`));
          assert.doesNotMatch(finished.err, /tessera: .*undefined/, where);
        });
      }
    }
    const verified = await succeed("info", path, "--verify");
    assert.match(verified, /^verified +4 files, .* bytes are what was written$/m);
  });
});

Deno.test("a manifest has no other fields, none twice, and the step of its folder", async () => {
  await withFolder(async (folder) => {
    const path = await trainTwice(folder);
    const checkpoint = checkpointOf(path, 2);
    const whole = await Deno.readTextFile(join(checkpoint, "state.json"));
    const cases: [(text: string) => string, RegExp][] = [
      [(text) => text.replace('"step": 2', '"step": 2, "stop": 9'), /state\.json: .*"stop"/],
      [(text) => text.replace('"seed": 0', '"seed": 0, "sead": 9'), /state\.json: run: .*"sead"/],
      [(text) => text.replace('"keep": 3', '"keep": 3, "x": 1'), /state\.json: schedule: .*"x"/],
      [
        (text) => text.replace('"seed": 0', '"seed": 0, "seed": 1'),
        /field "seed" is there twice; the newest/,
      ],
      [
        (text) => text.replace('"step": 2', '"step": 1'),
        /says step 1, but the folder .* step 2; the newest/,
      ],
      [(text) => text.replace('"version": 2', '"version": 3'), /state\.json: version: /],
      [
        (text) => text.replace(/,\s*"checksum": "[0-9a-f]{8}"/, ""),
        /does not end in its checksum; the newest/,
      ],
    ];
    for (const [edit, message] of cases) {
      assert.notEqual(edit(whole), whole, `${message}`);
      await editManifest(checkpoint, edit);
      assertFails(await run("info", path), 1, message);
      await Deno.writeTextFile(join(checkpoint, "state.json"), whole);
    }
  });
});

/** Makes the manifest one of version 1, which had neither time nor checksums. */
async function makeOld(checkpoint: string): Promise<void> {
  const path = join(checkpoint, "state.json");
  const { files: _, savedAt: __, checksum: ___, ...manifest } = JSON.parse(
    await Deno.readTextFile(path),
  );
  await Deno.writeTextFile(path, `${JSON.stringify({ ...manifest, version: 1 }, null, 2)}\n`);
}

Deno.test("checkpoints from before there were checksums are opened as ever", async () => {
  await withFolder(async (folder) => {
    const path = await trainTwice(folder);
    await makeOld(checkpointOf(path, 1));
    await makeOld(checkpointOf(path, 2));
    assert.match(
      await succeed("info", path, "--verify"),
      /^verified +nothing: there are no checksums/m,
    );
    await succeed("train", "dit", "--resume", path, ...onWasm, "--steps", "3");
    assert.match(await succeed("info", path, "--verify"), /^verified +4 files/m);
    const whole = await trainTwice(join(folder, "results"), "--steps", "3");
    await assertSameTensors(checkpointOf(path, 3), checkpointOf(whole, 3));
  });
});

Deno.test("a damaged newest checkpoint names the newest whole one, from which the run goes on", async () => {
  for (const name of ["state.json", "optim.safetensors"]) {
    await withFolder(async (folder) => {
      const path = await trainTwice(folder);
      const newest = join(checkpointOf(path, 2), name);
      await changeByte(newest);
      const refused = await run("train", "dit", "--resume", path, ...onWasm);
      assertFails(refused, 1, /; the newest whole checkpoint is .*0000001; go on from it with: /);
      const [, command] = /go on from it with: deno task tessera (.*)\n$/.exec(refused.err)!;
      await succeed(...shellWords(command), "--steps", "4", ...onWasm);
      assert((await namesIn(path)).some((name) => /0000002\.damaged-1.*optim/.test(name)));
      const whole = await trainTwice(join(folder, "results"), "--steps", "4");
      await assertSameTensors(checkpointOf(path, 2), checkpointOf(whole, 2));
      await assertSameTensors(checkpointOf(path, 4), checkpointOf(whole, 4));
    });
  }
});

/** Changes a byte near the end of a file. */
async function changeByte(path: string): Promise<void> {
  const bytes = await Deno.readFile(path);
  bytes[bytes.length - 9] ^= 1;
  await Deno.writeFile(path, bytes);
}

Deno.test("everything that reads a damaged checkpoint names the newest whole one of its run", async () => {
  await withFolder(async (folder) => {
    const path = await trainTwice(folder);
    const commands = (checkpoint: string): [string, ...string[]][] => [
      ["sample", "dit", "--ckpt", checkpoint, ...onWasm, "--count", "1", "--out", folder],
      ["info", checkpoint, "--verify"],
      ["train", "dit", "--fork", checkpoint, ...onWasm, "--results-dir", folder, "--steps", "3"],
      ["export", "checkpoint", checkpoint, "--out", join(folder, "exported")],
    ];
    const newest = checkpointOf(path, 2);
    for (const name of ["ema.safetensors", "state.json"]) {
      await changeByte(join(newest, name));
      for (const command of [...commands(path), ...commands(newest)]) {
        const refused = await run(...command);
        assertFails(refused, 1, /damaged: .*; the newest whole checkpoint is .*0000001\n$/);
      }
      await changeByte(join(newest, name));
    }
    await changeByte(join(newest, "model.safetensors"));
    assertFails(
      await run("sample", "dit", "--ckpt", path, "--weights", "raw", ...onWasm, "--count", "1"),
      1,
      /model.*damaged: .*; the newest whole checkpoint is .*0000001\n$/,
    );
    assertFails(
      await run(
        ...["train", "dit", "--init-from", path, ...tinyModel, "--patch", "4", ...onWasm] as const,
        ...["--data-path", join(folder, "data.npz"), "--results-dir", folder],
      ),
      1,
      /model.*damaged: .*; the newest whole checkpoint is .*0000001\n$/,
    );
  });
});

Deno.test("what is wrong beside damage names no other checkpoint, and a newer one is named too", async () => {
  await withFolder(async (folder) => {
    const path = await trainTwice(folder);
    assertFails(
      await run("eval", "navit", "--ckpt", path, ...onWasm),
      1,
      /the family dit, not navit\n$/,
    );
    await changeByte(join(checkpointOf(path, 1), "state.json"));
    assertFails(
      await run("info", checkpointOf(path, 1)),
      1,
      /damaged: .*; the newest whole checkpoint is .*0000002\n$/,
    );
  });
});

Deno.test("the folder of checkpoints and the file latest mean the newest one", async () => {
  await withFolder(async (folder) => {
    const path = await trainTwice(folder);
    for (const place of ["checkpoints", "checkpoints/latest"]) {
      assert.match(await succeed("info", join(path, place)), /^step +2$/m);
    }
    const resumed = await succeed(
      ...["train", "dit", "--resume", join(path, "checkpoints"), ...onWasm, "--steps", "3"],
    );
    assert.equal(basename(resumed), basename(path));
    await succeed("info", checkpointOf(path, 3));
  });
});

Deno.test("of several runs, auto goes on with the one saved last, also after a copy", async () => {
  await withFolder(async (folder) => {
    const older = await trainTwice(folder);
    const newer = await trainTwice(folder, "--steps", "3");
    const past = new Date(2001, 1, 1);
    await Deno.utime(checkpointOf(newer, 3), past, past);
    const results = join(folder, "results");
    const resumed = await run(
      ...["train", "dit", "--resume", "auto", "--results-dir", results, ...onWasm],
    );
    assert.equal(resumed.out.trim(), newer, resumed.err);
    assert.notEqual(older, newer);
  });
});
