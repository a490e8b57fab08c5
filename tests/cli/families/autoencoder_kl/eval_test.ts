/** Evaluations of VAEs: what is measured, against PyTorch's moments and plain formulas; refusals. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { readPictureSize } from "../../../../data/pictures/picture.ts";
import { openDevice } from "../../../../kernels/devices.ts";
import { openDataset } from "../../../../data/open.ts";
import { PictureCoder } from "../../../../models/autoencoder_kl/codec.ts";
import { checkAutoencoderKLConfig } from "../../../../models/autoencoder_kl/config.ts";
import { readAutoencoderKL } from "../../../../models/autoencoder_kl/source.ts";
import { assertRefuses, onWasm, run, succeed, withFolder, writeTinyData } from "../../runs.ts";
import { filesOf } from "../../verify_cases.ts";

const files = filesOf("autoencoder_kl");
const evaluate = ["eval", "vae", "--ckpt", files.ckpt, "--config", files.config, ...onWasm, "-q"];

interface Row {
  readonly measure: string;
  readonly value: number;
  readonly [about: string]: unknown;
}

const average = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;

/** Moments of all pictures and what comes back from their means, each by itself. */
async function codedByItself(data: string) {
  const config = checkAutoencoderKLConfig(
    JSON.parse(await Deno.readTextFile(files.config)),
    files.config,
  );
  const { values } = await readAutoencoderKL({ config, path: files.ckpt });
  const set = await openDataset(data, { channels: 3 });
  const device = await openDevice("wasm", { threads: 1 });
  const sides = { height: 2, width: 2 };
  const way = { batch: 1, size: sides, tile: sides };
  const encoder = await PictureCoder.create(device, config, { half: "encode", ...way }, values);
  const decoder = await PictureCoder.create(device, config, { half: "decode", ...way }, values);
  const coded = [];
  for (let index = 0; index < set.length; index++) {
    const picture = new Float32Array(3 * 64);
    await set.read([index], picture);
    const moments = await encoder.run(picture);
    const other = await decoder.run(moments.subarray(0, moments.length / 2));
    coded.push({ picture, moments, other });
  }
  device.close();
  return { coded, channels: config.latentChannels };
}

Deno.test("eval vae: how well pictures come back, and what their posteriors are like", () =>
  withFolder(async (folder) => {
    const data = await writeTinyData(join(folder, "data.npz"));
    const sheet = join(folder, "sheet.png");
    const flags = ["--data-path", data, "--sheet", sheet, "--shown", "3", "--json"];
    const { rows } = JSON.parse(await succeed(...evaluate, ...flags));
    const found = new Map<string, Row>(rows.map((row: Row) => [row.measure, row]));
    for (const { n, split, size, range, crop } of found.values()) {
      const about = [n, split, size, range, crop];
      assert.deepEqual(about, [16, "train", "1 x 8 x 8", "0 .. 1", "center"]);
    }
    const { coded, channels } = await codedByItself(data);
    const near = (measure: string, wanted: number) => {
      const { value } = found.get(measure)!;
      assert(Math.abs(value - wanted) < 1e-4 * Math.abs(wanted), `${measure}: ${value}, ${wanted}`);
    };
    const unit = (value: number) => Math.min(1, Math.max(0, (value + 1) / 2));
    near(
      "psnr, picture",
      average(
        coded.map(({ picture, other }) =>
          -10 * Math.log10(average(picture.map((value, i) => (unit(value) - unit(other[i])) ** 2)))
        ),
      ),
    );
    near(
      "kl divergence, picture",
      average(coded.map(({ moments }) => {
        const half = moments.length / 2;
        const terms = Array.from(
          moments.subarray(0, half),
          (mean, i) => (mean ** 2 + Math.exp(moments[half + i]) - 1 - moments[half + i]) / 2,
        );
        return average(terms) * half;
      })),
    );
    // A sample deviates by what means do and by what each draws.
    const ofChannel = (first: number) =>
      coded.flatMap(({ moments }) => [...moments.subarray(4 * first, 4 * first + 4)]);
    const means = ofChannel(0);
    const mean = average(means);
    near("latent channel 0, mean", mean);
    near(
      "latent channel 0, deviation",
      Math.sqrt(
        average(means.map((value) => (value - mean) ** 2)) +
          average(ofChannel(channels).map(Math.exp)),
      ),
    );
    assert(found.get("ssim, picture")!.value < 1 && !found.has(`latent channel ${channels}, mean`));
    const { width, height } = await readPictureSize(sheet, "sheet");
    assert(width > height / 2);
  }));

Deno.test("eval vae: a run is evaluated on its pictures; what cannot be evaluated is refused", () =>
  withFolder(async (folder) => {
    const data = await writeTinyData(join(folder, "data.npz"));
    const trained = await succeed(
      ...["train", "vae", "--block-out-channels", "4,8", "--groups", "2", "--batch-size", "4"],
      ...["--steps", "1", "--data-path", data, "--results-dir", folder, ...onWasm, "-q"],
    );
    const ofRun = ["eval", "vae", "--ckpt", trained, ...onWasm, "-q"];
    const { rows: [first] } = JSON.parse(await succeed(...ofRun, "--count", "5", "--json"));
    assert.deepEqual([first.measure, first.n, first.size], ["psnr, picture", 5, "1 x 8 x 8"]);
    const tiled = JSON.parse(await succeed(...ofRun, "--count", "5", "--json", "--tile", "4"));
    assert.notEqual(tiled.rows[0].value, first.value);
    const cases: [string[], number, RegExp][] = [
      [["eval", "vae"], 2, /--ckpt is needed/],
      [[...ofRun, "--sheet", "s.gif"], 2, /--sheet "s\.gif": the ending must be \.png/],
      [[...ofRun, "--split", "test"], 1, /has no separate test part/],
      [[...ofRun, "--image-size", "7"], 1, /the side 7 is not divisible by 2/],
      [[...ofRun, "--tile", "3"], 2, /--tile: the side 3 is not divisible by 2/],
    ];
    for (const [args, code, message] of cases) await assertRefuses(folder, args, code, message);
    await Deno.remove(data);
    const { code, err } = await run(...ofRun);
    assert.equal(code, 1);
    assert.match(err, /the run was trained on what was there, --data-path says where it is now/);
  }));
