/** What `tessera train dit` says when it cannot do what it was asked for: one line, nothing left. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { runTessera, taskPermissions } from "../../support.ts";
import {
  assertFails,
  assertRefuses,
  checkpointFiles,
  checkpointOf,
  namesIn,
  onWasm,
  run,
  start,
  succeed,
  tinyModel,
  train,
  withFolder,
  writeTinyData,
} from "../../runs.ts";

/** Starts a run that must fail before it makes its folder. */
async function refuses(
  folder: string,
  args: readonly string[],
  code: number,
  message: RegExp,
): Promise<void> {
  const results = ["--results-dir", join(folder, "results"), "--steps", "2", "--quiet"];
  const command = ["train", "dit", ...tinyModel, ...onWasm, ...results, ...args];
  await assertRefuses(folder, command, code, message);
}

Deno.test("wrong flags are named with the closest valid value", async () => {
  await withFolder(async (folder) => {
    const cases: [string[], RegExp][] = [
      [["--stpes", "3"], /^tessera: unknown option '--stpes'; did you mean --steps\?/],
      [["--model", "DiT-S4"], /^tessera: unknown model DiT-S4; did you mean DiT-S\/4 or /],
      [["--patch", "5"], /the side 28 is not divisible by the patch 5; nearest sides: 25 and 30$/m],
      [["--image-size", "30"], /the side 30 is not divisible by the patch 7; .*: 28 and 35$/m],
      [["--hidden", "18", "--heads", "4"], /18 is not divisible by 4 heads; .*: 16 and 20$/m],
      [["--channels", "2"], /2 channels: pictures can have 1 \(grey\) or 3 \(colour\)$/m],
      [["--num-classes", "5"], /the data set has classes 10, the model 5$/m],
      [["--accumulate", "3"], /does not divide the batch of 8 into equal parts; .*: 2 and 4$/m],
      [["--accumulate", "9"], /does not divide the batch of 8 into equal parts; the nearest: 8$/m],
      [["--warmup", "2"], /^tessera: --warmup 2 leaves nothing of 2 steps; at most 1$/m],
      [["--lr-min", "1e-5"], /^tessera: --lr-min is for --lr-schedule cosine$/m],
      [["--lr-schedule", "cosin"], /did you mean cosine\?/],
      [["--lr-schedule", "cosine", "--lr-min", "1"], /above the learning rate; at most 0.003$/m],
      [["--lr", "fast"], /^tessera: --lr "fast" is not a number/],
      [["--device", "gpu"], /--device "gpu" is not known; .*auto, webgpu or wasm$/m],
    ];
    for (const [args, message] of cases) await refuses(folder, args, 2, message);
  });
});

Deno.test("data that cannot be used", async () => {
  await withFolder(async (folder) => {
    const path = (name: string) => join(folder, name);
    await Deno.mkdir(path("empty"));
    await Deno.mkdir(path("classes/a"), { recursive: true });
    await Deno.mkdir(path("pictures/a"), { recursive: true });
    await Deno.writeTextFile(path("pictures/a/1.png"), "x");
    await Deno.writeTextFile(path("notes.txt"), "x");
    const cases: [string[], RegExp][] = [
      [[path("empty")], /empty: not a data set: no pictures .*; looked for labels\.json /],
      [
        [path("classes"), "--image-size", "28"],
        /classes: not a data set: no pictures \(\.jpg .*\) in it or in its /,
      ],
      [
        [path("pictures")],
        /pictures: a folder of pictures needs a size to crop to \(--image-size\)/,
      ],
      [[path("missing")], /missing: no such file or folder$/m],
      [[path("notes.txt")], /notes\.txt: not a data set; looked for /],
    ];
    for (const [args, message] of cases) {
      await refuses(folder, ["--data-path", ...args], 1, message);
    }
  });
});

