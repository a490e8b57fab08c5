/** What `tessera train navit` says when it cannot do what it was asked for: one line, nothing left. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { damagePixels } from "../../../data/helpers.ts";
import { runTraining, tinyNaViT, trainNaViT, writeMixedPictures } from "../../navit_runs.ts";
import {
  assertFails,
  assertRefuses,
  checkpointFiles,
  checkpointOf,
  namesIn,
  onWasm,
  resealed,
  run,
  start,
  train,
  withFolder,
} from "../../runs.ts";

/** Starts a run that must fail before it makes its folder. */
async function refuses(
  folder: string,
  data: string,
  args: readonly string[],
  code: number,
  message: RegExp,
): Promise<void> {
  const places = ["--data-path", data, "--results-dir", join(folder, "results")];
  const command = ["train", "navit", ...tinyNaViT, ...onWasm, ...places, "--steps", "2", "--quiet"];
  await assertRefuses(folder, [...command, ...args], code, message);
}

Deno.test("train navit: wrong flags are named with the closest valid value", async () => {
  await withFolder(async (folder) => {
    const data = await writeMixedPictures(join(folder, "pictures"), 2);
    const forms = /write one side, MIN:MAX, native or native:MAX$/m;
    const cases: [string[], RegExp][] = [
      [["--model", "NaViT-B16"], /^tessera: unknown model NaViT-B16; did you mean NaViT-B\/16 or /],
      [["--hidden", "18", "--heads", "4"], /18 is not divisible by 4 heads; .*: 16 and 20$/m],
      [
        ["--hidden", "18", "--heads", "3", "--positions", "sinusoidal"],
        /width 18 is not a multiple of 4, as waves need; nearest widths: 16 and 20$/m,
      ],
      [["--channels", "2"], /2 channels: pictures can have 1 \(grey\) or 3 \(colour\)$/m],
      [["--positions", "factorised"], /did you mean factorized\?/],
      [["--num-classes", "2"], /^tessera: --num-classes 2: .*pictures has 3 classes; at least 3$/m],
      [["--accumulate", "3"], /does not divide the 4 sequences into equal parts; .*: 2 and 4$/m],
      [
        ["--loss", "contrastive", "--accumulate", "2"],
        /--accumulate divides a batch, but all pairs of a contrastive one belong together$/m,
      ],
      [["--loss", "contrastiv"], /did you mean contrastive\?/],
      [["--open-sequences", "9"], /9 are not whole steps of 4 sequences; nearest: 8 and 12$/m],
      [["--open-sequences", "3"], /3 are not whole steps of 4 sequences; nearest: 4$/m],
      [["--holdout", "1"], /--holdout 1 is out of range: .* the nearest valid value is 0\.99$/m],
      [["--warmup", "2"], /^tessera: --warmup 2 leaves nothing of 2 steps; at most 1$/m],
      [["--images-per-sequence", "0"], /--images-per-sequence 0 is out of range: .* is 1$/m],

      [["--resolution", "natve"], forms],
      [["--resolution", "64x64"], forms],
      [["--resolution", "16:32:64"], forms],
      [["--resolution", "native:"], forms],
      [["--resolution", "64:16"], /64 is above 16; write 16:64$/m],
      [["--resolution", "0"], /--resolution 0 is out of range: .* the nearest valid value is 1$/m],
      [["--resolution-distribution", "gaussian"], /it takes uniform or normal$/m],
      [["--resolution-distribution", "normal:2"], /2 is out of range: .* valid value is 1$/m],
      [["--resolution-distribution", "uniform:1"], /write uniform, normal or normal:MEAN$/m],

      [["--token-drop", "1"], /--token-drop 1 is out of range: .* valid value is 0\.99$/m],
      [["--token-drop", "bta:0.5:0.9"], /"bta" is not known; did you mean beta\?/],
      [["--token-drop", "beta:0.5"], /--token-drop beta:0\.5: write beta:MEAN:MAX$/m],
      [["--token-drop", "beta:0.9:0.5"], /MEAN 0\.9 is above MAX 0\.5$/m],
      [["--token-drop", "beta:0:0.5"], /MEAN must lie between 0 and MAX$/m],
      [["--token-drop", "none:1"], /none takes no numbers$/m],
      [["--token-drop", "scheduled:0.2:0.8:5:0"], /WIDTH must not be 0$/m],
      [
        ["--token-drop", "resolution:0.2:0.8", "--resolution", "32"],
        /--token-drop resolution:MIN:MAX needs a --resolution MIN:MAX$/m,
      ],
      [
        ["--token-drop", "resolution:0.2:0.8", "--resolution", "32:32"],
        /needs a wider --resolution: both ends make 16 tokens$/m,
      ],
    ];
    for (const [args, message] of cases) await refuses(folder, data, args, 2, message);
  });
});

