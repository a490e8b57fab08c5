/** `tessera sample walt` from the command line: files, independence of the batch, given and later frames. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { ripple } from "../../../../../base/ripple.ts";
import { openClips } from "../../../../../data/clips/open_clips.ts";
import { namesMetadata } from "../../../../../data/sample_names.ts";
import { withChannels } from "../../../../../data/pictures/picture.ts";
import { encodePng } from "../../../../../formats/pictures/bitmap.ts";
import { readPngMetadata } from "../../../../../formats/pictures/png.ts";
import { NpzFile } from "../../../../../formats/tensors/npz.ts";
import { openSafetensors, writeSafetensors } from "../../../../../formats/tensors/safetensors.ts";
import { elementCount } from "../../../../../kernels/shape.ts";
import { waltParameters } from "../../../../../models/walt/model.ts";
import { checkWaltConfig } from "../../../../../models/walt/config.ts";
import { assertClose, loadGolden, loadJson } from "../../../../golden.ts";
import { writeClipAs } from "../../../../data/clips/files.ts";
import {
  assertFails,
  assertRefuses,
  devices,
  namesIn,
  onWasm,
  run,
  shellWords,
  start,
  succeed,
  withFolder,
} from "../../../runs.ts";
import { filesOf } from "../../../verify_cases.ts";

const quick = ["--num-sampling-steps", "3", "--quiet"];

/** Writes made-up weights of a model. */
async function writeWeights(path: string, config: unknown): Promise<void> {
  const specifications = waltParameters(checkWaltConfig(config, path));
  await writeSafetensors(
    path,
    specifications.map(({ name, shape }, index) => ({
      ...{ name, shape, type: "F32" as const },
      data: ripple(elementCount(shape), index + 1, 0.2),
    })),
  );
}

/** Writes a model of pixels, 5 x 8 x 8 in 5 classes, that goes on from given frames; returns its flags. */
async function writeTiny(folder: string): Promise<string[]> {
  const [ckpt, file] = ["tiny.safetensors", "tiny.json"].map((name) => join(folder, name));
  const config = {
    ...await loadJson<object>("walt_prediction.config"),
    ...{ latentFrames: 5, latentSize: [8, 8], latentChannels: 1, patch: 2 },
    ...{ spatialWindow: [4, 4], spatioTemporalWindow: [5, 2, 2] },
  };
  await Deno.writeTextFile(file, JSON.stringify(config));
  await writeWeights(ckpt, config);
  return ["--ckpt", ckpt, "--config", file];
}

async function latentsOf(path: string): Promise<Float32Array> {
  using reader = await openSafetensors(path);
  return reader.readFloat32("latents");
}

