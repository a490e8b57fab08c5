/** `tessera sample dit` from the command line: files, independence of the batch, PyTorch's latents. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { loadSharp } from "../../../../formats/pictures/bitmap.ts";
import { NpzFile, writeSamplesNpz } from "../../../../formats/tensors/npz.ts";
import { readPngMetadata } from "../../../../formats/pictures/png.ts";
import { openSafetensors, writeSafetensors } from "../../../../formats/tensors/safetensors.ts";
import type { SampleRecord } from "../../../../diffusion/samples/picture_files.ts";
import { deviceChoices } from "../../../devices.ts";
import { assertClose, loadGolden } from "../../../golden.ts";
import type { Finished } from "../../support.ts";
import {
  assertRefuses,
  checkpointOf,
  namesIn,
  onWasm,
  run,
  start,
  succeed,
  train,
  withFolder,
} from "../../runs.ts";

const hasWebGPU = deviceChoices.some(({ name, available }) => name === "webgpu" && available);
const devices = [
  { name: "wasm", flags: onWasm, available: true },
  { name: "webgpu", flags: ["--device", "webgpu"], available: hasWebGPU },
];

const quick = ["--num-sampling-steps", "6", "--cfg-scale", "2", "--quiet"];

async function latentsOf(path: string): Promise<Float32Array> {
  using reader = await openSafetensors(path);
  return reader.readFloat32("latents");
}

/** Samples; returns the raw result. */
async function sample(folder: string, ...args: string[]): Promise<Float32Array> {
  const path = join(folder, "latents.safetensors");
  await succeed("sample", "dit", "--out", join(folder, "out"), "--save-latents", path, ...args);
  return await latentsOf(path);
}

Deno.test("sample dit writes pictures that say how they were made", async () => {
  await withFolder(async (folder) => {
    const ckpt = await train(folder, "--steps", "3", ...onWasm);
    const out = join(folder, "pictures");
    const { code, out: printed, err } = await start([
      ...["sample", "dit", "--ckpt", ckpt, "--out", out, ...onWasm, ...quick.slice(0, -1)],
      ...[
        "--clip-denoised",
        "--classes",
        "sneaker,8",
        "--count",
        "3",
        "--seed",
        "11",
        "--weights",
        "raw",
      ],
    ]).finished();
    assert.equal(code, 0, err);
    assert.equal(printed, `${join(out, "grid.png")}\n`);
    assert.match(err, /^device: wasm, /);
    assert.deepEqual(await namesIn(out), [
      ...["000000.png", "000001.png", "000002.png", "grid.png", "samples.json"],
    ]);
    const settings = {
      weights: join(checkpointOf(ckpt, 3), "model.safetensors"),
      step: 3,
      sampler: "ddpm",
      samplingSteps: 6,
      clipDenoised: true,
      cfgScale: 2,
      cfgChannels: "all",
      seed: 11,
    };
    const about = JSON.parse(await Deno.readTextFile(join(out, "samples.json")));
    assert.deepEqual({ ...about, ...settings }, about);
    assert.deepEqual(about.labels, [7, 8, 7]);
    assert.equal(about.classNames[7], "Sneaker");
    assert.deepEqual(readPngMetadata(await Deno.readFile(join(out, "grid.png"))), about);
    const { labels: _, ...shared } = about;
    const picture = join(out, "000001.png");
    const expected = { ...shared, index: 1, label: 8 };
    assert.deepEqual(readPngMetadata(await Deno.readFile(picture)), expected);
    const shown = await succeed("info", picture);
    assert.match(shown, /"samplingSteps": 6/);
    const sharp = await loadSharp();
    const { width, height } = await sharp(await Deno.readFile(picture)).metadata();
    assert.deepEqual([width, height], [28, 28]);
  });
});