Deno.test("train navit: resolutions of which not one fits a sequence", async () => {
  await withFolder(async (folder) => {
    const data = await writeMixedPictures(join(folder, "pictures"), 2);
    // 24 tokens hold 4 x 4 patches of 8 pixels, and 35 pixels are rounded to 4 patches.
    const message = (side: number, length: number, largest: number) =>
      new RegExp(
        `^tessera: --resolution ${side}: such pictures make more tokens than --sequence-length ` +
          `${length} holds; the largest resolution that fits is ${largest}\n$`,
      );
    await refuses(folder, data, ["--resolution", "36"], 2, message(36, 24, 35));
    await refuses(folder, data, ["--resolution", "64:128"], 2, message(64, 24, 35));
    const single = ["--resolution", "12:99", "--sequence-length", "1"];
    await refuses(folder, data, single, 2, message(12, 1, 11));
    // Half of 6 x 6 tokens fit, half of 7 x 7 do not.
    const dropping = ["--token-drop", "0.5"];
    await refuses(folder, data, [...dropping, "--resolution", "52"], 2, message(52, 24, 51));
    const fitting = [["35"], ["35:500"], ["51", ...dropping], ["native"]];
    for (const args of fitting) {
      const flags = ["--dry-run", "--resolution", ...args, ...onWasm];
      const { code, err } = await runTraining(folder, data, ...flags);
      assert.equal(code, 0, err);
    }
  });
});

Deno.test("train navit: data that cannot be used", async () => {
  await withFolder(async (folder) => {
    const path = (name: string) => join(folder, name);
    await Deno.mkdir(path("empty"));
    await Deno.mkdir(path("classes/a"), { recursive: true });
    await writeMixedPictures(path("single"), 1);
    await writeMixedPictures(path("one"), 1);
    for (const name of ["columns", "rows"]) {
      await Deno.remove(join(path("one"), name), { recursive: true });
    }
    const cases: [string, string[], RegExp][] = [
      ["missing", [], /missing: no such file or folder$/m],
      ["empty", [], /empty: not a data set: no pictures .*; looked for labels\.json /],
      [
        "classes",
        [],
        /classes: not a data set: no pictures \(\.jpg .*\) in it or in its sub-folders; /,
      ],
      ["one", [], /one: all pictures are of one class, "checks": .*--loss contrastive learns from/],
      ["single", ["--holdout", "0.5"], /no class has two pictures, so none can be held out$/m],
    ];
    for (const [name, args, message] of cases) await refuses(folder, path(name), args, 1, message);
  });
});

Deno.test("train navit: nothing but damaged pictures leaves no run", async () => {
  await withFolder(async (folder) => {
    const data = await writeMixedPictures(join(folder, "pictures"), 1);
    const train = () =>
      start([
        ...["train", "navit", ...tinyNaViT, ...onWasm, "--data-path", data, "--steps", "2"],
        ...["--results-dir", join(folder, "results"), "--quiet"],
      ]).finished();
    for (const name of ["checks", "columns", "rows"]) {
      await damagePixels(join(data, name, "0.png"));
    }
    const pixels = await train();
    assertFails(
      pixels,
      1,
      /pictures: none of the \d+ pictures of step 0 can be decoded; the first: .*0\.png: cannot be decoded as/,
    );
    assert.equal(pixels.err.match(/^skipped: /gm)?.length, 3);
    assert.match(pixels.err, /pictures: skipped 3 of 3 pictures$/m);
    for (const name of ["checks", "columns", "rows"]) {
      await Deno.writeTextFile(join(data, name, "0.png"), "not a picture");
    }
    const heads = await train();
    assertFails(
      heads,
      1,
      /pictures: none of its 3 pictures can be decoded, such as checks\/0\.png; repair them/,
    );
    assert.match(heads.err, /pictures: skipped 3 of 3 pictures$/m);
    assert.deepEqual(await namesIn(join(folder, "results")), []);
  });
});