/** Clips of a shape (N, T, H, W, C). */
interface ClipBytes {
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** Those of an archive. */
async function bytesOf(path: string): Promise<ClipBytes> {
  using file = await NpzFile.open(path);
  const { shape, data } = await file.read("arr_0");
  return { shape, data: Uint8Array.from(data, Number) };
}

Deno.test("sample walt writes clips that say how they were made, and reads back what it drew", () =>
  withFolder(async (folder) => {
    const ckpt = await succeed(
      ...["train", "walt", "--hidden", "16", "--depth", "2", "--heads", "2", "--patch", "2"],
      ...["--batch-size", "4", "--frames", "5", "--size", "8", "--lr", "1e-2", "--steps", "8"],
      ...["--results-dir", folder, ...onWasm],
    );
    const [out, npz] = [join(folder, "clips"), join(folder, "clips.npz")];
    const args = ["sample", "walt", "--ckpt", ckpt, "--out", out, ...onWasm, ...quick];
    await succeed(...args, "--classes", "up fast,0", "--count", "3", "--seed", "11", "--npz", npz);
    assert.deepEqual(await namesIn(out), [
      ...["000000.mp4", "000001.mp4", "000002.mp4", "samples.json", "sheet.png"],
    ]);
    const record = JSON.parse(await Deno.readTextFile(join(out, "samples.json")));
    const { labels, classNames, seed, samplingSteps, cfgScale, frames, fps, step } = record;
    assert.deepEqual(labels, [7, 0, 7]);
    assert.equal(classNames[7], "up fast");
    assert.deepEqual([seed, samplingSteps, cfgScale, frames, fps, step], [11, 3, 2, 5, 8, 8]);
    assert.deepEqual(readPngMetadata(await Deno.readFile(join(out, "sheet.png"))), record);
    const { clip, tessera } = JSON.parse(await succeed("info", join(out, "000001.mp4")));
    assert.deepEqual(clip, { frames: 5, width: 8, height: 8, seconds: 0.625, fps: 8 });
    assert.deepEqual([tessera.index, tessera.label, tessera.seed], [1, 0, 11]);

    const drawn = await bytesOf(npz);
    assert.deepEqual(drawn.shape, [3, 5, 8, 8, 1]);
    const distance = await meanDistance(out, 5, drawn);
    assert(distance < 6, `AV1 is ${distance} of 255 off`);

    // Other files in place of those of the run before, and every pixel as it is.
    await succeed(...args, "--classes", "up fast,0", "--count", "3", "--seed", "11", ...[
      "--format",
      "webp",
    ]);
    assert.deepEqual(await namesIn(out), [
      ...["000000.webp", "000001.webp", "000002.webp", "samples.json", "sheet.png"],
    ]);
    const same = await openClips(out, { frames: 5, channels: 1 });
    const { data } = await same.decode(2);
    same.close();
    assert.deepEqual(data, drawn.data.slice(2 * data.length));
    await succeed(...args, "--count", "1", "--format", "png");
    assert.deepEqual(
      (await namesIn(out)).filter((name) => name.endsWith("0005.png")),
      ["000000/frame-0005.png"],
    );
  }));

for (const { name, flags, available } of devices) {
  Deno.test({
    name: `given noise leads to PyTorch's latents, whatever the batch [${name}]`,
    ignore: !available,
    fn: () =>
      withFolder(async (folder) => {
        const golden = await loadGolden("walt_prediction.ddim");
        const files = filesOf("walt_prediction");
        const path = join(folder, "latents.safetensors");
        const cases: [tensor: string, flags: string[]][] = [
          ["latents", ["--cfg-scale", "1"]],
          ["latents.constant", ["--cfg-scale", "2.5", "--batch-size", "1"]],
          ["latents.powerCosine", ["--cfg-scale", "3.8", "--cfg-schedule", "power-cosine"]],
        ];
        for (const [tensor, guidance] of cases.slice(0, name === "wasm" ? 3 : 1)) {
          await succeed(
            ...["sample", "walt", "--ckpt", files.ckpt, "--config", files.config, "--quiet"],
            ...["--noise", "tests/fixtures/walt_prediction.ddim.safetensors"],
            ...["--classes", golden.integers("labels").join(), "--save-latents", path],
            ...["--num-sampling-steps", `${golden.shapes.get("timesteps")![0]}`],
            ...[...guidance, ...flags],
          );
          assertClose(tensor, await latentsOf(path), golden.floats(tensor), 2e-5);
        }
      }),
  });
}

Deno.test("a clip has the same bits in a batch of any size, and both samplers draw", () =>
  withFolder(async (folder) => {
    const model = await writeTiny(folder);
    const path = join(folder, "latents.safetensors");
    const draw = async (...args: string[]) => {
      const files = ["--npz", join(folder, "c.npz"), "--save-latents", path];
      await succeed("sample", "walt", ...model, ...files, ...quick, ...onWasm, ...args);
      return await latentsOf(path);
    };
    const whole = await draw("--count", "5");
    assert(new Set(whole).size > 1000, "the clips are not all alike");
    for (const size of [["--count", "5", "--batch-size", "2"], ["--count", "2"]]) {
      const part = await draw(...size);
      assert.deepEqual(part, whole.subarray(0, part.length), size.join(" "));
    }
    assert.notDeepEqual(await draw("--count", "5", "--seed", "1"), whole);
    // The second order begins with the third step.
    const more = ["--count", "1", "--num-sampling-steps", "5"];
    assert.notDeepEqual(await draw(...more, "--sampler", "dpm++"), await draw(...more));
  }));

Deno.test("given frames are kept, long clips begin as short ones, other sizes are drawn", () =>
  withFolder(async (folder) => {
    const model = await writeTiny(folder);
    const npz = join(folder, "clips.npz");
    const draw = async (...args: string[]) => {
      const flags = ["--npz", npz, "--count", "3", ...quick, ...onWasm];
      await succeed("sample", "walt", ...model, ...flags, ...args);
      return await bytesOf(npz);
    };
    const frame = 64;
    const clip = join(folder, "given.webp");
    await writeClipAs(clip, { frames: 5 });
    const real = await openClips(clip, { frames: 5, channels: 1 });
    const { data: original } = await real.decode(0);
    real.close();
    const predicted = await draw("--frames-from", clip);
    const other = await draw("--frames-from", clip, "--seed", "1");
    for (const first of [0, 5 * frame, 10 * frame]) {
      const given = (data: Uint8Array) => data.subarray(first, first + 2 * frame);
      assert.deepEqual(given(predicted.data), original.subarray(0, 2 * frame));
      assert.deepEqual(given(other.data), original.subarray(0, 2 * frame));
    }
    assert.notDeepEqual(other.data, predicted.data);

    const several = join(folder, "several");
    for (const name of ["a", "b"]) await writeClipAs(join(several, `${name}.webp`), { frames: 5 });
    const refused = await run(
      "sample",
      "walt",
      ...model,
      ...quick,
      ...onWasm,
      "--frames-from",
      several,
    );
    assert.equal(refused.code, 1);
    assert.match(
      refused.err,
      /several: holds several clips, such as "a\.webp" and "b\.webp"; give one/,
    );

    const picture = join(folder, "given.png");
    await Deno.writeFile(
      picture,
      await encodePng({ height: 8, width: 8, channels: 1, data: original.slice(0, frame) }),
    );
    const begun = await draw("--image", picture);
    assert.deepEqual(begun.data.subarray(0, frame), original.subarray(0, frame));

    const [short, long] = [await draw(), await draw("--length", "11", "--batch-size", "2")];
    assert.deepEqual(long.shape, [3, 11, 8, 8, 1]);
    for (const index of [0, 1, 2]) {
      const [a, b] = [5 * frame * index, 11 * frame * index];
      const ofShort = short.data.subarray(a, a + 5 * frame);
      assert.deepEqual(long.data.subarray(b, b + 5 * frame), ofShort, `clip ${index}`);
    }
    assert.deepEqual((await draw("--size", "16x8")).shape, [3, 5, 8, 16, 1]);
  }));

/** Mean distance of the grey levels of clips in a folder of files from those of bytes, of 255. */
async function meanDistance(folder: string, frames: number, { shape, data }: ClipBytes) {
  const grey = greyLevels(data, shape[4]);
  const set = await openClips(folder, { frames, channels: 1 });
  let sum = 0;
  for (let index = 0; index < set.length; index++) {
    const clip = await set.decode(index);
    const start = index * clip.data.length;
    sum += clip.data.reduce((total, level, i) => total + Math.abs(level - grey[start + i]), 0);
  }
  set.close();
  return sum / grey.length;
}

/** Colours as grey levels, which MP4 stores for every pixel. */
function greyLevels(data: Uint8Array, channels: number): Uint8Array {
  if (channels === 1) return data;
  const picture = { height: data.length / channels, width: 1, channels, data };
  return withChannels(picture, 1).data;
}

Deno.test("a model of latents finds its tokenizer, and its clips go through files", () =>
  withFolder(async (folder) => {
    const fixture = filesOf("causal_tokenizer_clips");
    const ckpt = join(folder, "tokenizer.safetensors");
    await Deno.copyFile(fixture.ckpt, ckpt);
    for (const name of ["down/a", "up/b"]) {
      await writeClipAs(join(folder, "data", `${name}.webp`), { height: 16, width: 16, frames: 5 });
    }
    const cache = join(folder, "cache");
    await succeed(
      ...["encode", "tokenizer", "--ckpt", ckpt, "--config", fixture.config, "--quiet", ...onWasm],
      ...["--data-path", join(folder, "data"), "--frames", "5", "--out", cache],
    );
    const trained = await succeed(
      ...["train", "walt", "--hidden", "16", "--depth", "2", "--heads", "2", "--patch", "2"],
      ...["--data-path", cache, "--frame-prediction", "0.5", "--steps", "2", "--quiet"],
      ...["--results-dir", folder, ...onWasm],
    );
    const [out, npz] = [join(folder, "out"), join(folder, "clips.npz")];
    const args = ["sample", "walt", "--ckpt", trained, "--npz", npz, ...quick, ...onWasm];
    const draw = async (...flags: string[]) => {
      await succeed(...args, ...flags);
      return await bytesOf(npz);
    };
    const clips = await draw("--out", out);
    assert.deepEqual(clips.shape, [2, 5, 16, 16, 3]);
    const { tokenizer, fps } = JSON.parse(await Deno.readTextFile(join(out, "samples.json")));
    assert.deepEqual([tokenizer, fps], [ckpt, 8]);
    const distance = await meanDistance(out, 5, clips);
    assert(distance < 12, `AV1 is ${distance} of 255 off`);
    const again = ["--frames-from", join(out, "000000.mp4"), "--length", "7", "--count", "1"];
    assert.deepEqual((await draw(...again)).shape, [1, 7, 16, 16, 3]);

    const others = join(folder, "others.safetensors");
    using reader = await openSafetensors(ckpt);
    const tensors = [...reader.tensors.values()].map(({ name, shape }) => ({
      ...{ name, shape, type: "F32" as const, data: ripple(elementCount(shape), 2, 0.1) },
    }));
    await writeSafetensors(others, tensors);
    assertFails(
      await run(...args, "--tokenizer", others),
      1,
      /others\.safetensors: its encoder is not the one that the model's latents come from/,
    );
    await Deno.remove(ckpt);
    assertFails(await run(...args), 1, /tokenizer\.safetensors.*--tokenizer says where it is now/);
    assert.deepEqual(await draw("--tokenizer", fixture.ckpt), clips);
  }));

/** Writes a model of the latents of the fixture's tokenizer, of clips of 5 x 8 x 8; returns its flags. */
async function writeTinyOfLatents(folder: string): Promise<string[]> {
  const [ckpt, file] = ["latent.safetensors", "latent.json"].map((name) => join(folder, name));
  const config = {
    ...await loadJson<object>("walt_prediction.config"),
    ...{ latentFrames: 3, latentSize: [2, 2], latentChannels: 3, patch: 1, depth: 2 },
    ...{ spatialWindow: [2, 2], spatioTemporalWindow: [3, 1, 1] },
  };
  await Deno.writeTextFile(file, JSON.stringify(config));
  await writeWeights(ckpt, config);
  const tokenizer = filesOf("causal_tokenizer_clips");
  return [
    ...["--ckpt", ckpt, "--config", file],
    ...["--tokenizer", tokenizer.ckpt, "--tokenizer-config", tokenizer.config],
  ];
}

Deno.test({
  name: "both devices draw the same clips of latents, decoded by the tokenizer",
  ignore: !devices.some(({ name, available }) => name === "webgpu" && available),
  fn: () =>
    withFolder(async (folder) => {
      const model = await writeTinyOfLatents(folder);
      const npz = join(folder, "clips.npz");
      const draw = async (...flags: string[]) => {
        const drawn = ["--npz", npz, "--count", "2", "--seed", "3", ...quick];
        await succeed("sample", "walt", ...model, ...drawn, ...flags);
        return await bytesOf(npz);
      };
      const wasm = await draw(...onWasm);
      assert.deepEqual(wasm.shape, [2, 5, 8, 8, 3]);
      const levels = wasm.data.filter((level) => level > 5 && level < 250).length;
      assert(levels > wasm.data.length / 2, "mostly saturated");
      const [one, other] = [0, 1].map((clip) => wasm.data.subarray(960 * clip, 960 * (clip + 1)));
      assert.notDeepEqual(one, other);
      const webgpu = await draw("--device", "webgpu");
      const distances = webgpu.data.map((level, i) => Math.abs(level - wasm.data[i]));
      const near = distances.filter((distance) => distance <= 1).length / distances.length;
      assert(near >= 0.999 && Math.max(...distances) <= 4, `${100 * near} % within 1 level`);
    }),
});

/** Features of captions. */
async function writeFeatures(path: string, names: readonly string[], width = 6): Promise<void> {
  const words = 4;
  const text = ripple(names.length * words * width, 3, 1);
  const mask = Int32Array.from({ length: names.length * words }, (_, i) => i % words < 3 ? 1 : 0);
  await writeSafetensors(path, [
    { name: "text", type: "F32", shape: [names.length, words, width], data: text },
    { name: "textMask", type: "I32", shape: [names.length, words], data: mask },
  ], namesMetadata(names));
}

Deno.test("models with text draw captions in turn, and a cascade enlarges what they draw", () =>
  withFolder(async (folder) => {
    const files = filesOf("walt_text");
    const features = join(folder, "t5.safetensors");
    await writeFeatures(features, ["a cat", "a dog"]);
    const path = join(folder, "latents.safetensors");
    const draw = async (...args: string[]) => {
      await succeed(
        ...["sample", "walt", "--ckpt", files.ckpt, "--config", files.config],
        ...["--embeddings", features, "--save-latents", path, ...quick, ...onWasm, ...args],
      );
      return await latentsOf(path);
    };
    const [two, three] = [await draw(), await draw("--count", "3", "--batch-size", "1")];
    assert.equal(two.length, 2 * 2 * 3 * 4 * 6);
    assert.deepEqual(three.subarray(0, two.length), two);
    assert.notDeepEqual(two.subarray(0, two.length / 2), two.subarray(two.length / 2));

    const sr = filesOf("walt_super");
    const cascade = ["--sr", sr.ckpt, "--sr-config", sr.config];
    const large = await draw(...cascade);
    assert.equal(large.length, 4 * two.length);
    assert.deepEqual(await draw(...cascade, "--batch-size", "1"), large);
    assert.notDeepEqual(await draw(...cascade, "--sr-noise", "500"), large);

    // The paper's cascade has two stages: each is told what the one before it has drawn.
    const [ckpt, config] = ["larger.safetensors", "larger.json"].map((name) => join(folder, name));
    const larger = { ...await loadJson<object>("walt_super.config"), latentSize: [16, 24] };
    await Deno.writeTextFile(config, JSON.stringify(larger));
    await writeWeights(ckpt, larger);
    const stages = ["--sr", `${sr.ckpt},${ckpt}`, "--sr-config", `${sr.config},${config}`];
    const largest = await draw(...stages, "--count", "1");
    assert.equal(largest.length, 2 * large.length);
    assert.notDeepEqual(await draw(...stages, "--count", "1", "--seed", "1"), largest);
    // Of another size of the first, twice and four times that.
    const small = await draw("--count", "1", "--size", "12x8", ...cascade);
    assert.equal(small.length, 2 * 3 * 16 * 24);
  }));

Deno.test("sample walt refuses what does not fit in one line, with the nearest valid values", () =>
  withFolder(async (folder) => {
    const files = filesOf("walt_prediction");
    const text = filesOf("walt_text");
    const large = filesOf("walt_super");
    const features = join(folder, "t5.safetensors");
    await writeFeatures(features, ["a cat"], 5);
    const fitting = join(folder, "fitting.safetensors");
    await writeFeatures(fitting, ["a cat"]);
    const ofPixels = { ...await loadJson<object>("walt_prediction.config"), latentChannels: 1 };
    const plain = join(folder, "plain.json");
    await Deno.writeTextFile(
      plain,
      JSON.stringify({ ...ofPixels, framePrediction: false, nullClass: false }),
    );
    const config = join(folder, "pixels.json");
    await Deno.writeTextFile(config, JSON.stringify(ofPixels));
    const [ckpt, unguided] = ["pixels.safetensors", "plain.safetensors"].map((name) =>
      join(folder, name)
    );
    await writeWeights(ckpt, ofPixels);
    await writeWeights(unguided, JSON.parse(await Deno.readTextFile(plain)));
    const latents = `--ckpt ${files.ckpt} --config ${files.config}`;
    const pixels = `--ckpt '${ckpt}' --config '${config}'`;
    const captions = `--ckpt ${text.ckpt} --config ${text.config}`;
    const twoStages =
      `--sr ${large.ckpt},${large.ckpt} --sr-config ${large.config},${large.config}`;
    const cases: [args: string, code: number, message: RegExp][] = [
      [latents, 2, /latents of 2 channels, which need a tokenizer .*--save-latents FILE/],
      [`${pixels} --count 1e12`, 2, /--count 1e12 is out of range: .* value is 10000000$/m],
      [`${pixels} --fps 0.001`, 2, /--fps 0\.001 is out of range: .* value is 0\.02$/m],
      [`${pixels} --length 2`, 2, /2 frames: clips of this model have 3, .*nearest: 3$/m],
      [`${pixels} --size 7`, 2, /spatioTemporalWindow: 3 does not divide 7 .*nearest: 1 and 7/],
      [
        `${pixels} --size 12x4 --spatial-window 4,5`,
        2,
        /spatialWindow: 5 does not divide 12 columns of patches; nearest: 4 and 6/,
      ],
      [`${pixels} --embeddings '${features}'`, 2, /pixels\.safetensors is not told text/],
      [captions, 2, /is told captions: --embeddings names a file of their features/],
      [`${captions} --embeddings '${features}'`, 1, /words have 5 features, the model is told 6/],
      [`${captions} --classes 1`, 2, /has no classes/],
      [`${pixels} --classes 5`, 2, /class 5: out of range, the model has classes 0 to 4/],
      [`${pixels} --image a --frames-from b`, 2, /both give frames/],
      [
        `--ckpt '${unguided}' --config '${plain}' --image docs/fashion.png`,
        2,
        /--image: .* has not learned to go on from given frames/,
      ],
      [`--ckpt '${unguided}' --config '${plain}' --cfg-scale 2`, 2, /no null class/],
      [`${pixels} --sr '${ckpt}' --sr-config '${config}'`, 1, /it enlarges nothing/],
      [
        `${latents} --save-latents l --sr ${large.ckpt} --sr-config ${large.config}`,
        1,
        /is told 6 features a word, the first model none/,
      ],
      [
        `${captions} --embeddings '${fitting}' --save-latents l ${twoStages}`,
        1,
        /super\.weights\.safetensors: draws 8 rows, and to enlarge what is drawn before it takes 16/,
      ],
      [`${pixels} --sr '${ckpt}' --sr-config a,b`, 2, /--sr-config: 2 models for the 1 of --sr/],
      [`${pixels} --sr '${ckpt}' --length 5`, 2, /--sr enlarges clips of the model's length/],
      [`--ckpt '${ckpt}'`, 1, /give --config, such as WALT-/],
    ];
    for (const [args, code, message] of cases) {
      const out = ["--out", join(folder, "out")];
      await assertRefuses(folder, ["sample", "walt", ...shellWords(args), ...out], code, message);
    }
  }));

Deno.test("what is not finite ends with exit code 3 and its name; nothing is written", () =>
  withFolder(async (folder) => {
    const config = filesOf("walt_prediction").config;
    const ckpt = join(folder, "bad.safetensors");
    await writeWeights(ckpt, await loadJson("walt_prediction.config"));
    const args = ["sample", "walt", "--ckpt", ckpt, "--config", config, ...quick, ...onWasm];
    const saved = ["--save-latents", join(folder, "out", "latents.safetensors")];
    using reader = await openSafetensors(ckpt);
    const tensors = [...reader.tensors.values()].map(({ name, shape }) => ({
      ...{ name, shape, type: "F32" as const },
      data: name === "final_layer.linear.bias"
        ? new Float32Array(elementCount(shape)).fill(NaN)
        : reader.readFloat32(name),
    }));
    await writeSafetensors(ckpt, tensors);
    const failed = await run(...args, ...saved);
    assertFails(failed, 3, /bad\.safetensors: final_layer\.linear\.bias holds NaN at element 0/);
    assert.deepEqual(await namesIn(join(folder, "out")), []);
  }));

Deno.test({
  name: "Ctrl-C while clips are drawn leaves no part of a file",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withFolder(async (folder) => {
      const { ckpt, config } = filesOf("walt_prediction");
      const out = join(folder, "made", "latents.safetensors");
      const running = start([
        ...["sample", "walt", "--ckpt", ckpt, "--config", config, "--save-latents", out],
        ...["--count", "100000", "--batch-size", "1", ...onWasm],
      ]);
      while (!(await namesIn(join(folder, "made"))).some((name) => name.endsWith(".tmp"))) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      running.kill("SIGINT");
      const { code, err } = await running.finished();
      assert.equal(code, 130, err);
      assert.deepEqual(await namesIn(join(folder, "made")), []);
    }),
});