Deno.test("--npz holds the bytes of the pictures, and PNGs come only when asked for", async () => {
  await withFolder(async (folder) => {
    const ckpt = await train(folder, "--steps", "3", ...onWasm);
    const [npz, out] = [join(folder, "made", "samples.npz"), join(folder, "pictures")];
    const args = ["sample", "dit", "--ckpt", ckpt, ...onWasm, ...quick, "--classes", "3,1,4"];
    const sizes = ["--count", "7", "--batch-size", "3", "--npz", npz];
    assert.equal(await succeed(...args, ...sizes), npz);
    assert.deepEqual(await namesIn(join(folder, "made")), ["samples.npz", "samples.npz.json"]);
    const read = async () => {
      using file = await NpzFile.open(npz);
      return [await file.read("arr_0"), await file.read("arr_1")] as const;
    };
    const [pictures, labels] = await read();
    assert.equal(pictures.type, "U8");
    assert.deepEqual(pictures.shape, [7, 28, 28, 1]);
    assert.deepEqual(Array.from(labels.data, Number), [3, 1, 4, 3, 1, 4, 3]);
    const about = JSON.parse(await Deno.readTextFile(`${npz}.json`));
    assert.deepEqual([about.samplingSteps, about.labels.length], [6, 7]);

    await succeed(...args, ...sizes, "--out", out);
    assert.deepEqual((await read())[0], pictures);
    assert.deepEqual(await greyLevels(out), Array.from(pictures.data, Number));
  });
});

Deno.test("a picture has the same bits in a batch of any size [wasm]", async () => {
  await withFolder(async (folder) => {
    const ckpt = await train(folder, "--steps", "3", ...onWasm);
    for (const sampler of ["ddpm", "dpm++"]) {
      const args = ["--ckpt", ckpt, ...quick, "--sampler", sampler, "--classes", "3,1,4"];
      // A model of so few steps is out of range everywhere.
      args.push("--no-clip-denoised");
      const whole = await sample(folder, ...args, "--count", "9", ...onWasm);
      assert(whole.every(Number.isFinite));
      assert(new Set(whole).size > 1000, "the pictures are not all alike");
      const cases: [count: number, batch: number, device: readonly string[]][] = [
        [9, 1, onWasm],
        [9, 2, ["--device", "wasm", "--threads", "2"]],
        [9, 4, onWasm],
        [2, 16, onWasm],
      ];
      for (const [count, batch, device] of cases) {
        const sizes = ["--count", `${count}`, "--batch-size", `${batch}`];
        const part = await sample(folder, ...args, ...sizes, ...device);
        assert.deepEqual(part, whole.subarray(0, part.length), `${count} in batches of ${batch}`);
      }
      const other = await sample(folder, ...args, "--count", "9", "--seed", "1", ...onWasm);
      assert.notDeepEqual(other, whole);
    }
  });
});

Deno.test("--dtype f16 draws the same from weights that are in half precision", async () => {
  await withFolder(async (folder) => {
    const args = [...quick, "--classes", "3,1,4", ...onWasm];
    const single = await sample(folder, ...args);
    const half = await sample(folder, ...args, "--dtype", "f16", "--batch-size", "2");
    assert.deepEqual(half, single);
    const text = await Deno.readTextFile(join(folder, "out", "samples.json"));
    assert.equal(JSON.parse(text).dtype, "f16");
  });
});

/** Grey levels of the single pictures in a folder. */
async function greyLevels(folder: string): Promise<number[]> {
  const sharp = await loadSharp();
  const levels: number[] = [];
  for (const name of (await namesIn(folder)).filter((name) => /^\d+\.png$/.test(name))) {
    const picture = sharp(await Deno.readFile(join(folder, name)));
    levels.push(...await picture.toColourspace("b-w").raw().toBuffer());
  }
  return levels;
}

