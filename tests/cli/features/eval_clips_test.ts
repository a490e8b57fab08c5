/** `eval clips` and `eval walt`: directions and speeds, distances and their names. */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { openMovingPictures } from "../../../data/clips/moving_pictures.ts";
import { writeSamplesNpz } from "../../../formats/tensors/npz.ts";
import { trainNaViT, writeMixedPictures } from "../navit_runs.ts";
import { assertFails, onWasm, run, succeed, withFolder } from "../runs.ts";

const moving = "shipped:moving-fashion";

/** A narrow I3D. */
const i3d = "tests/fixtures/i3d.safetensors";

/** Writes clips that move, under labels that are right but for the last two. */
async function writeClips(path: string, count: number): Promise<string> {
  const set = await openMovingPictures("data/samples/fashion", { frames: 9, size: 16 });
  const clips = await Promise.all(Array.from({ length: count }, (_, index) => set.decode(index)));
  const labels = clips.map((_, index) => (set.label(index) + (index < count - 2 ? 0 : 1)) % 8);
  await writeSamplesNpz(path, [count, 9, 16, 16, 1], clips.map(({ data }) => data), labels);
  return path;
}

type Rows = readonly Readonly<Record<string, unknown>>[];

async function rowsOf(...args: string[]): Promise<Rows> {
  return JSON.parse(await succeed(...args, "--json", "-q", ...onWasm)).rows;
}

const size = ["--frames", "9", "--size", "16"];

Deno.test("clips in an archive: direction and speed, FVD by the weights of I3D", async () => {
  await withFolder(async (folder) => {
    const clips = await writeClips(join(folder, "CLIPS.NPZ"), 8);
    const [tracked, ...others] = await rowsOf("eval", "clips", clips, moving, ...size);
    assert.deepEqual(others, []);
    assert.deepEqual(
      [tracked.measure, tracked.value, tracked.n],
      ["share with the right direction and speed", 6 / 8, 8],
    );
    assert.deepEqual(tracked.making, { frames: 9, size: "16 x 16" });
    const rows = await rowsOf(
      ...["eval", "clips", clips, moving, ...size, "--count", "4"],
      ...["--reference-count", "4", "--features", i3d, "--feature-batch", "4"],
    );
    assert.deepEqual(rows.map(({ measure }) => measure), [
      "FVD",
      "precision of I3D features",
      "recall of I3D features",
      "kernel distance of I3D features",
      "share with the right direction and speed",
    ]);
    assert.deepEqual(
      [rows[0].n, rows[0].referenceN, rows[0].reference, rows[0].weights],
      [4, 4, moving, i3d],
    );
    assert.match(String(rows[0].resize), /224/);
    assert.equal(rows[4].extractor, undefined, "the tracker is no network");
  });
});

Deno.test("a denoiser's clips are drawn and measured, by names that are no FVD", async () => {
  await withFolder(async (folder) => {
    const pictures = await writeMixedPictures(join(folder, "data"), 2);
    const results = join(folder, "results");
    const navit = await trainNaViT(results, pictures, "--steps", "1", ...onWasm);
    const walt = await succeed(
      ...["train", "walt", "--steps", "1", "--frames", "3", "--size", "16", "--hidden", "16"],
      ...["--heads", "2", "--depth", "2", "--batch-size", "4", "--results-dir", results, ...onWasm],
    );
    const drawn = ["--count", "4", "--num-sampling-steps", "2"];
    const rows = await rowsOf(
      ...["eval", "walt", "--ckpt", walt, ...drawn],
      ...["--features", navit, "--reference-count", "5"],
    );
    assert.deepEqual(rows.map(({ measure }) => measure), [
      "Frechet distance of NaViT frame features",
      "precision of NaViT frame features",
      "recall of NaViT frame features",
      "kernel distance of NaViT frame features",
      "share with the right direction and speed",
    ]);
    const { frames, size, sampler, "sampling steps": steps } = rows[0].making as Rows[number];
    assert.deepEqual([frames, size, sampler, steps], [3, "16 x 16", "ddim", 2]);
    assert.deepEqual([rows[0].n, rows[0].referenceN], [4, 5]);
    const short = await run(
      ...["eval", "walt", "--ckpt", walt, ...drawn, "--features", i3d, "-q", ...onWasm],
    );
    assertFails(short, 1, /I3D takes clips of 9 frames or more, these have 3/);
  });
});

Deno.test("clips without classes of motion need a network", async () => {
  await withFolder(async (folder) => {
    const clips = await writeClips(join(folder, "clips.npz"), 4);
    const found = await run("eval", "clips", clips, "shipped:motion", ...size, "-q", ...onWasm);
    assertFails(found, 2, /--features is needed/);
  });
});