Deno.test("train navit: weights that cannot be started from", async () => {
  await withFolder(async (folder) => {
    const data = await writeMixedPictures(join(folder, "pictures"), 2);
    const good = await trainNaViT(join(folder, "good"), data, "--steps", "1", ...onWasm);
    const dit = await train(join(folder, "dit"), "--steps", "1", ...onWasm);
    const damaged = join(folder, "damaged.safetensors");
    const bytes = await Deno.readFile(join(checkpointOf(good, 1), "model.safetensors"));
    await Deno.writeFile(damaged, bytes.subarray(0, -100));
    const cases: [string[], RegExp][] = [
      [[join(folder, "missing")], /checkpoint .*missing: does not exist; give a run folder/],
      [[damaged], /damaged\.safetensors: tensor ".*\(truncated\?\)$/m],
      [[good, "--depth", "2"], /blocks\.1\.norm1\.weight is missing/],
      [
        [good, "--position-length", "16"],
        /pos_embed\.columns has the shape \(32, 16\), not \(16, /,
      ],
      [[dit], /model\.safetensors: the weights are of a DiT, the model is a NaViT$/m],
    ];
    for (const [args, message] of cases) {
      await refuses(folder, data, ["--init-from", ...args], 1, message);
    }
  });
});

Deno.test("train navit: checkpoints that cannot be resumed stay as they are", async () => {
  await withFolder(async (folder) => {
    const data = await writeMixedPictures(join(folder, "pictures"), 2);
    const every = ["--ckpt-every", "1", "--log-every", "1"];
    const good = await trainNaViT(folder, data, ...every, "--steps", "2", ...onWasm);
    const newest = checkpointOf(good, 2);
    const metrics = await Deno.readTextFile(join(good, "metrics.jsonl"));
    const refuse = async (code: number, message: RegExp, ...args: string[]) => {
      const before = await namesIn(folder);
      assertFails(await run("train", "navit", ...onWasm, "--resume", ...args), code, message);
      assert.deepEqual(await namesIn(folder), before);
      assert.equal(await Deno.readTextFile(join(good, "metrics.jsonl")), metrics);
    };
    await refuse(2, /so --resolution cannot be given; .*--init-from/, good, "--resolution", "8");
    await refuse(2, /so --open-sequences cannot be given/, good, "--open-sequences", "16");
    await refuse(1, /the run has the newer checkpoint .*0000002: /, checkpointOf(good, 1));
    for (const name of checkpointFiles.slice(0, 3)) {
      const path = join(newest, name);
      const bytes = await Deno.readFile(path);
      await Deno.writeFile(path, bytes.subarray(0, -10));
      await refuse(1, new RegExp(`${name}: damaged: its length`), good, "--steps", "4");
      await Deno.remove(path);
      await refuse(
        1,
        new RegExp(`${name}: no such file; the newest whole checkpoint is .*0000001;`),
        good,
        "--steps",
        "4",
      );
      await Deno.writeFile(path, bytes);
    }
    const path = join(newest, "state.json");
    const text = await Deno.readTextFile(path);
    const damages: [(manifest: string) => string, RegExp][] = [
      [
        (manifest) => manifest.slice(0, -10),
        /not valid JSON, the file is damaged; the newest whole checkpoint/,
      ],
      [(manifest) => manifest.replace('"slots": 4', '"slots": 0'), /run\.slots: /],
      [(manifest) => manifest.replace('"sampled"', '"simpled"'), /run\.resolution\.kind: /],
      [
        (manifest) => manifest.replace('"groupStart": ', '"groupStart": -'),
        /position\.groupStart: /,
      ],
      [(manifest) => manifest.replace('"heads": 2', '"heads": 3'), /not divisible by 3 heads/],
      [(manifest) => manifest.replace('"family": "navit"', '"family": "nvit"'), /config\.family: /],
    ];
    for (const [damage, message] of damages) {
      assert.notEqual(damage(text), text, `${message}`);
      await Deno.writeTextFile(path, resealed(damage(text)));
      await refuse(1, message, good, "--steps", "4");
    }
    await Deno.writeTextFile(path, text);
    await writeMixedPictures(data, 1, 50);
    await refuse(1, /pictures: not the pictures this run was trained on/, good, "--steps", "4");
  });
});

Deno.test("runs of one family are refused by the commands of the other", async () => {
  await withFolder(async (folder) => {
    const data = await writeMixedPictures(join(folder, "pictures"), 2);
    const navit = await trainNaViT(folder, data, "--steps", "1", ...onWasm);
    const dit = await train(folder, "--steps", "1", ...onWasm);
    const cases: [string[], number, RegExp][] = [
      [
        ["train", "dit", "--resume", navit],
        2,
        /this run trains a navit, not a dit; use train navit --resume$/m,
      ],
      [
        ["train", "navit", "--resume", dit],
        2,
        /this run trains a dit, not a navit; use train dit --resume$/m,
      ],
      [["sample", "dit", "--ckpt", navit], 1, /a model of the family navit, not dit$/m],
      [["eval", "navit", "--ckpt", dit], 1, /a model of the family dit, not navit$/m],
    ];
    for (const [args, code, message] of cases) {
      await assertRefuses(folder, args, code, message);
    }
  });
});
