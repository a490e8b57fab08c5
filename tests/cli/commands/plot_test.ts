/** `tessera plot`. */
import assert from "node:assert/strict";
import { basename, join } from "@std/path";
import { metricsPath } from "../../../training/runs/metrics.ts";
import { decodePng, textsOf } from "../../formats/pictures.ts";
import { assertRefuses, onWasm, run, succeed, train, withFolder } from "../runs.ts";

const short = ["--steps", "4", "--log-every", "1", ...onWasm];

Deno.test("plot draws one run and several, as SVG, PNG and a page", async () => {
  await withFolder(async (folder) => {
    const runs = [await train(folder, ...short), await train(folder, ...short, "--seed", "1")];
    const names = runs.map((path) => basename(path));
    const out = (name: string) => join(folder, name);

    assert.equal(await succeed("plot", runs[0], "--out", out("one.svg")), out("one.svg"));
    const one = textsOf(await Deno.readTextFile(out("one.svg")));
    for (const text of ["Training loss", names[0], "as logged"]) assert(one.includes(text), text);

    await succeed("plot", ...runs, "--measure", "gradientNorm", "--out", out("two.svg"));
    const two = textsOf(await Deno.readTextFile(out("two.svg")));
    for (const text of ["Gradient norm", ...names]) assert(two.includes(text), text);

    await succeed("plot", ...runs, "--out", out("two.png"));
    assert.equal((await decodePng(await Deno.readFile(out("two.png")))).width, 1800);

    await succeed("plot", ...runs, "--out", out("two.html"));
    const page = await Deno.readTextFile(out("two.html"));
    assert.match(page, /^<!doctype html>/);
    assert(textsOf(page).includes("Images per second"));
    assert(page.includes("<td>001-DiT-XS-4</td>"));
  });
});

Deno.test("plot takes a run with a damaged last line, and says so", async () => {
  await withFolder(async (folder) => {
    const path = await train(folder, ...short);
    await Deno.writeTextFile(metricsPath(path), '{"step": 5, "lo', { append: true });
    const { code, err } = await run("plot", path, "--out", join(folder, "loss.svg"));
    assert.equal(code, 0, err);
    assert.equal(err, `warning: ${metricsPath(path)}: line 5 is not whole and left out\n`);
  });
});

Deno.test("plot refuses what it cannot draw, and leaves nothing", async () => {
  await withFolder(async (folder) => {
    const path = await train(folder, ...short);
    const out = ["--out", join(folder, "a.svg")];
    await assertRefuses(folder, ["plot"], 2, /missing required argument 'run'/);
    await assertRefuses(folder, ["plot", folder, ...out], 1, /no run, there is no metrics.jsonl/);
    await assertRefuses(folder, ["plot", path, "--out", "a.gif"], 2, /\.svg, \.png or \.html/);
    await assertRefuses(
      folder,
      ["plot", path, "--measure", "gradientNrm", ...out],
      1,
      /nearest is gradientNorm/,
    );
    await assertRefuses(
      folder,
      ["plot", path, "--measure", "loss,learningRate", ...out],
      2,
      /a picture shows one/,
    );
  });
});
