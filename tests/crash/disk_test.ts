/** Disks that are full, read-only or gone: one line, exit code 1, and every checkpoint intact. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { openSafetensors } from "../../formats/tensors/safetensors.ts";
import { readManifest } from "../../training/checkpoints/manifest.ts";
import { appendMetrics, type Metrics } from "../../training/runs/metrics.ts";
import { createRunFolder, listCheckpoints, newestRun } from "../../training/runs/run_folder.ts";
import {
  assertSameTensors,
  checkpointFiles,
  checkpointOf,
  namesIn,
  onWasm,
  run,
  shellWords,
  start,
  tinyModel,
  train,
  withFolder,
  writeTinyData,
} from "../cli/runs.ts";
import { tinyNaViT, writeMixedPictures } from "../cli/navit_runs.ts";
import type { Finished } from "../cli/support.ts";
import { canMount, withDisk } from "./libc.ts";

const linux = { ignore: Deno.build.os !== "linux" };
const mounting = { ignore: !canMount() };
const posix = { ignore: Deno.build.os === "windows" };

/** The arguments of a run that saves every 2 steps. */
const training = (data: string, results: string): string[] => [
  ...["train", "dit", ...tinyModel, "--patch", "4", "--data-path", data, ...onWasm],
  ...["--results-dir", results, "--log-every", "1", "--ckpt-every", "2"],
];

/** Checks exit code and message: the last line, without a stack trace. */
function assertFails({ code, out, err }: Finished, message: RegExp): void {
  assert.equal(code, 1, err);
  assert.equal(out, "");
  assert.match(err.trimEnd().split("\n").at(-1)!, message);
  assert.doesNotMatch(err, /^ +at |--debug/m);
}

/** Checks that a run holds whole checkpoints and nothing half-written; returns their number. */
async function assertIntact(folder: string): Promise<number> {
  const checkpoints = await listCheckpoints(folder);
  for (const name of checkpoints) {
    const checkpoint = join(folder, "checkpoints", name);
    assert.equal((await readManifest(checkpoint)).step, Number(name));
    for (const file of checkpointFiles.filter((name) => name.endsWith(".safetensors"))) {
      (await openSafetensors(join(checkpoint, file))).close();
    }
  }
  assert.deepEqual((await namesIn(folder)).filter((name) => /\.(partial|tmp)/.test(name)), []);
  return checkpoints.length;
}

Deno.test(
  "a full disk ends a run, which goes on exactly when there is room",
  mounting,
  async () => {
    await withFolder(async (folder) => {
      const data = await writeTinyData(join(folder, "data.npz"));
      const whole = await train(
        join(folder, "whole"),
        ...["--patch", "4", "--data-path", data, ...onWasm, "--steps", "60"],
      );
      for (const megabytes of [0.5, 0.75, 1.0625]) {
        await withDisk(megabytes * 2 ** 20, async (disk) => {
          const args = training(data, disk.path);
          const finished = await run(...args, "--steps", "60", "--keep", "1000");
          assertFails(
            finished,
            /^tessera: .*(safetensors|state\.json|latest|metrics\.jsonl|log\.txt)/,
          );
          assertFails(finished, /: cannot be written: no space left on device$/);
          const stopped = await newestRun(disk.path);
          assert(await assertIntact(stopped) >= 1);
          assert(disk.change(2 ** 26));
          const resumed = await run(...["train", "dit", "--resume", stopped, ...onWasm]);
          assert.equal(resumed.code, 0, resumed.err);
          await assertSameTensors(checkpointOf(stopped, 60), checkpointOf(whole, 60));
        });
      }
    });
  },
);