Deno.test({
  name: "both devices draw the same pictures, and so does webgpu in batches of another size",
  ignore: !hasWebGPU,
  fn: () =>
    withFolder(async (folder) => {
      const ckpt = await train(folder, "--steps", "150", ...onWasm);
      const draw = async (name: string, ...args: string[]) => {
        const out = join(folder, name);
        const flags = ["--ckpt", ckpt, "--out", out, "--clip-denoised", ...quick];
        await succeed("sample", "dit", ...flags, ...args);
        return await greyLevels(out);
      };
      const wasm = await draw("wasm", ...onWasm);
      assert.equal(wasm.length, 10 * 28 * 28);
      assert(wasm.filter((level) => level > 5 && level < 250).length > 1000, "mostly saturated");
      for (const batch of ["10", "3"]) {
        const webgpu = await draw(`webgpu ${batch}`, "--device", "webgpu", "--batch-size", batch);
        const distances = webgpu.map((level, i) => Math.abs(level - wasm[i]));
        const largest = distances.reduce((a, b) => Math.max(a, b));
        const near = distances.filter((distance) => distance <= 1).length / distances.length;
        console.log(`batch ${batch}: ${100 * near} % within 1 level, largest ${largest}`);
        assert(near >= 0.999 && largest <= 4);
      }
    }),
});

const fixtures = "tests/fixtures";

for (const { name, flags, available } of devices) {
  Deno.test({
    name: `given noise leads to PyTorch's latents [${name}]`,
    ignore: !available,
    fn: () =>
      withFolder(async (folder) => {
        for (const path of ["ddim", "ddim-3ch", "dpm"]) {
          const golden = await loadGolden(`dit-latent.${path}`);
          const about = golden.about as {
            sampler: string;
            steps: number;
            cfgScale: number;
            cfgChannels: number | null;
          };
          const latents = await sample(
            folder,
            ...["--ckpt", `${fixtures}/dit-latent.weights.safetensors`],
            ...["--config", `${fixtures}/dit-latent.config.json`],
            ...["--noise", `${fixtures}/dit-latent.${path}.safetensors`],
            ...["--classes", golden.integers("labels").join()],
            ...["--sampler", about.sampler, "--num-sampling-steps", `${about.steps}`],
            ...[
              "--cfg-scale",
              `${about.cfgScale}`,
              "--cfg-channels",
              `${about.cfgChannels ?? "all"}`,
            ],
            ...["--quiet", ...flags],
          );
          assertClose(path, latents, golden.floats("latents"), 2e-5);
        }
        assert.deepEqual(await namesIn(folder), ["latents.safetensors"], "latents are no pictures");
      }),
  });
}

/** Runs a command line and prints the most memory it has had resident, in bytes. */
const measured = `
import { main } from "./cli/main.ts";
import { processIo } from "./cli/terminal/io.ts";
const code = await main(Deno.args, processIo());
const [, peak] = /VmHWM:\\s+(\\d+) kB/.exec(await Deno.readTextFile("/proc/self/status"));
console.log(1024 * peak);
Deno.exit(code);
`;

async function peakMemory(...args: string[]): Promise<number> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--allow-all", "--ext=ts", "-", ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const stdin = child.stdin.getWriter();
  await stdin.write(new TextEncoder().encode(measured));
  await stdin.close();
  const { code, stdout } = await child.output();
  assert.equal(code, 0);
  return Number(new TextDecoder().decode(stdout).trim().split("\n").at(-1));
}