Deno.test("weights that cannot be started from", async () => {
  await withFolder(async (folder) => {
    const good = await train(join(folder, "good"), "--steps", "1", ...onWasm);
    const weights = join(checkpointOf(good, 1), "model.safetensors");
    const bytes = await Deno.readFile(weights);
    const damaged = join(folder, "damaged.safetensors");
    await Deno.writeFile(damaged, bytes.subarray(0, -100));
    const cases: [string[], RegExp][] = [
      [[join(folder, "missing")], /checkpoint .*missing: does not exist; give a run folder, /],
      [[join(folder, "missing.safetensors")], /missing\.safetensors: no such file$/m],
      [
        [folder],
        /has no checkpoint in it; give a run folder, a checkpoint folder or a \.safetensors file$/m,
      ],
      [[damaged], /damaged\.safetensors: tensor "final_layer.*\(truncated\?\)$/m],
      [[good, "--hidden", "20"], /pos_embed has the shape \(1, 16, 16\), not \(1, 16, 20\)$/m],
      [[good, "--depth", "2"], /blocks\.1\.attn\.qkv\.weight is missing/],
    ];
    for (const [args, message] of cases) {
      await refuses(folder, ["--init-from", ...args], 1, message);
    }
  });
});

Deno.test("checkpoints that cannot be resumed stay as they are", async () => {
  await withFolder(async (results) => {
    const data = await writeTinyData(join(results, "data.npz"));
    const small = ["--data-path", data, "--patch", "4", "--ckpt-every", "1", "--log-every", "1"];
    const folder = await train(results, ...small, "--steps", "2", ...onWasm);
    const newest = checkpointOf(folder, 2);
    const before = await namesIn(results);
    const metrics = await Deno.readTextFile(join(folder, "metrics.jsonl"));
    const refuse = async (code: number, message: RegExp, ...args: string[]) => {
      assertFails(await run("train", "dit", ...onWasm, "--resume", ...args), code, message);
      assert.deepEqual(await namesIn(results), before);
      assert.equal(await Deno.readTextFile(join(folder, "metrics.jsonl")), metrics);
    };
    await refuse(1, /missing: does not exist; give a run folder/, join(results, "missing"));
    await refuse(2, /so --lr cannot be given; --allow-changes lr/, folder, "--lr", "1");
    await refuse(2, /so --init-from cannot be given/, folder, "--init-from", folder);
    await refuse(
      1,
      /the run has the newer checkpoint .*0000002: .*--init-from/,
      checkpointOf(folder, 1),
    );
    for (const name of checkpointFiles.slice(0, 3)) {
      const path = join(newest, name);
      const bytes = await Deno.readFile(path);
      await Deno.writeFile(path, bytes.subarray(0, -10));
      await refuse(
        1,
        new RegExp(`${name}: damaged: its length .* is not what was written`),
        folder,
        "--steps",
        "4",
      );
      await Deno.writeFile(path, bytes);
    }
    const manifest = await Deno.readTextFile(join(newest, "state.json"));
    await Deno.writeTextFile(join(newest, "state.json"), manifest.slice(0, -10));
    await refuse(
      1,
      /state\.json: not valid JSON, the file is damaged; the newest whole .*0000001; go on/,
      folder,
    );
    await Deno.writeTextFile(join(newest, "state.json"), manifest);

    await writeTinyData(data, 1);
    await refuse(1, /data\.npz: not the pictures this run was trained on/, folder, "--steps", "4");
    await Deno.remove(data);
    before.splice(before.indexOf("data.npz"), 1);
    await refuse(
      1,
      /data\.npz: no such file or folder; the run was trained on what was there, --data-path says/,
      folder,
    );
    const moved = await writeTinyData(join(results, "moved.npz"));
    before.push("moved.npz");
    before.sort();
    assert.equal(
      await succeed("train", "dit", ...onWasm, "--resume", folder, "--data-path", moved),
      folder,
    );

    const copied = join(results, "elsewhere", "0000002");
    await Deno.mkdir(copied, { recursive: true });
    for (const name of checkpointFiles) {
      await Deno.copyFile(join(newest, name), join(copied, name));
    }
    const { code, err } = await run("train", "dit", ...onWasm, "--resume", copied);
    assert.equal(code, 1);
    assert.match(err, /0000002: is not in the folder of a run; --init-from starts a new run/);
  });
});

Deno.test("--resume auto without a run", async () => {
  await withFolder(async (folder) => {
    const args = ["train", "dit", "--resume", "auto", "--results-dir", join(folder, "none")];
    assertFails(await run(...args), 1, /none: no run with a checkpoint to resume$/m);
  });
});

Deno.test("a results folder that cannot be made", async () => {
  await withFolder(async (folder) => {
    await Deno.writeTextFile(join(folder, "file"), "");
    const args = ["train", "dit", ...tinyModel, ...onWasm, "--quiet", "--results-dir"];
    for (const path of ["file", "file/results"]) {
      assertFails(
        await run(...args, join(folder, path)),
        1,
        /file.*: (?:is a file, not a folder|not a directory)$/m,
      );
    }
    assert.deepEqual(await namesIn(folder), ["file"]);
    const allowed = taskPermissions.filter((flag) => !flag.startsWith("--allow-write"));
    const denied = await runTessera([...args, join(folder, "results")], allowed);
    assertFails(denied, 1, /results: Tessera was started without the permission for this$/m);
  });
});

Deno.test("--device webgpu without an adapter", async () => {
  // Backends of other systems: wgpu finds no adapter then.
  const backend = Deno.build.os === "windows" ? "metal" : "dx12";
  await withFolder(async (folder) => {
    const args = ["train", "dit", ...tinyModel, "--device", "webgpu", "--results-dir"];
    const env = { DENO_WEBGPU_BACKEND: backend };
    const finished = await start([...args, join(folder, "results")], env).finished();
    assertFails(finished, 1, /^tessera: no WebGPU adapter found; .* or use --device wasm\n$/);
    assert.deepEqual(await namesIn(folder), []);
  });
});

Deno.test("a loss that is not finite ends the run with exit code 3 and keeps what was good", async () => {
  await withFolder(async (results) => {
    const good = await train(results, "--steps", "2", ...onWasm);
    const args = ["--init-from", good, "--lr", "1e30", "--log-every", "5", "--ckpt-every", "5"];
    for (const steps of ["12", "1000"]) {
      const finished = await run(
        ...["train", "dit", ...tinyModel, ...onWasm, "--results-dir", results],
        ...[...args, "--steps", steps],
      );
      assertFails(finished, 3, /not been finite for (11|24) steps up to step (12|25); there is no/);
      assert.match(finished.err, /^skipped 4 steps: a gradient was not finite$/m);
    }
    const left = (await namesIn(results)).filter((name) => name.endsWith(".safetensors"));
    assert(left.length === 3 && left.every((name) => name.startsWith("000-")), left.join());
  });
});

Deno.test("--debug shows where an error comes from", async () => {
  const { code, err } = await run("train", "dit", ...tinyModel, "--patch", "5", "--debug");
  assert.equal(code, 2);
  assert.match(err, /^tessera: UsageError: model for fashion: the side 28 .*\n {4}at /);
  assert.match(err, /\[cause\]: InputError: .*\n +at requireMultiple /);
});
