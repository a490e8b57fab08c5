/** `eval pictures` and `eval dit`: what is measured, what every line says, what is refused. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import type { Measure } from "../../../evaluation/features/measures.ts";
import { NpzFile, writeSamplesNpz } from "../../../formats/tensors/npz.ts";
import { trainNaViT, writeMixedPictures } from "../navit_runs.ts";
import { assertFails, onWasm, run, succeed, tinyModel, withFolder } from "../runs.ts";

/** A narrow Inception network. */
const inception = "tests/fixtures/inception.safetensors";

/** Pictures of 8 x 8 pixels that differ with the seed. */
async function writePictures(path: string, count: number, seed: number): Promise<string> {
  const bytes = Uint8Array.from(
    { length: count * 8 * 8 * 3 },
    (_, index) => (index * 37 + Math.floor(index / 192) ** 2 * seed) % 251,
  );
  await writeSamplesNpz(path, [count, 8, 8, 3], [bytes]);
  return path;
}

type Row = Measure & Readonly<Record<string, unknown>>;

/** The rows that a command prints as JSON. */
async function rowsOf(...args: string[]): Promise<Row[]> {
  return JSON.parse(await succeed(...args, "--json", "-q", ...onWasm)).rows;
}

Deno.test("pictures in archives are measured; a saved reference gives the same numbers", async () => {
  await withFolder(async (folder) => {
    const real = await writePictures(join(folder, "real.npz"), 9, 3);
    const made = await writePictures(join(folder, "made.npz"), 7, 5);
    const batch = join(folder, "batch.npz");
    const evaluate = ["eval", "pictures", made];
    const flags = ["--features", inception, "--feature-batch", "9"];
    const rows = await rowsOf(...evaluate, real, ...flags, "--save-reference", batch);
    assert.deepEqual(
      rows.map(({ measure, n, referenceN }) => [measure, n, referenceN]),
      [
        ["FID", 7, 9],
        ["sFID", 7, 9],
        ["Inception Score", 7, undefined],
        ["precision", 7, 9],
        ["recall", 7, 9],
        ["KID", 7, 9],
      ],
    );
    for (const row of rows) {
      assert.match(String(row.hash), /^[0-9a-f]{64}$/);
      assert.match(String(row.resize), /299/);
      assert.deepEqual(
        [row.extractor, row.weights, row.samples, row.reference],
        ["Inception", inception, made, real],
      );
      assert(Number.isFinite(row.value));
    }
    assert(rows[0].value > 0 && rows[2].value >= 1);
    using file = await NpzFile.open(batch);
    assert.deepEqual(file.names, ["mu", "sigma", "mu_s", "sigma_s", "extractor"]);
    const again = await rowsOf(...evaluate, batch, ...flags);
    assert.deepEqual(again.map(({ measure }) => measure), ["FID", "sFID", "Inception Score"]);
    assert.deepEqual(again.map(({ value }) => value), rows.slice(0, 3).map(({ value }) => value));
    assert.equal(again[0].referenceN, null);
  });
});

Deno.test("measures of a NaViT are called after it, and other statistics are no reference for it", async () => {
  await withFolder(async (folder) => {
    const data = await writeMixedPictures(join(folder, "data"), 3);
    const navit = await trainNaViT(join(folder, "results"), data, "--steps", "1", ...onWasm);
    const rows = await rowsOf("eval", "pictures", data, data, "--features", navit);
    assert.deepEqual(rows.map(({ measure }) => measure), [
      "Frechet distance of NaViT features",
      "classifier score of NaViT",
      "precision of NaViT features",
      "recall of NaViT features",
      "kernel distance of NaViT features",
    ]);
    const [distance, , precision, recall] = rows;
    assert(distance.value < 1e-6, "no distance from itself");
    assert.deepEqual([precision.value, recall.value], [1, 1]);
    const adm = "tests/fixtures/reference_batch.npz";
    const own = await rowsOf("eval", "pictures", data, adm, "--features", navit);
    assert.equal(own[0].referenceN, 3, "its pictures are taken instead");
    const batch = join(folder, "batch.npz");
    await rowsOf("eval", "pictures", data, data, "--features", navit, "--save-reference", batch);
    const other = await run("eval", "pictures", data, batch, "--features", inception, ...onWasm);
    assertFails(other, 1, /batch\.npz: has no samples \(arr_0\), and no statistics of tests/);
  });
});

Deno.test("a model's pictures are measured, and every line says how they were made", async () => {
  const rows = await rowsOf(
    ...["eval", "dit", "--features", inception, "--count", "4", "--batch-size", "4"],
    ...["--sampler", "ddim", "--num-sampling-steps", "2", "--reference-count", "4", "--seed", "3"],
  );
  assert.deepEqual(rows.map(({ measure }) => measure).slice(0, 2), ["FID", "sFID"]);
  for (const { n, making } of rows) {
    assert.equal(n, 4);
    assert.deepEqual(making, {
      ...{ guidance: 2, sampler: "ddim", "sampling steps": 2, seed: 3, weights: "ema, f32" },
      "training step": (making as Record<string, number>)["training step"],
    });
  }
});

Deno.test("a classifier of the same classes says how many pictures it takes for theirs", async () => {
  await withFolder(async (folder) => {
    const data = await writeMixedPictures(join(folder, "data"), 3);
    const results = join(folder, "results");
    const navit = await trainNaViT(results, data, "--steps", "1", ...onWasm);
    const train = ["train", "dit", "--results-dir", results, "--steps", "1", "-q", ...onWasm];
    const pictures = ["--data-path", data, "--image-size", "7"];
    const dit = (await succeed(...train, ...tinyModel, ...pictures)).trim();
    const evaluate = ["eval", "dit", "--ckpt", dit, "--features", navit, "--count", "6"];
    const rows = await rowsOf(...evaluate, "--num-sampling-steps", "1");
    const { measure, value, n } = rows[2];
    assert.deepEqual([measure, n], ["classifier accuracy of NaViT", 6]);
    assert([0, 1, 2, 3, 4, 5, 6].some((right) => value === right / 6));
  });
});

Deno.test("what is missing or is no network is named", async () => {
  await withFolder(async (folder) => {
    const few = await writePictures(join(folder, "few.npz"), 3, 1);
    const one = await writePictures(join(folder, "one.npz"), 1, 1);
    assertFails(await run("eval", "pictures", few, few), 2, /--features is needed/);
    assertFails(await run("eval", "dit", "--count", "4"), 2, /--features is needed/);
    const with_ = (path: string) => ["--features", path, "-q", ...onWasm];
    const compare = (a: string, b: string, path = inception) =>
      run("eval", "pictures", a, b, ...with_(path));
    assertFails(await compare(few, few), 1, /3 generated samples are too few/);
    assertFails(await compare(few, one), 1, /one\.npz: holds 1 samples/);
    const weights = "tests/fixtures/dit-pixel.weights.safetensors";
    assertFails(await compare(few, few, weights), 1, /no weights of FID's Inception network/);
    assertFails(await compare(few, join(folder, "none.npz")), 1, /none\.npz/);
  });
});