Deno.test("a disk that becomes read-only ends a run", mounting, async () => {
  await withFolder(async (folder) => {
    const data = await writeTinyData(join(folder, "data.npz"));
    await withDisk(2 ** 26, async (disk) => {
      const running = start([...training(data, disk.path), "--steps", "100000"]);
      await running.until(/^saved/m);
      const deadline = performance.now() + 10_000;
      while (!disk.change(2 ** 26, { readOnly: true })) {
        assert(performance.now() < deadline, "always busy");
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      assertFails(await running.finished(), /^tessera: .*[Rr]ead-only file system/);
      const stopped = await newestRun(disk.path);
      // What was being written when the disk became read-only has to stay until the next run.
      for (const args of [training(data, disk.path), ["train", "dit", "--resume", stopped]]) {
        assertFails(await run(...args), /^tessera: (?=.*tessera disk ).*[Rr]ead-only file system/);
      }
      assert(disk.change(2 ** 26));
      const steps = `${Number((await listCheckpoints(stopped)).at(-1)) + 2}`;
      const resumed = await run("train", "dit", "--resume", stopped, ...onWasm, "--steps", steps);
      assert.equal(resumed.code, 0, resumed.err);
      assert(await assertIntact(stopped) >= 1);
    });
  });
});

/** Trains with a limit on the length of files, which only the process itself can set. */
const limited = `
import { main } from "./cli/main.ts";
import { processIo } from "./cli/terminal/io.ts";
import { limitFileLength } from "./tests/crash/libc.ts";
const [bytes, ...args] = Deno.args;
limitFileLength(Number(bytes));
Deno.exit(await main(args, processIo()));
`;

Deno.test(
  "a file over the limit ends a run and leaves no part of a checkpoint",
  linux,
  async () => {
    await withFolder(async (folder) => {
      const data = await writeTinyData(join(folder, "data.npz"));
      const child = new Deno.Command(Deno.execPath(), {
        args: [
          ...["run", "--no-prompt", "--allow-all", "--ext=ts", "-", "60000"],
          ...[...training(data, folder), "--steps", "9"],
        ],
        stdin: "piped",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
      const stdin = child.stdin.getWriter();
      await stdin.write(new TextEncoder().encode(limited));
      await stdin.close();
      const { code, stdout, stderr } = await child.output();
      const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
      const message =
        /^tessera: .*[/\\]0000002[/\\]optim\.safetensors: cannot be written: file too large$/;
      assertFails({ code, out: decode(stdout), err: decode(stderr) }, message);
      const [name] = (await namesIn(folder)).filter((name) => /^000-[^/\\]*$/.test(name));
      assert.equal(await assertIntact(join(folder, name)), 0);
      assert.deepEqual(await namesIn(join(folder, name, "checkpoints")), []);
    });
  },
);

Deno.test("a full disk while drawing leaves no part of a file", mounting, async () => {
  await withDisk(2 ** 18, async ({ path }) => {
    const args = ["--classes", "1", "--count", "200", "--num-sampling-steps", "1", ...onWasm];
    for (
      const [flag, name] of [["--save-latents", "latents.safetensors"], ["--npz", "samples.npz"]]
    ) {
      const file = join(path, name);
      const out = flag === "--npz" ? [] : ["--out", join(path, "out")];
      assertFails(
        await run("sample", "dit", ...args, ...out, flag, file),
        /^tessera: .*: cannot be written: no space left on device$/,
      );
      const left = await namesIn(path);
      assert.deepEqual(left.filter((name) => !/^out(?:$|[/\\]\d{6}\.png$)/.test(name)), []);
    }
  });
});

Deno.test("a folder given for a file is refused before the work", async () => {
  await withFolder(async (folder) => {
    const out = ["--num-sampling-steps", "1", ...onWasm, "--out", join(folder, "out")];
    const data = await writeTinyData(join(folder, "data.npz"));
    for (
      const command of [
        ["sample", "dit", ...out, "--npz", folder],
        ["sample", "dit", ...out, "--save-latents", folder],
        [...training(data, join(folder, "results")), "--steps", "1", "--profile", folder],
      ]
    ) {
      assertFails(await run(...command), /: is a folder; give the name of a file$/);
    }
    assert.deepEqual(await namesIn(folder), ["data.npz"]);
  });
});

Deno.test("metrics that cannot be written are named", mounting, async () => {
  await withDisk(8192, async ({ path }) => {
    await Deno.writeFile(join(path, "filler"), new Uint8Array(8192)).catch(() => {});
    assert.throws(() => appendMetrics(path, {} as Metrics), {
      name: "InputError",
      message: `${join(path, "metrics.jsonl")}: cannot be written: no space left on device`,
    });
  });
});

for (
  const [what, message] of [
    ["checkpoints", /^tessera: .*[/\\]checkpoints was removed while the run was going on$/],
    [
      "",
      /^tessera: .*(metrics\.jsonl|log\.txt|checkpoints was removed while the run was going on$)/,
    ],
  ] as const
) {
  Deno.test(`the folder of the ${what || "run"} removed during a run`, posix, async () => {
    await withFolder(async (folder) => {
      const data = await writeTinyData(join(folder, "data.npz"));
      const results = join(folder, "results");
      const running = start([...training(data, results), "--steps", "100000"]);
      await running.until(/^saved.*0000004$/m);
      const path = await newestRun(results);
      // Renamed, because removing it would race with what is being written.
      await Deno.rename(join(path, what), join(folder, "moved"));
      const finished = await running.finished();
      assertFails(finished, message);
      assert(finished.err.includes(path), "the path is not named");
      const left = (await namesIn(path)).filter((name) => name.includes("safetensors"));
      assert.deepEqual(left, [], "something was written anew");
      const moved = (await namesIn(join(folder, "moved"))).filter((name) => /\d{7}$/.test(name));
      for (const name of moved.filter((name) => !name.includes("partial"))) {
        await readManifest(join(folder, "moved", name));
      }
    });
  });
}

/** Puts each picture below a folder there under so many names more. */
async function multiply(folder: string, copies: number): Promise<void> {
  for (const name of (await namesIn(folder)).filter((name) => name.endsWith(".png"))) {
    for (let copy = 0; copy < copies; copy++) {
      await Deno.link(join(folder, name), join(folder, name.replace(/\.png$/, `-${copy}.png`)));
    }
  }
}

Deno.test("pictures that vanish during a run of packed pictures end it, saved", posix, async () => {
  await withFolder(async (folder) => {
    const data = await writeMixedPictures(join(folder, "data"), 8);
    // So many that a run has not seen and kept them all before they are gone, however slow the machine.
    await multiply(data, 400);
    const results = join(folder, "results");
    const flags = ["--data-path", data, ...onWasm, "--log-every", "1"];
    const running = start([
      ...["train", "navit", ...tinyNaViT, ...flags, "--results-dir", results],
      ...["--steps", "100000", "--ckpt-every", "1000000"],
    ]);
    await running.until(/^step 0*2\//m);
    await Deno.rename(data, join(folder, "moved"));
    const finished = await running.finished();
    assertFails(finished, /^tessera: .*data: none of the \d+ pictures of step \d+ can be decoded/);
    const [, step, command] = /^saved up to step (\d+); go on with: deno task tessera (.*)$/m
      .exec(finished.err)!;
    await Deno.rename(join(folder, "moved"), data);
    const path = await newestRun(results);
    assert.equal(await assertIntact(path), 1);
    const more = ["--steps", `${Number(step) + 2}`];
    const resumed = await run(...shellWords(command), ...more);
    assert.equal(resumed.code, 0, resumed.err);
  });
});

Deno.test(
  "pictures of one size are in memory: that they vanish changes nothing",
  posix,
  async () => {
    await withFolder(async (folder) => {
      const data = await writeMixedPictures(join(folder, "data"), 8);
      const flags = ["--data-path", data, "--image-size", "8", ...onWasm, "--log-every", "1"];
      const running = start([
        ...["train", "dit", ...tinyModel, "--patch", "4", ...flags, "--steps", "300"],
        ...["--results-dir", join(folder, "results")],
      ]);
      await running.until(/^step 0*2\//m);
      await Deno.rename(data, join(folder, "moved"));
      const { code, err } = await running.finished();
      assert.equal(code, 0, err);
      assert.doesNotMatch(err, /skipped|warning/);
    });
  },
);

Deno.test("two processes cannot go on with the same run at once", posix, async () => {
  await withFolder(async (folder) => {
    const data = await writeTinyData(join(folder, "data.npz"));
    const first = start([...training(data, folder), "--steps", "100000"]);
    await first.until(/^saved/m);
    const path = await newestRun(folder);
    const second = await run("train", "dit", "--resume", path, ...onWasm, "--steps", "100000");
    assertFails(second, /: another process is training in this run folder$/);
    first.kill("SIGKILL");
    await first.finished();
    assert(await createRunFolder(folder, "next") !== path);
  });
});

Deno.test(
  "when pictures cannot be drawn, the run saves and tells how to go on",
  posix,
  async () => {
    await withFolder(async (folder) => {
      const data = await writeTinyData(join(folder, "data.npz"));
      const results = join(folder, "results");
      const args = ["--ckpt-every", "1000000", "--sample-every", "40", "--num-sampling-steps", "1"];
      const running = start([...training(data, results), ...args, "--steps", "100000"]);
      await running.until(/^step 0*10\//m);
      const [name] = (await namesIn(results)).filter((name) => /^000-[^/\\]*$/.test(name));
      await Deno.rename(join(results, name, "samples"), join(folder, "moved"));
      const finished = await running.finished();
      assertFails(finished, /^tessera: .*samples/);
      const [, step, command] = /^saved up to step (\d+); go on with: deno task tessera (.*)$/m
        .exec(finished.err)!;
      const path = await newestRun(results);
      assert.equal(Number((await listCheckpoints(path)).at(-1)), Number(step));
      await Deno.rename(join(folder, "moved"), join(path, "samples"));
      const more = ["--steps", `${Number(step) + 2}`];
      const resumed = await run(...shellWords(command), ...more);
      assert.equal(resumed.code, 0, resumed.err);
    });
  },
);

Deno.test("a run appends to no link that leads out of its folder", posix, async () => {
  await withFolder(async (folder) => {
    const data = await writeTinyData(join(folder, "data.npz"));
    const path = await train(
      join(folder, "results"),
      ...["--patch", "4", "--data-path", data, ...onWasm, "--steps", "2"],
    );
    const outside = join(folder, "outside");
    await Deno.writeTextFile(outside, "mine\n");
    for (const name of ["log.txt", "metrics.jsonl"]) {
      await Deno.rename(join(path, name), join(folder, name));
      await Deno.symlink(outside, join(path, name));
      const resumed = await run("train", "dit", "--resume", path, ...onWasm, "--steps", "3");
      assertFails(resumed, new RegExp(`${name}: is a symbolic link, and only a regular file`));
      await Deno.remove(join(path, name));
      await Deno.rename(join(folder, name), join(path, name));
    }
    assert.equal(await Deno.readTextFile(outside), "mine\n");
  });
});