Deno.test({
  name: "memory does not grow with the number of pictures, whatever is written",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    withFolder(async (folder) => {
      const [data, side] = [join(folder, "data.npz"), 192];
      const pixels = Uint8Array.from({ length: 2 * side ** 2 * 3 }, (_, index) => index % 251);
      await writeSamplesNpz(data, [2, side, side, 3], [pixels], [0, 1]);
      const model = ["--data-path", data, "--patch", "48", "--batch-size", "2"];
      const ckpt = await train(folder, ...model, "--steps", "1", ...onWasm);
      const noise = join(folder, "noise.safetensors");
      const draw = async (count: number, ...args: string[]) => {
        const shape = [count, 3, side, side];
        // Not all alike, which takes zlib a hundred times as long.
        const values = new Float32Array(count * 3 * side ** 2).map((_, index) =>
          (index * 7919 % 1013) / 300 - 1.7
        );
        await writeSafetensors(noise, [{ name: "noise", type: "F32", shape, data: values }]);
        return await peakMemory(
          ...["sample", "dit", "--ckpt", ckpt, "--noise", noise, ...onWasm, ...args],
          ...["--num-sampling-steps", "1", "--batch-size", "8", "--quiet"],
        );
      };
      const files = [
        ...["--out", join(folder, "out"), "--npz", join(folder, "samples.npz")],
        ...["--save-latents", join(folder, "latents.safetensors")],
      ];
      const few = await draw(100, ...files);
      const more = 400 * 3 * side ** 2 * 4;
      let many = Infinity;
      // Again until it was undisturbed once: the garbage collector is late on a busy machine.
      for (let attempt = 0; attempt < 4 && many - few >= more / 3; attempt++) {
        many = Math.min(many, await draw(500, ...files));
      }
      console.log(`${[few, many].map((bytes) => bytes >> 20)} MiB; latents +${more >> 20} MiB`);
      assert(many - few < more / 3, `grew by ${many - few} bytes`);
      const names = await namesIn(join(folder, "out"));
      assert.equal(names.filter((name) => /^\d{6}\.png$/.test(name)).length, 500);
      const grid = await Deno.readFile(join(folder, "out", "grid.png"));
      assert.equal((readPngMetadata(grid) as SampleRecord).labels.length, 100);
    }),
});

Deno.test({
  name: "Ctrl-C while drawing leaves no part of a file",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withFolder(async (folder) => {
      const out = join(folder, "made", "latents.safetensors");
      const args = ["--count", "1000", "--batch-size", "1", "--out", join(folder, "out")];
      const running = start(["sample", "dit", ...args, "--save-latents", out, ...onWasm]);
      while (!(await namesIn(join(folder, "made"))).some((name) => name.endsWith(".tmp"))) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      running.kill("SIGINT");
      const { code, err } = await running.finished();
      assert.equal(code, 130, err);
      assert.match(
        err,
        /^tessera: stopping; once more to leave at once\ntessera: stopped by SIGINT$/m,
      );
      assert.deepEqual(await namesIn(join(folder, "made")), []);
    }),
});

/** A run of the tiny model on grey 8 x 8 pictures, two of each of the classes. */
async function trainOnClasses(folder: string, classes: number): Promise<string> {
  const data = join(folder, "classes.npz");
  const pixels = Uint8Array.from({ length: 2 * classes * 64 }, (_, index) => index % 251);
  const labels = Array.from({ length: 2 * classes }, (_, index) => index % classes);
  await writeSamplesNpz(data, [2 * classes, 8, 8, 1], [pixels], labels);
  return await train(folder, "--data-path", data, "--patch", "4", "--steps", "1", ...onWasm);
}

Deno.test("--count draws from all classes in turn, the grid without it from ten; both are said", async () => {
  await withFolder(async (folder) => {
    const ckpt = await trainOnClasses(folder, 12);
    const npz = join(folder, "samples.npz");
    const args = ["sample", "dit", "--ckpt", ckpt, "--num-sampling-steps", "1", ...onWasm];
    const labels = async () => {
      using file = await NpzFile.open(npz);
      return Array.from((await file.read("arr_1")).data, Number);
    };
    const inTurn = (count: number, classes: number) =>
      Array.from({ length: count }, (_, index) => index % classes);
    const many = await run(...args, "--npz", npz, "--count", "25");
    assert.match(many.err, /^25 pictures of 12 classes: 3 of 0; 2 of 1, 2, .*, 11$/m);
    assert.deepEqual(await labels(), inTurn(25, 12));
    const few = await run(...args, "--npz", npz);
    assert.match(few.err, /^10 pictures of 10 of 12 classes: 1 of each; --count draws from all/m);
    assert.deepEqual(await labels(), inTurn(10, 10));
    const named = await run(...args, "--npz", npz, "--classes", "11,3", "--count", "3");
    assert.match(named.err, /^3 pictures of 2 of 12 classes: 2 of 11; 1 of 3$/m);
    assert.deepEqual(await labels(), [11, 3, 11]);
    const noise = join(folder, "noise.safetensors");
    const data = new Float32Array(13 * 64);
    await writeSafetensors(noise, [{ name: "noise", type: "F32", shape: [13, 1, 8, 8], data }]);
    await succeed(...args, "--npz", npz, "--noise", noise);
    assert.deepEqual(await labels(), inTurn(13, 12));
  });
});

Deno.test("progress is shown without a terminal, and clipping follows the kind of model", async () => {
  await withFolder(async (folder) => {
    const ckpt = await trainOnClasses(folder, 2);
    const out = join(folder, "out");
    const args = ["sample", "dit", "--ckpt", ckpt, "--out", out, ...onWasm];
    const { err } = await run(...args, "--num-sampling-steps", "3");
    assert.match(
      err,
      /^evaluation 1\/3\n(?:evaluation .*\n)*evaluation 3\/3 {2}\S+ evaluations\/s$/m,
    );
    const record = async () => JSON.parse(await Deno.readTextFile(join(out, "samples.json")));
    const { clipDenoised, cfgScale } = await record();
    assert.deepEqual({ clipDenoised, cfgScale }, { clipDenoised: true, cfgScale: 2 });
    await succeed(...args, ...quick, "--no-clip-denoised", "--cfg-scale", "3");
    const { clipDenoised: clip, cfgScale: scale } = await record();
    assert.deepEqual({ clip, scale }, { clip: false, scale: 3 });
  });
});

for (const { name, flags, available } of devices) {
  Deno.test({
    name: `what is not finite ends with exit code 3 and its name, clipped or not [${name}]`,
    ignore: !available,
    fn: () =>
      withFolder(async (folder) => {
        const ckpt = await trainOnClasses(folder, 2);
        const good = join(checkpointOf(ckpt, 1), "ema.safetensors");
        const config = join(folder, "config.json");
        const manifest = await Deno.readTextFile(join(checkpointOf(ckpt, 1), "state.json"));
        await Deno.writeTextFile(config, JSON.stringify(JSON.parse(manifest).config));
        const bad = join(folder, "bad.safetensors");
        const out = join(folder, "out");
        const args = ["sample", "dit", "--config", config, "--out", out, ...quick, ...flags];
        for (const clip of ["--clip-denoised", "--no-clip-denoised"]) {
          for (const value of [NaN, Infinity]) {
            await writeChanged(good, bad, "final_layer.linear.bias", value);
            const failed = await run(...args, clip, "--ckpt", bad);
            assertFails(
              failed,
              3,
              new RegExp(
                `bad\\.safetensors: final_layer\\.linear\\.bias holds ${value} at element 0`,
              ),
            );
          }
        }
        // Finite weights whose products are not.
        await writeChanged(good, bad, "final_layer.linear.weight", 3e38);
        await writeChanged(bad, bad, "final_layer.adaLN_modulation.1.bias", 3e38);
        assertFails(
          await run(...args, "--ckpt", bad),
          3,
          /what the network predicts holds (?:NaN|Infinity) in the batch of picture 0$/m,
        );
        const noise = join(folder, "noise.safetensors");
        const data = new Float32Array(2 * 64).fill(NaN, 70, 71);
        await writeSafetensors(noise, [{ name: "noise", type: "F32", shape: [2, 1, 8, 8], data }]);
        assertFails(
          await run(...args, "--ckpt", good, "--noise", noise),
          3,
          /noise\.safetensors: noise holds NaN at element 70/,
        );
        assert.deepEqual(await namesIn(out), []);
      }),
  });
}

/** Copies weights with one tensor full of a value. */
async function writeChanged(from: string, to: string, changed: string, value: number) {
  using reader = await openSafetensors(from);
  const tensors = [...reader.tensors.values()].map(({ name, shape }) => {
    const data = reader.readFloat32(name);
    return { name, type: "F32", shape, data: name === changed ? data.fill(value) : data } as const;
  });
  await writeSafetensors(to, tensors);
}

Deno.test("a second run into a folder leaves only its own pictures there, and the user's files", async () => {
  await withFolder(async (folder) => {
    const ckpt = await trainOnClasses(folder, 2);
    const out = join(folder, "out");
    const args = ["sample", "dit", "--ckpt", ckpt, "--out", out, ...quick, ...onWasm];
    await succeed(...args, "--count", "4");
    await Deno.copyFile(join(out, "000003.png"), join(out, "000009.png"));
    const own = ["000009.png", ".notes.txt.01234567.tmp", ".000001.png.tmp", "other.png"];
    for (const name of own.slice(1)) await Deno.writeTextFile(join(out, name), "mine");
    const leftovers = [".000002.png.01234567.tmp", ".samples.json.89abcdef.tmp"];
    for (const name of leftovers) await Deno.writeTextFile(join(out, name), "");
    await succeed(...args, "--count", "1");
    assert.deepEqual(
      await namesIn(out),
      ["000000.png", "grid.png", "samples.json", ...own].sort(),
    );
    // Without the record of a run that was killed, its pictures are known by what is in them.
    await succeed(...args, "--count", "3");
    await Deno.remove(join(out, "samples.json"));
    await succeed(...args, "--count", "2");
    const numbered = (await namesIn(out)).filter((name) => /^\d/.test(name));
    assert.deepEqual(numbered, ["000000.png", "000001.png", "000009.png"]);
  });
});

Deno.test("a picture of the user's is not overwritten", async () => {
  await withFolder(async (folder) => {
    const out = join(folder, "out");
    await Deno.mkdir(out);
    const args = ["sample", "dit", "--out", out, ...quick, ...onWasm, "--count", "2"];
    for (const name of ["000001.png", "grid.png", "samples.json"]) {
      await Deno.writeTextFile(join(out, name), "mine");
      await assertRefuses(out, args, 1, /is not of an earlier sample run and would be overwritten/);
      assert.equal(await Deno.readTextFile(join(out, name)), "mine");
      await Deno.remove(join(out, name));
    }
  });
});

Deno.test({
  name: "what a killed run left of npz and latents goes, what another process writes stays",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withFolder(async (folder) => {
      const ckpt = await trainOnClasses(folder, 2);
      const [npz, latents] = [join(folder, "o.npz"), join(folder, "l.safetensors")];
      const files = ["--npz", npz, "--save-latents", latents];
      const args = ["sample", "dit", "--ckpt", ckpt, ...files, ...onWasm];
      const running = start([...args, "--count", "100000", "--batch-size", "1"]);
      const temporaries = async () =>
        (await namesIn(folder)).filter((name) => name.endsWith(".tmp"));
      while ((await temporaries()).length < 2) await new Promise((done) => setTimeout(done, 10));
      const kept = [".o.npz.tmp", ".mine.npz.01234567.tmp", "o.npz.01234567.tmp"];
      for (const name of kept) await Deno.writeTextFile(join(folder, name), "");
      const busy = await temporaries();
      await succeed(...args, ...quick);
      assert.deepEqual(await temporaries(), busy, "another process is writing them");
      running.kill("SIGKILL");
      await running.finished();
      await succeed(...args, ...quick);
      assert.deepEqual(await temporaries(), kept.toSorted());
    }),
});

/** Checks an exit code and the message, which must be the only line. */
function assertFails({ code, out, err }: Finished, expected: number, message: RegExp): void {
  assert.match(err, message);
  assert.deepEqual({ code, out, lines: err.split("\n").length }, {
    code: expected,
    out: "",
    lines: 2,
  });
}

Deno.test("what cannot be sampled is one line and leaves nothing behind", async () => {
  await withFolder(async (folder) => {
    const ckpt = await train(folder, "--steps", "1", ...onWasm);
    const weights = join(checkpointOf(ckpt, 1), "ema.safetensors");
    const damaged = join(folder, "damaged.safetensors");
    await Deno.writeFile(damaged, (await Deno.readFile(weights)).subarray(0, -100));
    await Deno.writeTextFile(join(folder, "file"), "");
    const [pickled, foreign] = [join(folder, "model.pt"), join(folder, "foreign")];
    await Deno.writeTextFile(pickled, "PK");
    await Deno.mkdir(foreign);
    await Deno.writeTextFile(join(foreign, "state.json"), '{"model": "another"}');
    const latent = `${fixtures}/dit-latent`;
    const latentModel = ["--ckpt", `${latent}.weights.safetensors`, "--config"];
    const before = await namesIn(folder);
    const cases: [number, RegExp, ...string[]][] = [
      [2, /unknown option '--clases'; did you mean --classes\?/, "--clases", "1"],
      [2, /class 10: out of range, the model has classes 0 to 9$/m, "--classes", "10"],
      [2, /class sneker: unknown; did you mean Sneaker or /, "--classes", "sneker"],
      [2, /--config is for bare weights files/, "--config", "DiT-S/4"],
      [2, /--eta is for --sampler ddim$/m, "--eta", "1"],
      [2, /bare weights file, which needs --config$/m, "--ckpt", weights],
      [2, /unknown model DiT-S4; did you mean/, "--ckpt", weights, "--config", "DiT-S4"],
      [1, /none: does not exist; give a run folder, /, "--ckpt", join(folder, "none")],
      [1, /has no checkpoint in it; give a run folder, /, "--ckpt", folder],
      [1, /model\.pt: not a safetensors file/, "--ckpt", pickled],
      [1, /state\.json: format: .* expected "tessera-checkpoint"$/m, "--ckpt", foreign],
      [1, /none: no such file$/m, "--noise", join(folder, "none")],
      [1, /no tensor "noise"; the nearest are/, "--noise", weights],
      [
        1,
        /\(2, 4, 8, 8\), the model needs \(N, 1, 28, 28\)/,
        "--noise",
        `${latent}.ddim.safetensors`,
      ],
      [1, /file: is a file, not a folder$/m, "--out", join(folder, "file")],
      [
        1,
        /file: is a file, not a folder$/m,
        "--save-latents",
        join(folder, "file", "latents.safetensors"),
      ],
      [
        2,
        /latents of 4 channels, which need a decoder .* with --save-latents FILE$/m,
        ...[...latentModel, `${latent}.config.json`],
      ],
      [
        1,
        /pos_embed has the shape \(1, 16, 48\), not \(1, 9, 72\)/,
        ...[...latentModel, `${fixtures}/dit-pixel.config.json`],
      ],
    ];
    const base = ["sample", "dit", "--ckpt", ckpt, "--out", join(folder, "out"), ...quick];
    for (const [code, message, ...args] of cases) {
      assertFails(await run(...base, ...onWasm, ...args), code, message);
      assert.deepEqual(await namesIn(folder), before, `${args}`);
    }
    await Deno.copyFile(damaged, weights);
    assertFails(await run(...base, ...onWasm), 1, /ema\.safetensors: damaged: its length /);
    await Deno.remove(weights);
    await Deno.remove(join(checkpointOf(ckpt, 1), "model.safetensors"));
    assertFails(await run(...base, ...onWasm), 1, /ema\.safetensors: no such file$/m);
  });
});
